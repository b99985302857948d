// SPDX-License-Identifier: GPL-2.0
/*
 * A task that registers so much memory that the allocation takes time can be
 * killed meanwhile.
 */
#include "kselftest_harness.h"
#include "iou_kill.h"
#include "iou_region.h"

#define SIZE	(8ULL << 30)

static void register_region(struct io_uring *ring)
{
	region_register(ring, NULL, SIZE);
}

TEST(region_killed_while_it_is_allocated)
{
	if (getuid())
		SKIP(return, "needs root");
	if (sizeof(long) < 8)
		SKIP(return, "has too small an address space");
	EXPECT_TRUE(test_kill_in(register_region));
}

TEST_HARNESS_MAIN
