// SPDX-License-Identifier: GPL-2.0
/*
 * What FUSE_IO_URING_CMD_ADD_QUEUE and FUSE_IO_URING_CMD_REGISTER refuse, and
 * how. A queue that was refused does no harm: the server goes on without
 * kernel-managed buffers.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "fuse_queue.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define BUF_PAGES	FUSE_QUEUE_BUF_PAGES
#define REGION_SIZE	FUSE_QUEUE_REGION
#define STRIDE		FUSE_QUEUE_STRIDE
#define ALIGN		FUSE_URING_HDR_ALIGN
#define HDR_SIZE	sizeof(struct fuse_uring_req_header)

/* Groups of the ring */
#define BGID		FUSE_QUEUE_BGID
#define BGID_SMALL	2
#define BGID_RDONLY	3
#define BGID_PROVIDED	4
#define BGID_NONE	5

FIXTURE(fuse_queue)
{
	struct fuse_queue srv;
};

/* More groups than the one that is good */
static int open_ring(struct fuse_queue *fq)
{
	struct io_uring *ring = &fq->tr.ring;
	int ret;

	ret = fuse_queue_open_ring(fq);
	if (!ret)
		ret = kmbuf_setup(ring, BGID_SMALL, 2, BUF_PAGES - 1, 0);
	if (!ret)
		ret = kmbuf_setup(ring, BGID_RDONLY, 2, BUF_PAGES,
				  IOU_KMBUF_RING_RDONLY);
	if (!ret)
		io_uring_setup_buf_ring(ring, 2, BGID_PROVIDED, 0, &ret);
	return ret;
}

FIXTURE_SETUP(fuse_queue)
{
	int ret;

	if (sysconf(_SC_PAGESIZE) != 4096)
		SKIP(return, "needs pages of 4 KiB");
	ret = fuse_queue_mount(&self->srv, FUSE_MODE_KMBUF);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_ring(&self->srv));
}

/* Plain entries can be had for all queues, and the file system works */
static void expect_plain(struct __test_metadata *_metadata, struct fuse_queue *srv)
{
	struct stat st;

	srv->ft.mode = FUSE_MODE_ENTRY;
	EXPECT_EQ(0, fuse_test_start(&srv->ft));
	EXPECT_EQ(0, stat(srv->ft.file, &st));
	EXPECT_EQ(0, fuse_test_umount(&srv->ft));
}

FIXTURE_TEARDOWN(fuse_queue)
{
	fuse_queue_close_ring(&self->srv);
	expect_plain(_metadata, &self->srv);
}

/* What a new server gets, with nothing that came before */
static int add_anew(const struct fuse_uring_cmd_req *req)
{
	struct fuse_queue srv;
	int ret;

	if (fuse_queue_mount(&srv, FUSE_MODE_KMBUF) || open_ring(&srv))
		return -EIO;
	ret = fuse_queue_add(&srv, req);
	fuse_queue_close_ring(&srv);
	return fuse_queue_umount(&srv) ? -EIO : ret;
}

TEST(not_negotiated)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();
	struct fuse_queue srv;
	int ret;

	ret = fuse_queue_mount(&srv, FUSE_MODE_ENTRY);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_ring(&srv));
	EXPECT_EQ(-EOPNOTSUPP, fuse_queue_add(&srv, &req));
	fuse_queue_close_ring(&srv);
	expect_plain(_metadata, &srv);
}

TEST_F(fuse_queue, flags)
{
	const unsigned long long flags[] = {
		0, FUSE_URING_ZERO_COPY, FUSE_URING_KMBUF | 1 << 2,
		FUSE_URING_KMBUF | 1ULL << 63,
	};
	struct fuse_uring_cmd_req req = fuse_queue_good();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		req.flags = flags[i];
		EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req)) {
			TH_LOG("flags %llx", flags[i]);
		}
	}
}

TEST_F(fuse_queue, reserved)
{
	struct fuse_uring_cmd_req req;
	unsigned int i;

	req = fuse_queue_good();
	req.commit_id = 1;
	EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req));
	for (i = 0; i < sizeof(req.padding); i++) {
		req = fuse_queue_good();
		req.padding[i] = 1;
		EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req));
	}
	for (i = 0; i < ARRAY_SIZE(req.queue.reserved); i++) {
		req = fuse_queue_good();
		req.queue.reserved[i] = 1;
		EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req));
	}
}

static int add_with_sqe(struct fuse_queue *srv, unsigned long addr,
			unsigned int len)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(&srv->tr, srv->ft.dev,
			     FUSE_IO_URING_CMD_ADD_QUEUE, 0);
	*fuse_uring_req(sqe) = fuse_queue_good();
	sqe->addr = addr;
	sqe->len = len;
	return test_submit_wait(&srv->tr);
}

TEST_F(fuse_queue, no_iovec)
{
	struct iovec iov = { };

	EXPECT_EQ(-EINVAL, add_with_sqe(&self->srv, (unsigned long)&iov, 0));
	EXPECT_EQ(-EINVAL, add_with_sqe(&self->srv, 0, 1));
}

TEST_F(fuse_queue, qid)
{
	const unsigned int nr = fuse_uring_nr_queues();
	struct fuse_uring_cmd_req req = fuse_queue_good();

	req.qid = nr;
	EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req));
	req.qid = 0xffff;
	EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req));
	req.qid = nr - 1;
	EXPECT_EQ(0, add_anew(&req));
}

TEST_F(fuse_queue, hdr_stride)
{
	const unsigned int bad[] = {
		0, 32, HDR_SIZE - 1, HDR_SIZE, HDR_SIZE + 32, ALIGN - 32,
		ALIGN + 32, 2 * ALIGN - 1, REGION_SIZE + ALIGN,
		0x80000000, 0xfffffe00,
	};
	const unsigned int good[] = { ALIGN, 2 * ALIGN, REGION_SIZE };
	struct fuse_uring_cmd_req req = fuse_queue_good();
	unsigned int i;

	ASSERT_LE(HDR_SIZE, ALIGN);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		req.queue.hdr_stride = bad[i];
		EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req)) {
			TH_LOG("stride %u", bad[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		req.queue.hdr_stride = good[i];
		EXPECT_EQ(0, add_anew(&req)) {
			TH_LOG("stride %u", good[i]);
		}
	}
}

TEST_F(fuse_queue, zero_copy_min)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();

	req.queue.zero_copy_min = 1;
	EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req));
	req.queue.zero_copy_min = 0xffffffff;
	EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req));
	req.flags |= FUSE_URING_ZERO_COPY;
	EXPECT_EQ(0, add_anew(&req));
	req.queue.zero_copy_min = 0;
	EXPECT_EQ(0, add_anew(&req));
}

TEST_F(fuse_queue, buf_group)
{
	const struct {
		unsigned int bgid;
		int ret;
	} groups[] = {
		{ BGID_SMALL, -EINVAL }, { BGID_RDONLY, -EINVAL },
		{ BGID_PROVIDED, -ENOENT }, { BGID_NONE, -ENOENT },
		{ 0xffff, -ENOENT },
	};
	struct fuse_uring_cmd_req req = fuse_queue_good();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		req.queue.buf_group = groups[i].bgid;
		EXPECT_EQ(groups[i].ret, fuse_queue_add(&self->srv, &req)) {
			TH_LOG("group %u", groups[i].bgid);
		}
	}
	/* what was refused is not in use */
	EXPECT_EQ(0, kmbuf_unregister(&self->srv.tr.ring, BGID_SMALL));
	EXPECT_EQ(0, kmbuf_unregister(&self->srv.tr.ring, BGID_RDONLY));
}

TEST_F(fuse_queue, no_region)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();
	struct fuse_queue other = self->srv;

	ASSERT_EQ(0, test_ring_init(&other.tr, IORING_SETUP_SQE128, 0));
	ASSERT_EQ(0, kmbuf_setup(&other.tr.ring, BGID, 2, BUF_PAGES, 0));
	EXPECT_EQ(-ENXIO, fuse_queue_add(&other, &req));
	EXPECT_EQ(0, kmbuf_unregister(&other.tr.ring, BGID));
	test_ring_exit(&other.tr);
}

TEST_F(fuse_queue, pinned)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();
	struct test_ring *tr = &self->srv.tr;
	int mock, pin;

	mock = mock_create(1, 0);
	if (mock_missing(mock))
		SKIP(return, "%s", mock_missing(mock));
	ASSERT_GE(mock, 0);
	pin = kmbuf_pin(tr, mock, BGID);
	ASSERT_GE(pin, 0);
	EXPECT_EQ(-EBUSY, fuse_queue_add(&self->srv, &req));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&tr->ring, BGID));
	EXPECT_EQ(0, kmbuf_unpin(tr, mock, pin));
	EXPECT_EQ(0, kmbuf_unregister(&tr->ring, BGID));
	close(mock);
}

TEST_F(fuse_queue, unprivileged)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();

	req.flags |= FUSE_URING_ZERO_COPY;
	ASSERT_TRUE(memlock_enter());
	EXPECT_EQ(-EPERM, fuse_queue_add(&self->srv, &req));
	ASSERT_TRUE(memlock_leave());
	EXPECT_EQ(0, kmbuf_unregister(&self->srv.tr.ring, BGID));
}

/* Nobody else gets at the buffers of a queue */
TEST_F(fuse_queue, exclusive)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();
	int mock = mock_create(1, 0);
	struct fuse_queue fq;

	if (mock_missing(mock))
		SKIP(return, "%s", mock_missing(mock));
	ASSERT_GE(mock, 0);
	ASSERT_EQ(0, fuse_queue_mount(&fq, FUSE_MODE_KMBUF));
	ASSERT_EQ(0, open_ring(&fq));
	ASSERT_EQ(0, fuse_queue_add(&fq, &req));
	EXPECT_EQ(-EBUSY, kmbuf_pin(&fq.tr, mock, BGID));
	/* until the queue is gone */
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	EXPECT_EQ(0, kmbuf_pin(&fq.tr, mock, BGID));
	EXPECT_EQ(0, kmbuf_unpin(&fq.tr, mock, 0));
	fuse_queue_close_ring(&fq);
	close(mock);
}

/* After the first: queue, group and ring are taken, until all is over */
TEST_F(fuse_queue, twice)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();
	struct fuse_queue srv;

	ASSERT_EQ(0, fuse_queue_mount(&srv, FUSE_MODE_KMBUF));
	ASSERT_EQ(0, open_ring(&srv));
	ASSERT_EQ(0, fuse_queue_add(&srv, &req));
	EXPECT_EQ(-EEXIST, fuse_queue_add(&srv, &req));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&srv.tr.ring, BGID));
	if (fuse_uring_nr_queues() > 1) {
		/* one group cannot serve two queues */
		req.qid = 1;
		EXPECT_EQ(-EBUSY, fuse_queue_add(&srv, &req));
	}
	EXPECT_EQ(0, fuse_queue_umount(&srv));
	EXPECT_EQ(0, kmbuf_unregister(&srv.tr.ring, BGID));
	fuse_queue_close_ring(&srv);
}

/* An entry without a queue makes one, which is a plain one */
TEST_F(fuse_queue, plain_queue_exists)
{
	struct fuse_uring_req_header head;
	unsigned char payload[8192];
	const struct iovec iov[] = {
		{ &head, sizeof(head) }, { payload, sizeof(payload) },
	};
	struct fuse_uring_cmd_req req = fuse_queue_good();
	struct io_uring_sqe *sqe;
	struct fuse_queue srv;

	ASSERT_EQ(0, fuse_queue_mount(&srv, FUSE_MODE_KMBUF));
	ASSERT_EQ(0, open_ring(&srv));
	sqe = fuse_uring_sqe(&srv.tr, srv.ft.dev, FUSE_IO_URING_CMD_REGISTER,
			     0);
	sqe->addr = (unsigned long)iov;
	sqe->len = 2;
	test_submit(&srv.tr);
	EXPECT_FALSE(test_wait_for(&srv.tr, 100));
	EXPECT_EQ(-EEXIST, fuse_queue_add(&srv, &req));
	EXPECT_EQ(0, kmbuf_unregister(&srv.tr.ring, BGID));
	EXPECT_EQ(0, fuse_queue_umount(&srv));
	/* and the entry was one */
	EXPECT_EQ(-ENOTCONN, test_wait(&srv.tr));
	fuse_queue_close_ring(&srv);
}

/* Refused: 0 if it waits for requests instead */
static int register_one(struct fuse_queue *srv,
			const struct fuse_uring_cmd_req *ent)
{
	fuse_queue_entry(srv, ent);
	test_submit(&srv->tr);
	return test_wait_for(&srv->tr, 100) ? test_wait(&srv->tr) : 0;
}

/* Nothing is left of an entry that is refused, whatever the reason */
TEST_F(fuse_queue, refused_entry)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct fuse_uring_cmd_req req = fuse_queue_good();

	/* without a queue, and without an iovec */
	EXPECT_EQ(-EINVAL, register_one(&self->srv, &ent));
	ent.qid = fuse_uring_nr_queues();
	EXPECT_EQ(-EINVAL, register_one(&self->srv, &ent));
	/* there is no such queue still */
	EXPECT_EQ(0, fuse_queue_add(&self->srv, &req));
	ent = fuse_queue_good_entry();
	ent.ent.hdr_offset = 1;
	EXPECT_EQ(-EINVAL, register_one(&self->srv, &ent));
}

/* Is there a request to be read from the device? */
static bool request_comes(struct fuse_queue *srv, unsigned int ms)
{
	struct pollfd poll_fd = { .fd = srv->ft.dev, .events = POLLIN };
	pid_t pid = fuse_hold_client(&srv->ft, FUSE_HOLD_STAT, 0, 1);
	bool comes = poll(&poll_fd, 1, ms) == 1;

	kill(pid, SIGKILL);
	return fuse_hold_end(pid, 20000) == -EINTR && comes;
}

/* Requests wait for io_uring, but not for who may have given up on it */
TEST_F(fuse_queue, requests_after_refusal)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();

	EXPECT_FALSE(request_comes(&self->srv, 300));
	req.qid = 0xffff;
	EXPECT_EQ(-EINVAL, fuse_queue_add(&self->srv, &req));
	EXPECT_TRUE(request_comes(&self->srv, 20000));
}

/* One entry of a new queue with these flags; 0 if it waits for requests */
static int register_anew(unsigned long long flags,
			 const struct fuse_uring_cmd_req *ent, bool own_ring,
			 const void *addr, unsigned int len)
{
	struct fuse_uring_cmd_req req = fuse_queue_good();
	struct fuse_queue srv, other;
	struct io_uring_sqe *sqe;
	int ret = 0;

	req.flags |= flags;
	if (fuse_queue_mount(&srv, FUSE_MODE_KMBUF) || open_ring(&srv) ||
	    fuse_queue_add(&srv, &req))
		return -EIO;
	other = srv;
	if (!own_ring && open_ring(&other))
		return -EIO;
	sqe = fuse_queue_entry(&other, ent);
	sqe->addr = (unsigned long)addr;
	sqe->len = len;
	test_submit(&other.tr);
	if (test_wait_for(&other.tr, 50))
		ret = test_wait(&other.tr);
	if (!own_ring)
		fuse_queue_close_ring(&other);
	if (fuse_queue_umount(&srv))
		return -EIO;
	/* the end of an entry */
	if (!ret && test_wait(&srv.tr) != -ENOTCONN)
		ret = -EIO;
	fuse_queue_close_ring(&srv);
	return ret;
}

TEST_F(fuse_queue, entry_offset)
{
	const unsigned long long bad[] = {
		1, 32, HDR_SIZE, ALIGN - 1, REGION_SIZE - STRIDE + ALIGN,
		REGION_SIZE, REGION_SIZE + ALIGN, 1ULL << 32, -1ULL * ALIGN,
	};
	const unsigned long long good[] = { 0, ALIGN, REGION_SIZE - STRIDE };
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ent.ent.hdr_offset = bad[i];
		EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, NULL, 0)) {
			TH_LOG("offset %llu", bad[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ent.ent.hdr_offset = good[i];
		EXPECT_EQ(0, register_anew(0, &ent, true, NULL, 0)) {
			TH_LOG("offset %llu", good[i]);
		}
	}
}

TEST_F(fuse_queue, entry_slot)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();

	EXPECT_EQ(0, register_anew(FUSE_URING_ZERO_COPY, &ent, true, NULL, 0));
	ent.ent.buf_index = 0;
	EXPECT_EQ(0, register_anew(FUSE_URING_ZERO_COPY, &ent, true, NULL, 0));
	EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, NULL, 0));
	ent.ent.buf_index = 0xfffe;
	EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, NULL, 0));
}

TEST_F(fuse_queue, entry_reserved)
{
	const struct iovec iov = { };
	struct fuse_uring_cmd_req ent;
	unsigned int i;

	ent = fuse_queue_good_entry();
	ent.flags = FUSE_URING_KMBUF;
	EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, NULL, 0));
	ent = fuse_queue_good_entry();
	EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, &iov, 0));
	EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, &iov, 1));
	ent = fuse_queue_good_entry();
	ent.commit_id = 1;
	EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, NULL, 0));
	for (i = 0; i < ARRAY_SIZE(ent.ent.reserved); i++) {
		ent = fuse_queue_good_entry();
		ent.ent.reserved[i] = 1;
		EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, NULL, 0));
	}
}

/* With an iovec, an entry has memory of its own, in any queue, on any ring */
TEST_F(fuse_queue, entry_with_iovec)
{
	const struct fuse_uring_cmd_req ent = { };
	struct fuse_uring_req_header head;
	unsigned char payload[8192];
	struct iovec iov[] = {
		{ &head, sizeof(head) }, { payload, sizeof(payload) },
	};

	EXPECT_EQ(0, register_anew(0, &ent, true, iov, 2));
	iov[1].iov_len--;
	EXPECT_EQ(-EINVAL, register_anew(0, &ent, true, iov, 2));
}

/* Another ring has a region and a group of that name as well */
TEST_F(fuse_queue, entry_on_another_ring)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();

	EXPECT_EQ(0, register_anew(0, &ent, true, NULL, 0));
	EXPECT_EQ(-EINVAL, register_anew(0, &ent, false, NULL, 0));
}

TEST_HARNESS_MAIN
