// SPDX-License-Identifier: GPL-2.0
/*
 * Two commands of the mock device run for a specified time. They end early with
 * their task, and with their ring.
 */
#include "kselftest_harness.h"
#include "iou_kmbuf.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BGID		3
/* a day and more */
#define FOREVER		((unsigned int)INT32_MAX)
#define END_MS		20000

FIXTURE(mock_killed)
{
	struct io_uring_mock_kmbuf_cycles cycles;
	struct test_ring tr;
	/* has the buffers, and issues commands that cannot wait for a worker */
	struct test_ring other;
	int fd;
	int pin;
};

FIXTURE_VARIANT(mock_killed)
{
	unsigned int op;
};

FIXTURE_VARIANT_ADD(mock_killed, bench) {
	.op = IORING_MOCK_KMBUF_CMD_RING_BENCH,
};

FIXTURE_VARIANT_ADD(mock_killed, stress) {
	.op = IORING_MOCK_KMBUF_CMD_RING_STRESS,
};

FIXTURE_SETUP(mock_killed)
{
	self->fd = mock_create(1, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(mock_killed)
{
	close(self->fd);
}

static void submit(FIXTURE_DATA(mock_killed) *self, unsigned int op)
{
	self->cycles = (struct io_uring_mock_kmbuf_cycles) {
		.handle = self->pin,
		.cycles = FOREVER,
	};
	mock_prep(&self->tr, self->fd, op, &self->cycles,
		  sizeof(self->cycles));
	test_submit(&self->tr);
}

/* Returns once a worker runs the command: then the pin is in use */
static bool start(FIXTURE_DATA(mock_killed) *self, unsigned int op)
{
	int ret;

	if (test_ring_init(&self->tr, 0, 0) ||
	    test_ring_init(&self->other, 0, 0) ||
	    kmbuf_setup(&self->other.ring, BGID, 1, 1, 0))
		return false;
	self->pin = kmbuf_pin(&self->other, self->fd, BGID);
	submit(self, op);
	for (;;) {
		ret = kmbuf_unpin(&self->other, self->fd, self->pin);
		if (ret)
			return ret == -EBUSY;
		self->pin = kmbuf_pin(&self->other, self->fd, BGID);
		/* otherwise the command was too early, and there was no pin */
		if (test_wait_for(&self->tr, 10)) {
			test_wait(&self->tr);
			submit(self, op);
		}
	}
}

TEST_F_TIMEOUT(mock_killed, with_its_task, 60)
{
	struct pollfd poll_fd = { .events = POLLIN };
	int ready[2], status;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		c = start(self, variant->op);
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(true, c);

	poll_fd.fd = syscall(SYS_pidfd_open, pid, 0);
	ASSERT_GE(poll_fd.fd, 0);
	kill(pid, SIGKILL);
	ASSERT_EQ(1, poll(&poll_fd, 1, END_MS));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	close(poll_fd.fd);
	close(ready[0]);
	close(ready[1]);
}

TEST_F_TIMEOUT(mock_killed, when_cancelled, 60)
{
	struct io_uring_sync_cancel_reg reg = {
		.flags = IORING_ASYNC_CANCEL_ANY,
		.timeout = { .tv_sec = END_MS / 1000 },
	};

	ASSERT_TRUE(start(self, variant->op));
	EXPECT_EQ(0, io_uring_register_sync_cancel(&self->tr.ring, &reg));
	EXPECT_EQ(-EINTR, test_wait(&self->tr));
	test_ring_exit(&self->other);
	test_ring_exit(&self->tr);
}

TEST_HARNESS_MAIN
