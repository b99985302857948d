// SPDX-License-Identifier: GPL-2.0
/*
 * Let every allocation fail once while adding a queue, registering an entry,
 * sending a request and replying to it. Each failure returns an errno, and
 * changes nothing. Run kmemleak afterwards to find memory leaks.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "fuse_queue.h"
#include "iou_fail_nth.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"

#include <errno.h>
#include <unistd.h>

/* in seconds: each attempt has a mount of its own */
#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
#define LARGE		65536

FIXTURE(fuse_fail_nth)
{
	struct fail_nth fail;
};

FIXTURE_SETUP(fuse_fail_nth)
{
	struct fuse_queue fq;
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (!fail_nth_init())
		SKIP(return, "needs failslab, fail_page_alloc, fail_usercopy");
	ret = fuse_queue_mount(&fq, FUSE_MODE_KMBUF);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_queue_umount(&fq));
	ASSERT_TRUE(fail_nth_open(&self->fail));
}

FIXTURE_TEARDOWN(fuse_fail_nth)
{
	EXPECT_EQ(0, self->fail.nr_others);
	fail_nth_close(&self->fail);
}

/* A failed step of the setup has left nothing, and can be repeated */
static void fail_step(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_fail_nth) *self, struct fuse_queue *fq,
		      unsigned int op, const struct fuse_uring_cmd_req *req)
{
	/* the buffers are pinned; of the others there is one */
	const int again = op == FUSE_IO_URING_CMD_ADD_KMBUF ? -EBUSY : -EEXIST;
	struct io_uring_sqe *sqe;
	int ret;

	sqe = fuse_uring_sqe(&fq->tr, fq->ft.dev, op, 0);
	*fuse_uring_req(sqe) = *req;
	ret = fail_nth_submit(&self->fail, &fq->tr);
	EXPECT_EQ(ret ? 0 : again, fuse_queue_cmd(fq, op, req));
}

/* One of the steps fails, and the refused command has not taken the buffers */
static void add_failing(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_fail_nth) *self, unsigned int op)
{
	const struct fuse_uring_cmd_req queue = { };
	const struct fuse_uring_cmd_req headers = fuse_queue_good_headers();
	const struct fuse_uring_cmd_req kmbuf = fuse_queue_good_kmbuf();
	struct fuse_queue fq;

	ASSERT_EQ(0, fuse_queue_mount(&fq, FUSE_MODE_KMBUF));
	ASSERT_EQ(0, fuse_queue_open_ring(&fq));
	if (op == FUSE_IO_URING_CMD_ADD_QUEUE)
		fail_step(_metadata, self, &fq, op, &queue);
	else
		ASSERT_EQ(0, fuse_queue_cmd(&fq, FUSE_IO_URING_CMD_ADD_QUEUE,
					    &queue));
	if (op == FUSE_IO_URING_CMD_ADD_HEADERS)
		fail_step(_metadata, self, &fq, op, &headers);
	if (op == FUSE_IO_URING_CMD_ADD_KMBUF) {
		fail_step(_metadata, self, &fq, op, &kmbuf);
		EXPECT_EQ(-EBUSY, kmbuf_unregister(&fq.tr.ring,
						   FUSE_QUEUE_BGID));
	}
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	EXPECT_EQ(0, kmbuf_unregister(&fq.tr.ring, FUSE_QUEUE_BGID));
	fuse_queue_close_ring(&fq);
}

TEST_F_TIMEOUT(fuse_fail_nth, add_queue, TIMEOUT)
{
	/* the queue, and its table of requests */
	while (fail_nth_next(&self->fail, 0, 2))
		add_failing(_metadata, self, FUSE_IO_URING_CMD_ADD_QUEUE);
	EXPECT_GE(self->fail.nr_nomem, 2);
}

/* These commands allocate nothing themselves */
TEST_F_TIMEOUT(fuse_fail_nth, add_headers, TIMEOUT)
{
	while (fail_nth_next(&self->fail, 0, 0))
		add_failing(_metadata, self, FUSE_IO_URING_CMD_ADD_HEADERS);
}

TEST_F_TIMEOUT(fuse_fail_nth, add_kmbuf, TIMEOUT)
{
	while (fail_nth_next(&self->fail, 0, 0))
		add_failing(_metadata, self, FUSE_IO_URING_CMD_ADD_KMBUF);
}

/* An entry that uses the queue's memory, or these two iovecs */
static void prep_entry(struct fuse_queue *fq, const struct iovec *iov)
{
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct io_uring_sqe *sqe = fuse_queue_entry(fq, &ent);

	sqe->addr = (unsigned long)iov;
	sqe->len = iov ? 2 : 0;
}

/* A waiting entry has no completion before the end of the mount */
static int register_failing(struct __test_metadata *_metadata,
			    FIXTURE_DATA(fuse_fail_nth) *self,
			    struct fuse_queue *fq, const struct iovec *iov)
{
	int ret;

	prep_entry(fq, iov);
	EXPECT_TRUE(fail_nth_arm(&self->fail));
	ret = io_uring_submit(&fq->tr.ring);
	fail_nth_disarm(&self->fail);
	/* submit an entry that was not consumed */
	if (ret < 0)
		test_submit(&fq->tr);
	if (!test_wait_for(&fq->tr, 50))
		return 0;
	ret = test_wait(&fq->tr);
	fail_nth_count(&self->fail, ret);
	return ret;
}

/* A server has died, and its queue can be added again */
static void leave_queue(struct __test_metadata *_metadata, struct fuse_queue *fq)
{
	ASSERT_EQ(0, fuse_queue_open_ring(fq));
	ASSERT_EQ(0, fuse_queue_add(fq, 0));
	prep_entry(fq, NULL);
	ASSERT_EQ(1, io_uring_submit(&fq->tr.ring));
	ASSERT_FALSE(test_wait_for(&fq->tr, 50));
	fuse_queue_close_ring(fq);
}

/* One attempt, on a mount of its own */
static void register_once(struct __test_metadata *_metadata,
			  FIXTURE_DATA(fuse_fail_nth) *self,
			  const struct iovec *iov,
			  unsigned long long init_flags)
{
	struct fuse_queue fq;

	ASSERT_EQ(0, fuse_queue_mount_flags(&fq, FUSE_MODE_KMBUF, init_flags));
	if (init_flags & FUSE_IO_URING_RECOVERY)
		leave_queue(_metadata, &fq);
	ASSERT_EQ(0, fuse_queue_open_ring(&fq));
	ASSERT_EQ(0, fuse_queue_add(&fq, 0));
	if (register_failing(_metadata, self, &fq, iov)) {
		/* the queue exists, and accepts another entry */
		prep_entry(&fq, iov);
		test_submit(&fq.tr);
		EXPECT_FALSE(test_wait_for(&fq.tr, 50));
	}
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	/* the one entry ends with the mount */
	EXPECT_EQ(-ENOTCONN, test_wait(&fq.tr));
	EXPECT_FALSE(test_wait_for(&fq.tr, 50));
	fuse_queue_close_ring(&fq);
}

TEST_F_TIMEOUT(fuse_fail_nth, register_entry, TIMEOUT)
{
	/* the entry */
	while (fail_nth_next(&self->fail, 0, 1))
		register_once(_metadata, self, NULL, 0);
	EXPECT_GE(self->fail.nr_nomem, 1);
}

TEST_F_TIMEOUT(fuse_fail_nth, register_iovecs, TIMEOUT)
{
	static struct fuse_queue_own own;
	const struct iovec iov[2] = {
		{ &own.head, sizeof(own.head) },
		{ own.payload, sizeof(own.payload) },
	};

	/* the entry: reading the iovecs cannot fail by injection */
	while (fail_nth_next(&self->fail, 0, 1))
		register_once(_metadata, self, iov, 0);
	EXPECT_GE(self->fail.nr_nomem, 1);
}

TEST_F_TIMEOUT(fuse_fail_nth, register_fewer_queues, TIMEOUT)
{
	/* the entry, the watch for its io_uring, and the list of its watches */
	while (fail_nth_next(&self->fail, 0, 3))
		register_once(_metadata, self, NULL, FUSE_IO_URING_FEWER_QUEUES);
	EXPECT_GE(self->fail.nr_nomem, 3);
}

TEST_F_TIMEOUT(fuse_fail_nth, register_takeover, TIMEOUT)
{
	/* likewise */
	while (fail_nth_next(&self->fail, 0, 3))
		register_once(_metadata, self, NULL, FUSE_IO_URING_RECOVERY);
	EXPECT_GE(self->fail.nr_nomem, 3);
}

/* Failures in the server, in whose context requests are sent and ended */
FIXTURE(fuse_serve_fail_nth)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	struct fail_nth fail;
	struct memlock_probe probe;
};

FIXTURE_VARIANT(fuse_serve_fail_nth)
{
	enum fuse_mode mode;
};

FIXTURE_VARIANT_ADD(fuse_serve_fail_nth, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_serve_fail_nth, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_serve_fail_nth, zc) {
	.mode = FUSE_MODE_ZC,
};

FIXTURE_SETUP(fuse_serve_fail_nth)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (!fail_nth_init())
		SKIP(return, "needs failslab, fail_page_alloc, fail_usercopy");
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.depth = 2,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
	};
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_hold_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	ASSERT_TRUE(fail_nth_open_pid(&self->fail, self->ft.server));
}

FIXTURE_TEARDOWN(fuse_serve_fail_nth)
{
	/* the server works, and has no requests left */
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
	fail_nth_close(&self->fail);
	fuse_hold_exit(self->hold);
}

/* Clients get their data or an error in time, and afterwards their data */
static void serve_failing(struct __test_metadata *_metadata,
			  FIXTURE_DATA(fuse_serve_fail_nth) *self,
			  enum fuse_hold_op op)
{
	unsigned int nr_failed = 0;
	pid_t pid;
	int ret;

	while (fail_nth_next(&self->fail, 0, 0)) {
		ASSERT_TRUE(fail_nth_arm(&self->fail));
		pid = fuse_hold_client(&self->ft, op, LARGE, 1);
		ret = fuse_hold_end(pid, STEP_MS);
		fail_nth_disarm(&self->fail);
		if (ret)
			fail_nth_count(&self->fail, ret);
		nr_failed += self->fail.failed;
		ASSERT_NE(-ETIME, ret);
		pid = fuse_hold_client(&self->ft, op, LARGE, 1);
		ASSERT_EQ(0, fuse_hold_end(pid, STEP_MS));
	}
	EXPECT_EQ(0, self->fail.nr_others);
	/* kernel-managed buffers are there already: next to nothing can fail */
	if (self->ft.mode == FUSE_MODE_ENTRY)
		EXPECT_GE(nr_failed, 1);
	if (fuse_mode_zero_copy(self->ft.mode) && op != FUSE_HOLD_STAT)
		EXPECT_GE(fuse_test_counter(&self->ft, "fallback"), 1);
}

TEST_F_TIMEOUT(fuse_serve_fail_nth, stat, TIMEOUT)
{
	serve_failing(_metadata, self, FUSE_HOLD_STAT);
}

TEST_F_TIMEOUT(fuse_serve_fail_nth, read, TIMEOUT)
{
	serve_failing(_metadata, self, FUSE_HOLD_READ);
}

TEST_F_TIMEOUT(fuse_serve_fail_nth, write, TIMEOUT)
{
	serve_failing(_metadata, self, FUSE_HOLD_WRITE);
}

TEST_HARNESS_MAIN
