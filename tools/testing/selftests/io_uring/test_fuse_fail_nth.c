// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation on the way of adding a queue, and of registering an entry,
 * fails once. Each failure is an errno, and leaves things as they were. Leaks of
 * memory are for kmemleak to find.
 */
#include "kselftest_harness.h"
#include "fuse_queue.h"
#include "iou_fail_nth.h"
#include "iou_kmbuf.h"

#include <errno.h>

/* in seconds: each attempt has a mount of its own */
#define TIMEOUT		300

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

/* A queue that failed is not there, and has not taken the buffers */
static void add_failing(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_fail_nth) *self)
{
	const struct fuse_uring_cmd_req req = fuse_queue_good();
	struct io_uring_sqe *sqe;
	struct fuse_queue fq;
	int ret;

	ASSERT_EQ(0, fuse_queue_mount(&fq, FUSE_MODE_KMBUF));
	ASSERT_EQ(0, fuse_queue_open_ring(&fq));
	sqe = fuse_uring_sqe(&fq.tr, fq.ft.dev, FUSE_IO_URING_CMD_ADD_QUEUE, 0);
	*fuse_uring_req(sqe) = req;
	ret = fail_nth_submit(&self->fail, &fq.tr);
	EXPECT_EQ(ret ? 0 : -EEXIST, fuse_queue_add(&fq, &req));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&fq.tr.ring, FUSE_QUEUE_BGID));
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	EXPECT_EQ(0, kmbuf_unregister(&fq.tr.ring, FUSE_QUEUE_BGID));
	fuse_queue_close_ring(&fq);
}

TEST_F_TIMEOUT(fuse_fail_nth, add_queue, TIMEOUT)
{
	/* the queue, and its table of requests */
	while (fail_nth_next(&self->fail, 0, 2))
		add_failing(_metadata, self);
	EXPECT_GE(self->fail.nr_nomem, 2);
}

/* An entry that waits has no completion before the end of the mount */
static int register_failing(struct __test_metadata *_metadata,
			    FIXTURE_DATA(fuse_fail_nth) *self,
			    struct fuse_queue *fq)
{
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	int ret;

	fuse_queue_entry(fq, &ent);
	EXPECT_TRUE(fail_nth_arm(&self->fail));
	ret = io_uring_submit(&fq->tr.ring);
	fail_nth_disarm(&self->fail);
	/* an entry that was not consumed goes in now */
	if (ret < 0)
		test_submit(&fq->tr);
	if (!test_wait_for(&fq->tr, 50))
		return 0;
	ret = test_wait(&fq->tr);
	fail_nth_count(&self->fail, ret);
	return ret;
}

TEST_F_TIMEOUT(fuse_fail_nth, register_entry, TIMEOUT)
{
	const struct fuse_uring_cmd_req req = fuse_queue_good();
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();

	/* the entry */
	while (fail_nth_next(&self->fail, 0, 1)) {
		struct fuse_queue fq;

		ASSERT_EQ(0, fuse_queue_mount(&fq, FUSE_MODE_KMBUF));
		ASSERT_EQ(0, fuse_queue_open_ring(&fq));
		ASSERT_EQ(0, fuse_queue_add(&fq, &req));
		if (register_failing(_metadata, self, &fq)) {
			/* the queue is there, and takes another */
			fuse_queue_entry(&fq, &ent);
			test_submit(&fq.tr);
			EXPECT_FALSE(test_wait_for(&fq.tr, 50));
		}
		EXPECT_EQ(0, fuse_queue_umount(&fq));
		/* the one entry ends with the mount */
		EXPECT_EQ(-ENOTCONN, test_wait(&fq.tr));
		EXPECT_FALSE(test_wait_for(&fq.tr, 50));
		fuse_queue_close_ring(&fq);
	}
	EXPECT_GE(self->fail.nr_nomem, 1);
}

TEST_HARNESS_MAIN
