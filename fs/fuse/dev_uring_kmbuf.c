// SPDX-License-Identifier: GPL-2.0
/*
 * Queues of FUSE over io_uring that use memory which the kernel owns and shares
 * with the server: headers in the memory region of the io_uring, payloads in
 * the header if they are small, else in kernel-managed buffers.
 *
 * A queue belongs to one io_uring, the one it was added on, and pins its buffer
 * ring. The header's address is derived from each command anew, and used while
 * there is that command, so it cannot outlive the io_uring. The buffers can:
 * the pin goes with the last entry, so that a mount whose server is dead holds
 * none of the server's memory.
 *
 * Buffers are taken and given back under queue->lock. An entry that waits for a
 * request has none, so as many are in use as there are payloads under way.
 *
 * Userspace can write to headers and buffers at any time. What is read from
 * them is read once, and then checked.
 */

#include "args.h"
#include "dev.h"
#include "dev_uring_i.h"
#include "fuse_trace.h"

#include <linux/io_uring/cmd.h>
#include <linux/sizes.h>

#define FUSE_URING_QUEUE_FLAGS	(FUSE_URING_KMBUF | FUSE_URING_ZERO_COPY)
#define HDR_SIZE		sizeof(struct fuse_uring_req_header)
/* where payloads begin behind a header; the server may do O_DIRECT there */
#define PAYLOAD_OFFSET		ALIGN(HDR_SIZE, FUSE_URING_HDR_ALIGN)

static u64 region_size(const struct io_uring_mem_region *region)
{
	return (u64)region->nr_pages << PAGE_SHIFT;
}

/*
 * The memory region of a command's io_uring, all zero if that is not the
 * queue's. May sleep.
 *
 * The queue can let go of its buffers meanwhile, and their address can be that
 * of others then. So the answer is only good for who finds under queue->lock
 * that there is, or may be, an entry that uses them.
 */
struct io_uring_mem_region
fuse_uring_kmbuf_region(struct io_uring_cmd *cmd, struct fuse_ring_queue *queue,
			unsigned int issue_flags)
{
	if (!io_uring_cmd_on_kmbuf_ring(cmd, queue->buf_group,
					READ_ONCE(queue->kmbuf), issue_flags))
		return (struct io_uring_mem_region) { };
	return io_uring_registered_mem_region_get(cmd, issue_flags);
}

/* How much of the header is for payloads */
static size_t inline_size(const struct fuse_ring_queue *queue)
{
	return queue->hdr_stride - PAYLOAD_OFFSET;
}

static bool fits_inline(const struct fuse_ring_ent *ent,
			const struct fuse_args *args, size_t size)
{
	if (size > inline_size(ent->queue))
		return false;
	if (args->opcode != FUSE_READ && args->opcode != FUSE_WRITE)
		return true;
	/* it can be for a disk whose blocks are as large, and memory for them */
	return !IS_ALIGNED(size, SZ_4K) ||
	       IS_ALIGNED(ent->hdr_offset + PAYLOAD_OFFSET, SZ_4K);
}

/* Where the payload goes, the request's and then the reply's */
static enum fuse_payload_kind payload_kind(const struct fuse_ring_ent *ent,
					   const struct fuse_req *req)
{
	struct fuse_args *args = req->args;
	size_t in = 0, out;

	if (fuse_uring_zc_wanted(ent, req, inline_size(ent->queue)))
		return FUSE_PAYLOAD_ZERO_COPY;

	/* the first argument has its place in the header */
	if (args->in_numargs)
		in = fuse_len_args(args->in_numargs - 1,
				   (struct fuse_arg *)args->in_args + 1);
	out = fuse_len_args(args->out_numargs, args->out_args);

	if (!in && !out)
		return FUSE_PAYLOAD_NONE;
	return fits_inline(ent, args, max(in, out)) ? FUSE_PAYLOAD_INLINE :
						      FUSE_PAYLOAD_BUFFER;
}

/*
 * Get the entry what the payload of @req needs. A buffer that it holds serves
 * again, or goes back. False if there is no buffer.
 */
bool fuse_uring_kmbuf_claim(struct fuse_ring_ent *ent, struct fuse_req *req)
{
	struct fuse_ring_queue *queue = ent->queue;
	enum fuse_payload_kind kind = payload_kind(ent, req);

	lockdep_assert_held(&queue->lock);

	if (kind != FUSE_PAYLOAD_BUFFER)
		fuse_uring_kmbuf_put(ent);
	else if (!ent->buf.addr &&
		 io_uring_kmbuf_select(queue->kmbuf, &ent->buf))
		return false;

	ent->payload_kind = kind;
	return true;
}

/* Give the entry's buffer back if it has one */
void fuse_uring_kmbuf_put(struct fuse_ring_ent *ent)
{
	lockdep_assert_held(&ent->queue->lock);

	if (!ent->buf.addr)
		return;
	WARN_ON_ONCE(io_uring_kmbuf_recycle(ent->queue->kmbuf, ent->buf.bid));
	ent->buf.addr = NULL;
}

/* How many bytes of payload fit where it is */
size_t fuse_uring_kmbuf_room(const struct fuse_ring_ent *ent)
{
	switch (ent->payload_kind) {
	case FUSE_PAYLOAD_INLINE:
		return inline_size(ent->queue);
	case FUSE_PAYLOAD_ZERO_COPY:
		/* all that the request asks for */
		return SIZE_MAX;
	case FUSE_PAYLOAD_BUFFER:
		return ent->buf.len;
	default:
		return 0;
	}
}

/* Copy the payload from where it is, or to there if @write */
void fuse_uring_kmbuf_copy_init(struct fuse_copy_state *cs,
				struct fuse_ring_ent *ent, bool write)
{
	if (ent->payload_kind == FUSE_PAYLOAD_BUFFER)
		fuse_copy_init_kaddr(cs, write, ent->buf.addr, ent->buf.len);
	else
		fuse_copy_init_kaddr(cs, write, ent->hdr + PAYLOAD_OFFSET,
				     inline_size(ent->queue));
	cs->zero_copy = ent->payload_kind == FUSE_PAYLOAD_ZERO_COPY;
}

/* The size of the payload that the server finds */
static u32 zero_copy_size(const struct fuse_args *args)
{
	return args->in_pages ? args->in_args[1].size : 0;
}

/* Tell the server where the payload is */
void fuse_uring_kmbuf_describe(const struct fuse_ring_ent *ent,
			       struct fuse_uring_ent_in_out *ent_in_out)
{
	switch (ent->payload_kind) {
	case FUSE_PAYLOAD_INLINE:
		ent_in_out->flags = FUSE_URING_PAYLOAD_INLINE;
		ent_in_out->offset = PAYLOAD_OFFSET;
		break;
	case FUSE_PAYLOAD_BUFFER:
		ent_in_out->flags = FUSE_URING_PAYLOAD_BUFFER;
		ent_in_out->buf_id = ent->buf.bid;
		break;
	case FUSE_PAYLOAD_ZERO_COPY:
		ent_in_out->flags = FUSE_URING_PAYLOAD_ZERO_COPY;
		ent_in_out->offset = PAYLOAD_OFFSET;
		ent_in_out->buf_index = ent->buf_index;
		ent_in_out->payload_sz = zero_copy_size(ent->fuse_req->args);
		break;
	default:
		break;
	}
}

/* Trace where the payload is: which buffer, or which slot */
void fuse_uring_kmbuf_trace(const struct fuse_ring_ent *ent)
{
	unsigned int index = 0;

	if (ent->payload_kind == FUSE_PAYLOAD_BUFFER)
		index = ent->buf.bid;
	else if (ent->payload_kind == FUSE_PAYLOAD_ZERO_COPY)
		index = ent->buf_index;
	trace_fuse_uring_payload(ent->fuse_req, ent->payload_kind, index);
}

/* The server has to be able to write replies of any size */
static int check_buffers(const struct fuse_ring *ring,
			 struct io_kmbuf_ring *kmbuf)
{
	if (io_uring_kmbuf_flags(kmbuf) & IOU_KMBUF_RING_RDONLY)
		return -EINVAL;
	if (io_uring_kmbuf_size(kmbuf) < ring->max_payload_sz)
		return -EINVAL;
	return 0;
}

static int check_region(struct io_uring_cmd *cmd, unsigned int hdr_stride,
			unsigned int issue_flags)
{
	struct io_uring_mem_region region;

	region = io_uring_registered_mem_region_get(cmd, issue_flags);
	if (!region.ptr)
		return -ENXIO;
	return hdr_stride <= region_size(&region) ? 0 : -EINVAL;
}

/* Make @queue the one of its id, unless there is one */
static int publish_queue(struct fuse_ring *ring, struct fuse_ring_queue *queue)
{
	struct fuse_ring_queue *there = fuse_uring_publish_queue(ring, queue);

	if (IS_ERR(there))
		return PTR_ERR(there);
	return there == queue ? 0 : -EEXIST;
}

static int add_queue(struct fuse_ring *ring, struct io_kmbuf_ring *kmbuf,
		     unsigned int qid, u64 flags,
		     const struct fuse_uring_add_queue *add)
{
	struct fuse_ring_queue *queue;
	int err;

	err = check_buffers(ring, kmbuf);
	if (err)
		return err;

	queue = fuse_uring_alloc_queue(ring, qid);
	if (!queue)
		return -ENOMEM;
	queue->kmbuf = kmbuf;
	queue->buf_group = add->buf_group;
	queue->hdr_stride = add->hdr_stride;
	queue->zero_copy = flags & FUSE_URING_ZERO_COPY;
	queue->zero_copy_min = add->zero_copy_min;

	err = publish_queue(ring, queue);
	if (err)
		fuse_uring_free_queue(queue);
	return err;
}

static bool all_zero(const void *mem, size_t size)
{
	return !memchr_inv(mem, 0, size);
}

static struct fuse_uring_cmd_req read_cmd_req(const struct io_uring_cmd *cmd)
{
	struct fuse_uring_cmd_req req;

	req = *io_uring_sqe128_cmd(cmd->sqe, struct fuse_uring_cmd_req);
	/* userspace can change the SQE: what is checked is what is used */
	barrier();
	return req;
}

/**
 * fuse_uring_add_queue - FUSE_IO_URING_CMD_ADD_QUEUE
 * @cmd: the command
 * @issue_flags: as it was issued with
 * @fch: the channel of the server's device
 *
 * Creates a queue on the io_uring of @cmd. The queue pins the buffer ring until
 * its last entry has gone, or the connection is aborted before it has one. A call
 * that fails changes nothing.
 *
 * Context: Process context. Takes the io_uring's ->uring_lock when @issue_flags
 * say that it is not held.
 *
 * Return: 0, or
 * -EOPNOTSUPP if FUSE_HAS_IO_URING_KMBUF was not negotiated,
 * -EINVAL if an argument is wrong, or buffers or region are not good enough,
 * -EPERM if zero copy is asked for without CAP_SYS_ADMIN,
 * -ENXIO if there is no memory region, -ENOENT if there is no such buffer ring,
 * -EBUSY if that is pinned, by another queue say, -EEXIST if there is such a
 * queue,
 * -ENOMEM if there is no memory,
 * -ENOTCONN if the connection has been aborted.
 */
int fuse_uring_add_queue(struct io_uring_cmd *cmd, unsigned int issue_flags,
			 struct fuse_chan *fch)
{
	/* pairs with the release in fuse_uring_create() */
	struct fuse_ring *ring = smp_load_acquire(&fch->ring);
	struct fuse_uring_cmd_req req;
	struct io_kmbuf_ring *kmbuf;
	int err;

	BUILD_BUG_ON(sizeof(struct fuse_uring_req_header) != 288);
	BUILD_BUG_ON(PAYLOAD_OFFSET != FUSE_URING_HDR_ALIGN);
	BUILD_BUG_ON(sizeof(struct fuse_uring_ent_in_out) != 32);
	BUILD_BUG_ON(offsetof(struct fuse_uring_cmd_req, queue) != 24);
	BUILD_BUG_ON(sizeof(struct fuse_uring_cmd_req) != 40);

	if (!fch->io_uring_kmbuf)
		return -EOPNOTSUPP;

	req = read_cmd_req(cmd);
	if (!(req.flags & FUSE_URING_KMBUF) ||
	    req.flags & ~FUSE_URING_QUEUE_FLAGS)
		return -EINVAL;
	if (req.commit_id || !all_zero(req.padding, sizeof(req.padding)) ||
	    !all_zero(req.queue.reserved, sizeof(req.queue.reserved)) ||
	    READ_ONCE(cmd->sqe->addr) || READ_ONCE(cmd->sqe->len))
		return -EINVAL;
	if (!ring || req.qid >= ring->nr_queues)
		return -EINVAL;
	if (req.queue.zero_copy_min && !(req.flags & FUSE_URING_ZERO_COPY))
		return -EINVAL;
	if (!req.queue.hdr_stride ||
	    req.queue.hdr_stride % FUSE_URING_HDR_ALIGN)
		return -EINVAL;
	if (req.flags & FUSE_URING_ZERO_COPY && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = check_region(cmd, req.queue.hdr_stride, issue_flags);
	if (err)
		return err;
	if (READ_ONCE(ring->queues[req.qid]))
		return -EEXIST;

	/* a buffer that somebody else gave back would come back unnoticed */
	kmbuf = io_uring_buf_ring_pin_exclusive(cmd, req.queue.buf_group,
						issue_flags);
	if (IS_ERR(kmbuf))
		return PTR_ERR(kmbuf);
	err = add_queue(ring, kmbuf, req.qid, req.flags, &req.queue);
	if (err)
		io_uring_buf_ring_unpin(kmbuf);
	return err;
}

/*
 * An entry of such a queue, as FUSE_IO_URING_CMD_REGISTER wants it. ERR_PTR of
 * -EINVAL if an argument is wrong or the io_uring is not the queue's, -EPERM if
 * it is for zero copy and without CAP_SYS_ADMIN, -ENOMEM if there is no memory.
 */
struct fuse_ring_ent *fuse_uring_create_kmbuf_ent(struct io_uring_cmd *cmd,
						  struct fuse_ring_queue *queue,
						  unsigned int issue_flags)
{
	struct io_uring_mem_region region;
	struct fuse_uring_cmd_req req;
	struct fuse_ring_ent *ent;
	u64 size;

	req = read_cmd_req(cmd);
	if (req.flags || req.commit_id ||
	    !all_zero(req.padding, sizeof(req.padding)) ||
	    !all_zero(req.ent.reserved, sizeof(req.ent.reserved)) ||
	    READ_ONCE(cmd->sqe->addr))
		return ERR_PTR(-EINVAL);
	if (req.ent.buf_index != FUSE_URING_NO_BUF_INDEX) {
		if (!queue->zero_copy)
			return ERR_PTR(-EINVAL);
		if (!capable(CAP_SYS_ADMIN))
			return ERR_PTR(-EPERM);
	}

	region = fuse_uring_kmbuf_region(cmd, queue, issue_flags);
	size = region_size(&region);
	if (!region.ptr || queue->hdr_stride > size ||
	    req.ent.hdr_offset > size - queue->hdr_stride ||
	    req.ent.hdr_offset % FUSE_URING_HDR_ALIGN)
		return ERR_PTR(-EINVAL);

	ent = fuse_uring_alloc_ent();
	if (!ent)
		return ERR_PTR(-ENOMEM);
	ent->kmbuf = true;
	ent->hdr_offset = req.ent.hdr_offset;
	ent->hdr = region.ptr + ent->hdr_offset;
	ent->buf_index = req.ent.buf_index;
	return ent;
}

/*
 * A new entry is to use the buffers of its queue. -EINVAL if these are not there
 * any more.
 */
int fuse_uring_kmbuf_join(struct fuse_ring_ent *ent)
{
	struct fuse_ring_queue *queue = ent->queue;

	if (!ent->kmbuf)
		return 0;

	guard(spinlock)(&queue->lock);
	if (!queue->kmbuf)
		return -EINVAL;
	queue->nr_kmbuf_ents++;
	return 0;
}

/*
 * If no entry uses the buffers of the queue, none will, and the caller gets them
 * for fuse_uring_kmbuf_unpin(). Else NULL.
 */
struct io_kmbuf_ring *fuse_uring_kmbuf_unused(struct fuse_ring_queue *queue)
{
	struct io_kmbuf_ring *kmbuf = queue->kmbuf;

	lockdep_assert_held(&queue->lock);

	if (queue->nr_kmbuf_ents)
		return NULL;
	WRITE_ONCE(queue->kmbuf, NULL);
	return kmbuf;
}

/*
 * The entry is going. If it is the last that uses the buffers, the caller gets
 * them for fuse_uring_kmbuf_unpin(), to be called before the server is told that
 * it has gone. Else NULL.
 */
struct io_kmbuf_ring *fuse_uring_kmbuf_leave(struct fuse_ring_ent *ent)
{
	lockdep_assert_held(&ent->queue->lock);

	if (!ent->kmbuf)
		return NULL;
	fuse_uring_kmbuf_put(ent);
	ent->queue->nr_kmbuf_ents--;
	return fuse_uring_kmbuf_unused(ent->queue);
}

/* Without queue->lock, as it may sleep */
void fuse_uring_kmbuf_unpin(struct io_kmbuf_ring *kmbuf)
{
	if (kmbuf)
		io_uring_buf_ring_unpin(kmbuf);
}

/* What the queues have done, a line for each number */
ssize_t fuse_uring_print_stats(struct fuse_chan *fch, char *buf, size_t size)
{
	/* pairs with the release in fuse_uring_create() */
	struct fuse_ring *ring = smp_load_acquire(&fch->ring);
	u64 nr_sent[FUSE_PAYLOAD_NR] = { };
	u64 nr_fallbacks = 0, nr_buf_waits = 0;
	size_t qid, i;

	for (qid = 0; ring && qid < ring->nr_queues; qid++) {
		struct fuse_ring_queue *queue = READ_ONCE(ring->queues[qid]);

		if (!queue || !queue->hdr_stride)
			continue;
		guard(spinlock)(&queue->lock);
		for (i = 0; i < FUSE_PAYLOAD_NR; i++)
			nr_sent[i] += queue->nr_sent[i];
		nr_fallbacks += queue->nr_fallbacks;
		nr_buf_waits += queue->nr_buf_waits;
	}
	return scnprintf(buf, size,
			 "none %llu\ninline %llu\nbuffer %llu\nzero_copy %llu\nfallback %llu\nbuffer_wait %llu\n",
			 nr_sent[FUSE_PAYLOAD_NONE], nr_sent[FUSE_PAYLOAD_INLINE],
			 nr_sent[FUSE_PAYLOAD_BUFFER],
			 nr_sent[FUSE_PAYLOAD_ZERO_COPY], nr_fallbacks,
			 nr_buf_waits);
}
