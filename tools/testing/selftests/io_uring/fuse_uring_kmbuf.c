// SPDX-License-Identifier: GPL-2.0
/*
 * The server of a FUSE file system over io_uring whose headers are in the
 * ring's memory region and whose payloads are in kernel-managed buffers, with a
 * group of them for each queue.
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

int fuse_kmbuf_add_queue(struct test_ring *tr, int dev,
			 const struct fuse_uring_cmd_req *add)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(tr, dev, FUSE_IO_URING_CMD_ADD_QUEUE, add->qid);
	*fuse_uring_req(sqe) = *add;
	return test_submit_wait(tr);
}

static int add_queue(struct uring_server *srv, unsigned int qid)
{
	const bool zero_copy = srv->ft->mode == FUSE_MODE_ZC;
	struct fuse_uring_cmd_req add = {
		.flags = FUSE_URING_KMBUF |
			 (zero_copy ? FUSE_URING_ZERO_COPY : 0),
		.qid = qid,
		.queue = {
			.hdr_stride = srv->stride,
			.zero_copy_min = zero_copy ? srv->ft->zero_copy_min : 0,
			.buf_group = qid,
		},
	};

	return fuse_kmbuf_add_queue(&srv->tr, srv->ft->dev, &add);
}

/* Put something into each slot that no request is for */
static int take_slots(struct uring_server *srv)
{
	struct iovec iov = { srv->region, srv->stride };
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
	unsigned int i;
	int ret;

	srv->nr_bufs = srv->ft->buffers ? srv->ft->buffers : 1;
	srv->buf_size = uring_page_align(fuse_entry_room(srv->ft));
	srv->bufs = calloc(srv->nr_queues, sizeof(*srv->bufs));
	ret = init_region(srv);
	for (i = 0; !ret && i < srv->nr_queues; i++)
		ret = init_bufs(srv, i);
	for (i = 0; !ret && i < srv->nr_queues; i++)
		ret = add_queue(srv, i);
	if (!ret && srv->ft->slots == FUSE_SLOTS_TAKEN)
		ret = take_slots(srv);
	return ret;
}

static void exit_memory(struct uring_server *srv)
{
	unsigned int i;

	for (i = 0; i < srv->nr_queues; i++)
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

	if (ft->mode != FUSE_MODE_ZC || ft->slots == FUSE_SLOTS_UNNAMED)
		return FUSE_URING_NO_BUF_INDEX;
	if (ft->slots == FUSE_SLOTS_OUTSIDE)
		return srv->nr_entries + entry->index;
	return entry->index;
}

static void prep_entry(struct uring_server *srv, struct uring_entry *entry,
		       struct io_uring_sqe *sqe)
{
	const size_t offset = (size_t)entry->index * srv->stride;

	entry->head = (void *)(srv->region + offset);
	fuse_uring_req(sqe)->ent = (struct fuse_uring_add_ent) {
		.hdr_offset = offset,
		.buf_index = entry_slot(srv, entry),
	};
}

/* A buffer comes with the completion if, and only if, the header says so */
static bool buffer_agrees(const struct fuse_uring_ent_in_out *io,
			  unsigned int cqe_flags)
{
	const bool buffer = io->flags == FUSE_URING_PAYLOAD_BUFFER;

	if (!(cqe_flags & IORING_CQE_F_BUFFER))
		return !buffer;
	return buffer && cqe_flags >> IORING_CQE_BUFFER_SHIFT == io->buf_id;
}

static int locate(struct uring_server *srv, struct uring_entry *entry,
		  unsigned int cqe_flags)
{
	const struct fuse_uring_ent_in_out *io = &entry->in_out;
	unsigned char *head = (unsigned char *)entry->head;
	struct fuse_call *call = &entry->call;

	if (!buffer_agrees(io, cqe_flags))
		return -EPROTO;
	if (io->flags == FUSE_URING_PAYLOAD_ZERO_COPY)
		call->slot = io->buf_index;
	switch (io->flags) {
	case 0:
		uring_set_payload(call, head, 0);
		return io->payload_sz ? -EPROTO : 0;
	case FUSE_URING_PAYLOAD_INLINE:
	case FUSE_URING_PAYLOAD_ZERO_COPY:
		if (io->offset < sizeof(*entry->head) ||
		    io->offset % FUSE_URING_HDR_ALIGN ||
		    io->offset > srv->stride)
			return -EPROTO;
		uring_set_payload(call, head + io->offset,
				  srv->stride - io->offset);
		return 0;
	case FUSE_URING_PAYLOAD_BUFFER:
		if (io->buf_id >= srv->nr_bufs || io->offset > srv->buf_size)
			return -EPROTO;
		uring_set_payload(call, srv->bufs[entry->qid] +
				  io->buf_id * srv->buf_size + io->offset,
				  srv->buf_size - io->offset);
		return 0;
	}
	return -EPROTO;
}

const struct fuse_uring_ops fuse_kmbuf_ops = {
	.init		= init,
	.exit		= exit_memory,
	.prep_entry	= prep_entry,
	.locate		= locate,
};
