// SPDX-License-Identifier: GPL-2.0
/*
 * Setup of FUSE over io_uring with memory that the kernel owns and shares with
 * the server: the commands that give a queue such memory, and the part of it
 * that a new entry takes.
 *
 * A queue's headers are in iovecs of its entries or in the memory region of an
 * io_uring. Its payloads are in iovecs of its entries or with a provider. Each
 * is chosen independently, by a command of its own, before the queue has an
 * entry.
 *
 * All memory of a queue belongs to one io_uring, and only commands of that
 * io_uring use it. The queue holds no reference to the io_uring. It compares
 * the address, which a later io_uring can have as well. Hence the address of a
 * header is derived anew for each command, within the region that the io_uring
 * has.
 */

#include "dev_uring_i.h"

#include <linux/io_uring/cmd.h>
#include <linux/nospec.h>

static bool is_empty(const struct iovec *iov)
{
	return !iov->iov_base && !iov->iov_len;
}

static struct fuse_uring_cmd_req read_cmd_req(const struct io_uring_cmd *cmd)
{
	struct fuse_uring_cmd_req req;

	req = *io_uring_sqe128_cmd(cmd->sqe, struct fuse_uring_cmd_req);
	/* userspace can change the SQE: use the values that were checked */
	barrier();
	return req;
}

/* For commands that use neither flags nor a commit id */
static bool is_clean(const struct io_uring_cmd *cmd,
		     const struct fuse_uring_cmd_req *req)
{
	return !req->flags && !req->commit_id &&
	       mem_is_zero(req->padding, sizeof(req->padding)) &&
	       fuse_uring_cmd_ends(cmd, sizeof(*req));
}

static u64 region_size(const struct io_uring_mem_region *region)
{
	return (u64)region->nr_pages << PAGE_SHIFT;
}

/*
 * The queue that a command gives memory to, or ERR_PTR of -EOPNOTSUPP, -EINVAL
 * or -ESRCH. Queues exist for as long as the device does.
 */
static struct fuse_ring_queue *
find_queue(const struct io_uring_cmd *cmd, const struct fuse_uring_cmd_req *req,
	   unsigned int qid, struct fuse_chan *fch)
{
	/* pairs with the release in fuse_uring_create() */
	struct fuse_ring *ring = smp_load_acquire(&fch->ring);
	struct fuse_ring_queue *queue;

	BUILD_BUG_ON(sizeof(struct fuse_uring_ent_in_out) != 32);
	BUILD_BUG_ON(offsetof(struct fuse_uring_cmd_req, ent) != 24);
	BUILD_BUG_ON(sizeof(struct fuse_uring_cmd_req) != 40);

	if (!fch->io_uring_kmbuf)
		return ERR_PTR(-EOPNOTSUPP);
	if (!is_clean(cmd, req) || cmd->flags & IORING_URING_CMD_MASK ||
	    READ_ONCE(cmd->sqe->addr) || READ_ONCE(cmd->sqe->len))
		return ERR_PTR(-EINVAL);
	if (!ring || qid >= ring->nr_queues)
		return ERR_PTR(-EINVAL);
	qid = array_index_nospec(qid, ring->nr_queues);
	/* pairs with the release in fuse_uring_create_queue() */
	queue = smp_load_acquire(&ring->queues[qid]);
	return queue ?: ERR_PTR(-ESRCH);
}

/* May the queue get memory of the command's io_uring? @has: it has some */
static int check_queue(struct fuse_ring_queue *queue, struct io_uring_cmd *cmd,
		       bool has)
{
	lockdep_assert_held(&queue->lock);

	/* after an abort nobody would unpin the buffers */
	if (queue->stopped)
		return -ENOTCONN;
	/* what it would get could go at any time */
	if (io_uring_cmd_dying(cmd))
		return -ECANCELED;
	if (queue->had_ents)
		return -EBUSY;
	/* nobody would use it, or unpin it */
	if (queue->kmbufs_unpinned)
		return -ESRCH;
	if (has)
		return -EEXIST;
	if (queue->io_ring && queue->io_ring != io_uring_cmd_ctx_handle(cmd))
		return -EXDEV;
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

/**
 * fuse_uring_add_headers - FUSE_IO_URING_CMD_ADD_HEADERS
 * @cmd: the command
 * @qid: the queue that it names
 * @issue_flags: as it was issued with
 * @fch: the channel of the server's device
 *
 * Put the headers of the queue's entries into the memory region of @cmd's
 * io_uring, except those of entries with an iovec for the header. Small
 * payloads follow the headers. A call that fails changes nothing.
 *
 * Context: Process context. Takes the io_uring's ->uring_lock if @issue_flags
 * say that it is not held, and the queue's lock.
 *
 * Return: 0, or
 * -EOPNOTSUPP if FUSE_HAS_IO_URING_KMBUF was not negotiated,
 * -EINVAL if an argument is wrong, or the region is too small,
 * -ESRCH if there is no such queue, or its io_uring has gone,
 * -ENXIO if the io_uring has no memory region,
 * -EBUSY if the queue has, or had, an entry,
 * -EEXIST if its headers are in a memory region already,
 * -EXDEV if its payloads are in buffers of another io_uring,
 * -ECANCELED if the io_uring is going,
 * -ENOTCONN if the connection has been aborted.
 */
int fuse_uring_add_headers(struct io_uring_cmd *cmd, unsigned int qid,
			   unsigned int issue_flags, struct fuse_chan *fch)
{
	struct fuse_uring_cmd_req req = read_cmd_req(cmd);
	const u32 zero_copy_min = req.headers.zero_copy_min;
	const u32 hdr_stride = req.headers.hdr_stride;
	struct fuse_ring_queue *queue;
	int err;

	queue = find_queue(cmd, &req, qid, fch);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	if (req.headers.reserved || (zero_copy_min && !queue->zero_copy))
		return -EINVAL;
	if (!hdr_stride || hdr_stride % FUSE_URING_HDR_ALIGN)
		return -EINVAL;
	err = check_region(cmd, hdr_stride, issue_flags);
	if (err)
		return err;

	guard(spinlock)(&queue->lock);
	err = check_queue(queue, cmd, queue->hdr_stride);
	if (err)
		return err;
	queue->zero_copy_min = zero_copy_min;
	WRITE_ONCE(queue->hdr_stride, hdr_stride);
	WRITE_ONCE(queue->io_ring, io_uring_cmd_ctx_handle(cmd));
	return 0;
}

/* Has the command's io_uring the first of the queue's rings of buffers? */
static bool on_first_kmbuf(const struct fuse_ring_queue *queue,
			   struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	return io_uring_cmd_on_kmbuf_ring(cmd, READ_ONCE(queue->first_group),
					  READ_ONCE(queue->first_kmbuf),
					  issue_flags);
}

/* Can the queue get (more) buffers of the command's io_uring? */
static int check_provider(struct fuse_ring_queue *queue,
			  struct io_uring_cmd *cmd)
{
	bool has_pool = queue->provider != FUSE_PROVIDER_IOVEC &&
			queue->provider != FUSE_PROVIDER_KMBUF;
	int err;

	err = check_queue(queue, cmd, has_pool);
	if (err)
		return err;
	return queue->nr_kmbufs < FUSE_URING_MAX_KMBUF_RINGS ? 0 : -ENOSPC;
}

/*
 * Also compares the buffers that the queue has already: the io_uring's address
 * can be that of an earlier one.
 */
static int check_kmbuf(struct fuse_ring_queue *queue, struct io_uring_cmd *cmd,
		       unsigned int issue_flags)
{
	int err;

	scoped_guard(spinlock, &queue->lock)
		err = check_provider(queue, cmd);
	if (err || !READ_ONCE(queue->first_kmbuf))
		return err;
	return on_first_kmbuf(queue, cmd, issue_flags) ? 0 : -EXDEV;
}

/*
 * The server has to be able to write replies of any size, into the first of the
 * queue's buffers at least.
 */
static int check_buffers(const struct fuse_ring_queue *queue,
			 struct io_kmbuf_ring *kmbuf)
{
	if (io_uring_kmbuf_flags(kmbuf) & IOU_KMBUF_RING_RDONLY)
		return -EINVAL;
	if (!queue->nr_kmbufs &&
	    io_uring_kmbuf_size(kmbuf) < queue->ring->max_payload_sz)
		return -EINVAL;
	return 0;
}

/* Keep the smallest buffers first */
static void insert_kmbuf(struct fuse_ring_queue *queue,
			 const struct fuse_kmbufs *kmbufs)
{
	unsigned int i = queue->nr_kmbufs;

	for (; i && queue->kmbufs[i - 1].size > kmbufs->size; i--)
		queue->kmbufs[i] = queue->kmbufs[i - 1];
	queue->kmbufs[i] = *kmbufs;
	queue->nr_kmbufs++;
}

/* On success, the pin belongs to the queue */
static int set_kmbuf(struct fuse_ring_queue *queue, struct io_uring_cmd *cmd,
		     struct io_kmbuf_ring *kmbuf, u16 buf_group)
{
	const struct fuse_kmbufs kmbufs = {
		.ring = kmbuf,
		.buf_group = buf_group,
		.size = io_uring_kmbuf_size(kmbuf),
	};
	int err;

	guard(spinlock)(&queue->lock);
	/* this can have changed while the buffers were pinned */
	err = check_provider(queue, cmd);
	if (!err)
		err = check_buffers(queue, kmbuf);
	if (err)
		return err;
	if (!queue->nr_kmbufs) {
		WRITE_ONCE(queue->first_kmbuf, kmbuf);
		WRITE_ONCE(queue->first_group, buf_group);
	}
	insert_kmbuf(queue, &kmbufs);
	WRITE_ONCE(queue->provider, FUSE_PROVIDER_KMBUF);
	WRITE_ONCE(queue->io_ring, io_uring_cmd_ctx_handle(cmd));
	return 0;
}

/**
 * fuse_uring_add_kmbuf - FUSE_IO_URING_CMD_ADD_KMBUF
 * @cmd: the command
 * @qid: the queue that it names
 * @issue_flags: as it was issued with
 * @fch: the channel of the server's device
 *
 * Put the payloads of the queue's entries into a ring of kernel-managed buffers
 * of @cmd's io_uring, unless they are inline or the entry has an iovec for
 * them. Up to three further calls can add rings, with buffers of any size. The
 * queue pins the rings until the last entry that uses them has gone, or the
 * connection is aborted before there is one. A call that fails changes nothing.
 *
 * Context: Process context. Takes the io_uring's ->uring_lock if @issue_flags
 * say that it is not held, and the queue's lock.
 *
 * Return: 0, or
 * -EOPNOTSUPP if FUSE_HAS_IO_URING_KMBUF was not negotiated,
 * -EINVAL if an argument is wrong, or the buffers are read-only, or they are
 * the queue's first and too small for the largest read and write,
 * -ESRCH if there is no such queue, or its io_uring has gone,
 * -EBUSY if the queue has, or had, an entry, or the ring is pinned, for
 * instance by another queue,
 * -EEXIST if the queue has a pool,
 * -ENOSPC if it has four rings of buffers already,
 * -EXDEV if its headers or its other buffers are memory of another io_uring,
 * -ENOENT if there is no such ring of buffers,
 * -ECANCELED if the io_uring is going,
 * -ENOTCONN if the connection has been aborted.
 */
int fuse_uring_add_kmbuf(struct io_uring_cmd *cmd, unsigned int qid,
			 unsigned int issue_flags, struct fuse_chan *fch)
{
	struct fuse_uring_cmd_req req = read_cmd_req(cmd);
	const u16 buf_group = req.kmbuf.buf_group;
	struct fuse_ring_queue *queue;
	struct io_kmbuf_ring *kmbuf;
	int err;

	queue = find_queue(cmd, &req, qid, fch);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	if (!mem_is_zero(req.kmbuf.reserved, sizeof(req.kmbuf.reserved)))
		return -EINVAL;
	err = check_kmbuf(queue, cmd, issue_flags);
	if (err)
		return err;

	/* a buffer that another user recycled would return unnoticed */
	kmbuf = io_uring_buf_ring_pin_exclusive(cmd, buf_group, issue_flags);
	if (IS_ERR(kmbuf))
		return PTR_ERR(kmbuf);
	err = set_kmbuf(queue, cmd, kmbuf, buf_group);
	if (err)
		io_uring_buf_ring_unpin(kmbuf);
	return err;
}

/**
 * fuse_uring_cmd_mem - find the queue memory that a command can use
 * @cmd: the command
 * @queue: the queue
 * @issue_flags: as the command was issued with
 * @mem: initially zero, filled in with the memory; stays zero if the io_uring
 *	of @cmd is not the queue's
 *
 * The queue can unpin its buffers meanwhile, and other buffers can then get
 * their address. So the result is only valid if the caller finds, under
 * queue->lock, that there is, or may be, an entry that uses the buffers. A
 * command that is issued before the queue has got all of its memory can miss
 * some of it.
 *
 * Context: Process context. Takes the io_uring's ->uring_lock if @issue_flags
 * say that it is not held.
 */
void fuse_uring_cmd_mem(struct io_uring_cmd *cmd, struct fuse_ring_queue *queue,
			unsigned int issue_flags,
			struct fuse_uring_cmd_mem *mem)
{
	if (READ_ONCE(queue->io_ring) != io_uring_cmd_ctx_handle(cmd))
		return;
	if (READ_ONCE(queue->provider) == FUSE_PROVIDER_KMBUF)
		mem->kmbuf = on_first_kmbuf(queue, cmd, issue_flags);
	if (READ_ONCE(queue->hdr_stride))
		mem->region = io_uring_registered_mem_region_get(cmd,
								 issue_flags);
}

/**
 * fuse_uring_ent_attach - let an entry use the memory of its queue
 * @ent: the entry
 * @mem: result of fuse_uring_cmd_mem() for the entry's command
 *
 * Finds the address of the header, which is valid for as long as the command
 * exists. An entry that uses no memory of its queue needs no address.
 *
 * Context: Any. Under queue->lock, unless the entry is new.
 *
 * Return: %false if the command cannot use the memory that the entry needs;
 * then nothing has changed.
 */
bool fuse_uring_ent_attach(struct fuse_ring_ent *ent,
			   const struct fuse_uring_cmd_mem *mem)
{
	const u64 size = region_size(&mem->region);
	const u64 stride = READ_ONCE(ent->queue->hdr_stride);

	if (ent->provider == FUSE_PROVIDER_KMBUF && !mem->kmbuf)
		return false;
	if (!ent->hdr_in_region)
		return true;
	if (stride > size || ent->hdr_offset > size - stride)
		return false;
	ent->hdr = mem->region.ptr + ent->hdr_offset;
	return true;
}

static int set_slot(struct fuse_ring_ent *ent, u16 index)
{
	if (index == FUSE_URING_NO_BUF_INDEX ||
	    (!ent->queue->zero_copy && !index))
		return 0;
	if (!ent->queue->zero_copy || ent->provider == FUSE_PROVIDER_IOVEC)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ent->buf_index = index;
	return 0;
}

/**
 * fuse_uring_ent_setup - apply FUSE_IO_URING_CMD_REGISTER on a queue with
 *	kernel memory
 * @ent: the new entry, whose queue is set
 * @cmd: the command
 * @headers: the entry's iovec for its header
 * @payload: the entry's iovec for its payload
 * @issue_flags: as the command was issued with
 *
 * Memory of the queue replaces each empty iovec of the entry. The caller checks
 * the other iovecs, and also a payload iovec that is empty on a queue without a
 * provider: @ent->provider is still FUSE_PROVIDER_IOVEC then.
 *
 * Context: Process context. Takes the io_uring's ->uring_lock if @issue_flags
 * say that it is not held.
 *
 * Return: 0, or
 * -EINVAL if an argument is wrong, or the io_uring is not the queue's, or the
 * queue does not have the memory that the entry needs,
 * -EPERM if there is a slot for zero copy, but no CAP_SYS_ADMIN.
 */
int fuse_uring_ent_setup(struct fuse_ring_ent *ent, struct io_uring_cmd *cmd,
			 const struct iovec *headers,
			 const struct iovec *payload, unsigned int issue_flags)
{
	struct fuse_uring_cmd_req req = read_cmd_req(cmd);
	struct fuse_ring_queue *queue = ent->queue;
	struct fuse_uring_cmd_mem mem = { };
	int err;

	if (!is_clean(cmd, &req) ||
	    !mem_is_zero(req.ent.reserved, sizeof(req.ent.reserved)))
		return -EINVAL;

	ent->hdr_in_region = is_empty(headers);
	ent->hdr_offset = req.ent.hdr_offset;
	if (ent->hdr_in_region && !READ_ONCE(queue->hdr_stride))
		return -EINVAL;
	if (!ent->hdr_in_region && ent->hdr_offset)
		return -EINVAL;
	if (ent->hdr_offset % FUSE_URING_HDR_ALIGN)
		return -EINVAL;
	if (is_empty(payload))
		ent->provider = READ_ONCE(queue->provider);

	err = set_slot(ent, req.ent.zero_copy_buf_index);
	if (err)
		return err;
	fuse_uring_cmd_mem(cmd, queue, issue_flags, &mem);
	return fuse_uring_ent_attach(ent, &mem) ? 0 : -EINVAL;
}
