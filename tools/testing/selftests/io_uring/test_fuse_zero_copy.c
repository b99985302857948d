// SPDX-License-Identifier: GPL-2.0
/*
 * Zero copy that is not possible: the slots do not exist or are in use, the
 * data is too small, or not in pages that can be handed out. The data is
 * copied, and the client does not notice; the counters show it.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"

#include <unistd.h>

#define LARGE		65536
#define ZC_MIN		32768
#define TIMES		4

FIXTURE(fuse_zero_copy)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
};

FIXTURE_VARIANT(fuse_zero_copy)
{
	enum fuse_slots slots;
	unsigned int sqe_flags;
	/* is zero copy tried, and does it work? */
	bool tried;
	bool works;
};

FIXTURE_VARIANT_ADD(fuse_zero_copy, good) {
	.slots = FUSE_SLOTS_GOOD,
	.tried = true,
	.works = true,
};

FIXTURE_VARIANT_ADD(fuse_zero_copy, no_table) {
	.slots = FUSE_SLOTS_NO_TABLE,
	.tried = true,
};

FIXTURE_VARIANT_ADD(fuse_zero_copy, outside_async) {
	.slots = FUSE_SLOTS_OUTSIDE,
	.sqe_flags = IOSQE_ASYNC,
	.tried = true,
};

FIXTURE_VARIANT_ADD(fuse_zero_copy, taken) {
	.slots = FUSE_SLOTS_TAKEN,
	.tried = true,
};

FIXTURE_VARIANT_ADD(fuse_zero_copy, unnamed) {
	.slots = FUSE_SLOTS_UNNAMED,
};

FIXTURE_SETUP(fuse_zero_copy)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_ZC,
		.depth = 2,
		.buffers = 1,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		.zero_copy_min = ZC_MIN,
		.slots = variant->slots,
		.sqe_flags = variant->sqe_flags,
	};
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
}

FIXTURE_TEARDOWN(fuse_zero_copy)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	fuse_hold_exit(self->hold);
}

static long long count(FIXTURE_DATA(fuse_zero_copy) *self, const char *name)
{
	return fuse_test_counter(&self->ft, name);
}

TEST_F(fuse_zero_copy, reads_and_writes)
{
	const unsigned int nr = 2 * TIMES;
	unsigned int i;

	for (i = 0; i < TIMES; i++) {
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_WRITE, LARGE));
	}
	EXPECT_EQ(variant->works ? nr : 0, count(self, "zero_copy"));
	EXPECT_EQ(variant->works ? 0 : nr, count(self, "buffer"));
	EXPECT_EQ(variant->tried && !variant->works ? nr : 0,
		  count(self, "fallback"));
}

/* Below the threshold there is nothing to fall back from */
TEST_F(fuse_zero_copy, threshold)
{
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, ZC_MIN - 1));
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_WRITE, ZC_MIN - 1));
	EXPECT_EQ(2, count(self, "buffer"));
	EXPECT_EQ(0, count(self, "fallback"));
	EXPECT_EQ(0, count(self, "zero_copy"));
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, ZC_MIN));
	EXPECT_EQ(variant->works, count(self, "zero_copy"));
}

/* The one buffer is in use when zero copy fails: the request waits for it */
TEST_F_TIMEOUT(fuse_zero_copy, waits_for_buffer, 60)
{
	pid_t pids[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		pids[i] = fuse_hold_client(&self->ft, i % 2 ? FUSE_HOLD_READ :
					   FUSE_HOLD_WRITE, LARGE, 20);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], 20000));
	EXPECT_EQ(variant->works ? 80 : 0, count(self, "zero_copy"));
	EXPECT_EQ(variant->works ? 0 : 80, count(self, "buffer"));
}

TEST_HARNESS_MAIN
