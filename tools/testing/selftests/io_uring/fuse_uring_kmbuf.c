// SPDX-License-Identifier: GPL-2.0
/*
 * The server of a FUSE file system over io_uring with headers in the ring's
 * memory region, or payloads in kernel-managed buffers, with one group for each
 * queue, or both.
 */
#include "fuse_uring.h"
#include "iou_kmbuf.h"
#include "iou_region.h"

#include <errno.h>
#include <stdlib.h>

static int init_region(struct uring_server *srv)
{
	srv->stride = srv->ft->hdr_stride ? srv->ft->hdr_stride :
					    FUSE_TEST_STRIDE;
	srv->region_size = uring_page_align((size_t)srv->nr_entries * srv->stride);
	srv->region = region_register(&srv->tr.ring, NULL, srv->region_size);
	if (srv->region != MAP_FAILED)
		return 0;
	srv->region = NULL;
	return -errno;
}

/* The group of a queue's largest buffers, and those of its other buffers */
static unsigned int group(const struct uring_server *srv, unsigned int qid,
			  unsigned int size)
{
	return size * srv->nr_queues + qid;
}

/* NULL if that fails, with errno set */
static unsigned char *init_group(struct uring_server *srv, unsigned int bgid,
				 unsigned int nr, size_t size)
{
	unsigned char *bufs;
	int ret;

	ret = kmbuf_setup_bytes(&srv->tr.ring, bgid, nr, size, 0);
	if (ret) {
		errno = -ret;
		return NULL;
	}
	bufs = kmbuf_mmap(&srv->tr.ring, bgid, nr * size,
			  PROT_READ | PROT_WRITE);
	return bufs == MAP_FAILED ? NULL : bufs;
}

static const struct fuse_buffers *more(const struct uring_server *srv,
				       unsigned int i)
{
	const struct fuse_buffers *buffers = srv->ft->more_buffers + i;

	return i < FUSE_TEST_MORE_SIZES && buffers->nr ? buffers : NULL;
}

static unsigned char **more_bufs(const struct uring_server *srv,
				 unsigned int qid, unsigned int i)
{
	return srv->more_bufs + qid * FUSE_TEST_MORE_SIZES + i;
}

/* All buffers of a queue */
static int init_bufs(struct uring_server *srv, unsigned int qid)
{
	unsigned int i;

	srv->bufs[qid] = init_group(srv, group(srv, qid, 0), srv->nr_bufs,
				    srv->buf_size);
	if (!srv->bufs[qid])
		return -errno;
	for (i = 0; more(srv, i); i++) {
		*more_bufs(srv, qid, i) = init_group(srv, group(srv, qid, i + 1),
						     more(srv, i)->nr,
						     more(srv, i)->size);
		if (!*more_bufs(srv, qid, i))
			return -errno;
	}
	return 0;
}

/* The queue has its largest buffers already */
static int add_more_bufs(struct uring_server *srv, unsigned int qid)
{
	struct fuse_uring_cmd_req kmbuf = { .qid = qid };
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && more(srv, i); i++) {
		kmbuf.kmbuf.buf_group = group(srv, qid, i + 1);
		ret = fuse_uring_cmd(&srv->tr, srv->ft->dev,
				     FUSE_IO_URING_CMD_ADD_KMBUF, &kmbuf);
	}
	return ret;
}

int fuse_kmbuf_add_queue(struct test_ring *tr, const struct fuse_test *ft,
			 unsigned int qid, unsigned int stride,
			 unsigned int bgid)
{
	const bool zero_copy = fuse_mode_zero_copy(ft->mode);
	const struct fuse_uring_cmd_req queue = {
		.flags = zero_copy ? FUSE_URING_ZERO_COPY : 0,
		.qid = qid,
	};
	const struct fuse_uring_cmd_req headers = {
		.qid = qid,
		.headers = {
			.hdr_stride = stride,
			.zero_copy_min = zero_copy ? ft->zero_copy_min : 0,
		},
	};
	const struct fuse_uring_cmd_req kmbuf = {
		.qid = qid,
		.kmbuf = { .buf_group = bgid },
	};
	int ret;

	ret = fuse_uring_cmd(tr, ft->dev, FUSE_IO_URING_CMD_ADD_QUEUE, &queue);
	if (!ret && fuse_mode_headers(ft->mode))
		ret = fuse_uring_cmd(tr, ft->dev,
				     FUSE_IO_URING_CMD_ADD_HEADERS, &headers);
	if (!ret && fuse_mode_buffers(ft->mode))
		ret = fuse_uring_cmd(tr, ft->dev, FUSE_IO_URING_CMD_ADD_KMBUF,
				     &kmbuf);
	return ret;
}

/* Fill all slots that no request uses */
static int take_slots(struct uring_server *srv)
{
	/* any memory does */
	struct iovec iov = { srv->entries, sizeof(*srv->entries) };
	__u64 tag = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < srv->nr_entries; i++) {
		ret = io_uring_register_buffers_update_tag(&srv->tr.ring, i,
							   &iov, &tag, 1);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int init(struct uring_server *srv)
{
	const enum fuse_mode mode = srv->ft->mode;
	unsigned int i;
	int ret = 0;

	srv->nr_bufs = srv->ft->buffers ? srv->ft->buffers : 1;
	srv->buf_size = uring_page_align(fuse_entry_room(srv->ft));
	if (fuse_mode_headers(mode))
		ret = init_region(srv);
	if (fuse_mode_buffers(mode)) {
		srv->bufs = calloc(srv->nr_queues, sizeof(*srv->bufs));
		srv->more_bufs = calloc(srv->nr_queues * FUSE_TEST_MORE_SIZES,
					sizeof(*srv->more_bufs));
	}
	for (i = 0; !ret && srv->bufs && i < srv->nr_queues; i++)
		if (fuse_uring_has_queue(srv->ft, i))
			ret = init_bufs(srv, i);
	for (i = 0; !ret && i < srv->nr_queues; i++) {
		if (!fuse_uring_has_queue(srv->ft, i))
			continue;
		ret = fuse_kmbuf_add_queue(&srv->tr, srv->ft, i, srv->stride,
					   group(srv, i, 0));
		if (!ret && srv->bufs)
			ret = add_more_bufs(srv, i);
	}
	if (!ret && srv->ft->slots == FUSE_SLOTS_TAKEN)
		ret = take_slots(srv);
	return ret;
}

static void exit_memory(struct uring_server *srv)
{
	const struct fuse_buffers *buffers;
	unsigned int qid, i;

	for (qid = 0; srv->bufs && qid < srv->nr_queues; qid++) {
		if (srv->bufs[qid])
			munmap(srv->bufs[qid], srv->nr_bufs * srv->buf_size);
		for (i = 0; (buffers = more(srv, i)); i++)
			if (*more_bufs(srv, qid, i))
				munmap(*more_bufs(srv, qid, i),
				       (size_t)buffers->nr * buffers->size);
	}
	free(srv->bufs);
	free(srv->more_bufs);
	if (srv->region)
		munmap(srv->region, srv->region_size);
}

static unsigned int entry_slot(const struct uring_server *srv,
			       const struct uring_entry *entry)
{
	const struct fuse_test *ft = srv->ft;

	if (!fuse_mode_zero_copy(ft->mode) || entry->own_payload ||
	    ft->slots == FUSE_SLOTS_UNNAMED)
		return FUSE_URING_NO_BUF_INDEX;
	if (ft->slots == FUSE_SLOTS_OUTSIDE)
		return srv->nr_entries + entry->index;
	return entry->index;
}

static void prep_entry(struct uring_server *srv, struct uring_entry *entry,
		       struct io_uring_sqe *sqe)
{
	const size_t offset = (size_t)entry->index * srv->stride;

	if (!entry->own_head)
		entry->head = (void *)(srv->region + offset);
	fuse_uring_req(sqe)->ent = (struct fuse_uring_add_ent) {
		.zero_copy_buf_index = entry_slot(srv, entry),
		.hdr_offset = entry->own_head ? 0 : offset,
	};
}

/* A completion has a buffer if, and only if, the header says so */
static bool buffer_agrees(const struct fuse_uring_ent_in_out *io,
			  unsigned int cqe_flags)
{
	const bool buffer = io->flags & FUSE_URING_ENT_BUFFER;

	if (!(cqe_flags & IORING_CQE_F_BUFFER))
		return !buffer && !io->buf_id && !io->buf_group;
	return buffer && cqe_flags >> IORING_CQE_BUFFER_SHIFT == io->buf_id;
}

static bool slot_agrees(const struct uring_server *srv,
			const struct uring_entry *entry)
{
	const struct fuse_uring_ent_in_out *io = &entry->in_out;

	if (!(io->flags & FUSE_URING_ENT_ZERO_COPY))
		return !io->buf_index;
	return fuse_mode_zero_copy(srv->ft->mode) &&
	       io->buf_index == entry_slot(srv, entry);
}

static int locate_inline(const struct uring_server *srv,
			 struct uring_entry *entry)
{
	const unsigned int offset = entry->in_out.offset;

	if (entry->own_head || offset < sizeof(*entry->head) ||
	    offset % FUSE_URING_HDR_ALIGN || offset > srv->stride)
		return -EPROTO;
	uring_set_payload(&entry->call, (unsigned char *)entry->head + offset,
			  srv->stride - offset);
	return 0;
}

static int locate_buffer(const struct uring_server *srv,
			 struct uring_entry *entry)
{
	const unsigned int id = entry->in_out.buf_id;
	struct fuse_buffers buffers = { srv->nr_bufs, srv->buf_size };
	unsigned char *bufs = srv->bufs[entry->qid];
	unsigned int i;

	for (i = 0; entry->in_out.buf_group != group(srv, entry->qid, i); i++) {
		if (!more(srv, i))
			return -EPROTO;
		buffers = *more(srv, i);
		bufs = *more_bufs(srv, entry->qid, i);
	}
	if (entry->own_payload || id >= buffers.nr)
		return -EPROTO;
	uring_set_payload(&entry->call, bufs + (size_t)id * buffers.size,
			  buffers.size);
	return 0;
}

/* The payload is in the entry's own memory, which is already set, or nowhere */
static int locate_rest(struct uring_entry *entry)
{
	if (entry->own_payload)
		return 0;
	uring_set_payload(&entry->call, (unsigned char *)entry->head, 0);
	return entry->in_out.payload_sz && entry->call.slot < 0 ? -EPROTO : 0;
}

static int locate(struct uring_server *srv, struct uring_entry *entry,
		  unsigned int cqe_flags)
{
	const struct fuse_uring_ent_in_out *io = &entry->in_out;

	if (!buffer_agrees(io, cqe_flags) || !slot_agrees(srv, entry) ||
	    (io->offset && !(io->flags & FUSE_URING_ENT_INLINE)) ||
	    io->reserved)
		return -EPROTO;
	if (io->flags & FUSE_URING_ENT_ZERO_COPY)
		entry->call.slot = io->buf_index;
	switch (io->flags & ~FUSE_URING_ENT_ZERO_COPY) {
	case 0:
		return locate_rest(entry);
	case FUSE_URING_ENT_INLINE:
		return locate_inline(srv, entry);
	case FUSE_URING_ENT_BUFFER:
		return locate_buffer(srv, entry);
	}
	return -EPROTO;
}

const struct fuse_uring_ops fuse_kmbuf_ops = {
	.init		= init,
	.exit		= exit_memory,
	.prep_entry	= prep_entry,
	.locate		= locate,
};
