/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queues of libfuse's io_uring without a FUSE device: a command of an entry is a
 * write to a pipe, which a client reads, and when that is done the entry has its
 * next request. Memory of the process stands for the pages of the client; as its
 * addresses stand for offsets it is at a low one. For programs that are linked with
 * the objects of libfuse and -Wl,--wrap=fuse_uring_prep, each of which includes
 * this once.
 */
#ifndef URING_QUEUE_H
#define URING_QUEUE_H

#define FUSE_USE_VERSION 317
#include "fuse_config.h"
#include "fuse_i.h"
#include "fuse_uring_i.h"
#include "fuse_uring_mem.h"
#include "fuse_uring_serve.h"
#include "fuse_uring_stats.h"
#include "fuse_uring_zc.h"
#include "fuse_lowlevel.h"
#include "uring_answer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#define BASE	0x100000UL
#define SLOT	0x100000UL
#define PART	16384U
#define DEPTH	4

static struct fuse_session session;
static struct fuse_uring_counters counters[2];
/* the entry whose commit the kernel does not take */
static struct fuse_ring_ent *_Atomic bad_ent;
/* the entry that has no request after its commit */
static struct fuse_ring_ent *_Atomic idle_ent;
static struct fuse_ring_pool *pool;
static void (*handler)(struct fuse_ring_ent *ent, unsigned int nr);
static atomic_uint nr_requests;

void __wrap_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe);

static inline struct fuse_ring_queue *queue_at(size_t qid)
{
	return fuse_uring_get_queue(pool, qid);
}

static inline char *slot_mem(const struct fuse_ring_ent *ent)
{
	return (char *)BASE + ((ent->ring_queue->qid * DEPTH) + ent->zc.slot) * SLOT;
}

/* The linked I/O is before the commit. It begins at 0, and the slots do not. */
static inline void place_linked_io(struct fuse_ring_ent *ent)
{
	struct io_uring *ring = &ent->ring_queue->ring;
	const unsigned int i = (ring->sq.sqe_tail - 2) & ring->sq.ring_mask;

	ring->sq.sqes[i << 1].addr = (uintptr_t)slot_mem(ent);
}

/* The commit of an entry */
void __wrap_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe)
{
	io_uring_prep_write(sqe, answers[1], &ent->req_commit_id, 8, -1);
	io_uring_sqe_set_data(sqe, ent);
	if (ent->zc.linked)
		place_linked_io(ent);
	if (ent == bad_ent)
		sqe->opcode = IORING_OP_LAST;
	if (ent == idle_ent)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

/* What fuse_uring_zc_copy() has to be told for a byte of the slot */
static inline size_t slot_off(const struct fuse_ring_ent *ent, size_t off)
{
	return (size_t)slot_mem(ent) + off;
}

static inline void init_ring(struct fuse_ring_queue *queue)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_CQSIZE | IORING_SETUP_COOP_TASKRUN,
		/* as few as there may be, so that they run over */
		.cq_entries = 2 * DEPTH + 1,
	};
	struct iovec iov[DEPTH];

	CHECK(io_uring_queue_init_params(2 * DEPTH + 1, &queue->ring, &params) == 0);
	for (int i = 0; i < DEPTH; i++)
		iov[i] = (struct iovec) { slot_mem(&queue->ent[i]), SLOT };
	CHECK(io_uring_register_buffers(&queue->ring, iov, DEPTH) == 0);
}

static inline void init_queue(struct fuse_ring_queue *queue, int qid)
{
	queue->qid = qid;
	queue->ring_pool = pool;
	queue->mem = &fuse_uring_mem_own;
	queue->zero_copy = true;
	queue->counters = &counters[qid];
	queue->eventfd = eventfd(0, EFD_CLOEXEC);
	fuse_uring_serve_init(queue);
	for (int i = 0; i < DEPTH; i++) {
		queue->ent[i].ring_queue = queue;
		queue->ent[i].req_commit_id = qid * DEPTH + i;
		queue->ent[i].zc.slot = i;
		queue->ent[i].zc.size = SLOT;
	}
	init_ring(queue);
}

static inline void *serve(void *arg)
{
	struct fuse_ring_queue *queue = arg;
	struct fuse_ring_ent *ent;

	for (size_t i = 0; i < pool->queue_depth; i++)
		fuse_uring_queue_cmd(&queue->ent[i]);
	while ((ent = fuse_uring_next(queue))) {
		CHECK(ent->cqe_res == 8 || ent->zc.linked || ent == bad_ent);
		ent->has_request = true;
		handler(ent, nr_requests++);
	}
	fuse_uring_stop_queue(queue);
	return NULL;
}

static inline void start(size_t nr_queues, size_t depth,
		  void (*run)(struct fuse_ring_ent *ent, unsigned int nr))
{
	handler = run;
	CHECK(pipe(answers) == 0);
	CHECK(mmap((void *)BASE, nr_queues * DEPTH * SLOT, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
	      (void *)BASE);
	pool = calloc(1, sizeof(*pool));
	pool->se = &session;
	/* the pool has one of two references: nobody frees it */
	session.refs = 2;
	pool->refs = 1;
	pool->nr_queues = nr_queues;
	pool->queue_depth = depth;
	/* the bounce buffer's offsets are addresses, too */
	pool->max_req_payload_sz = BASE + nr_queues * DEPTH * SLOT;
	pool->queue_mem_size = sizeof(struct fuse_ring_queue) +
			       DEPTH * sizeof(struct fuse_ring_ent);
	pool->queues = calloc(nr_queues, pool->queue_mem_size);
	CHECK(fuse_uring_relay_start(pool) == 0);
	for (size_t qid = 0; qid < nr_queues; qid++)
		init_queue(queue_at(qid), qid);
	for (size_t qid = 0; qid < nr_queues; qid++)
		CHECK(pthread_create(&queue_at(qid)->tid, NULL, serve,
				     queue_at(qid)) == 0);
}

static inline void stop(void)
{
	for (size_t qid = 0; qid < pool->nr_queues; qid++)
		fuse_uring_stop_queue(queue_at(qid));
	fuse_uring_relay_stop(pool);
	for (size_t qid = 0; qid < pool->nr_queues; qid++)
		pthread_join(queue_at(qid)->tid, NULL);
	for (size_t qid = 0; qid < pool->nr_queues; qid++)
		fuse_uring_close_queue(queue_at(qid));
	fuse_uring_pool_put(pool);
}

static inline void skip_answers(int nr)
{
	while (nr--)
		CHECK(answer(5000) >= 0);
}

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline pthread_t thread(void *(*run)(void *arg), void *arg)
{
	pthread_t tid;

	CHECK(pthread_create(&tid, NULL, run, arg) == 0);
	return tid;
}

/* A file that has its own offset in each part */
static inline int parts_file(unsigned int nr)
{
	int fd = memfd_create("parts", 0);
	static char part[PART];

	for (unsigned int i = 0; i < nr; i++) {
		memset(part, 'a' + i % 26, PART);
		CHECK(write(fd, part, PART) == PART);
	}
	return fd;
}

static inline ssize_t read_part(struct fuse_ring_ent *ent, int fd, unsigned int nr,
			 size_t to)
{
	const struct fuse_buf slot = fuse_uring_zc_buf(ent);
	const struct fuse_buf src = {
		.size = PART,
		.flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK,
		.fd = fd,
		.pos = (off_t)nr * PART,
	};

	return fuse_uring_zc_copy(&slot, slot_off(ent, to), &src, 0, PART);
}

static inline ssize_t read_pipe(struct fuse_ring_ent *ent, int fd)
{
	const struct fuse_buf slot = fuse_uring_zc_buf(ent);
	const struct fuse_buf src = {
		.size = PART,
		.flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_RETRY,
		.fd = fd,
	};

	return fuse_uring_zc_copy(&slot, slot_off(ent, 0), &src, 0, PART);
}

static struct fuse_ring_ent *_Atomic held[64];
static atomic_uint nr_held;
static sem_t has_held, go;
static int file, pipes[2];

static inline void hold(struct fuse_ring_ent *ent)
{
	held[nr_held++] = ent;
	sem_post(&has_held);
}

static inline void hold_all(struct fuse_ring_ent *ent, unsigned int nr)
{
	(void)nr;
	hold(ent);
}

#endif /* URING_QUEUE_H */
