// SPDX-License-Identifier: GPL-2.0
#include "fuse_hold.h"
#include "fuse_queue.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"
#include "iou_region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

size_t fuse_queue_region_size(void)
{
	const size_t size = fuse_uring_nr_queues() * FUSE_QUEUE_STRIDE;

	/* room for a few more entries on a small machine */
	return uring_page_align(size < 8192 ? 8192 : size);
}

int fuse_queue_mount_flags(struct fuse_queue *fq, enum fuse_mode mode,
			   unsigned long long init_flags)
{
	fq->ft = (struct fuse_test) {
		.mode = mode,
		.init_flags = init_flags,
		.max_pages = FUSE_QUEUE_MAX_PAGES,
		.max_write = 4096,
	};
	fq->ring_flags = 0;
	return fuse_test_open(&fq->ft);
}

int fuse_queue_mount(struct fuse_queue *fq, enum fuse_mode mode)
{
	return fuse_queue_mount_flags(fq, mode, 0);
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
	fq->region = region_register(&fq->tr.ring, NULL,
				     fuse_queue_region_size());
	if (fq->region == MAP_FAILED)
		return -errno;
	return kmbuf_setup(&fq->tr.ring, FUSE_QUEUE_BGID, 2,
			   FUSE_QUEUE_BUF_PAGES, 0);
}

void fuse_queue_close_ring(struct fuse_queue *fq)
{
	munmap(fq->region, fuse_queue_region_size());
	test_ring_exit(&fq->tr);
}

struct fuse_uring_cmd_req fuse_queue_good_headers(void)
{
	return (struct fuse_uring_cmd_req) {
		.headers = { .hdr_stride = FUSE_QUEUE_STRIDE },
	};
}

struct fuse_uring_cmd_req fuse_queue_good_kmbuf(void)
{
	return (struct fuse_uring_cmd_req) {
		.kmbuf = { .buf_group = FUSE_QUEUE_BGID },
	};
}

struct fuse_uring_cmd_req fuse_queue_good_entry(void)
{
	return (struct fuse_uring_cmd_req) {
		.ent = { .zero_copy_buf_index = FUSE_URING_NO_BUF_INDEX },
	};
}

int fuse_queue_cmd(struct fuse_queue *fq, unsigned int op,
		   const struct fuse_uring_cmd_req *req)
{
	return fuse_uring_cmd(&fq->tr, fq->ft.dev, op, req);
}

int fuse_queue_add(struct fuse_queue *fq, unsigned int qid)
{
	return fuse_kmbuf_add_queue(&fq->tr, &fq->ft, qid, FUSE_QUEUE_STRIDE,
				    FUSE_QUEUE_BGID);
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

int fuse_queue_register(struct test_ring *tr)
{
	test_submit(tr);
	return test_wait_for(tr, 50) ? test_wait(tr) : 0;
}

int fuse_queue_bad_byte(struct fuse_queue *fq, unsigned int op,
			const struct fuse_uring_cmd_req *req, unsigned int at)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(&fq->tr, fq->ft.dev, op, req->qid);
	*fuse_uring_req(sqe) = *req;
	((unsigned char *)sqe->cmd)[at] ^= 0x80;
	return test_submit_wait(&fq->tr);
}

void fuse_queue_set_own(const struct fuse_queue *fq, struct fuse_queue_own *own)
{
	memset(own->iov, 0, sizeof(own->iov));
	if (!fuse_mode_headers(fq->ft.mode))
		own->iov[0] = (struct iovec) { &own->head, sizeof(own->head) };
	if (!fuse_mode_buffers(fq->ft.mode))
		own->iov[1] = (struct iovec) {
			own->payload, sizeof(own->payload)
		};
}

/* Groups of all queues but the first one */
#define OTHER_BGID	100

/* One for each queue */
static struct fuse_queue_own *owns;

static int complete_queue(struct fuse_queue *fq, unsigned int have)
{
	const struct fuse_uring_cmd_req headers = fuse_queue_good_headers();
	const struct fuse_uring_cmd_req kmbuf = fuse_queue_good_kmbuf();
	int ret = 0;

	if (!(have & FUSE_QUEUE_ADDED))
		return fuse_queue_add(fq, 0);
	if (fuse_mode_headers(fq->ft.mode) && !(have & FUSE_QUEUE_HEADERS))
		ret = fuse_queue_cmd(fq, FUSE_IO_URING_CMD_ADD_HEADERS,
				     &headers);
	if (!ret && fuse_mode_buffers(fq->ft.mode) &&
	    !(have & FUSE_QUEUE_KMBUF))
		ret = fuse_queue_cmd(fq, FUSE_IO_URING_CMD_ADD_KMBUF, &kmbuf);
	return ret;
}

static int add_other_queue(struct fuse_queue *fq, unsigned int qid)
{
	int ret;

	if (!memlock_enter())
		return -errno;
	ret = kmbuf_setup(&fq->tr.ring, OTHER_BGID + qid, 2,
			  FUSE_QUEUE_BUF_PAGES, 0);
	if (!memlock_leave())
		return -errno;
	return ret ? ret : fuse_kmbuf_add_queue(&fq->tr, &fq->ft, qid,
						FUSE_QUEUE_STRIDE,
						OTHER_BGID + qid);
}

static int add_entry(struct fuse_queue *fq, unsigned int qid)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct io_uring_sqe *sqe;

	ent.qid = qid;
	if (fuse_mode_headers(fq->ft.mode))
		ent.ent.hdr_offset = qid * FUSE_QUEUE_STRIDE;
	fuse_queue_set_own(fq, &owns[qid]);
	sqe = fuse_queue_entry(fq, &ent);
	sqe->addr = (unsigned long)owns[qid].iov;
	sqe->len = 2;
	sqe->user_data = qid;
	test_submit(&fq->tr);
	return 0;
}

static int add_all(struct fuse_queue *fq, unsigned int have)
{
	const unsigned int nr = fuse_uring_nr_queues();
	unsigned int qid;
	int ret;

	owns = calloc(nr, sizeof(*owns));
	if (!owns)
		return -ENOMEM;
	ret = complete_queue(fq, have);
	for (qid = 1; !ret && qid < nr; qid++)
		ret = add_other_queue(fq, qid);
	for (qid = 0; !ret && qid < nr; qid++)
		ret = add_entry(fq, qid);
	return ret;
}

/* Is the payload of a small request where the mode says? */
static bool is_in_place(const struct fuse_queue *fq,
			const struct fuse_uring_ent_in_out *io,
			const struct io_uring_cqe *cqe)
{
	if (fuse_mode_headers(fq->ft.mode))
		return io->flags == FUSE_URING_ENT_INLINE &&
		       io->offset == FUSE_URING_HDR_ALIGN;
	return io->flags == FUSE_URING_ENT_BUFFER &&
	       cqe->flags == (IORING_CQE_F_BUFFER |
			      io->buf_id << IORING_CQE_BUFFER_SHIFT);
}

static int answer(struct fuse_queue *fq, const struct io_uring_cqe *cqe)
{
	const unsigned int qid = cqe->user_data;
	struct fuse_uring_req_header *head;
	struct fuse_in_header in;
	struct io_uring_sqe *sqe;

	if (cqe->res)
		return cqe->res;
	head = fuse_mode_headers(fq->ft.mode) ?
	       (void *)(fq->region + qid * FUSE_QUEUE_STRIDE) : &owns[qid].head;
	in = *(struct fuse_in_header *)head->in_out;
	if (in.opcode != FUSE_LOOKUP ||
	    !is_in_place(fq, &head->ring_ent_in_out, cqe))
		return -EPROTO;
	*(struct fuse_out_header *)head->in_out = (struct fuse_out_header) {
		.len = sizeof(struct fuse_out_header),
		.error = -ENOENT,
		.unique = in.unique,
	};
	head->ring_ent_in_out.payload_sz = 0;
	sqe = fuse_uring_sqe(&fq->tr, fq->ft.dev,
			     FUSE_IO_URING_CMD_COMMIT_AND_FETCH, qid);
	fuse_uring_req(sqe)->commit_id = in.unique;
	sqe->user_data = qid;
	test_submit(&fq->tr);
	return 0;
}

static int serve_one(struct fuse_queue *fq)
{
	struct io_uring_cqe *at, cqe;
	pid_t pid;
	int ret;

	pid = fuse_hold_client(&fq->ft, FUSE_HOLD_STAT, 0, 1);
	if (!test_wait_for(&fq->tr, 20000))
		return -ETIME;
	ret = io_uring_wait_cqe(&fq->tr.ring, &at);
	if (ret)
		return ret;
	cqe = *at;
	io_uring_cqe_seen(&fq->tr.ring, at);
	ret = answer(fq, &cqe);
	if (ret)
		return ret;
	return fuse_hold_end(pid, 20000) == -ENOENT ? 0 : -EPROTO;
}

int fuse_queue_use(struct fuse_queue *fq, unsigned int have)
{
	unsigned int i;
	int ret, err;

	ret = add_all(fq, have);
	if (!ret)
		ret = serve_one(fq);
	err = fuse_queue_umount(fq);
	/* an accepted entry ends with the mount */
	for (i = 0; !ret && i < fuse_uring_nr_queues(); i++)
		if (test_wait(&fq->tr) != -ENOTCONN)
			ret = -EPROTO;
	fuse_queue_close_ring(fq);
	free(owns);
	return ret ? ret : err;
}
