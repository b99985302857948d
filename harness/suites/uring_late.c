// SPDX-License-Identifier: GPL-2.0
/*
 * Handlers and replies that outlast the end of a libfuse session, without a FUSE
 * device: the command that registers an entry is done at once if the entry has a
 * request, else never. The thread of a queue is given two seconds to end, so that
 * each case takes as long. Linked with the objects of libfuse, see sanitized in
 * libfuse-build.sh: a use of memory that is gone is for the sanitizers to find.
 *
 *   uring_late CASE
 */
#define FUSE_USE_VERSION 317
#include "fuse_config.h"
#include "fuse.h"
#include "fuse_i.h"
#include "fuse_lowlevel.h"
#include "fuse_uring_i.h"
#include "fuse_uring_mem.h"
#include "fuse_uring_ring.h"
#include "fuse_uring_zc.h"
#include "unit.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <time.h>

static struct fuse_session *se;
/* of the high-level API, or NULL */
static struct fuse *fuse;
/* an eventfd that is never readable */
static int never;
static fuse_req_t kept;
static sem_t in_handler, go, has_ended;
static pthread_key_t ended;

void __wrap_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe);
void __real_fuse_set_thread_name(const char *name);
void __wrap_fuse_set_thread_name(const char *name);
ssize_t __real_fuse_uring_zc_unlinked(struct fuse_ring_ent *ent);
ssize_t __wrap_fuse_uring_zc_unlinked(struct fuse_ring_ent *ent);

void __wrap_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe)
{
	const struct fuse_in_header *in = (void *)ent->req_header->in_out;

	if (ent->last_cmd == FUSE_IO_URING_CMD_REGISTER && in->opcode)
		io_uring_prep_nop(sqe);
	else
		io_uring_prep_poll_add(sqe, never, POLLIN);
	io_uring_sqe_set_data(sqe, ent);
}

static void on_end(void *arg)
{
	(void)arg;
	sem_post(&has_ended);
}

/* Each thread of a queue says when it has ended */
void __wrap_fuse_set_thread_name(const char *name)
{
	if (strncmp(name, "fuse-ring", 9) == 0)
		pthread_setspecific(ended, &has_ended);
	__real_fuse_set_thread_name(name);
}

static void wait_for(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	CHECK(sem_timedwait(sem, &until) == 0);
}

/* Neither a signal nor cancellation ends it */
static void outlast(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	sem_post(&in_handler);
	wait_for(&go);
}

ssize_t __wrap_fuse_uring_zc_unlinked(struct fuse_ring_ent *ent)
{
	outlast();
	return __real_fuse_uring_zc_unlinked(ent);
}

/* The reply looks at the session, as most kinds do */
static void reply(fuse_req_t req)
{
	const struct stat attr = { .st_ino = 1 };

	fuse_reply_attr(req, &attr, 0);
}

static void late_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	outlast();
	reply(req);
}

static void keep_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	(void)ino;
	(void)mask;
	kept = req;
	sem_post(&in_handler);
}

/* From a descriptor that io_uring cannot serve: there is no buffer in the slot */
static void linked_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			struct fuse_file_info *fi)
{
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(size);

	(void)ino;
	(void)off;
	(void)fi;
	vec.buf[0].size = 4096;
	vec.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_STAYS;
	vec.buf[0].fd = never;
	fuse_reply_data(req, &vec, 0);
}

static const struct fuse_lowlevel_ops ops = {
	.getattr = late_getattr, .access = keep_access, .read = linked_read,
};

static struct fuse_ring_queue *queue_at(size_t qid)
{
	return fuse_uring_get_queue(se->uring.pool, qid);
}

static int late_path_getattr(const char *path, struct stat *st,
			     struct fuse_file_info *fi)
{
	(void)path;
	(void)fi;
	outlast();
	st->st_mode = S_IFDIR | 0755;
	return 0;
}

/* Not while a handler may use what it frees */
static void no_destroy(void *data)
{
	(void)data;
	CHECK(false);
}

static const struct fuse_operations path_ops = {
	.getattr = late_path_getattr, .destroy = no_destroy,
};

static void start_with(bool high_level)
{
	char *argv[] = { "uring_late", "-o", "io_uring,io_uring_q_depth=2", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);

	never = eventfd(0, EFD_CLOEXEC);
	if (high_level) {
		fuse = fuse_new(&args, &path_ops, sizeof(path_ops), NULL);
		CHECK(fuse);
		se = fuse_get_session(fuse);
	} else {
		se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	}
	fuse_opt_free_args(&args);
	CHECK(se && fuse_uring_start(se) == 0);
	se->got_init = 1;
}

static void start(void)
{
	start_with(false);
}

/* A request for the first entry of a queue */
static void request(size_t qid, int opcode)
{
	struct fuse_ring_ent *ent = &queue_at(qid)->ent[0];
	struct fuse_in_header *in = (void *)ent->req_header->in_out;

	in->opcode = opcode;
	in->nodeid = 1;
	in->unique = 1;
	ent->req_header->ring_ent_in_out.commit_id = 1;
}

/* Start the threads; when one has got to the point end the session, and free it */
static size_t run_to_the_end(void)
{
	const size_t nr_queues = se->uring.pool->nr_queues;

	fuse_uring_wake_ring_threads(se);
	wait_for(&in_handler);
	fuse_session_exit(se);
	fuse_uring_stop(se);
	/* as at the end of fuse_session_loop() */
	se->uring.one_at_a_time = false;
	if (fuse)
		fuse_destroy(fuse);
	else
		fuse_session_destroy(se);
	return nr_queues;
}

static void let_go(size_t nr_queues)
{
	sem_post(&go);
	for (size_t i = 0; i < nr_queues; i++)
		wait_for(&has_ended);
}

static void late_handler(void)
{
	start();
	request(0, FUSE_GETATTR);
	let_go(run_to_the_end());
}

static void late_path_handler(void)
{
	start_with(true);
	request(0, FUSE_GETATTR);
	let_go(run_to_the_end());
}

/* One handler is late, and the other queues wait for it */
static void late_handler_of_one(void)
{
	start();
	se->uring.one_at_a_time = true;
	for (size_t qid = 0; qid < se->uring.pool->nr_queues; qid++)
		request(qid, FUSE_GETATTR);
	let_go(run_to_the_end());
}

/* Nothing but the request is left of the session */
static void late_reply(void)
{
	start();
	request(0, FUSE_ACCESS);
	let_go(run_to_the_end());
	reply(kept);
}

static struct fuse_uring_mem mem_of_slot;

static int locate_in_slot(struct fuse_ring_ent *ent)
{
	ent->zc.size = 4096;
	ent->zc.read = true;
	return 0;
}

/* A linked read has failed, and so has its commit: the copy in its place is late */
static void late_copy(void)
{
	start();
	mem_of_slot = *queue_at(0)->mem;
	mem_of_slot.locate = locate_in_slot;
	queue_at(0)->mem = &mem_of_slot;
	request(0, FUSE_READ);
	let_go(run_to_the_end());
}

static const struct unit_case cases[] = {
	{ "late_handler", late_handler },
	{ "late_path_handler", late_path_handler },
	{ "late_handler_of_one", late_handler_of_one },
	{ "late_reply", late_reply },
	{ "late_copy", late_copy },
};

int main(int argc, char *argv[])
{
	sem_init(&in_handler, 0, 0);
	sem_init(&go, 0, 0);
	sem_init(&has_ended, 0, 0);
	pthread_key_create(&ended, on_end);
	return unit_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
