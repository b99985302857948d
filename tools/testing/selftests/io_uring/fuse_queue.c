// SPDX-License-Identifier: GPL-2.0
#include "fuse_queue.h"
#include "iou_kmbuf.h"
#include "iou_region.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

int fuse_queue_mount(struct fuse_queue *fq, enum fuse_mode mode)
{
	fq->ft = (struct fuse_test) {
		.mode = mode,
		.max_pages = FUSE_QUEUE_MAX_PAGES,
		.max_write = 4096,
	};
	fq->ring_flags = 0;
	return fuse_test_open(&fq->ft);
}

int fuse_queue_umount(struct fuse_queue *fq)
{
	close(fq->ft.dev);
	return umount(fq->ft.dir) ? -errno : fuse_test_cleanup(&fq->ft);
}

int fuse_queue_open_ring(struct fuse_queue *fq)
{
	int ret;

	ret = test_ring_init(&fq->tr, IORING_SETUP_SQE128 | fq->ring_flags, 0);
	if (ret)
		return ret;
	fq->region = region_register(&fq->tr.ring, NULL, FUSE_QUEUE_REGION);
	if (fq->region == MAP_FAILED)
		return -errno;
	return kmbuf_setup(&fq->tr.ring, FUSE_QUEUE_BGID, 2,
			   FUSE_QUEUE_BUF_PAGES, 0);
}

void fuse_queue_close_ring(struct fuse_queue *fq)
{
	munmap(fq->region, FUSE_QUEUE_REGION);
	test_ring_exit(&fq->tr);
}

struct fuse_uring_cmd_req fuse_queue_good(void)
{
	return (struct fuse_uring_cmd_req) {
		.flags = FUSE_URING_KMBUF,
		.queue = {
			.hdr_stride = FUSE_QUEUE_STRIDE,
			.buf_group = FUSE_QUEUE_BGID,
		},
	};
}

struct fuse_uring_cmd_req fuse_queue_good_entry(void)
{
	return (struct fuse_uring_cmd_req) {
		.ent = { .buf_index = FUSE_URING_NO_BUF_INDEX },
	};
}

int fuse_queue_add(struct fuse_queue *fq, const struct fuse_uring_cmd_req *req)
{
	return fuse_kmbuf_add_queue(&fq->tr, fq->ft.dev, req);
}

struct io_uring_sqe *fuse_queue_entry(struct fuse_queue *fq,
				      const struct fuse_uring_cmd_req *ent)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(&fq->tr, fq->ft.dev, FUSE_IO_URING_CMD_REGISTER,
			     ent->qid);
	*fuse_uring_req(sqe) = *ent;
	return sqe;
}
