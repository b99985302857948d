// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds of rings, commands and entries that test_fuse_data does not use, and
 * data that is written back in the background: a few reads and writes each.
 */
#include "kselftest_harness.h"
#include "fuse_data.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TIMEOUT		300

FIXTURE(fuse_rings)
{
	struct fuse_data d;
};

FIXTURE_VARIANT(fuse_rings)
{
	enum fuse_mode mode;
	unsigned int ring_flags;
	unsigned int sqe_flags;
	unsigned long long init_flags;
	enum fuse_mixed mixed;
};

FIXTURE_VARIANT_ADD(fuse_rings, kmbuf_writeback) {
	.mode = FUSE_MODE_KMBUF,
	.init_flags = FUSE_WRITEBACK_CACHE,
};

FIXTURE_VARIANT_ADD(fuse_rings, zc_writeback) {
	.mode = FUSE_MODE_ZC,
	.init_flags = FUSE_WRITEBACK_CACHE,
};

FIXTURE_VARIANT_ADD(fuse_rings, zc_mixed) {
	.mode = FUSE_MODE_ZC,
	.mixed = FUSE_MIXED_BOTH,
};

FIXTURE_VARIANT_ADD(fuse_rings, kmbuf_mixed_headers) {
	.mode = FUSE_MODE_KMBUF,
	.mixed = FUSE_MIXED_HEADERS,
};

FIXTURE_VARIANT_ADD(fuse_rings, kmbuf_mixed_either) {
	.mode = FUSE_MODE_KMBUF,
	.mixed = FUSE_MIXED_EITHER,
};

FIXTURE_VARIANT_ADD(fuse_rings, zc_mixed_either) {
	.mode = FUSE_MODE_ZC,
	.mixed = FUSE_MIXED_EITHER,
};

FIXTURE_VARIANT_ADD(fuse_rings, kmbuf_async) {
	.mode = FUSE_MODE_KMBUF,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(fuse_rings, kmbuf_sqpoll) {
	.mode = FUSE_MODE_KMBUF,
	.ring_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(fuse_rings, zc_async) {
	.mode = FUSE_MODE_ZC,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(fuse_rings, buffers_zc_async) {
	.mode = FUSE_MODE_BUFFERS_ZC,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(fuse_rings, zc_sqpoll) {
	.mode = FUSE_MODE_ZC,
	.ring_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(fuse_rings, zc_defer) {
	.mode = FUSE_MODE_ZC,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(fuse_rings)
{
	const struct fuse_test ft = {
		.mode = variant->mode,
		.ring_flags = variant->ring_flags,
		.sqe_flags = variant->sqe_flags,
		.init_flags = variant->init_flags,
		.mixed = variant->mixed,
	};
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ret = fuse_data_init(&self->d, &ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_rings)
{
	EXPECT_EQ(0, fuse_data_exit(&self->d));
}

TEST_F_TIMEOUT(fuse_rings, buffered, TIMEOUT)
{
	EXPECT_TRUE(fuse_data_reads(&self->d, 0, 7));
	EXPECT_TRUE(fuse_data_writes(&self->d, 0, 7));
}

TEST_F_TIMEOUT(fuse_rings, direct, TIMEOUT)
{
	EXPECT_TRUE(fuse_data_reads(&self->d, O_DIRECT, 7));
	EXPECT_TRUE(fuse_data_writes(&self->d, O_DIRECT, 7));
}

TEST_HARNESS_MAIN
