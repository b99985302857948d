// SPDX-License-Identifier: GPL-2.0
/*
 * Errors of FUSE_IO_URING_CMD_ADD_QUEUE, _ADD_HEADERS and _ADD_KMBUF. A refusal
 * leaves nothing behind: afterwards the queue can be set up and used, and its
 * charge is returned. Or the server continues without.
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
#define REGION_SIZE	fuse_queue_region_size()
#define ALIGN		FUSE_URING_HDR_ALIGN
#define HDR_SIZE	sizeof(struct fuse_uring_req_header)

#define ADD_QUEUE	FUSE_IO_URING_CMD_ADD_QUEUE
#define ADD_HEADERS	FUSE_IO_URING_CMD_ADD_HEADERS
#define ADD_KMBUF	FUSE_IO_URING_CMD_ADD_KMBUF

/* Groups of the ring */
#define BGID		FUSE_QUEUE_BGID
#define BGID_SMALL	2
#define BGID_RDONLY	3
#define BGID_PROVIDED	4
#define BGID_NONE	5
#define BGID_MORE	6

FIXTURE(fuse_queue)
{
	struct fuse_queue fq;
	/* FUSE_QUEUE_*: memory that queue 0 has */
	unsigned int have;
	/* only for entries with server memory */
	bool plain;
	struct memlock_probe probe;
};

/* A ring with more groups than the good one */
static int open_ring(struct fuse_queue *fq)
{
	struct io_uring *ring = &fq->tr.ring;
	int ret;

	if (!memlock_enter())
		return -errno;
	ret = fuse_queue_open_ring(fq);
	if (!ret)
		ret = kmbuf_setup(ring, BGID_SMALL, 2, BUF_PAGES - 1, 0);
	if (!ret)
		ret = kmbuf_setup(ring, BGID_RDONLY, 2, BUF_PAGES,
				  IOU_KMBUF_RING_RDONLY);
	if (!ret)
		io_uring_setup_buf_ring(ring, 2, BGID_PROVIDED, 0, &ret);
	return memlock_leave() ? ret : -errno;
}

FIXTURE_SETUP(fuse_queue)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (sysconf(_SC_PAGESIZE) != 4096)
		SKIP(return, "needs pages of 4 KiB");
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_queue_mount(&self->fq, FUSE_MODE_KMBUF);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_ring(&self->fq));
}

/* Plain entries can be registered in all queues, and the file system works */
static void expect_plain(struct __test_metadata *_metadata,
			 struct fuse_queue *fq)
{
	struct stat st;

	fuse_queue_close_ring(fq);
	fq->ft.mode = FUSE_MODE_ENTRY;
	EXPECT_EQ(0, fuse_test_start(&fq->ft));
	EXPECT_EQ(0, stat(fq->ft.file, &st));
	EXPECT_EQ(0, fuse_test_umount(&fq->ft));
}

FIXTURE_TEARDOWN(fuse_queue)
{
	if (self->plain)
		expect_plain(_metadata, &self->fq);
	else
		EXPECT_EQ(0, fuse_queue_use(&self->fq, self->have));
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
}

/* Give queue 0 some of the possible memory */
static void give(struct __test_metadata *_metadata,
		 FIXTURE_DATA(fuse_queue) *self, unsigned int what)
{
	const struct fuse_uring_cmd_req headers = fuse_queue_good_headers();
	const struct fuse_uring_cmd_req kmbuf = fuse_queue_good_kmbuf();
	const struct fuse_uring_cmd_req queue = { };

	if (what & FUSE_QUEUE_ADDED)
		ASSERT_EQ(0, fuse_queue_cmd(&self->fq, ADD_QUEUE, &queue));
	if (what & FUSE_QUEUE_HEADERS)
		ASSERT_EQ(0, fuse_queue_cmd(&self->fq, ADD_HEADERS, &headers));
	if (what & FUSE_QUEUE_KMBUF)
		ASSERT_EQ(0, fuse_queue_cmd(&self->fq, ADD_KMBUF, &kmbuf));
	self->have |= what;
}

static int add_queue(struct fuse_queue *fq, unsigned int qid,
		     unsigned long long flags)
{
	const struct fuse_uring_cmd_req req = { .flags = flags, .qid = qid };

	return fuse_queue_cmd(fq, ADD_QUEUE, &req);
}

static int add_headers(struct fuse_queue *fq)
{
	const struct fuse_uring_cmd_req req = fuse_queue_good_headers();

	return fuse_queue_cmd(fq, ADD_HEADERS, &req);
}

static int add_kmbuf(struct fuse_queue *fq)
{
	const struct fuse_uring_cmd_req req = fuse_queue_good_kmbuf();

	return fuse_queue_cmd(fq, ADD_KMBUF, &req);
}

/* Result of adding a new queue with these flags */
static int add_anew(unsigned long long flags, unsigned int op,
		    const struct fuse_uring_cmd_req *req)
{
	struct fuse_queue fq;
	int ret;

	if (fuse_queue_mount(&fq, FUSE_MODE_KMBUF) || open_ring(&fq))
		return -EIO;
	ret = add_queue(&fq, req->qid, flags);
	if (!ret)
		ret = fuse_queue_cmd(&fq, op, req);
	fuse_queue_close_ring(&fq);
	return fuse_queue_umount(&fq) ? -EIO : ret;
}

/* A queue can still be added, as a plain one */
TEST(not_negotiated)
{
	struct fuse_queue fq;
	int ret;

	ret = fuse_queue_mount(&fq, FUSE_MODE_ENTRY);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_ring(&fq));
	/* pools support zero copy, too, and need no negotiation */
	if (!fq.ft.has_pools)
		EXPECT_EQ(-EOPNOTSUPP, add_queue(&fq, 0, FUSE_URING_ZERO_COPY));
	EXPECT_EQ(0, add_queue(&fq, 0, 0));
	EXPECT_EQ(-EOPNOTSUPP, add_headers(&fq));
	EXPECT_EQ(-EOPNOTSUPP, add_kmbuf(&fq));
	EXPECT_EQ(0, kmbuf_unregister(&fq.tr.ring, BGID));
	expect_plain(_metadata, &fq);
}

/* 4 is Linux 7.3's pool of server memory */
TEST_F(fuse_queue, unknown_commands)
{
	const unsigned int ops[] = { 0, 4, 5, 31, 34, 0xffff, 0xffffffff };
	const struct fuse_uring_cmd_req req = { };
	unsigned int i;

	give(_metadata, self, FUSE_QUEUE_ADDED);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(-EINVAL, fuse_queue_cmd(&self->fq, ops[i], &req)) {
			TH_LOG("command %u", ops[i]);
		}
	}
}

TEST_F(fuse_queue, queue_flags)
{
	unsigned int bit;

	for (bit = 1; bit < 64; bit++) {
		EXPECT_EQ(-EINVAL, add_queue(&self->fq, 0, 1ULL << bit)) {
			TH_LOG("bit %u", bit);
		}
	}
	EXPECT_EQ(-EINVAL, add_queue(&self->fq, 0, FUSE_URING_ZERO_COPY | 2));
}

/* Bytes [@from, @to) of the command area are unused, and have to be zero */
static void expect_reserved(struct __test_metadata *_metadata,
			    struct fuse_queue *fq, unsigned int op,
			    const struct fuse_uring_cmd_req *req,
			    unsigned int from, unsigned int to)
{
	unsigned int i;

	for (i = from; i < to; i++) {
		EXPECT_EQ(-EINVAL, fuse_queue_bad_byte(fq, op, req, i)) {
			TH_LOG("command %u, byte %u", op, i);
		}
	}
}

TEST_F(fuse_queue, queue_reserved)
{
	const struct fuse_uring_cmd_req req = { };

	expect_reserved(_metadata, &self->fq, ADD_QUEUE, &req, 8, 16);
	expect_reserved(_metadata, &self->fq, ADD_QUEUE, &req, 18, 80);
}

TEST_F(fuse_queue, headers_reserved)
{
	const struct fuse_uring_cmd_req req = fuse_queue_good_headers();

	give(_metadata, self, FUSE_QUEUE_ADDED);
	expect_reserved(_metadata, &self->fq, ADD_HEADERS, &req, 0, 16);
	expect_reserved(_metadata, &self->fq, ADD_HEADERS, &req, 18, 24);
	expect_reserved(_metadata, &self->fq, ADD_HEADERS, &req, 32, 80);
}

TEST_F(fuse_queue, kmbuf_reserved)
{
	const struct fuse_uring_cmd_req req = fuse_queue_good_kmbuf();

	give(_metadata, self, FUSE_QUEUE_ADDED);
	expect_reserved(_metadata, &self->fq, ADD_KMBUF, &req, 0, 16);
	expect_reserved(_metadata, &self->fq, ADD_KMBUF, &req, 18, 24);
	expect_reserved(_metadata, &self->fq, ADD_KMBUF, &req, 26, 80);
	EXPECT_EQ(0, kmbuf_unregister(&self->fq.tr.ring, BGID_SMALL));
}

static int cmd_with_iovec(struct fuse_queue *fq, unsigned int op,
			  const struct fuse_uring_cmd_req *req,
			  const struct iovec *iov, unsigned int len)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(&fq->tr, fq->ft.dev, op, 0);
	*fuse_uring_req(sqe) = *req;
	sqe->addr = (unsigned long)iov;
	sqe->len = len;
	return test_submit_wait(&fq->tr);
}

TEST_F(fuse_queue, no_iovec)
{
	const struct fuse_uring_cmd_req headers = fuse_queue_good_headers();
	const struct fuse_uring_cmd_req kmbuf = fuse_queue_good_kmbuf();
	struct fuse_queue *fq = &self->fq;
	struct iovec iov = { };

	give(_metadata, self, FUSE_QUEUE_ADDED);
	EXPECT_EQ(-EINVAL, cmd_with_iovec(fq, ADD_HEADERS, &headers, &iov, 0));
	EXPECT_EQ(-EINVAL, cmd_with_iovec(fq, ADD_HEADERS, &headers, NULL, 1));
	EXPECT_EQ(-EINVAL, cmd_with_iovec(fq, ADD_KMBUF, &kmbuf, &iov, 0));
	EXPECT_EQ(-EINVAL, cmd_with_iovec(fq, ADD_KMBUF, &kmbuf, NULL, 1));
}

static int cmd_with_flags(struct fuse_queue *fq, unsigned int op,
			  const struct fuse_uring_cmd_req *req,
			  unsigned int cmd_flags, unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(&fq->tr, fq->ft.dev, op, 0);
	*fuse_uring_req(sqe) = *req;
	sqe->uring_cmd_flags = cmd_flags;
	sqe->flags |= sqe_flags;
	return test_submit_wait(&fq->tr);
}

/* Flags of the command itself that io_uring accepts */
static void expect_no_cmd_flags(struct __test_metadata *_metadata,
				struct fuse_queue *fq, unsigned int op,
				const struct fuse_uring_cmd_req *req)
{
	EXPECT_EQ(-EINVAL, cmd_with_flags(fq, op, req, IORING_URING_CMD_FIXED,
					  0));
	EXPECT_EQ(-EINVAL, cmd_with_flags(fq, op, req,
					  IORING_URING_CMD_MULTISHOT,
					  IOSQE_BUFFER_SELECT));
}

TEST_F(fuse_queue, no_cmd_flags)
{
	const struct fuse_uring_cmd_req headers = fuse_queue_good_headers();
	const struct fuse_uring_cmd_req kmbuf = fuse_queue_good_kmbuf();
	const struct fuse_uring_cmd_req queue = { };

	expect_no_cmd_flags(_metadata, &self->fq, ADD_QUEUE, &queue);
	give(_metadata, self, FUSE_QUEUE_ADDED);
	expect_no_cmd_flags(_metadata, &self->fq, ADD_HEADERS, &headers);
	expect_no_cmd_flags(_metadata, &self->fq, ADD_KMBUF, &kmbuf);
}

TEST_F(fuse_queue, qid)
{
	const unsigned int nr = fuse_uring_nr_queues();
	const unsigned int qids[] = { nr, 0xffff };
	struct fuse_uring_cmd_req req;
	unsigned int i;

	give(_metadata, self, FUSE_QUEUE_ADDED);
	for (i = 0; i < ARRAY_SIZE(qids); i++) {
		EXPECT_EQ(-EINVAL, add_queue(&self->fq, qids[i], 0));
		req = fuse_queue_good_headers();
		req.qid = qids[i];
		EXPECT_EQ(-EINVAL, fuse_queue_cmd(&self->fq, ADD_HEADERS,
						  &req));
		req = fuse_queue_good_kmbuf();
		req.qid = qids[i];
		EXPECT_EQ(-EINVAL, fuse_queue_cmd(&self->fq, ADD_KMBUF, &req));
	}
	req.qid = nr - 1;
	EXPECT_EQ(0, add_anew(0, ADD_KMBUF, &req));
}

TEST_F(fuse_queue, no_such_queue)
{
	EXPECT_EQ(-ESRCH, add_headers(&self->fq));
	EXPECT_EQ(-ESRCH, add_kmbuf(&self->fq));
}

TEST_F(fuse_queue, hdr_stride)
{
	const unsigned int bad[] = {
		0, 32, HDR_SIZE - 1, HDR_SIZE, HDR_SIZE + 32, ALIGN - 32,
		ALIGN + 32, 2 * ALIGN - 1, REGION_SIZE + ALIGN,
		0x80000000, 0xfffffe00,
	};
	const unsigned int good[] = { ALIGN, 2 * ALIGN, REGION_SIZE };
	struct fuse_uring_cmd_req req = fuse_queue_good_headers();
	unsigned int i;

	ASSERT_LE(HDR_SIZE, ALIGN);
	give(_metadata, self, FUSE_QUEUE_ADDED);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		req.headers.hdr_stride = bad[i];
		EXPECT_EQ(-EINVAL, fuse_queue_cmd(&self->fq, ADD_HEADERS,
						  &req)) {
			TH_LOG("stride %u", bad[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		req.headers.hdr_stride = good[i];
		EXPECT_EQ(0, add_anew(0, ADD_HEADERS, &req)) {
			TH_LOG("stride %u", good[i]);
		}
	}
}

TEST_F(fuse_queue, zero_copy_min)
{
	struct fuse_uring_cmd_req req = fuse_queue_good_headers();

	give(_metadata, self, FUSE_QUEUE_ADDED);
	req.headers.zero_copy_min = 1;
	EXPECT_EQ(-EINVAL, fuse_queue_cmd(&self->fq, ADD_HEADERS, &req));
	req.headers.zero_copy_min = 0xffffffff;
	EXPECT_EQ(-EINVAL, fuse_queue_cmd(&self->fq, ADD_HEADERS, &req));
	EXPECT_EQ(0, add_anew(FUSE_URING_ZERO_COPY, ADD_HEADERS, &req));
	req.headers.zero_copy_min = 0;
	EXPECT_EQ(0, add_anew(FUSE_URING_ZERO_COPY, ADD_HEADERS, &req));
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
	struct fuse_uring_cmd_req req = fuse_queue_good_kmbuf();
	unsigned int i;

	give(_metadata, self, FUSE_QUEUE_ADDED);
	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		req.kmbuf.buf_group = groups[i].bgid;
		EXPECT_EQ(groups[i].ret, fuse_queue_cmd(&self->fq, ADD_KMBUF,
							&req)) {
			TH_LOG("group %u", groups[i].bgid);
		}
	}
	/* the refused group is not in use */
	EXPECT_EQ(0, kmbuf_unregister(&self->fq.tr.ring, BGID_SMALL));
	EXPECT_EQ(0, kmbuf_unregister(&self->fq.tr.ring, BGID_RDONLY));
}

static int add_group(struct fuse_queue *fq, unsigned int bgid)
{
	struct fuse_uring_cmd_req req = fuse_queue_good_kmbuf();

	req.kmbuf.buf_group = bgid;
	return fuse_queue_cmd(fq, ADD_KMBUF, &req);
}

/* Up to three further groups, whose buffers may be small */
TEST_F(fuse_queue, more_groups)
{
	struct io_uring *ring = &self->fq.tr.ring;
	unsigned int i;

	give(_metadata, self, FUSE_QUEUE_ADDED | FUSE_QUEUE_KMBUF);
	ASSERT_TRUE(memlock_enter());
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, kmbuf_setup_bytes(ring, BGID_MORE + i, 2,
					       512 << i, 0));
	ASSERT_TRUE(memlock_leave());

	EXPECT_EQ(-EINVAL, add_group(&self->fq, BGID_RDONLY));
	EXPECT_EQ(-ENOENT, add_group(&self->fq, BGID_NONE));
	EXPECT_EQ(0, add_group(&self->fq, BGID_SMALL));
	EXPECT_EQ(-EBUSY, add_group(&self->fq, BGID_SMALL));
	EXPECT_EQ(0, add_group(&self->fq, BGID_MORE));
	EXPECT_EQ(0, add_group(&self->fq, BGID_MORE + 1));
	EXPECT_EQ(-ENOSPC, add_group(&self->fq, BGID_MORE + 2));

	EXPECT_EQ(-EBUSY, kmbuf_unregister(ring, BGID_MORE + 1));
	EXPECT_EQ(0, kmbuf_unregister(ring, BGID_MORE + 2));
}

/* The end of a connection without an entry releases all groups */
TEST(more_groups_without_entry)
{
	const unsigned int groups[] = { BGID, BGID_SMALL, BGID_MORE };
	struct fuse_queue fq = { };
	unsigned int i;
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ret = fuse_queue_mount(&fq, FUSE_MODE_KMBUF);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_ring(&fq));
	ASSERT_EQ(0, kmbuf_setup_bytes(&fq.tr.ring, BGID_MORE, 2, 512, 0));
	ASSERT_EQ(0, add_queue(&fq, 0, 0));
	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		ASSERT_EQ(0, add_group(&fq, groups[i]));
		EXPECT_EQ(-EBUSY, kmbuf_unregister(&fq.tr.ring, groups[i]));
	}
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		EXPECT_EQ(0, kmbuf_unregister(&fq.tr.ring, groups[i]));
	fuse_queue_close_ring(&fq);
}

TEST_F(fuse_queue, no_region)
{
	struct fuse_queue other = self->fq;

	give(_metadata, self, FUSE_QUEUE_ADDED);
	ASSERT_EQ(0, test_ring_init(&other.tr, IORING_SETUP_SQE128, 0));
	EXPECT_EQ(-ENXIO, add_headers(&other));
	test_ring_exit(&other.tr);
}

TEST_F(fuse_queue, pinned)
{
	struct test_ring *tr = &self->fq.tr;
	int mock, pin;

	give(_metadata, self, FUSE_QUEUE_ADDED);
	mock = mock_create(1, 0);
	if (mock_missing(mock))
		SKIP(return, "%s", mock_missing(mock));
	ASSERT_GE(mock, 0);
	pin = kmbuf_pin(tr, mock, BGID);
	ASSERT_GE(pin, 0);
	EXPECT_EQ(-EBUSY, add_kmbuf(&self->fq));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&tr->ring, BGID));
	EXPECT_EQ(0, kmbuf_unpin(tr, mock, pin));
	close(mock);
}

TEST_F(fuse_queue, unprivileged)
{
	ASSERT_TRUE(memlock_enter());
	EXPECT_EQ(-EPERM, add_queue(&self->fq, 0, FUSE_URING_ZERO_COPY));
	EXPECT_EQ(0, add_queue(&self->fq, 0, 0));
	ASSERT_TRUE(memlock_leave());
	self->have = FUSE_QUEUE_ADDED;
}

/* Nobody else can pin the buffers of a queue */
TEST_F(fuse_queue, exclusive)
{
	int mock = mock_create(1, 0);
	struct fuse_queue fq;

	if (mock_missing(mock))
		SKIP(return, "%s", mock_missing(mock));
	ASSERT_GE(mock, 0);
	ASSERT_EQ(0, fuse_queue_mount(&fq, FUSE_MODE_KMBUF));
	ASSERT_EQ(0, open_ring(&fq));
	ASSERT_EQ(0, fuse_queue_add(&fq, 0));
	EXPECT_EQ(-EBUSY, kmbuf_pin(&fq.tr, mock, BGID));
	/* while the queue exists */
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	EXPECT_EQ(0, kmbuf_pin(&fq.tr, mock, BGID));
	EXPECT_EQ(0, kmbuf_unpin(&fq.tr, mock, 0));
	fuse_queue_close_ring(&fq);
	close(mock);
}

TEST_F(fuse_queue, twice)
{
	give(_metadata, self, FUSE_QUEUE_ADDED);
	EXPECT_EQ(-EEXIST, add_queue(&self->fq, 0, 0));
	EXPECT_EQ(-EEXIST, add_queue(&self->fq, 0, FUSE_URING_ZERO_COPY));
	give(_metadata, self, FUSE_QUEUE_HEADERS);
	EXPECT_EQ(-EEXIST, add_headers(&self->fq));
	give(_metadata, self, FUSE_QUEUE_KMBUF);
	EXPECT_EQ(-EBUSY, add_kmbuf(&self->fq));
	EXPECT_EQ(-EEXIST, add_headers(&self->fq));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&self->fq.tr.ring, BGID));
}

/* One group cannot serve two queues */
TEST_F(fuse_queue, group_of_another_queue)
{
	struct fuse_uring_cmd_req req = fuse_queue_good_kmbuf();
	struct fuse_queue fq;

	if (fuse_uring_nr_queues() < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, fuse_queue_mount(&fq, FUSE_MODE_KMBUF));
	ASSERT_EQ(0, open_ring(&fq));
	ASSERT_EQ(0, fuse_queue_add(&fq, 0));
	req.qid = 1;
	EXPECT_EQ(0, add_queue(&fq, 1, 0));
	EXPECT_EQ(-EBUSY, fuse_queue_cmd(&fq, ADD_KMBUF, &req));
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	EXPECT_EQ(0, kmbuf_unregister(&fq.tr.ring, BGID));
	fuse_queue_close_ring(&fq);
}

/* All memory of a queue belongs to one io_uring */
TEST_F(fuse_queue, buffers_of_another_ring)
{
	struct fuse_queue other = self->fq;

	ASSERT_EQ(0, open_ring(&other));
	give(_metadata, self, FUSE_QUEUE_ADDED | FUSE_QUEUE_HEADERS);
	EXPECT_EQ(-EXDEV, add_kmbuf(&other));
	EXPECT_EQ(-EEXIST, add_headers(&other));
	EXPECT_EQ(0, kmbuf_unregister(&other.tr.ring, BGID));
	fuse_queue_close_ring(&other);
}

TEST_F(fuse_queue, headers_of_another_ring)
{
	struct fuse_queue other = self->fq;

	ASSERT_EQ(0, open_ring(&other));
	give(_metadata, self, FUSE_QUEUE_ADDED | FUSE_QUEUE_KMBUF);
	EXPECT_EQ(-EXDEV, add_headers(&other));
	EXPECT_EQ(-EXDEV, add_kmbuf(&other));
	EXPECT_EQ(0, kmbuf_unregister(&other.tr.ring, BGID));
	fuse_queue_close_ring(&other);
}

/*
 * An entry with server memory, on a ring that exists for as long as the entry
 */
static struct fuse_queue_own own;

static void add_plain_entry(struct __test_metadata *_metadata,
			    struct fuse_queue *fq)
{
	const struct fuse_uring_cmd_req ent = { };
	struct io_uring_sqe *sqe;

	ASSERT_EQ(0, test_ring_init(&fq->tr, IORING_SETUP_SQE128, 0));
	own.iov[0] = (struct iovec) { &own.head, sizeof(own.head) };
	own.iov[1] = (struct iovec) { own.payload, sizeof(own.payload) };
	sqe = fuse_queue_entry(fq, &ent);
	sqe->addr = (unsigned long)own.iov;
	sqe->len = 2;
	ASSERT_EQ(0, fuse_queue_register(&fq->tr));
}

static void expect_busy(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_queue) *self)
{
	EXPECT_EQ(-EEXIST, add_queue(&self->fq, 0, 0));
	EXPECT_EQ(-EBUSY, add_headers(&self->fq));
	EXPECT_EQ(-EBUSY, add_kmbuf(&self->fq));
}

/* Too late after the first entry, which may have created the queue */
TEST_F(fuse_queue, entry_before)
{
	struct fuse_queue other = self->fq;

	add_plain_entry(_metadata, &other);
	expect_busy(_metadata, self);
	test_ring_exit(&other.tr);
	expect_busy(_metadata, self);
	EXPECT_EQ(0, kmbuf_unregister(&self->fq.tr.ring, BGID));
	self->plain = true;
}

TEST_F(fuse_queue, entry_of_added_queue_before)
{
	struct fuse_queue other = self->fq;

	give(_metadata, self, FUSE_QUEUE_ADDED);
	add_plain_entry(_metadata, &other);
	expect_busy(_metadata, self);
	test_ring_exit(&other.tr);
	expect_busy(_metadata, self);
	EXPECT_EQ(0, kmbuf_unregister(&self->fq.tr.ring, BGID));
	self->plain = true;
}

/* The server continues with plain queues */
TEST_F(fuse_queue, plain_after_refusals)
{
	EXPECT_EQ(-EINVAL, add_queue(&self->fq, 0, 2));
	EXPECT_EQ(-ESRCH, add_headers(&self->fq));
	EXPECT_EQ(-ESRCH, add_kmbuf(&self->fq));
	self->plain = true;
}

static void expect_aborted(struct __test_metadata *_metadata,
			   unsigned long long init_flags, int want)
{
	struct fuse_queue fq = {
		.ft = {
			.mode = FUSE_MODE_KMBUF,
			.max_pages = FUSE_QUEUE_MAX_PAGES,
			.max_write = 4096,
			.init_flags = init_flags,
		},
	};

	ASSERT_EQ(0, fuse_test_open(&fq.ft));
	ASSERT_EQ(0, open_ring(&fq));
	ASSERT_EQ(0, add_queue(&fq, 0, 0));
	ASSERT_TRUE(fuse_test_abort(&fq.ft));
	EXPECT_EQ(want, add_queue(&fq, 1, 0));
	EXPECT_EQ(want, add_headers(&fq));
	EXPECT_EQ(want, add_kmbuf(&fq));
	EXPECT_EQ(0, kmbuf_unregister(&fq.tr.ring, BGID));
	fuse_queue_close_ring(&fq);
	EXPECT_EQ(0, fuse_queue_umount(&fq));
}

TEST_F(fuse_queue, aborted)
{
	expect_aborted(_metadata, 0, -ENOTCONN);
	expect_aborted(_metadata, FUSE_ABORT_ERROR, -ECONNABORTED);
}

/* Can a request be read from the device? */
static bool request_comes(struct fuse_queue *fq, unsigned int ms)
{
	struct pollfd poll_fd = { .fd = fq->ft.dev, .events = POLLIN };
	pid_t pid = fuse_hold_client(&fq->ft, FUSE_HOLD_STAT, 0, 1);
	bool comes = poll(&poll_fd, 1, ms) == 1;

	kill(pid, SIGKILL);
	return fuse_hold_end(pid, 20000) == -EINTR && comes;
}

/*
 * Requests wait for io_uring, but not after a refusal: the server may have
 * given up
 */
TEST_F(fuse_queue, requests_after_refusal)
{
	EXPECT_FALSE(request_comes(&self->fq, 300));
	EXPECT_EQ(-ESRCH, add_kmbuf(&self->fq));
	EXPECT_TRUE(request_comes(&self->fq, 20000));
	self->plain = true;
}

TEST_HARNESS_MAIN
