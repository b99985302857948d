// SPDX-License-Identifier: GPL-2.0
/*
 * A subsystem gets its pages back: the release callback runs exactly once,
 * after the last I/O on the buffer, whoever ends the registration and how.
 */
#include "kselftest_harness.h"
#include "iou_test.h"

#include <errno.h>
#include <sys/wait.h>

#define SEED	4
#define SLOT	2

FIXTURE(bvec_release)
{
	struct test_ring tr;
	struct mock_page page;
};

FIXTURE_VARIANT(bvec_release)
{
	unsigned int setup_flags;
	unsigned int sqe_flags;
};

FIXTURE_VARIANT_ADD(bvec_release, inline) { };

FIXTURE_VARIANT_ADD(bvec_release, async) {
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(bvec_release, sqpoll) {
	.setup_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(bvec_release, defer_taskrun) {
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(bvec_release)
{
	int ret = mock_page_create(&self->page);

	if (mock_missing(ret))
		SKIP(return, "%s", mock_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, test_ring_init(&self->tr, variant->setup_flags,
				    variant->sqe_flags));
	ASSERT_EQ(0, mock_page_lend(&self->page, &self->tr, SLOT));
	ASSERT_EQ(0, mock_stats(self->page.fd).nr_released);
}

/* Every test ends with the one buffer released, and its ring closed */
FIXTURE_TEARDOWN(bvec_release)
{
	struct io_uring_mock_kmbuf_stats stats;

	EXPECT_TRUE(mock_wait_released(self->page.fd, 1));
	stats = mock_stats(self->page.fd);
	EXPECT_EQ(1, stats.nr_registered);
	EXPECT_EQ(1, stats.nr_released);
	EXPECT_EQ(0, stats.nr_released_again);
	mock_page_destroy(&self->page);
}

/* Start a read from the empty pipe, and wait until the kernel executes it */
static void park_read(FIXTURE_DATA(bvec_release) *self)
{
	struct io_uring_sqe *sqe = test_sqe(&self->tr);

	sqe->opcode = IORING_OP_READ_FIXED;
	sqe->flags = self->tr.sqe_flags;
	sqe->fd = self->page.pipe[0];
	sqe->addr = 0;
	sqe->len = self->page.len;
	sqe->off = -1ULL;
	sqe->buf_index = SLOT;
	test_submit(&self->tr);
	if (self->tr.ring.flags & IORING_SETUP_SQPOLL)
		/* the head moves once the entries are issued */
		while (io_uring_sq_ready(&self->tr.ring))
			sched_yield();
	if (self->tr.sqe_flags & IOSQE_ASYNC)
		/*
		 * workers cannot be observed: if this is too short, reads fail
		 * with -EFAULT
		 */
		test_wait_for(&self->tr, 500);
}

/* Let the parked read end, with data */
static void unpark_read(struct __test_metadata *_metadata,
			FIXTURE_DATA(bvec_release) *self)
{
	unsigned char data[64], seen[64];

	fill_pattern(data, sizeof(data), SEED);
	ASSERT_EQ((ssize_t)sizeof(data),
		  write(self->page.pipe[1], data, sizeof(data)));
	EXPECT_EQ((int)sizeof(data), test_wait(&self->tr));
	ASSERT_EQ(0, mock_copy_out(&self->tr, self->page.fd, seen, 0,
				   sizeof(seen)));
	EXPECT_EQ(0, memcmp(data, seen, sizeof(seen)));
}

TEST_F(bvec_release, unregister)
{
	EXPECT_EQ(0, mock_unregister(&self->tr, self->page.fd, SLOT));
	EXPECT_EQ(1, mock_stats(self->page.fd).nr_released);
	EXPECT_EQ(-EINVAL, mock_unregister(&self->tr, self->page.fd, SLOT));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, false, self->page.pipe[0],
					 SLOT, 0, self->page.len, -1));
	test_ring_exit(&self->tr);
}

TEST_F(bvec_release, unregister_with_io_in_flight)
{
	park_read(self);
	EXPECT_EQ(0, mock_unregister(&self->tr, self->page.fd, SLOT));
	EXPECT_EQ(0, mock_stats(self->page.fd).nr_released);

	/* the slot is free at once, and can hold another buffer */
	EXPECT_EQ(-EINVAL, mock_unregister(&self->tr, self->page.fd, SLOT));
	unpark_read(_metadata, self);
	EXPECT_TRUE(mock_wait_released(self->page.fd, 1));
	test_ring_exit(&self->tr);
}

TEST_F(bvec_release, ring_closed)
{
	test_ring_exit(&self->tr);
}

TEST_F(bvec_release, ring_closed_with_io_in_flight)
{
	park_read(self);
	EXPECT_EQ(0, mock_stats(self->page.fd).nr_released);
	test_ring_exit(&self->tr);
}

TEST_F(bvec_release, ring_closed_after_unregister_with_io_in_flight)
{
	park_read(self);
	EXPECT_EQ(0, mock_unregister(&self->tr, self->page.fd, SLOT));
	EXPECT_EQ(0, mock_stats(self->page.fd).nr_released);
	test_ring_exit(&self->tr);
}

TEST_F(bvec_release, slot_emptied_by_user)
{
	struct iovec iov = { };
	__u64 tag = 0;

	EXPECT_EQ(1, io_uring_register_buffers_update_tag(&self->tr.ring, SLOT,
							  &iov, &tag, 1));
	EXPECT_EQ(1, mock_stats(self->page.fd).nr_released);
	EXPECT_EQ(-EINVAL, mock_unregister(&self->tr, self->page.fd, SLOT));
	test_ring_exit(&self->tr);
}

TEST_F(bvec_release, slot_emptied_by_user_with_io_in_flight)
{
	struct iovec iov = { };
	__u64 tag = 0;

	park_read(self);
	EXPECT_EQ(1, io_uring_register_buffers_update_tag(&self->tr.ring, SLOT,
							  &iov, &tag, 1));
	EXPECT_EQ(0, mock_stats(self->page.fd).nr_released);
	unpark_read(_metadata, self);
	EXPECT_TRUE(mock_wait_released(self->page.fd, 1));
	test_ring_exit(&self->tr);
}

TEST_F(bvec_release, table_unregistered_by_user)
{
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->tr.ring));
	EXPECT_EQ(1, mock_stats(self->page.fd).nr_released);
	EXPECT_EQ(-EINVAL, mock_unregister(&self->tr, self->page.fd, SLOT));
	test_ring_exit(&self->tr);
}

/* The consumer's last file is closed: its pages stay because of the buffer */
TEST_F(bvec_release, consumer_closed)
{
	int fd = mock_create(1, 0);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, mock_register(&self->tr, fd, &self->page.bv, 1,
				   SLOT + 1, BUF_DEST));
	close(fd);
	ASSERT_EQ(5, write(self->page.pipe[1], "hello", 5));
	EXPECT_EQ(5, test_rw_fixed(&self->tr, false, self->page.pipe[0],
				   SLOT + 1, 0, self->page.len, -1));
	/* any consumer may unregister it: a slot has no record of its owner */
	EXPECT_EQ(0, mock_unregister(&self->tr, self->page.fd, SLOT + 1));
	test_ring_exit(&self->tr);
}

/* A server that is killed has no chance to clean up */
TEST_F(bvec_release, task_killed_with_io_in_flight)
{
	int fd = mock_create(1, 0);
	int status;
	pid_t pid;

	ASSERT_GE(fd, 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		ASSERT_EQ(0, test_ring_init(&self->tr, variant->setup_flags,
					    variant->sqe_flags));
		ASSERT_EQ(0, mock_register(&self->tr, fd, &self->page.bv, 1,
					   SLOT, BUF_DEST));
		park_read(self);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(mock_wait_released(fd, 1));
	EXPECT_EQ(1, mock_stats(fd).nr_released);
	EXPECT_EQ(0, mock_stats(fd).nr_released_again);
	close(fd);
	test_ring_exit(&self->tr);
}

TEST_HARNESS_MAIN
