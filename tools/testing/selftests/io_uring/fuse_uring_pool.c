// SPDX-License-Identifier: GPL-2.0
/*
 * The server of a FUSE file system over io_uring with payloads in pools of
 * server memory, one pool per queue. The kernel allocates buffers from the
 * pool. All else is as with kernel memory.
 */
#include "fuse_uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* From the uapi of Linux 7.3, which older headers lack */
#define CMD_ADD_BUFPOOL		4

struct pool_req {
	__u64	flags;
	__u64	commit_id;
	__u16	qid;
	__u8	padding[6];
	__u64	addr;
	__u32	len;
	__u32	reserved;
};

/* The kernel's buffers have exactly the minimum size */
static size_t pool_size(const struct uring_server *srv)
{
	return srv->nr_bufs * fuse_payload_size(srv->ft);
}

/* Commands that let the kernel access a registered pool have to name it */
static void name_pool(const struct uring_server *srv, unsigned int qid,
		      struct io_uring_sqe *sqe)
{
	if (!fuse_mode_pool_fixed(srv->ft->mode))
		return;
	sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	sqe->buf_index = fuse_pool_slot(srv, qid);
}

static int register_pool(struct uring_server *srv, unsigned int qid)
{
	const struct iovec iov = { srv->bufs[qid], pool_size(srv) };
	__u64 tag = 0;
	int ret;

	ret = io_uring_register_buffers_update_tag(&srv->tr.ring,
						   fuse_pool_slot(srv, qid),
						   &iov, &tag, 1);
	return ret < 0 ? ret : 0;
}

static struct io_uring_sqe *pool_sqe(struct test_ring *tr, int dev,
				     unsigned int qid, const void *addr,
				     size_t len)
{
	struct io_uring_sqe *sqe;
	struct pool_req *req;

	sqe = fuse_uring_sqe(tr, dev, CMD_ADD_BUFPOOL, qid);
	req = (void *)sqe->cmd;
	req->addr = (unsigned long)addr;
	req->len = len;
	return sqe;
}

int fuse_pool_add(struct test_ring *tr, int dev, unsigned int qid,
		  const void *addr, size_t len)
{
	pool_sqe(tr, dev, qid, addr, len);
	return test_submit_wait(tr);
}

static int add_pool(struct uring_server *srv, unsigned int qid)
{
	struct io_uring_sqe *sqe;

	sqe = pool_sqe(&srv->tr, srv->ft->dev, qid, srv->bufs[qid],
		       pool_size(srv));
	name_pool(srv, qid, sqe);
	return test_submit_wait(&srv->tr);
}

static int init_pool(struct uring_server *srv, unsigned int qid)
{
	const int fixed = srv->ft->pools_at_zero ? MAP_FIXED : 0;
	/* the size that fuse_kmbuf_ops.exit() expects */
	const size_t size = srv->nr_bufs * srv->buf_size;
	int ret = 0;

	srv->bufs[qid] = mmap(fixed ? (void *)(qid * size) : NULL, size,
			      PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
	if (srv->bufs[qid] == MAP_FAILED) {
		srv->bufs[qid] = NULL;
		return -errno;
	}
	if (fuse_mode_pool_fixed(srv->ft->mode))
		ret = register_pool(srv, qid);
	return ret ? ret : add_pool(srv, qid);
}

static int init(struct uring_server *srv)
{
	unsigned int i;
	int ret;

	ret = fuse_kmbuf_ops.init(srv);
	if (ret)
		return ret;
	srv->bufs = calloc(srv->nr_queues, sizeof(*srv->bufs));
	if (!srv->bufs)
		return -ENOMEM;
	for (i = 0; !ret && i < srv->nr_queues; i++)
		if (fuse_uring_has_queue(srv->ft, i))
			ret = init_pool(srv, i);
	return ret;
}

static void exit_memory(struct uring_server *srv)
{
	fuse_kmbuf_ops.exit(srv);
}

static void prep_entry(struct uring_server *srv, struct uring_entry *entry,
		       struct io_uring_sqe *sqe)
{
	fuse_kmbuf_ops.prep_entry(srv, entry, sqe);
	/* how servers for Linux 7.3 name no slot */
	if (!fuse_mode_zero_copy(srv->ft->mode))
		fuse_uring_req(sqe)->ent.zero_copy_buf_index = 0;
	name_pool(srv, entry->qid, sqe);
}

static void prep_commit(struct uring_server *srv, struct uring_entry *entry,
			struct io_uring_sqe *sqe)
{
	name_pool(srv, entry->qid, sqe);
}

/* The kernel reports the start of the pool if there is no payload */
static int locate_buffer(struct uring_server *srv, struct uring_entry *entry)
{
	const struct fuse_uring_ent_in_out *io = &entry->in_out;
	const size_t room = fuse_payload_size(srv->ft);

	if (io->offset % room || io->offset >= pool_size(srv) || io->buf_id ||
	    io->reserved)
		return -EPROTO;
	uring_set_payload(&entry->call, srv->bufs[entry->qid] + io->offset,
			  room);
	return 0;
}

static int locate_slot(struct uring_server *srv, struct uring_entry *entry)
{
	const struct fuse_uring_ent_in_out *io = &entry->in_out;

	if (!(io->flags & FUSE_URING_ENT_ZERO_COPY))
		return io->buf_index ? -EPROTO : 0;
	/*
	 * unpatched Linux 7.3 does not report slots: the server has to know
	 * them
	 */
	if (!fuse_mode_zero_copy(srv->ft->mode) ||
	    (io->buf_index != entry->index &&
	     (io->buf_index || fuse_mode_headers(srv->ft->mode))))
		return -EPROTO;
	entry->call.slot = entry->index;
	return 0;
}

static int locate(struct uring_server *srv, struct uring_entry *entry,
		  unsigned int cqe_flags)
{
	const unsigned long long flags = entry->in_out.flags;
	int ret;

	if (entry->own_payload || flags & FUSE_URING_ENT_INLINE)
		return fuse_kmbuf_ops.locate(srv, entry, cqe_flags);
	if (cqe_flags & IORING_CQE_F_BUFFER ||
	    flags & ~FUSE_URING_ENT_ZERO_COPY)
		return -EPROTO;
	ret = locate_slot(srv, entry);
	return ret ? ret : locate_buffer(srv, entry);
}

const struct fuse_uring_ops fuse_pool_ops = {
	.init		= init,
	.exit		= exit_memory,
	.prep_entry	= prep_entry,
	.prep_commit	= prep_commit,
	.locate		= locate,
};
