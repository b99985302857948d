// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that libfuse's fuse_uring.c gives to the handlers of a session, without a
 * FUSE device: the registration of an entry returns with a request, or waits for
 * ever, and a commit is a write to a pipe. Linked with the objects of libfuse, see
 * sanitized in libfuse-build.sh.
 *
 *   uring_handlers CASE
 */
#define FUSE_USE_VERSION 317
#include "fuse_config.h"
#include "fuse_i.h"
#include "fuse_uring_i.h"
#include "fuse_uring_mem.h"
#include "fuse_uring_serve.h"
#include "fuse_lowlevel.h"
#include "uring_answer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

static struct fuse_session *session;
static int never, empty;
static struct fuse_uring_mem mem;
static const struct fuse_uring_mem *real_mem;
/* the data of reads is in the client's pages */
static bool zero_copy;
static atomic_uint nr_handlers;
static sem_t replied, go;

void __wrap_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe);

void __wrap_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe)
{
	const struct fuse_in_header *in = (const void *)ent->req_header->in_out;

	if (ent->last_cmd != FUSE_IO_URING_CMD_REGISTER)
		io_uring_prep_write(sqe, answers[1], &ent->req_commit_id, 8, -1);
	else if (in->opcode)
		io_uring_prep_nop(sqe);
	else
		io_uring_prep_poll_add(sqe, never, POLLIN);
	io_uring_sqe_set_data(sqe, ent);
}

/* In the queue's thread, before the handler. The second request waits. */
static int locate(struct fuse_ring_ent *ent)
{
	const struct fuse_in_header *in = (const void *)ent->req_header->in_out;

	if (zero_copy && in->opcode == FUSE_READ) {
		ent->zc.size = 4096;
		ent->zc.read = true;
	}
	if (ent->req_commit_id == 0 && in->unique == 11)
		sem_wait(&go);
	return real_mem->locate ? real_mem->locate(ent) : 0;
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	nr_handlers++;
	fuse_reply_err(req, ENOENT);
	sem_post(&replied);
}

/* The linked read fails, as there are no slots; the copy finds the end of the file */
static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct fuse_bufvec bufv = FUSE_BUFVEC_INIT(4096);

	(void)ino;
	(void)size;
	(void)off;
	(void)fi;
	nr_handlers++;
	bufv.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_STAYS;
	bufv.buf[0].fd = empty;
	fuse_reply_data(req, &bufv, 0);
	sem_post(&replied);
}

static const struct fuse_lowlevel_ops ops = {
	.getattr = do_getattr, .read = do_read,
};

static void request(unsigned int idx, uint32_t opcode, uint64_t unique)
{
	struct fuse_ring_ent *ent = &fuse_uring_get_queue(session->uring.pool, 0)->ent[idx];
	struct fuse_in_header *in = (void *)ent->req_header->in_out;

	in->opcode = opcode;
	in->unique = unique;
	ent->req_header->ring_ent_in_out.commit_id = unique;
}

/* A session as with fuse_session_loop(): one handler at a time */
static void start(void)
{
	char *argv[] = { "uring_handlers", "-o", "io_uring,io_uring_q_depth=2", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_ring_queue *queue;

	CHECK(pipe(answers) == 0);
	never = eventfd(0, 0);
	empty = memfd_create("empty", 0);
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	fuse_opt_free_args(&args);
	CHECK(session && fuse_uring_start(session) == 0);
	session->got_init = 1;
	session->uring.one_at_a_time = true;
	queue = fuse_uring_get_queue(session->uring.pool, 0);
	real_mem = queue->mem;
	mem = *real_mem;
	mem.locate = locate;
	queue->mem = &mem;
}

static void stop(void)
{
	session->mt_exited = 1;
	fuse_uring_stop(session);
	fuse_session_destroy(session);
}

/*
 * A handler of another thread runs, and may wait for the client of a request that
 * has its reply
 */
static void reply_and_wait(uint32_t opcode)
{
	start();
	request(0, opcode, 10);
	request(1, FUSE_GETATTR, 11);
	fuse_uring_wake_ring_threads(session);
	sem_wait(&replied);
	pthread_mutex_lock(&session->uring.handlers);
	sem_post(&go);
	CHECK(answer(5000) == 10);
	CHECK(nr_handlers == 1);
	pthread_mutex_unlock(&session->uring.handlers);
	CHECK(answer(5000) == 11);
	stop();
}

static void one_at_a_time(void)
{
	reply_and_wait(FUSE_GETATTR);
}

static void one_at_a_time_linked(void)
{
	zero_copy = true;
	reply_and_wait(FUSE_READ);
}

static const struct unit_case cases[] = {
	{ "one_at_a_time", one_at_a_time },
	{ "one_at_a_time_linked", one_at_a_time_linked },
};

int main(int argc, char *argv[])
{
	sem_init(&replied, 0, 0);
	sem_init(&go, 0, 0);
	return unit_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
