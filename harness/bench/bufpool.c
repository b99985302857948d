// SPDX-License-Identifier: GPL-2.0
/*
 * A FUSE server with Linux 7.3's buffer pools: headers are in the server's memory, and
 * each queue has one area of memory whose parts the kernel gives to requests.
 */
#include "bufpool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The parts of 7.3's uapi that ours lacks */
#define CMD_ADD_BUFPOOL		4

/* In the SQE, in place of struct fuse_uring_cmd_req */
struct bufpool_req {
	__u64	flags;
	__u64	commit_id;
	__u16	qid;
	__u8	padding[6];
	struct {
		__u64	addr;
		__u32	len;
		__u32	reserved;
	} pool;
};

struct bufpool_options bufpool_options;
/* Numbers of requests by the place of their data */
static unsigned long nr_buffer, nr_zero_copy;

static struct bufpool_req *pool_req(struct io_uring_sqe *sqe)
{
	return (void *)sqe->cmd;
}

/* Behind the slots of the entries */
static unsigned int pool_slot(const struct uring_server *srv, unsigned int qid)
{
	return srv->nr_entries + qid;
}

/* Commands with which the kernel finds a registered pool have to name it */
static void name_pool(const struct uring_server *srv, unsigned int qid,
		      struct io_uring_sqe *sqe)
{
	if (!bufpool_options.registered)
		return;
	sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	sqe->buf_index = pool_slot(srv, qid);
}

static void *get_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static size_t pool_size(const struct uring_server *srv)
{
	return srv->nr_bufs * srv->buf_size;
}

static int register_pool(struct uring_server *srv, unsigned int qid)
{
	const struct iovec iov = { srv->bufs[qid], pool_size(srv) };
	__u64 tag = 0;
	int ret;

	ret = io_uring_register_buffers_update_tag(&srv->tr.ring,
						   pool_slot(srv, qid),
						   &iov, &tag, 1);
	return ret < 0 ? ret : 0;
}

static int add_queue(struct uring_server *srv, unsigned int qid)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(&srv->tr, srv->ft->dev,
			     FUSE_IO_URING_CMD_ADD_QUEUE, qid);
	if (bufpool_options.zero_copy)
		fuse_uring_req(sqe)->flags = FUSE_URING_ZERO_COPY;
	return test_submit_wait(&srv->tr);
}

static int add_pool(struct uring_server *srv, unsigned int qid)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(&srv->tr, srv->ft->dev, CMD_ADD_BUFPOOL, qid);
	pool_req(sqe)->pool.addr = (unsigned long)srv->bufs[qid];
	pool_req(sqe)->pool.len = pool_size(srv);
	name_pool(srv, qid, sqe);
	return test_submit_wait(&srv->tr);
}

static int init_queue(struct uring_server *srv, unsigned int qid)
{
	int ret = 0;

	srv->bufs[qid] = get_memory(pool_size(srv));
	if (!srv->bufs[qid])
		return -ENOMEM;
	if (bufpool_options.registered)
		ret = register_pool(srv, qid);
	if (!ret)
		ret = add_queue(srv, qid);
	return ret ? ret : add_pool(srv, qid);
}

static int init(struct uring_server *srv)
{
	unsigned int i;
	int ret = 0;

	srv->nr_bufs = srv->ft->buffers ? srv->ft->buffers : 1;
	srv->buf_size = fuse_payload_size(srv->ft);
	/* a cache line's multiple, so that entries share none */
	srv->stride = sizeof(struct fuse_uring_req_header) + 32;
	srv->region_size = uring_page_align((size_t)srv->nr_entries *
					    srv->stride);
	srv->region = get_memory(srv->region_size);
	srv->bufs = calloc(srv->nr_queues, sizeof(*srv->bufs));
	if (!srv->region || !srv->bufs)
		return -ENOMEM;
	for (i = 0; !ret && i < srv->nr_queues; i++)
		ret = init_queue(srv, i);
	return ret;
}

static void exit_memory(struct uring_server *srv)
{
	unsigned int i;

	for (i = 0; srv->bufs && i < srv->nr_queues; i++)
		if (srv->bufs[i])
			munmap(srv->bufs[i], pool_size(srv));
	free(srv->bufs);
	if (srv->region)
		munmap(srv->region, srv->region_size);
	/* as our kernel has it in fusectl; nothing flushes stdio behind this */
	dprintf(STDOUT_FILENO, "buffer %lu\nzero_copy %lu\n", nr_buffer,
		nr_zero_copy);
}

static void prep_entry(struct uring_server *srv, struct uring_entry *entry,
		       struct io_uring_sqe *sqe)
{
	entry->head = (void *)(srv->region +
			       (size_t)entry->index * srv->stride);
	entry->iov[0] = (struct iovec) { entry->head, sizeof(*entry->head) };
	entry->iov[1] = (struct iovec) { };
	sqe->addr = (unsigned long)entry->iov;
	sqe->len = 2;
	if (bufpool_options.zero_copy)
		fuse_uring_req(sqe)->ent_zero_copy_buf_index = entry->index;
	name_pool(srv, entry->qid, sqe);
}

static void prep_commit(struct uring_server *srv, struct uring_entry *entry,
			struct io_uring_sqe *sqe)
{
	name_pool(srv, entry->qid, sqe);
}

/* Without data to read or write, the kernel gives the pool's start */
static int locate(struct uring_server *srv, struct uring_entry *entry,
		  unsigned int cqe_flags)
{
	const struct fuse_uring_ent_in_out *io = &entry->in_out;

	(void)cqe_flags;
	if (io->offset > pool_size(srv) - srv->buf_size)
		return -EPROTO;
	if (io->flags & FUSE_URING_ENT_ZERO_COPY) {
		entry->call.slot = entry->index;
		nr_zero_copy++;
	} else {
		nr_buffer += io->payload_sz || io->offset;
	}
	uring_set_payload(&entry->call, srv->bufs[entry->qid] + io->offset,
			  srv->buf_size);
	return 0;
}

const struct fuse_uring_ops bufpool_ops = {
	.init		= init,
	.exit		= exit_memory,
	.prep_entry	= prep_entry,
	.prep_commit	= prep_commit,
	.locate		= locate,
};
