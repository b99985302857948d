// SPDX-License-Identifier: GPL-2.0
/*
 * Tests threads that share the io_uring of a queue, in libfuse's fuse_uring_serve.c
 * and fuse_uring_zc.c, without a FUSE device. Linked with the objects of
 * libfuse, see sanitized in libfuse-build.sh.
 *
 *   uring_serve CASE
 */
#include "uring_queue.h"

/* More parts than fit into the completion queue */
static void copy_many_parts(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr >= DEPTH) {
		hold(ent);
		return;
	}
	for (unsigned int i = 0; i < 100; i++) {
		CHECK(read_part(ent, file, i, 0) == PART);
		CHECK(slot_mem(ent)[PART - 1] == (char)('a' + i % 26));
	}
	fuse_uring_commit(ent);
}

static void many_parts(void)
{
	file = parts_file(100);
	start(1, DEPTH, copy_many_parts);
	skip_answers(2 * DEPTH);
	stop();
}

/* A pipe that gets its data byte by byte */
static void *write_slowly(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < PART; i += 256) {
		char some[256];

		memset(some, 'p', sizeof(some));
		CHECK(write(pipes[1], some, sizeof(some)) == sizeof(some));
		usleep(1000);
	}
	return NULL;
}

static void copy_slow_pipe(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr == 0) {
		CHECK(read_pipe(ent, pipes[0]) == PART);
		CHECK(slot_mem(ent)[PART - 1] == 'p');
		fuse_uring_commit(ent);
	} else {
		hold(ent);
	}
}

static void retry_on_a_pipe(void)
{
	pthread_t writer;

	CHECK(pipe(pipes) == 0);
	start(1, 1, copy_slow_pipe);
	writer = thread(write_slowly, NULL);
	skip_answers(2);
	pthread_join(writer, NULL);
	stop();
}

static void *copy_pipe(void *arg)
{
	CHECK(read_pipe(arg, pipes[0]) == PART);
	CHECK(slot_mem(arg)[0] == 'p');
	CHECK(slot_mem(arg)[PART - 1] == 'p');
	return NULL;
}

static void *copy_file(void *arg)
{
	for (unsigned int i = 0; i < 50; i++) {
		CHECK(read_part(arg, file, i, PART) == PART);
		CHECK(slot_mem(arg)[2 * PART - 1] == (char)('a' + i % 26));
	}
	return NULL;
}

/* A slow thread must not take the other's result for its own */
static void two_parts(void)
{
	pthread_t slow, fast;

	file = parts_file(50);
	CHECK(pipe(pipes) == 0);
	start(1, 1, hold_all);
	sem_wait(&has_held);
	slow = thread(copy_pipe, held[0]);
	usleep(100000);
	fast = thread(copy_file, held[0]);
	pthread_join(fast, NULL);
	write_slowly(NULL);
	pthread_join(slow, NULL);
	stop();
}

static void hold_and_sleep(struct fuse_ring_ent *ent, unsigned int nr)
{
	hold(ent);
	if (nr == 1)
		sem_wait(&go);
}

/* Other threads copy and reply while the queue's is in a handler */
static void thread_sleeps(void)
{
	file = parts_file(1);
	start(1, 2, hold_and_sleep);
	skip_answers(2);
	sem_wait(&has_held);
	sem_wait(&has_held);
	for (unsigned int i = 0; i < 2; i++) {
		const double at = now();

		CHECK(read_part(held[i], file, 0, 0) == PART);
		fuse_uring_commit(held[i]);
		CHECK(answer(5000) == (int)held[i]->req_commit_id);
		printf("after %.3f s\n", now() - at);
		CHECK(now() - at < 1);
	}
	sem_post(&go);
	sem_wait(&has_held);
	stop();
}

static void reply_and_sleep(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr) {
		hold(ent);
		return;
	}
	fuse_uring_commit(ent);
	fuse_uring_flush(&session);
	sem_wait(&go);
}

/* A reply in a handler that goes on */
static void flush(void)
{
	start(1, 1, reply_and_sleep);
	skip_answers(2);
	sem_post(&go);
	sem_wait(&has_held);
	stop();
}

/* The last request's handler replies to all of them */
static void reply_to_all(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr >= DEPTH) {
		CHECK(ent->cqe_res == (ent == bad_ent ? -EINVAL : 8));
		hold(ent);
		return;
	}
	held[nr_held++] = ent;
	if (nr_held < DEPTH)
		return;
	bad_ent = held[1];
	for (int i = 0; i < DEPTH; i++)
		fuse_uring_commit(held[i]);
}

/* One of a batch of commits fails, the others are done */
static void failing_commit(void)
{
	start(1, DEPTH, reply_to_all);
	skip_answers(2 * DEPTH - 1);
	for (int i = 0; i < DEPTH; i++)
		sem_wait(&has_held);
	CHECK(answer(100) < 0);
	stop();
}

/* What an entry's last reply was linked to: nothing, a read, a write, or a failure */
static enum link { LINK_NONE, LINK_READ, LINK_WRITE, LINK_BAD } linked[DEPTH];

static void check_linked(const struct fuse_ring_ent *ent)
{
	const enum link last = linked[ent->zc.slot];
	char written = 0;

	CHECK((ent->cqe_res == -ECANCELED) == (last == LINK_BAD));
	if (last == LINK_BAD)
		CHECK(ent->zc.linked_result == -EBADF);
	if (last == LINK_READ)
		CHECK(slot_mem(ent)[PART - 1] == 'a');
	if (last == LINK_WRITE) {
		CHECK(pread(file, &written, 1, (ent->zc.slot + 2) * PART - 1) == 1);
		CHECK(written == 'w');
	}
}

static void link_io(struct fuse_ring_ent *ent, unsigned int nr)
{
	const enum link next = nr < 60 ? nr % 4 : LINK_NONE;

	check_linked(ent);
	linked[ent->zc.slot] = next;
	memset(slot_mem(ent), 'w', PART);
	ent->zc.linked = next != LINK_NONE;
	ent->zc.read = next != LINK_WRITE;
	ent->zc.fd = next == LINK_BAD ? -1 : file;
	ent->zc.pos = next == LINK_WRITE ? (ent->zc.slot + 1) * PART : 0;
	ent->zc.len = PART;
	fuse_uring_commit(ent);
}

/* I/O that is linked to its commit, and I/O that fails */
static void linked_io(void)
{
	file = parts_file(1 + DEPTH);
	start(1, DEPTH, link_io);
	skip_answers(200);
	fcntl(answers[1], F_SETFL, O_NONBLOCK);
	stop();
}

static void *copy_and_go(void *arg)
{
	CHECK(read_part(arg, file, 0, 0) == PART);
	fuse_uring_commit(arg);
	sem_post(&go);
	return NULL;
}

/* A handler that waits for the only thread of a pool */
static void wait_for_another(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr < 50) {
		pthread_detach(thread(copy_and_go, ent));
		sem_wait(&go);
	} else {
		hold(ent);
	}
}

static void pool_of_one(void)
{
	file = parts_file(1);
	start(1, 2, wait_for_another);
	skip_answers(52);
	stop();
}

static atomic_uint nr_deferred;

/* The first request of each queue is for the other's thread */
static void answer_crosswise(struct fuse_ring_ent *ent, unsigned int nr)
{
	struct fuse_ring_queue *queue = ent->ring_queue;

	(void)nr;
	if (ent == &queue->ent[0]) {
		held[queue->qid] = ent;
		nr_deferred++;
		return;
	}
	if (held[2 + queue->qid])
		return;
	held[2 + queue->qid] = ent;
	while (nr_deferred < 2)
		usleep(1000);
	for (unsigned int i = 0; i < 20; i++)
		CHECK(read_part(held[!queue->qid], file, i, 0) == PART);
	fuse_uring_commit(held[!queue->qid]);
	fuse_uring_commit(ent);
}

static void crosswise(void)
{
	file = parts_file(20);
	start(2, 2, answer_crosswise);
	skip_answers(8);
	stop();
}

static atomic_int results[2];

static void *copy_for_ever(void *arg)
{
	results[0] = read_pipe(arg, pipes[0]);
	fuse_uring_commit(arg);
	sem_post(&go);
	return NULL;
}

static void wait_for_ever(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr == 0) {
		pthread_detach(thread(copy_for_ever, ent));
		return;
	}
	results[1] = read_pipe(ent, pipes[0]);
	fuse_uring_commit(ent);
}

/* Two threads wait for I/O that never ends */
static void stop_while_waiting(void)
{
	const double at = now();

	CHECK(pipe(pipes) == 0);
	start(1, 2, wait_for_ever);
	skip_answers(2);
	usleep(200000);
	stop();
	sem_wait(&go);
	CHECK(results[0] == -ENOTCONN);
	CHECK(results[1] == -ENOTCONN);
	CHECK(now() - at < 3);
}

static void reply_after_close(void)
{
	start(1, 2, hold_all);
	sem_wait(&has_held);
	sem_wait(&has_held);
	stop();
	fuse_uring_commit(held[0]);
	CHECK(held[1]->has_request);
	/* frees the queue */
	fuse_uring_commit(held[1]);
}

#define NR_AT_ONCE	40
#define FEW		4096U

/* The entry's slot, from its start */
static struct fuse_bufvec slot_vec(struct fuse_ring_ent *ent, size_t size)
{
	struct fuse_bufvec bufv = {
		.count = 1,
		.off = slot_off(ent, 0),
		.buf = { fuse_uring_zc_buf(ent) },
	};

	bufv.buf[0].size = bufv.off + size;
	return bufv;
}

static struct fuse_bufvec *parts_of(unsigned int nr)
{
	struct fuse_bufvec *bufv = calloc(1, sizeof(*bufv) + nr * sizeof(bufv->buf[0]));

	bufv->count = nr;
	for (unsigned int i = 0; i < nr; i++) {
		bufv->buf[i].size = FEW;
		bufv->buf[i].flags = FUSE_BUF_IS_FD;
	}
	return bufv;
}

static int many_pipes[NR_AT_ONCE][2];

/* Each part's data arrives only after the next part's has been read */
static void *write_last_first(void *arg)
{
	static char some[FEW];
	int left;

	(void)arg;
	/* sixteen at a time, and the rest */
	for (int first = 0; first < NR_AT_ONCE; first += 16) {
		const int end = first + 16 < NR_AT_ONCE ? first + 16 : NR_AT_ONCE;

		for (int i = end - 1; i >= first; i--) {
			memset(some, 'A' + i, FEW);
			CHECK(write(many_pipes[i][1], some, FEW) == FEW);
			do {
				usleep(100);
				CHECK(ioctl(many_pipes[i][0], FIONREAD, &left) == 0);
			} while (left);
		}
	}
	return NULL;
}

static void *copy_pipes(void *arg)
{
	struct fuse_bufvec dst = slot_vec(arg, NR_AT_ONCE * FEW);
	struct fuse_bufvec *src = parts_of(NR_AT_ONCE);
	pthread_t writer = thread(write_last_first, NULL);

	for (int i = 0; i < NR_AT_ONCE; i++)
		src->buf[i].fd = many_pipes[i][0];
	CHECK(fuse_buf_copy(&dst, src, FUSE_BUF_AT_ONCE) == NR_AT_ONCE * FEW);
	for (int i = 0; i < NR_AT_ONCE; i++)
		CHECK(slot_mem(arg)[(i + 1) * FEW - 1] == 'A' + i);
	pthread_join(writer, NULL);
	free(src);
	return NULL;
}

static void copy_at_once(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr == 0)
		copy_pipes(ent);
	if (nr == 1)
		pthread_join(thread(copy_pipes, ent), NULL);
	if (nr > 1)
		hold(ent);
	else
		fuse_uring_commit(ent);
}

/* Reads that would never end if done in sequence, here and in another thread */
static void at_once(void)
{
	for (int i = 0; i < NR_AT_ONCE; i++)
		CHECK(pipe(many_pipes[i]) == 0);
	start(1, 2, copy_at_once);
	skip_answers(4);
	stop();
}

/* The copy ends at the first part that ends early or fails */
static void copy_with_a_gap(struct fuse_ring_ent *ent, unsigned int nr)
{
	struct fuse_bufvec dst = slot_vec(ent, 5 * FEW);
	struct fuse_bufvec *src;

	if (nr > 1) {
		hold(ent);
		return;
	}
	src = parts_of(5);
	for (int i = 0; i < 5; i++) {
		src->buf[i].flags |= FUSE_BUF_FD_SEEK;
		src->buf[i].fd = file;
		src->buf[i].pos = i * FEW;
	}
	/* the file's end, 100 bytes behind the start of this one */
	if (nr == 0)
		src->buf[2].pos = PART - 100;
	else
		src->buf[3].fd = -1;
	CHECK(fuse_buf_copy(&dst, src, FUSE_BUF_AT_ONCE) ==
	      (nr == 0 ? 2 * FEW + 100 : 3 * FEW));
	CHECK(src->idx == (nr == 0 ? 2 : 3) && src->off == (nr == 0 ? 100 : 0));
	free(src);
	fuse_uring_commit(ent);
}

static void at_once_with_a_gap(void)
{
	file = parts_file(1);
	start(1, 1, copy_with_a_gap);
	skip_answers(3);
	stop();
}

static int sockets[2];

/* Two ends of a connection, of a kind that sends pages or of a kind that copies */
static void connect_sockets(int family)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener;

	if (family == AF_UNIX) {
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
		return;
	}
	listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(listener, (void *)&addr, len) == 0 && listen(listener, 1) == 0);
	CHECK(getsockname(listener, (void *)&addr, &len) == 0);
	sockets[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(sockets[0], (void *)&addr, len) == 0);
	sockets[1] = accept(listener, NULL, NULL);
	CHECK(sockets[1] >= 0);
	close(listener);
}

static ssize_t send_slot(struct fuse_ring_ent *ent, size_t size)
{
	const struct fuse_buf slot = fuse_uring_zc_buf(ent);
	const struct fuse_buf dst = {
		.size = size,
		.flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SOCKET,
		.fd = sockets[0],
	};

	return fuse_uring_zc_copy(&dst, 0, &slot, slot_off(ent, 0), size);
}

/* Everything is sent, though the socket has less room */
static void *receive(void *arg)
{
	static char some[PART];
	size_t got = 0;
	ssize_t res;

	while (got < SLOT) {
		res = recv(sockets[1], some, sizeof(some), 0);
		CHECK(res > 0 && some[0] == 's' && some[res - 1] == 's');
		got += res;
	}
	close(sockets[1]);
	return arg;
}

static void send_and_lose(struct fuse_ring_ent *ent, unsigned int nr)
{
	pthread_t receiver;

	if (nr) {
		hold(ent);
		return;
	}
	memset(slot_mem(ent), 's', SLOT);
	receiver = thread(receive, NULL);
	CHECK(send_slot(ent, SLOT) == SLOT);
	/* what was sent is the peer's: the memory is free */
	memset(slot_mem(ent), 'x', SLOT);
	pthread_join(receiver, NULL);
	while (send_slot(ent, PART) > 0)
		;
	CHECK(send_slot(ent, PART) == -EPIPE);
	fuse_uring_commit(ent);
}

static void send_to(int family)
{
	/* a write that copies raises it, and programs of libfuse ignore it */
	if (family == AF_UNIX)
		signal(SIGPIPE, SIG_IGN);
	connect_sockets(family);
	start(1, 1, send_and_lose);
	skip_answers(2);
	stop();
}

static void socket_tcp(void)
{
	send_to(AF_INET);
}

static void socket_unix(void)
{
	send_to(AF_UNIX);
}

#define NR_WORKERS	6
#define NR_JOBS		2000

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct fuse_ring_ent *ent[64];
	unsigned int nr;
	bool end;
} jobs = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER,
};

static void do_job(struct fuse_ring_ent *ent, unsigned int nr)
{
	const unsigned int part = nr % 26;
	ssize_t res;

	if (nr % 3) {
		res = read_part(ent, file, part, 0);
		CHECK(res == PART || (res == -ENOTCONN && ent->ring_queue->stopped));
		CHECK(res < 0 || slot_mem(ent)[PART - 1] == (char)('a' + part));
	}
	fuse_uring_commit(ent);
}

static void *work(void *arg)
{
	unsigned int nr = (uintptr_t)arg;

	pthread_mutex_lock(&jobs.lock);
	for (;;) {
		struct fuse_ring_ent *ent;

		while (!jobs.nr && !jobs.end)
			pthread_cond_wait(&jobs.cond, &jobs.lock);
		if (!jobs.nr)
			break;
		ent = jobs.ent[--jobs.nr];
		pthread_mutex_unlock(&jobs.lock);
		do_job(ent, nr++);
		pthread_mutex_lock(&jobs.lock);
	}
	pthread_mutex_unlock(&jobs.lock);
	return NULL;
}

static void some_for_workers(struct fuse_ring_ent *ent, unsigned int nr)
{
	if (nr % 4 == 0) {
		do_job(ent, nr);
		return;
	}
	pthread_mutex_lock(&jobs.lock);
	jobs.ent[jobs.nr++] = ent;
	pthread_cond_signal(&jobs.cond);
	pthread_mutex_unlock(&jobs.lock);
}

static void stress(void)
{
	pthread_t workers[NR_WORKERS];

	file = parts_file(26);
	start(2, DEPTH, some_for_workers);
	for (uintptr_t i = 0; i < NR_WORKERS; i++)
		workers[i] = thread(work, (void *)i);
	skip_answers(NR_JOBS);
	/* nobody reads the rest */
	fcntl(answers[1], F_SETFL, O_NONBLOCK);
	for (size_t qid = 0; qid < 2; qid++)
		fuse_uring_stop_queue(queue_at(qid));
	pthread_mutex_lock(&jobs.lock);
	jobs.end = true;
	pthread_cond_broadcast(&jobs.cond);
	pthread_mutex_unlock(&jobs.lock);
	stop();
	for (int i = 0; i < NR_WORKERS; i++)
		pthread_join(workers[i], NULL);
}

static const struct unit_case cases[] = {
	{ "many_parts", many_parts },
	{ "retry_on_a_pipe", retry_on_a_pipe },
	{ "two_parts", two_parts },
	{ "thread_sleeps", thread_sleeps },
	{ "flush", flush },
	{ "failing_commit", failing_commit },
	{ "linked_io", linked_io },
	{ "pool_of_one", pool_of_one },
	{ "crosswise", crosswise },
	{ "stop_while_waiting", stop_while_waiting },
	{ "reply_after_close", reply_after_close },
	{ "at_once", at_once },
	{ "at_once_with_a_gap", at_once_with_a_gap },
	{ "socket_tcp", socket_tcp },
	{ "socket_unix", socket_unix },
	{ "stress", stress },
};

int main(int argc, char *argv[])
{
	sem_init(&has_held, 0, 0);
	sem_init(&go, 0, 0);
	return unit_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
