// SPDX-License-Identifier: GPL-2.0
/*
 * Where the payloads of FUSE over io_uring are when a queue has memory that the
 * kernel owns and shares with the server. A small payload is behind the header
 * in the memory region of the io_uring. A larger one is with the queue's
 * provider, which can be rings of kernel-managed buffers, each with buffers of
 * a size of its own.
 *
 * The queue pins its rings of buffers. The pins end with the last entry that
 * uses the rings, so that a mount whose server is dead holds none of the
 * server's memory. Unless another server can take over, an entry whose request a
 * dead server has taken ends with the last reference to the server's device, or
 * with an abort: another process that has the device open keeps the entry, and
 * the pins.
 *
 * Buffers are taken and returned under queue->lock. An entry that waits for a
 * request has no buffer, so there are as many buffers in use as payloads in
 * flight. A payload takes the smallest buffer that is free and large enough.
 *
 * Userspace can write to headers and buffers at any time. Values are read from
 * them once, and then checked.
 */

#include "args.h"
#include "dev.h"
#include "dev_uring_i.h"

#include <linux/io_uring/cmd.h>
#include <linux/log2.h>
#include <linux/sizes.h>

#define HDR_SIZE		sizeof(struct fuse_uring_req_header)
/* offset of a payload behind a header; the server may do O_DIRECT there */
#define PAYLOAD_OFFSET		ALIGN(HDR_SIZE, FUSE_URING_HDR_ALIGN)

/* Number of bytes behind the header for payloads */
static size_t inline_size(const struct fuse_ring_ent *ent)
{
	return ent->hdr_in_region ? ent->queue->hdr_stride - PAYLOAD_OFFSET : 0;
}

/* Aligned as some disks want memory for reads and writes of whole blocks */
static bool inline_is_aligned(const struct fuse_ring_ent *ent)
{
	return IS_ALIGNED(ent->hdr_offset + PAYLOAD_OFFSET, SZ_4K);
}

static bool fits_inline(const struct fuse_ring_ent *ent,
			const struct fuse_args *args, size_t size)
{
	BUILD_BUG_ON(HDR_SIZE != 288);
	BUILD_BUG_ON(PAYLOAD_OFFSET != FUSE_URING_HDR_ALIGN);

	if (size > inline_size(ent))
		return false;
	if (args->opcode != FUSE_READ && args->opcode != FUSE_WRITE)
		return true;
	/* the disk may have 4 KiB blocks, and want memory aligned to that */
	return !IS_ALIGNED(size, SZ_4K) || inline_is_aligned(ent);
}

/* Number of copied bytes, of the request or of the reply, whichever is more */
static size_t copied_size(struct fuse_args *args, bool zero_copy)
{
	size_t in = 0, out = 0;

	/* the first argument is in the header */
	if (args->in_numargs && !(zero_copy && args->in_pages))
		in = fuse_len_args(args->in_numargs - 1,
				   (struct fuse_arg *)args->in_args + 1);
	if (!(zero_copy && args->out_pages))
		out = fuse_len_args(args->out_numargs, args->out_args);
	return max(in, out);
}

/* Where @size copied bytes are, first the request's and then the reply's */
static enum fuse_payload_place payload_place(const struct fuse_ring_ent *ent,
					     const struct fuse_args *args,
					     size_t size)
{
	if (!size)
		return FUSE_PAYLOAD_NONE;
	if (fits_inline(ent, args, size))
		return FUSE_PAYLOAD_INLINE;
	return ent->provider == FUSE_PROVIDER_KMBUF ? FUSE_PAYLOAD_BUFFER :
						      FUSE_PAYLOAD_IOVEC;
}

/*
 * The first of the queue's sizes that is large enough. A payload that is larger
 * than all of them takes the largest, and gets an error when it is copied. 0 if
 * there are none.
 */
static unsigned int size_class(const struct fuse_ring_queue *queue, size_t size)
{
	const unsigned int nr = queue->nr_kmbufs;
	unsigned int i = 0;

	while (i + 1 < nr && queue->kmbufs[i].size < size &&
	       queue->kmbufs[i].size < queue->kmbufs[nr - 1].size)
		i++;
	return i;
}

/*
 * Give the entry the smallest free buffer for @size bytes. The buffer that it
 * has already counts as free. False if none is.
 */
static bool claim_buffer(struct fuse_ring_ent *ent, size_t size)
{
	struct fuse_ring_queue *queue = ent->queue;
	struct io_kmbuf buf;
	unsigned int i;

	for (i = size_class(queue, size); i < queue->nr_kmbufs; i++) {
		if (ent->buf.addr && ent->buf_ring == i)
			return true;
		if (io_uring_kmbuf_select(queue->kmbufs[i].ring, &buf))
			continue;
		fuse_uring_kmbuf_put(ent);
		ent->buf = buf;
		ent->buf_ring = i;
		return true;
	}
	return false;
}

/*
 * Give the entry a buffer if the payload of @req needs one. A buffer that the
 * entry has already is reused, or returned if it is not needed or another is
 * better. False if no buffer is free. Not for entries that use no memory of
 * their queue.
 */
bool fuse_uring_payload_claim(struct fuse_ring_ent *ent, struct fuse_req *req)
{
	bool zero_copy = fuse_uring_zc_wanted(ent, req);
	size_t size = copied_size(req->args, zero_copy);
	enum fuse_payload_place place;

	lockdep_assert_held(&ent->queue->lock);

	place = payload_place(ent, req->args, size);
	if (place != FUSE_PAYLOAD_BUFFER)
		fuse_uring_kmbuf_put(ent);
	else if (!claim_buffer(ent, size))
		return false;

	ent->place = place;
	ent->zero_copy = zero_copy;
	return true;
}

/* The smallest of the queue's sizes that would do for @req in the entry */
unsigned int fuse_uring_payload_size_class(const struct fuse_ring_ent *ent,
					   const struct fuse_req *req)
{
	bool zero_copy = fuse_uring_zc_wanted(ent, req);

	if (ent->provider != FUSE_PROVIDER_KMBUF)
		return 0;
	return size_class(ent->queue, copied_size(req->args, zero_copy));
}

/* What lets an entry serve some requests without a buffer */
static unsigned int without_buffer(const struct fuse_ring_ent *ent)
{
	unsigned int means = 0;

	if (ent->buf_index != FUSE_URING_NO_BUF_INDEX)
		means |= BIT(0);
	if (ent->hdr_in_region)
		means |= BIT(1);
	if (ent->hdr_in_region && inline_is_aligned(ent))
		means |= BIT(2);
	return means;
}

/*
 * Given that all waiting requests need a buffer, at least with @starved: does
 * @ent need one for them, too? No if @ent has memory of its own. It may not
 * need one if it has a slot, or room in its header, that @starved does not
 * have.
 */
bool fuse_uring_payload_starves_too(const struct fuse_ring_ent *ent,
				    const struct fuse_ring_ent *starved)
{
	return ent->provider != FUSE_PROVIDER_IOVEC &&
	       !(without_buffer(ent) & ~without_buffer(starved));
}

/* Return the entry's buffer if it has one */
void fuse_uring_kmbuf_put(struct fuse_ring_ent *ent)
{
	const struct fuse_kmbufs *kmbufs = &ent->queue->kmbufs[ent->buf_ring];

	lockdep_assert_held(&ent->queue->lock);

	if (!ent->buf.addr)
		return;
	WARN_ON_ONCE(io_uring_kmbuf_recycle(kmbufs->ring, ent->buf.bid));
	ent->buf.addr = NULL;
}

/* How many bytes of payload fit in the place chosen for it */
size_t fuse_uring_payload_room(const struct fuse_ring_ent *ent)
{
	/* as much as the request asks for */
	if (ent->zero_copy)
		return SIZE_MAX;

	switch (ent->place) {
	case FUSE_PAYLOAD_IOVEC:
		return ent->payload_size;
	case FUSE_PAYLOAD_INLINE:
		return inline_size(ent);
	case FUSE_PAYLOAD_BUFFER:
		return ent->buf.len;
	default:
		return 0;
	}
}

/*
 * Set up copying from the place of the payload, or to it if @write. Not for
 * FUSE_PAYLOAD_IOVEC.
 */
void fuse_uring_payload_copy_init(struct fuse_copy_state *cs,
				  struct fuse_ring_ent *ent, bool write)
{
	switch (ent->place) {
	case FUSE_PAYLOAD_INLINE:
		fuse_copy_init_kaddr(cs, write, ent->hdr + PAYLOAD_OFFSET,
				     inline_size(ent));
		break;
	case FUSE_PAYLOAD_BUFFER:
		fuse_copy_init_kaddr(cs, write, ent->buf.addr, ent->buf.len);
		break;
	default:
		/* no room for a single byte */
		fuse_copy_init_kaddr(cs, write, ent, 0);
		break;
	}
}

/* The payload size that the server is told */
static u32 zero_copy_size(const struct fuse_args *args)
{
	return args->in_pages ? args->in_args[1].size : 0;
}

/* Tell the server where the payload is */
void fuse_uring_payload_describe(const struct fuse_ring_ent *ent,
				 struct fuse_uring_ent_in_out *ent_in_out)
{
	switch (ent->place) {
	case FUSE_PAYLOAD_INLINE:
		ent_in_out->flags = FUSE_URING_ENT_INLINE;
		ent_in_out->offset = PAYLOAD_OFFSET;
		break;
	case FUSE_PAYLOAD_BUFFER:
		ent_in_out->flags = FUSE_URING_ENT_BUFFER;
		ent_in_out->buf_id = ent->buf.bid;
		ent_in_out->buf_group =
			ent->queue->kmbufs[ent->buf_ring].buf_group;
		break;
	default:
		break;
	}
	if (!ent->zero_copy)
		return;
	ent_in_out->flags |= FUSE_URING_ENT_ZERO_COPY;
	ent_in_out->buf_index = ent->buf_index;
	ent_in_out->payload_sz = zero_copy_size(ent->fuse_req->args);
}

/* An entry joins those that share the buffers of the queue */
static void note_means(struct fuse_ring_queue *queue,
		       const struct fuse_ring_ent *ent)
{
	queue->ents_means |= BIT(without_buffer(ent));
	queue->ents_differ = !is_power_of_2(queue->ents_means);
}

/*
 * A new entry is to use its queue. -EINVAL if the queue does not have the
 * buffers that the entry needs, or no longer has them, or is for zero copy and
 * has no provider. -ENOTCONN if the connection has been aborted.
 */
int fuse_uring_ent_join(struct fuse_ring_ent *ent)
{
	struct fuse_ring_queue *queue = ent->queue;

	guard(spinlock)(&queue->lock);
	if (queue->stopped)
		return -ENOTCONN;
	if (queue->zero_copy && queue->provider == FUSE_PROVIDER_IOVEC)
		return -EINVAL;
	if (ent->provider == FUSE_PROVIDER_KMBUF) {
		if (queue->kmbufs_unpinned)
			return -EINVAL;
		queue->nr_kmbuf_ents++;
	}
	if (ent->provider != FUSE_PROVIDER_IOVEC)
		note_means(queue, ent);
	queue->had_ents = true;
	return 0;
}

/*
 * If no entry uses the buffers of the queue, none will later. Then the caller
 * has to call fuse_uring_kmbuf_unpin(), else this is false.
 */
bool fuse_uring_kmbuf_unused(struct fuse_ring_queue *queue)
{
	lockdep_assert_held(&queue->lock);

	if (queue->nr_kmbuf_ents || queue->kmbufs_unpinned)
		return false;
	queue->kmbufs_unpinned = true;
	return true;
}

/*
 * The entry is going. If it is the last one that uses the buffers, the caller
 * has to call fuse_uring_kmbuf_unpin(), before the server is told that the
 * entry is gone. Else this is false.
 */
bool fuse_uring_kmbuf_leave(struct fuse_ring_ent *ent)
{
	lockdep_assert_held(&ent->queue->lock);

	if (ent->provider != FUSE_PROVIDER_KMBUF)
		return false;
	fuse_uring_kmbuf_put(ent);
	ent->queue->nr_kmbuf_ents--;
	return fuse_uring_kmbuf_unused(ent->queue);
}

/* Call without queue->lock, as this may sleep, and once for each queue */
void fuse_uring_kmbuf_unpin(struct fuse_ring_queue *queue)
{
	unsigned int i;

	for (i = 0; i < queue->nr_kmbufs; i++)
		io_uring_buf_ring_unpin(queue->kmbufs[i].ring);
}
