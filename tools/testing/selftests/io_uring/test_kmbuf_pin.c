// SPDX-License-Identifier: GPL-2.0
/*
 * A pin keeps a ring of buffers, whatever becomes of its io_uring, and a pinned
 * ring cannot be unregistered.
 */
#include "kselftest_harness.h"
#include "iou_kmbuf.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define BGID		9
#define ENTRIES		4
#define STRESS_CYCLES	20000

FIXTURE(kmbuf_pin)
{
	/* the ring with the buffers, and the ring for later commands */
	struct test_ring tr;
	struct test_ring other;
	int fd;
};

FIXTURE_VARIANT(kmbuf_pin)
{
	unsigned int setup_flags;
	unsigned int sqe_flags;
	unsigned int ring_flags;
};

FIXTURE_VARIANT_ADD(kmbuf_pin, inline) { };

FIXTURE_VARIANT_ADD(kmbuf_pin, async_fixed) {
	.sqe_flags = IOSQE_ASYNC,
	.ring_flags = IOU_KMBUF_RING_FIXED,
};

FIXTURE_VARIANT_ADD(kmbuf_pin, sqpoll_read_only) {
	.setup_flags = IORING_SETUP_SQPOLL,
	.ring_flags = IOU_KMBUF_RING_RDONLY,
};

FIXTURE_VARIANT_ADD(kmbuf_pin, defer_taskrun) {
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

static int setup(FIXTURE_DATA(kmbuf_pin) *self,
		 const FIXTURE_VARIANT(kmbuf_pin) *variant)
{
	return test_ring_init(&self->tr, variant->setup_flags,
			      variant->sqe_flags) ?:
	       kmbuf_setup(&self->tr.ring, BGID, ENTRIES, 3,
			   variant->ring_flags);
}

FIXTURE_SETUP(kmbuf_pin)
{
	self->fd = mock_create(1, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, setup(self, variant));
	ASSERT_EQ(0, test_ring_init(&self->other, 0, 0));
}

FIXTURE_TEARDOWN(kmbuf_pin)
{
	test_ring_exit(&self->other);
	close(self->fd);
}

static void wait_for_exit(void)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000000L };

	/* a ring is freed some time after close() */
	nanosleep(&pause, NULL);
}

TEST_F(kmbuf_pin, no_such_ring)
{
	EXPECT_EQ(-ENOENT, kmbuf_pin(&self->tr, self->fd, BGID + 1));
	EXPECT_EQ(-ENOENT, kmbuf_pin(&self->tr, self->fd, ~0U));
	EXPECT_EQ(-ENOENT, kmbuf_pin(&self->tr, self->fd, BGID + 65536));
	EXPECT_EQ(-ENOENT, kmbuf_pin(&self->other, self->fd, BGID));
	test_ring_exit(&self->tr);
}

TEST_F(kmbuf_pin, unregister_while_pinned)
{
	int one, two;

	one = kmbuf_pin(&self->tr, self->fd, BGID);
	EXPECT_EQ(0, one);
	two = kmbuf_pin(&self->tr, self->fd, BGID);
	EXPECT_EQ(1, two);
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, one));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&self->tr.ring, BGID));
	/* from another ring: a pin belongs to its consumer */
	EXPECT_EQ(0, kmbuf_unpin(&self->other, self->fd, two));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(-ENOENT, kmbuf_pin(&self->tr, self->fd, BGID));
	test_ring_exit(&self->tr);
}

TEST_F(kmbuf_pin, two_pins_share_buffers)
{
	int one = kmbuf_pin(&self->tr, self->fd, BGID);
	int two = kmbuf_pin(&self->tr, self->fd, BGID);

	EXPECT_EQ(0, kmbuf_select(&self->tr, self->fd, one));
	EXPECT_EQ(1, kmbuf_select(&self->tr, self->fd, two));
	EXPECT_EQ(2, kmbuf_select(&self->tr, self->fd, one));
	EXPECT_EQ(3, kmbuf_select(&self->tr, self->fd, two));
	EXPECT_EQ(-ENOBUFS, kmbuf_select(&self->tr, self->fd, one));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, one));
	EXPECT_EQ(0, kmbuf_recycle(&self->tr, self->fd, two, 3));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, two));
	test_ring_exit(&self->tr);
}

static long nr_free(FIXTURE_DATA(kmbuf_pin) *self)
{
	return kmbuf_fdinfo_field(&self->tr.ring, BGID, "free");
}

/* Lost buffers stay lost for as long as another consumer has the ring pinned */
TEST_F(kmbuf_pin, leaked_buffers_come_back_with_the_last_unpin)
{
	int one = kmbuf_pin(&self->tr, self->fd, BGID);
	int two = kmbuf_pin(&self->tr, self->fd, BGID);
	int bid;

	for (bid = 0; bid < ENTRIES; bid++)
		EXPECT_EQ(bid, kmbuf_select(&self->tr, self->fd, one));
	EXPECT_EQ(0, kmbuf_recycle(&self->tr, self->fd, one, 2));
	EXPECT_EQ(1, nr_free(self));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, one));
	EXPECT_EQ(1, nr_free(self));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, two));
	EXPECT_EQ(ENTRIES, nr_free(self));

	one = kmbuf_pin(&self->tr, self->fd, BGID);
	ASSERT_EQ(0, one);
	EXPECT_EQ(ENTRIES, nr_free(self));
	for (bid = 0; bid < ENTRIES; bid++) {
		EXPECT_EQ(-EINVAL, kmbuf_recycle(&self->tr, self->fd, one, bid));
		EXPECT_EQ(bid, kmbuf_select(&self->tr, self->fd, one));
	}
	EXPECT_EQ(-ENOBUFS, kmbuf_select(&self->tr, self->fd, one));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, one));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	test_ring_exit(&self->tr);
}

TEST_F(kmbuf_pin, which_ring)
{
	int pin = kmbuf_pin(&self->tr, self->fd, BGID);

	EXPECT_EQ(1, kmbuf_is_ring(&self->tr, self->fd, BGID));
	EXPECT_EQ(0, kmbuf_is_ring(&self->tr, self->fd, BGID + 1));
	EXPECT_EQ(0, kmbuf_is_ring(&self->other, self->fd, BGID));
	EXPECT_EQ(1, kmbuf_on_ring(&self->tr, self->fd, pin, BGID));
	EXPECT_EQ(0, kmbuf_on_ring(&self->tr, self->fd, pin, BGID + 1));
	EXPECT_EQ(0, kmbuf_on_ring(&self->other, self->fd, pin, BGID));

	/* the same group of another ring is another ring of buffers */
	EXPECT_EQ(0, kmbuf_setup(&self->other.ring, BGID, ENTRIES, 3, 0));
	EXPECT_EQ(1, kmbuf_is_ring(&self->other, self->fd, BGID));
	EXPECT_EQ(0, kmbuf_on_ring(&self->other, self->fd, pin, BGID));
	test_ring_exit(&self->tr);
}

/* The consumer can still use the buffers */
static void use_pin(struct __test_metadata *_metadata,
		    FIXTURE_DATA(kmbuf_pin) *self, int pin)
{
	struct io_uring_mock_kmbuf_cycles result;
	unsigned long long old;

	EXPECT_EQ(1, kmbuf_select(&self->other, self->fd, pin));
	EXPECT_EQ(0, kmbuf_exchange(&self->other, self->fd, pin, 1, 4096, 5,
				    &old));
	EXPECT_EQ(0, kmbuf_exchange(&self->other, self->fd, pin, 1, 4096, 6,
				    &old));
	EXPECT_EQ(5, old);
	EXPECT_EQ(0, kmbuf_recycle(&self->other, self->fd, pin, 0));
	EXPECT_EQ(0, kmbuf_stress(&self->other, self->fd, pin, STRESS_CYCLES,
				  &result));
	EXPECT_EQ(0, result.nr_faults);
}

TEST_F(kmbuf_pin, ring_closed)
{
	int pin = kmbuf_pin(&self->tr, self->fd, BGID);

	EXPECT_EQ(0, kmbuf_select(&self->tr, self->fd, pin));
	test_ring_exit(&self->tr);
	wait_for_exit();
	use_pin(_metadata, self, pin);
	EXPECT_EQ(0, kmbuf_on_ring(&self->other, self->fd, pin, BGID));
	EXPECT_EQ(0, kmbuf_unpin(&self->other, self->fd, pin));
}

/* The consumer's own file is closed last */
TEST_F(kmbuf_pin, ring_closed_then_consumer)
{
	EXPECT_EQ(0, kmbuf_pin(&self->tr, self->fd, BGID));
	EXPECT_EQ(0, kmbuf_select(&self->tr, self->fd, 0));
	test_ring_exit(&self->tr);
	wait_for_exit();
}

TEST_F(kmbuf_pin, mapped_ring_closed)
{
	const size_t size = ENTRIES * 3 * sysconf(_SC_PAGESIZE);
	int pin = kmbuf_pin(&self->tr, self->fd, BGID);
	unsigned char *mem;
	unsigned long long old;

	mem = kmbuf_mmap(&self->tr.ring, BGID, size, PROT_READ);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(0, kmbuf_select(&self->tr, self->fd, pin));
	test_ring_exit(&self->tr);
	wait_for_exit();
	EXPECT_EQ(0, kmbuf_exchange(&self->other, self->fd, pin, 0, 0, 31,
				    &old));
	EXPECT_EQ(31, mem[0]);
	EXPECT_EQ(0, kmbuf_unpin(&self->other, self->fd, pin));
	EXPECT_EQ(31, mem[0]);
	munmap(mem, size);
}

/* A killed server does not even close */
TEST_F(kmbuf_pin, server_killed)
{
	int status, ready[2];
	pid_t pid;
	char byte;

	test_ring_exit(&self->tr);
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		ASSERT_EQ(0, setup(self, variant));
		ASSERT_EQ(0, kmbuf_pin(&self->tr, self->fd, BGID));
		ASSERT_EQ(0, kmbuf_select(&self->tr, self->fd, 0));
		ASSERT_EQ(1, write(ready[1], "x", 1));
		for (;;)
			pause();
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	wait_for_exit();
	use_pin(_metadata, self, 0);
	EXPECT_EQ(0, kmbuf_unpin(&self->other, self->fd, 0));
	close(ready[0]);
	close(ready[1]);
}

/* Other changes of the io_uring do not affect its buffers */
TEST_F(kmbuf_pin, resized_ring)
{
	struct io_uring_params p = { .sq_entries = 64, .cq_entries = 128 };
	int pin = kmbuf_pin(&self->tr, self->fd, BGID);
	int ret = io_uring_resize_rings(&self->tr.ring, &p);

	/* only rings that defer task work can be resized */
	EXPECT_EQ(variant->setup_flags & IORING_SETUP_DEFER_TASKRUN ?
		  0 : -EINVAL, ret);
	EXPECT_EQ(0, kmbuf_select(&self->tr, self->fd, pin));
	EXPECT_EQ(1, kmbuf_on_ring(&self->tr, self->fd, pin, BGID));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, pin));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	test_ring_exit(&self->tr);
}

/* A ring in the application's memory can have kernel buffers, too */
TEST_F(kmbuf_pin, ring_without_mmap)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct io_uring_params p = {
		.flags = IORING_SETUP_NO_MMAP | IORING_SETUP_NO_SQARRAY,
	};
	struct test_ring tr = { };
	void *mem, *bufs;
	int pin;

	mem = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_GT(io_uring_queue_init_mem(4, &tr.ring, &p, mem, 16 * page), 0);
	ASSERT_EQ(0, kmbuf_setup(&tr.ring, BGID, ENTRIES, 1, 0));
	pin = kmbuf_pin(&tr, self->fd, BGID);
	EXPECT_EQ(0, pin);
	bufs = kmbuf_mmap(&tr.ring, BGID, ENTRIES * page, PROT_READ);
	EXPECT_NE(MAP_FAILED, bufs);
	munmap(bufs, ENTRIES * page);
	EXPECT_EQ(0, kmbuf_unpin(&tr, self->fd, pin));
	EXPECT_EQ(0, kmbuf_unregister(&tr.ring, BGID));
	io_uring_queue_exit(&tr.ring);
	munmap(mem, 16 * page);
	test_ring_exit(&self->tr);
}

/*
 * Another task with the ring may use the buffers, unless there is a single
 * issuer
 */
TEST_F(kmbuf_pin, another_task)
{
	int single = variant->setup_flags & IORING_SETUP_SINGLE_ISSUER;
	/* a polling thread reads arguments from its own task's memory */
	int own = single || variant->setup_flags & IORING_SETUP_SQPOLL;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		/*
		 * commands of the child see the same buffers, if it may issue
		 * any
		 */
		if (!own && kmbuf_is_ring(&self->tr, self->fd, BGID) != 1)
			_exit(3);
		_exit(kmbuf_unregister(&self->tr.ring, BGID) == 0 ? 0 :
		      kmbuf_unregister(&self->tr.ring, BGID) == -EEXIST ? 1 : 2);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(single ? 1 : 0, WEXITSTATUS(status));
	EXPECT_EQ(single ? 0 : -ENOENT, kmbuf_unregister(&self->tr.ring, BGID));
	test_ring_exit(&self->tr);
}

TEST_HARNESS_MAIN
