// SPDX-License-Identifier: GPL-2.0
/*
 * What libfuse's fuse_uring_serve.c has yet to submit: replies get to the kernel
 * before a thread waits, also if the kernel does not take all of them at first.
 * Linked with the objects of libfuse, see sanitized in libfuse-build.sh.
 *
 *   uring_submit CASE
 */
#include "uring_queue.h"

#define NR_PARTS	16
#define FEW		4096U

/* Submissions that are to fail, and those that are to take one SQE only */
static atomic_int nr_to_fail, nr_to_split;
static sem_t flushed, repaired;
/* the calling thread does I/O on a slot of a queue that it does not serve */
static __thread bool visits;

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned int nr);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int nr);
int __wrap_fuse_uring_handle(struct fuse_ring_queue *queue,
			     struct fuse_ring_ent *ent);

/* The kernel cancels the command of a thread that ends, unlike the thread's I/O */
static void check_own(const struct io_uring *ring)
{
	const struct io_uring_sq *sq = &ring->sq;

	for (unsigned int i = *sq->khead; visits && i != sq->sqe_tail; i++)
		CHECK(sq->sqes[(i & sq->ring_mask) << 1].user_data & 1);
}

static bool fails(atomic_int *nr)
{
	int left = *nr;

	while (left > 0 && !atomic_compare_exchange_weak(nr, &left, left - 1))
		;
	return left > 0;
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	if (fails(&nr_to_fail))
		return -EAGAIN;
	check_own(ring);
	return __real_io_uring_submit(ring);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int nr)
{
	if (fails(&nr_to_fail))
		return -EAGAIN;
	if (io_uring_sq_ready(ring) == 2 && fails(&nr_to_split)) {
		*ring->sq.ktail = ring->sq.sqe_tail;
		return io_uring_enter(ring->enter_ring_fd, 1, 0, 0, NULL);
	}
	return __real_io_uring_submit_and_wait(ring, nr);
}

/* As fuse_uring.c, which copies */
int __wrap_fuse_uring_handle(struct fuse_ring_queue *queue,
			     struct fuse_ring_ent *ent)
{
	(void)queue;
	CHECK(ent->cqe_res == -ECANCELED && ent->zc.linked);
	CHECK(ent->zc.linked_result == 5);
	ent->zc.linked = false;
	fuse_uring_commit(ent);
	sem_post(&repaired);
	return 0;
}

/* A semaphore that may never be posted */
static bool wait_for(sem_t *sem, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return sem_timedwait(sem, &until) == 0;
}

static void reply_from_pipe(struct fuse_ring_ent *ent)
{
	ent->zc.read = true;
	ent->zc.linked = true;
	ent->zc.fd = pipes[0];
	ent->zc.pos = -1;
	ent->zc.len = PART;
	fuse_uring_commit(ent);
}

/* As a handler that calls fuse_lowlevel_notify_*() */
static void notify(void)
{
	sem_post(&go);
	fuse_uring_flush(&session);
	sem_post(&flushed);
}

/* The reply has not been submitted */
static void link_and_notify(struct fuse_ring_ent *ent, unsigned int nr)
{
	CHECK(nr == 0);
	idle_ent = ent;
	reply_from_pipe(ent);
	notify();
	hold(ent);
}

/* The reply has been submitted, and waits for its data */
static void link_and_notify_later(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr == 0) {
		idle_ent = ent;
		reply_from_pipe(ent);
	} else if (nr == 1) {
		fuse_uring_commit(ent);
	} else {
		notify();
		hold(ent);
	}
}

/* As the kernel does with a commit */
static void empty_slot(struct fuse_ring_ent *ent)
{
	struct iovec none = { NULL, 0 };
	__u64 tag = 0;

	CHECK(io_uring_register_buffers_update_tag(&ent->ring_queue->ring,
						   ent->zc.slot, &none, &tag, 1) == 1);
}

/* The client's answer is under way until the slot is empty */
static void take_answer(void)
{
	const int nr = answer(5000);

	CHECK(nr >= 0);
	CHECK(!wait_for(&flushed, 50));
	empty_slot(&queue_at(0)->ent[nr]);
	CHECK(wait_for(&flushed, 5000));
}

static void start_linked(unsigned int depth,
			 void (*run)(struct fuse_ring_ent *ent, unsigned int nr))
{
	CHECK(pipe(pipes) == 0);
	start(1, depth, run);
	/* of the registration, and of the commits that are not linked */
	skip_answers(2 * depth - 1);
	sem_wait(&go);
	/* the notification waits for the reply, and the reply for its data */
	CHECK(!wait_for(&flushed, 200));
}

static void notify_linked(unsigned int depth,
			  void (*run)(struct fuse_ring_ent *ent, unsigned int nr))
{
	static char data[PART];

	start_linked(depth, run);
	CHECK(write(pipes[1], data, PART) == PART);
	take_answer();
	sem_wait(&has_held);
	stop();
}

static void flush_linked(void)
{
	notify_linked(1, link_and_notify);
}

static void flush_in_flight(void)
{
	notify_linked(2, link_and_notify_later);
}

/* The linked read is short: the reply is repeated before the notification */
static void flush_short(void)
{
	start_linked(2, link_and_notify_later);
	CHECK(write(pipes[1], "short", 5) == 5);
	CHECK(wait_for(&repaired, 5000));
	CHECK(wait_for(&flushed, 5000));
	CHECK(answer(0) >= 0);
	sem_wait(&has_held);
	stop();
}

/* The entry has its next request, whose data is in the slot */
static void link_from_file(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr) {
		fuse_uring_flush(&session);
		hold(ent);
		return;
	}
	reply_from_pipe(ent);
	ent->zc.fd = file;
	ent->zc.pos = 0;
}

static void flush_done(void)
{
	file = parts_file(1);
	start(1, 1, link_from_file);
	skip_answers(2);
	CHECK(wait_for(&has_held, 5000));
	stop();
}

static void flush_and_sleep(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr == 0) {
		fuse_uring_commit(ent);
		nr_to_fail = 3;
		fuse_uring_flush(&session);
		sem_wait(&go);
	} else {
		hold(ent);
	}
}

/* The kernel does not take the reply at first */
static void flush_again(void)
{
	start(1, 1, flush_and_sleep);
	skip_answers(2);
	sem_post(&go);
	sem_wait(&has_held);
	stop();
}

static void hold_and_sleep(struct fuse_ring_ent *ent, unsigned int nr)
{
	hold(ent);
	if (nr == 1)
		sem_wait(&go);
}

static void *visit(void *arg)
{
	visits = true;
	CHECK(read_part(arg, file, 0, 0) == PART);
	return NULL;
}

static void start_sleeper(void)
{
	file = parts_file(1);
	start(1, 2, hold_and_sleep);
	skip_answers(2);
	sem_wait(&has_held);
	sem_wait(&has_held);
}

static void wake_sleeper(void)
{
	sem_post(&go);
	sem_wait(&has_held);
	stop();
}

/* The kernel does not take a reply of the relay at first */
static void relay_again(void)
{
	start_sleeper();
	nr_to_fail = 3;
	fuse_uring_commit(held[0]);
	CHECK(answer(5000) == (int)held[0]->req_commit_id);
	pthread_join(thread(visit, held[1]), NULL);
	wake_sleeper();
}

/* I/O that the kernel does not take at first, and a reply at the same time */
static void visit_again(void)
{
	pthread_t visitor;

	start_sleeper();
	nr_to_fail = 50;
	visitor = thread(visit, held[1]);
	while (nr_to_fail == 50)
		sched_yield();
	fuse_uring_commit(held[0]);
	CHECK(answer(5000) == (int)held[0]->req_commit_id);
	pthread_join(visitor, NULL);
	wake_sleeper();
}

static void fail_and_sleep(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr == 0) {
		reply_from_pipe(ent);
		return;
	}
	if (nr == 2)
		nr_to_fail = 1000000;
	if (nr < 3) {
		fuse_uring_commit(ent);
		return;
	}
	if (nr == 3) {
		sem_post(&go);
		sem_wait(&flushed);
	}
	hold(ent);
}

/* A request comes before the kernel takes a reply, and its handler takes long */
static void thread_again(void)
{
	static char data[PART];

	CHECK(pipe(pipes) == 0);
	start(1, 2, fail_and_sleep);
	skip_answers(3);
	while (nr_to_fail < 1 || nr_to_fail > 999990)
		sched_yield();
	CHECK(write(pipes[1], data, PART) == PART);
	/* the linked one */
	CHECK(answer(5000) >= 0);
	CHECK(wait_for(&go, 5000));
	nr_to_fail = 0;
	CHECK(answer(5000) >= 0);
	sem_post(&flushed);
	sem_wait(&has_held);
	sem_wait(&has_held);
	stop();
}

static int part_pipes[NR_PARTS][2];
static struct fuse_ring_ent *other;
static bool lose_watch;

static void write_parts(void)
{
	static char some[FEW];

	for (int i = 0; i < NR_PARTS; i++)
		CHECK(write(part_pipes[i][1], some, FEW) == FEW);
}

/* As many as the submission queue has room for */
static void copy_parts(struct fuse_ring_ent *ent)
{
	struct fuse_bufvec *src = calloc(1, sizeof(*src) +
					 NR_PARTS * sizeof(src->buf[0]));
	struct fuse_bufvec dst = {
		.count = 1,
		.off = slot_off(ent, 0),
		.buf = { fuse_uring_zc_buf(ent) },
	};

	CHECK(NR_PARTS == ent->ring_queue->ring.sq.ring_entries);
	dst.buf[0].size = dst.off + NR_PARTS * FEW;
	src->count = NR_PARTS;
	for (int i = 0; i < NR_PARTS; i++)
		src->buf[i] = (struct fuse_buf) {
			.size = FEW,
			.flags = FUSE_BUF_IS_FD,
			.fd = part_pipes[i][0],
		};
	CHECK(fuse_buf_copy(&dst, src, FUSE_BUF_AT_ONCE) == NR_PARTS * FEW);
	free(src);
}

/* A reply that the relay has not come to; or the kernel has ended the poll */
static void fill_queue(struct fuse_ring_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	if (lose_watch) {
		queue->eventfd = eventfd(0, EFD_CLOEXEC);
		queue->watch_eventfd = true;
	} else {
		other->has_request = false;
		other->next = NULL;
		*queue->replies.end = other;
		queue->replies.end = &other->next;
	}
	pthread_mutex_unlock(&queue->lock);
}

static void copy_with_full_queue(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr == 0) {
		other = ent;
	} else if (nr == 1) {
		fill_queue(ent->ring_queue);
		sem_post(&go);
		copy_parts(ent);
		fuse_uring_commit(ent);
	} else {
		hold(ent);
	}
}

static void start_full(void)
{
	for (int i = 0; i < NR_PARTS; i++)
		CHECK(pipe(part_pipes[i]) == 0);
	start(1, 2, copy_with_full_queue);
	skip_answers(2);
	sem_wait(&go);
}

static void end_full(void)
{
	CHECK(answer(5000) == (int)other->req_commit_id);
	write_parts();
	skip_answers(1);
	sem_wait(&has_held);
	sem_wait(&has_held);
	stop();
}

/* The reply is submitted, though I/O has filled the submission queue */
static void full_queue(void)
{
	start_full();
	end_full();
}

/* The thread is woken up for a reply, though its poll found no room */
static void full_queue_and_poll(void)
{
	struct fuse_ring_queue *queue;
	bool waits = false;

	lose_watch = true;
	start_full();
	queue = queue_at(0);
	while (!waits) {
		pthread_mutex_lock(&queue->lock);
		waits = queue->watcher == WATCHER_THREAD;
		pthread_mutex_unlock(&queue->lock);
		sched_yield();
	}
	fuse_uring_commit(other);
	end_full();
}

static void link_and_split(struct fuse_ring_ent *ent, unsigned int nr)
{
	CHECK(nr == 0);
	nr_to_split = 1;
	reply_from_pipe(ent);
}

/* The kernel takes the read and not the commit: there can be no reply */
static void split_link(void)
{
	struct fuse_ring_queue *queue;

	CHECK(pipe(pipes) == 0);
	start(1, 1, link_and_split);
	skip_answers(1);
	queue = queue_at(0);
	for (int i = 0; i < 5000 && !queue->stopped; i++)
		CHECK(answer(1) == -1);
	CHECK(queue->stopped && queue->error == -ENOMEM);
	CHECK(write(pipes[1], "short", 5) == 5);
	stop();
	CHECK(answer(0) == -1);
}

static const struct unit_case cases[] = {
	{ "flush_linked", flush_linked },
	{ "flush_in_flight", flush_in_flight },
	{ "flush_short", flush_short },
	{ "flush_done", flush_done },
	{ "flush_again", flush_again },
	{ "relay_again", relay_again },
	{ "visit_again", visit_again },
	{ "thread_again", thread_again },
	{ "full_queue", full_queue },
	{ "full_queue_and_poll", full_queue_and_poll },
	{ "split_link", split_link },
};

int main(int argc, char *argv[])
{
	sem_init(&has_held, 0, 0);
	sem_init(&go, 0, 0);
	sem_init(&flushed, 0, 0);
	sem_init(&repaired, 0, 0);
	return unit_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
