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

static int init_bufs(struct uring_server *srv, unsigned int qid)
{
	struct io_uring *ring = &srv->tr.ring;
	int ret;

	ret = kmbuf_setup(ring, qid, srv->nr_bufs,
			  srv->buf_size / sysconf(_SC_PAGESIZE), 0);
	if (ret)
		return ret;
	srv->bufs[qid] = kmbuf_mmap(ring, qid, srv->nr_bufs * srv->buf_size,
				    PROT_READ | PROT_WRITE);
	if (srv->bufs[qid] != MAP_FAILED)
		return 0;
	srv->bufs[qid] = NULL;
	return -errno;
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
	if (fuse_mode_buffers(mode))
		srv->bufs = calloc(srv->nr_queues, sizeof(*srv->bufs));
	for (i = 0; !ret && srv->bufs && i < srv->nr_queues; i++)
		ret = init_bufs(srv, i);
	for (i = 0; !ret && i < srv->nr_queues; i++)
		ret = fuse_kmbuf_add_queue(&srv->tr, srv->ft, i, srv->stride, i);
	if (!ret && srv->ft->slots == FUSE_SLOTS_TAKEN)
		ret = take_slots(srv);
	return ret;
}

static void exit_memory(struct uring_server *srv)
{
	unsigned int i;

	for (i = 0; srv->bufs && i < srv->nr_queues; i++)
		if (srv->bufs[i])
			munmap(srv->bufs[i], srv->nr_bufs * srv->buf_size);
	free(srv->bufs);
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
		return !buffer && !io->buf_id;
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

	if (entry->own_payload || id >= srv->nr_bufs)
		return -EPROTO;
	uring_set_payload(&entry->call,
			  srv->bufs[entry->qid] + id * srv->buf_size,
			  srv->buf_size);
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
