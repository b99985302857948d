// SPDX-License-Identifier: GPL-2.0
/*
 * A polled command may complete without polling: a command of a device without
 * a queue for polling causes an interrupt, and completes in task work. A ring
 * that is closed meanwhile must end nevertheless.
 */
#include "kselftest_harness.h"
#include "iou_test.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_MS	20000

FIXTURE(iopoll_exit)
{
	struct io_uring_mock_kmbuf_done done;
	struct test_ring tr;
	int fd;
};

FIXTURE_VARIANT(iopoll_exit)
{
	unsigned int setup_flags;
	unsigned int sqe_flags;
};

FIXTURE_VARIANT_ADD(iopoll_exit, inline) { };

FIXTURE_VARIANT_ADD(iopoll_exit, async) {
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(iopoll_exit, defer_taskrun) {
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(iopoll_exit, sqpoll) {
	.setup_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(iopoll_exit, sqpoll_async) {
	.setup_flags = IORING_SETUP_SQPOLL,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_SETUP(iopoll_exit)
{
	self->fd = mock_create(1, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	self->done = (struct io_uring_mock_kmbuf_done) {
		.how = IORING_MOCK_KMBUF_DONE_INTERRUPT,
		.res = 5,
	};
}

FIXTURE_TEARDOWN(iopoll_exit)
{
	close(self->fd);
}

/* A ring with a command that completes after 100 ms */
static void start(FIXTURE_DATA(iopoll_exit) *self,
		  const FIXTURE_VARIANT(iopoll_exit) *variant)
{
	if (test_ring_init(&self->tr, variant->setup_flags |
			   IORING_SETUP_IOPOLL, variant->sqe_flags))
		_exit(1);
	mock_prep(&self->tr, self->fd, IORING_MOCK_KMBUF_CMD_RING_DONE,
		  &self->done, sizeof(self->done));
	test_submit(&self->tr);
	/*
	 * the poll thread moves the head once the command is issued or queued
	 * for a worker
	 */
	while (io_uring_sq_ready(&self->tr.ring))
		sched_yield();
}

/* The task and its threads are gone in time */
static void expect_ends(struct __test_metadata *_metadata, pid_t pid)
{
	struct pollfd poll_fd = { .events = POLLIN };

	ASSERT_GE(pid, 0);
	poll_fd.fd = syscall(SYS_pidfd_open, pid, 0);
	ASSERT_GE(poll_fd.fd, 0);
	ASSERT_EQ(1, poll(&poll_fd, 1, END_MS));
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	close(poll_fd.fd);
}

TEST_F_TIMEOUT(iopoll_exit, completes, 60)
{
	start(self, variant);
	EXPECT_EQ(5, test_wait(&self->tr));
	test_ring_exit(&self->tr);
}

TEST_F_TIMEOUT(iopoll_exit, task_exits, 60)
{
	pid_t pid = fork();

	if (!pid) {
		start(self, variant);
		_exit(0);
	}
	expect_ends(_metadata, pid);
}

TEST_F_TIMEOUT(iopoll_exit, ring_is_closed, 60)
{
	pid_t pid = fork();

	if (!pid) {
		start(self, variant);
		test_ring_exit(&self->tr);
		_exit(0);
	}
	expect_ends(_metadata, pid);
}

/* All requests are cancelled before the new program runs */
TEST_F_TIMEOUT(iopoll_exit, task_executes, 60)
{
	pid_t pid = fork();

	if (!pid) {
		start(self, variant);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	expect_ends(_metadata, pid);
}

TEST_HARNESS_MAIN
