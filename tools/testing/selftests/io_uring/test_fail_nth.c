// SPDX-License-Identifier: GPL-2.0
/*
 * Let every allocation and every user copy of a registration fail once. Each
 * failure returns an errno, and changes nothing.
 *
 * Run kmemleak after this to find memory leaks.
 */
#include "kselftest_harness.h"
#include "iou_fail_nth.h"
#include "iou_memlock.h"
#include "iou_region.h"

#include <stdlib.h>

/* more than the kernel caches, so that each attempt allocates memory */
#define NR_MANY		40
/* in seconds: many rings come and go, and debug kernels are slow */
#define TIMEOUT		300

FIXTURE(fail_nth)
{
	struct io_uring_mock_bvec bvs[NR_MANY];
	struct fail_nth fail;
	int mock;
};

FIXTURE_SETUP(fail_nth)
{
	if (getuid())
		SKIP(return, "needs root");
	if (!fail_nth_init())
		SKIP(return, "needs failslab, fail_page_alloc, fail_usercopy");
	self->mock = mock_create(NR_MANY, 0);
	if (mock_missing(self->mock))
		SKIP(return, "%s", mock_missing(self->mock));
	ASSERT_GE(self->mock, 0);
	ASSERT_TRUE(fail_nth_open(&self->fail));
	mock_bvecs_linear(self->bvs, NR_MANY);
}

FIXTURE_TEARDOWN(fail_nth)
{
	EXPECT_EQ(0, self->fail.nr_others);
	fail_nth_close(&self->fail);
	close(self->mock);
}

/* Each attempt uses a new ring, as a ring caches allocations */
static void register_failing(struct __test_metadata *_metadata,
			     FIXTURE_DATA(fail_nth) *self,
			     unsigned int nr_bvecs)
{
	struct io_uring_mock_kmbuf_register reg = {
		.bvecs = (unsigned long)self->bvs,
		.nr_bvecs = nr_bvecs,
		.dir = BUF_DEST,
	};
	unsigned int nr = mock_stats(self->mock).nr_registered;
	struct test_ring tr;
	int ret;

	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	mock_prep(&tr, self->mock, IORING_MOCK_KMBUF_CMD_REGISTER, &reg,
		  sizeof(reg));
	ret = fail_nth_submit(&self->fail, &tr);
	if (ret < 0) {
		/* not released, not registered, and the slot is free */
		EXPECT_EQ(nr, mock_stats(self->mock).nr_registered);
		EXPECT_EQ(nr, mock_stats(self->mock).nr_released);
		EXPECT_EQ(0, mock_register(&tr, self->mock, self->bvs, 1, 0,
					   BUF_DEST));
	}
	EXPECT_EQ(0, mock_unregister(&tr, self->mock, 0));
	EXPECT_EQ(nr + 1, mock_stats(self->mock).nr_released);
	test_ring_exit(&tr);
}

static void check_register(struct __test_metadata *_metadata,
			   FIXTURE_DATA(fail_nth) *self, unsigned int nr_bvecs)
{
	/* the argument and each entry are copied */
	const unsigned int nr_fault = 1 + nr_bvecs;
	/* two allocations in the mock device, the node and the buffer */
	const unsigned int nr_nomem = 4;

	while (fail_nth_next(&self->fail, nr_fault, nr_nomem))
		register_failing(_metadata, self, nr_bvecs);
	EXPECT_GE(self->fail.nr_fault, nr_fault);
	EXPECT_GE(self->fail.nr_nomem, nr_nomem);
}

TEST_F_TIMEOUT(fail_nth, register_bvec, TIMEOUT)
{
	check_register(_metadata, self, 1);
}

TEST_F_TIMEOUT(fail_nth, register_many_bvecs, TIMEOUT)
{
	check_register(_metadata, self, NR_MANY);
}

/* Either the slot is emptied, or the command did not execute */
static void unregister_failing(struct __test_metadata *_metadata,
			       FIXTURE_DATA(fail_nth) *self)
{
	struct io_uring_mock_kmbuf_unregister arg = { };
	struct test_ring tr;
	int ret;

	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	ASSERT_EQ(0, mock_register(&tr, self->mock, self->bvs, 1, 0, BUF_DEST));
	mock_prep(&tr, self->mock, IORING_MOCK_KMBUF_CMD_UNREGISTER, &arg,
		  sizeof(arg));
	ret = fail_nth_submit(&self->fail, &tr);
	EXPECT_EQ(ret ? 0 : -EINVAL, mock_unregister(&tr, self->mock, 0));
	EXPECT_EQ(mock_stats(self->mock).nr_registered,
		  mock_stats(self->mock).nr_released);
	test_ring_exit(&tr);
}

TEST_F_TIMEOUT(fail_nth, unregister, TIMEOUT)
{
	/* the argument is copied */
	while (fail_nth_next(&self->fail, 1, 0))
		unregister_failing(_metadata, self);
	EXPECT_GE(self->fail.nr_fault, 1);
}

static void lookup_failing(struct __test_metadata *_metadata,
			   FIXTURE_DATA(fail_nth) *self)
{
	struct io_uring_mock_kmbuf_region arg = { };
	struct test_ring tr;

	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	ASSERT_NE(MAP_FAILED, region_register(&tr.ring, NULL,
					      sysconf(_SC_PAGESIZE)));
	mock_prep(&tr, self->mock, IORING_MOCK_KMBUF_CMD_REGION, &arg,
		  sizeof(arg));
	if (!fail_nth_submit(&self->fail, &tr))
		EXPECT_EQ(1, arg.nr_pages);
	test_ring_exit(&tr);
}

TEST_F_TIMEOUT(fail_nth, region_lookup, TIMEOUT)
{
	/* the argument is copied in and out */
	while (fail_nth_next(&self->fail, 2, 0))
		lookup_failing(_metadata, self);
	EXPECT_GE(self->fail.nr_fault, 2);
}

/* Pages are charged to RLIMIT_MEMLOCK: a failure leaves none charged */
static void region_failing(struct __test_metadata *_metadata,
			   FIXTURE_DATA(fail_nth) *self,
			   struct test_ring *probe, void *addr, size_t size)
{
	long before, after, pages = size / sysconf(_SC_PAGESIZE);
	struct test_ring tr;
	void *mem;
	int err;

	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	before = memlock_pages(probe);
	ASSERT_TRUE(fail_nth_arm(&self->fail));
	mem = region_register(&tr.ring, addr, size);
	err = errno;
	fail_nth_disarm(&self->fail);

	/* a region that could not be mapped exists nevertheless */
	after = memlock_pages(probe);
	if (mem == MAP_FAILED)
		fail_nth_count(&self->fail, -err);
	if (mem != MAP_FAILED || after != before)
		EXPECT_EQ(before + pages, after);
	if (mem != MAP_FAILED && !addr)
		munmap(mem, size);
	test_ring_exit(&tr);
}

static void check_region(struct __test_metadata *_metadata,
			 FIXTURE_DATA(fail_nth) *self, void *addr, size_t size)
{
	struct test_ring probe;
	long locked;

	ASSERT_TRUE(memlock_enter());
	ASSERT_EQ(0, test_ring_init(&probe, 0, 0));
	locked = memlock_pages(&probe);
	ASSERT_GE(locked, 0);
	/* two parts of the argument are copied in, and one is copied out */
	while (fail_nth_next(&self->fail, 3, 1)) {
		region_failing(_metadata, self, &probe, addr, size);
		ASSERT_TRUE(memlock_wait(&probe, locked));
	}
	test_ring_exit(&probe);
	ASSERT_TRUE(memlock_leave());

	EXPECT_GE(self->fail.nr_fault, 3);
	EXPECT_GE(self->fail.nr_nomem, 1);
}

TEST_F_TIMEOUT(fail_nth, region_of_eight_pages, TIMEOUT)
{
	check_region(_metadata, self, NULL, 8 * sysconf(_SC_PAGESIZE));
}

/* Too large for one allocation, on any architecture's default */
TEST_F_TIMEOUT(fail_nth, region_of_single_pages, TIMEOUT)
{
	check_region(_metadata, self, NULL,
		     (4 << 20) + sysconf(_SC_PAGESIZE));
}

TEST_F_TIMEOUT(fail_nth, region_provided, TIMEOUT)
{
	size_t size = 8 * sysconf(_SC_PAGESIZE);
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	ASSERT_NE(MAP_FAILED, mem);
	check_region(_metadata, self, mem, size);
}

TEST_HARNESS_MAIN
