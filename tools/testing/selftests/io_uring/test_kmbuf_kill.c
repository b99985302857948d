// SPDX-License-Identifier: GPL-2.0
/*
 * A task that registers a ring of buffers, of any size, can be killed during
 * the allocation.
 */
#include "kselftest_harness.h"
#include "iou_kill.h"
#include "iou_kmbuf.h"

#define BGID	1

FIXTURE(kmbuf_kill) { };

/* 8 GiB of buffers: in chunks, cut chunks, blocks of large buffers */
FIXTURE_VARIANT(kmbuf_kill)
{
	void (*fn)(struct io_uring *ring);
};

static void register_chunks(struct io_uring *ring)
{
	kmbuf_setup_bytes(ring, BGID, 8192, 1 << 20, 0);
}

static void register_cut_chunks(struct io_uring *ring)
{
	kmbuf_setup_bytes(ring, BGID, 32767, 256 << 10 | 12 << 10, 0);
}

static void register_large_buffers(struct io_uring *ring)
{
	kmbuf_setup_bytes(ring, BGID, 8, 1 << 30, 0);
}

FIXTURE_VARIANT_ADD(kmbuf_kill, chunks) {
	.fn = register_chunks,
};

FIXTURE_VARIANT_ADD(kmbuf_kill, cut_chunks) {
	.fn = register_cut_chunks,
};

FIXTURE_VARIANT_ADD(kmbuf_kill, large_buffers) {
	.fn = register_large_buffers,
};

FIXTURE_SETUP(kmbuf_kill)
{
	if (getuid())
		SKIP(return, "needs root");
	if (sizeof(long) < 8)
		SKIP(return, "has too small an address space");
}

FIXTURE_TEARDOWN(kmbuf_kill) { }

TEST_F(kmbuf_kill, killed_while_memory_is_allocated)
{
	EXPECT_TRUE(test_kill_in(variant->fn));
}

TEST_HARNESS_MAIN
