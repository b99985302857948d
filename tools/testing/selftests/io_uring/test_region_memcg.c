// SPDX-License-Identifier: GPL-2.0
/*
 * Regions of every size, inside and outside of a memory cgroup. Beyond
 * MAX_PAGE_ORDER, usually 4 MiB, they are assembled from single pages.
 */
#include "kselftest_harness.h"
#include "iou_cgroup.h"
#include "iou_region.h"

#include <sys/wait.h>

#define MIB		(1024L * 1024)
/* charges are batched per CPU */
#define SLACK		(2 * MIB)
#define LIMIT		(32 * MIB)

FIXTURE(region_memcg)
{
	struct test_cgroup cg;
	struct io_uring ring;
};

FIXTURE_VARIANT(region_memcg)
{
	bool in_cgroup;
};

FIXTURE_VARIANT_ADD(region_memcg, inside) {
	.in_cgroup = true,
};

FIXTURE_VARIANT_ADD(region_memcg, outside) { };

FIXTURE_SETUP(region_memcg)
{
	if (getuid())
		SKIP(return, "needs root");
	if (!test_cgroup_create(&self->cg, "iou_region"))
		SKIP(return, "needs the memory controller of cgroup v2");
	if (variant->in_cgroup)
		ASSERT_TRUE(test_cgroup_enter(&self->cg));
	ASSERT_EQ(0, io_uring_queue_init(4, &self->ring, 0));
}

FIXTURE_TEARDOWN(region_memcg)
{
	io_uring_queue_exit(&self->ring);
	EXPECT_TRUE(test_cgroup_destroy(&self->cg));
}

/* Zeroed, writable, and every page distinct */
static bool is_usable(__u64 *mem, size_t size)
{
	size_t i, step = sysconf(_SC_PAGESIZE) / sizeof(*mem);

	for (i = 0; i < size / sizeof(*mem); i += step) {
		if (mem[i] || mem[i + step - 1])
			return false;
		mem[i] = i;
	}
	for (i = 0; i < size / sizeof(*mem); i += step)
		if (mem[i] != i)
			return false;
	return true;
}

static void check_size(struct __test_metadata *_metadata,
		       struct io_uring *ring, size_t size)
{
	void *mem = region_register(ring, NULL, size);

	ASSERT_NE(MAP_FAILED, mem) {
		TH_LOG("region of %zu KiB: errno %d", size >> 10, errno);
	}
	EXPECT_TRUE(is_usable(mem, size));
	munmap(mem, size);
}

TEST_F(region_memcg, one_page)
{
	check_size(_metadata, &self->ring, sysconf(_SC_PAGESIZE));
}

TEST_F(region_memcg, three_pages)
{
	check_size(_metadata, &self->ring, 3 * sysconf(_SC_PAGESIZE));
}

TEST_F(region_memcg, largest_compound)
{
	check_size(_metadata, &self->ring, 4 * MIB);
}

TEST_F(region_memcg, page_beyond_largest_compound)
{
	check_size(_metadata, &self->ring, 4 * MIB + sysconf(_SC_PAGESIZE));
}

TEST_F(region_memcg, twice_largest_compound)
{
	check_size(_metadata, &self->ring, 8 * MIB);
}

TEST_F(region_memcg, sixteen_mib)
{
	check_size(_metadata, &self->ring, 16 * MIB);
}

FIXTURE(region_charge)
{
	struct test_cgroup cg;
	struct io_uring ring;
	long before;
};

FIXTURE_SETUP(region_charge)
{
	if (getuid())
		SKIP(return, "needs root");
	if (!test_cgroup_create(&self->cg, "iou_region"))
		SKIP(return, "needs the memory controller of cgroup v2");
	ASSERT_TRUE(test_cgroup_enter(&self->cg));
	ASSERT_EQ(0, io_uring_queue_init(4, &self->ring, 0));
	self->before = test_cgroup_usage(&self->cg);
}

FIXTURE_TEARDOWN(region_charge)
{
	unsigned int i;
	long after;

	/* a ring is freed some time after its last close */
	io_uring_queue_exit(&self->ring);
	for (i = 0; i < 500; i++) {
		after = test_cgroup_usage(&self->cg);
		if (after < self->before + SLACK)
			break;
		usleep(10000);
	}
	EXPECT_LT(after, self->before + SLACK);
	EXPECT_TRUE(test_cgroup_destroy(&self->cg));
}

TEST_F(region_charge, compound)
{
	check_size(_metadata, &self->ring, 4 * MIB);
	EXPECT_GT(test_cgroup_usage(&self->cg),
		  self->before + 4 * MIB - SLACK);
}

TEST_F(region_charge, single_pages)
{
	check_size(_metadata, &self->ring, 16 * MIB);
	EXPECT_GT(test_cgroup_usage(&self->cg),
		  self->before + 16 * MIB - SLACK);
}

/* Exceeding the group's limit is an error of the call, and kills nobody */
TEST_F(region_charge, over_the_limit)
{
	unsigned int i;

	ASSERT_TRUE(test_cgroup_limit(&self->cg, LIMIT));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(MAP_FAILED, region_register(&self->ring, NULL,
						      2 * LIMIT));
		EXPECT_EQ(ENOMEM, errno);
	}
	EXPECT_LT(test_cgroup_usage(&self->cg), self->before + SLACK);
	EXPECT_EQ(0, test_cgroup_oom_kills(&self->cg));
	check_size(_metadata, &self->ring, LIMIT / 2);
}

TEST_HARNESS_MAIN
