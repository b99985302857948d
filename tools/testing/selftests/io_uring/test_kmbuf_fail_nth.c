// SPDX-License-Identifier: GPL-2.0
/*
 * Let every allocation and every user copy fail once while registering, mapping
 * and pinning a ring of buffers. Each failure returns an errno, charges nothing
 * and leaves nothing behind. Run kmemleak afterwards to find memory leaks.
 */
#include "kselftest_harness.h"
#include "iou_fail_nth.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BGID		2
#define SLOT		1
#define SEED		21
/* in seconds */
#define TIMEOUT		400

FIXTURE(kmbuf_fail_nth)
{
	struct fail_nth fail;
	struct test_ring probe;
	size_t page;
	long locked;
	int mock;
	/* successful registrations with a buffer that is not whole */
	unsigned int nr_broken;
};

FIXTURE_SETUP(kmbuf_fail_nth)
{
	if (getuid())
		SKIP(return, "needs root");
	if (!fail_nth_init())
		SKIP(return, "needs failslab, fail_page_alloc, fail_usercopy");
	self->mock = mock_create(1, 0);
	if (mock_missing(self->mock))
		SKIP(return, "%s", mock_missing(self->mock));
	ASSERT_GE(self->mock, 0);
	self->page = sysconf(_SC_PAGESIZE);
	ASSERT_TRUE(fail_nth_open(&self->fail));
	ASSERT_TRUE(memlock_enter());
	ASSERT_EQ(0, test_ring_init(&self->probe, 0, 0));
	self->locked = memlock_pages(&self->probe);
	ASSERT_GE(self->locked, 0);
}

FIXTURE_TEARDOWN(kmbuf_fail_nth)
{
	EXPECT_EQ(0, self->fail.nr_others);
	test_ring_exit(&self->probe);
	EXPECT_TRUE(memlock_leave());
	fail_nth_close(&self->fail);
	close(self->mock);
}

static long charged(FIXTURE_DATA(kmbuf_fail_nth) *self)
{
	return memlock_pages(&self->probe) - self->locked;
}

/* Data that is read into the slot is in the mapping, whatever the pieces */
static void check_slot(struct __test_metadata *_metadata,
		       FIXTURE_DATA(kmbuf_fail_nth) *self, struct test_ring *tr,
		       size_t size)
{
	unsigned char *mem = kmbuf_mmap(&tr->ring, BGID, size, PROT_READ);
	unsigned char *data = malloc(size);
	int file = memfd_create("kmbuf", 0);
	size_t at;

	ASSERT_NE(MAP_FAILED, mem);
	fill_pattern(data, size, SEED);
	ASSERT_EQ((ssize_t)size, write(file, data, size));
	for (at = 0; at < size; at += self->page)
		EXPECT_EQ((int)(size - at), test_rw_fixed(tr, false, file, SLOT,
							  at, size - at, at));
	EXPECT_EQ(0, memcmp(mem, data, size));
	close(file);
	free(data);
	munmap(mem, size);
}

/* One failure breaks up one buffer, and the next one is whole again */
static void check_pieces(struct __test_metadata *_metadata,
			 FIXTURE_DATA(kmbuf_fail_nth) *self,
			 struct test_ring *tr,
			 const struct io_uring_kmbuf_reg *reg)
{
	long whole = kmbuf_fdinfo_field(&tr->ring, BGID, "whole");

	EXPECT_GE(whole, (long)reg->ring_entries - 1);
	if (whole == reg->ring_entries)
		return;
	self->nr_broken++;
	if (reg->flags & IOU_KMBUF_RING_FIXED)
		check_slot(_metadata, self, tr,
			   (size_t)reg->ring_entries * reg->buf_size);
}

static void register_failing(struct __test_metadata *_metadata,
			     FIXTURE_DATA(kmbuf_fail_nth) *self,
			     const struct io_uring_kmbuf_reg *arg)
{
	struct io_uring_kmbuf_reg reg = *arg;
	struct test_ring tr;
	int ret;

	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	ASSERT_TRUE(fail_nth_arm(&self->fail));
	ret = kmbuf_register(&tr.ring, &reg);
	fail_nth_disarm(&self->fail);
	if (ret) {
		fail_nth_count(&self->fail, ret);
		EXPECT_EQ(0, charged(self));
		/* group and slot are free: the same again, undisturbed */
		EXPECT_EQ(-ENOENT, kmbuf_unregister(&tr.ring, BGID));
		reg = *arg;
		EXPECT_EQ(0, kmbuf_register(&tr.ring, &reg));
	}
	check_pieces(_metadata, self, &tr, &reg);
	EXPECT_EQ(arg->ring_entries * arg->buf_size / self->page,
		  charged(self));
	EXPECT_EQ(0, kmbuf_unregister(&tr.ring, BGID));
	test_ring_exit(&tr);
	EXPECT_TRUE(memlock_wait(&self->probe, self->locked));
}

static void check_register(struct __test_metadata *_metadata,
			   FIXTURE_DATA(kmbuf_fail_nth) *self,
			   unsigned int entries, unsigned int pages,
			   unsigned int flags, unsigned int nr_nomem,
			   unsigned int nr_broken)
{
	const struct io_uring_kmbuf_reg reg = {
		.buf_size = pages * self->page,
		.ring_entries = entries,
		.bgid = BGID,
		.flags = flags,
		.fixed_index = flags & IOU_KMBUF_RING_FIXED ? SLOT : 0,
	};

	/*
	 * The argument is copied in and out. The pieces of a buffer can be
	 * adjacent, which makes it whole again.
	 */
	while (fail_nth_next(&self->fail, 2,
			     self->nr_broken < nr_broken ? UINT_MAX : nr_nomem))
		register_failing(_metadata, self, &reg);
	EXPECT_GE(self->fail.nr_fault, 2);
	EXPECT_GE(self->fail.nr_nomem, nr_nomem);
	EXPECT_GE(self->nr_broken, nr_broken);
}

/* The ring, ids, addresses, bitmap, array of pages, pages */
TEST_F_TIMEOUT(kmbuf_fail_nth, single_pages, TIMEOUT)
{
	check_register(_metadata, self, 8, 1, 0, 6, 0);
	EXPECT_EQ(0, self->nr_broken);
}

/*
 * Without its chunk a buffer is made of smaller blocks, so that is no failure
 */
TEST_F_TIMEOUT(kmbuf_fail_nth, chunks, TIMEOUT)
{
	check_register(_metadata, self, 4, 4, IOU_KMBUF_RING_FIXED, 7, 4);
}

TEST_F_TIMEOUT(kmbuf_fail_nth, cut_chunks, TIMEOUT)
{
	check_register(_metadata, self, 4, 3,
		       IOU_KMBUF_RING_FIXED | IOU_KMBUF_RING_RDONLY, 7, 4);
}

/* The node and the buffer of the slot as well */
TEST_F_TIMEOUT(kmbuf_fail_nth, fixed, TIMEOUT)
{
	check_register(_metadata, self, 64, 1, IOU_KMBUF_RING_FIXED, 8, 0);
}

static void map_failing(struct __test_metadata *_metadata,
			FIXTURE_DATA(kmbuf_fail_nth) *self,
			struct test_ring *tr)
{
	/* so large that page tables have to be allocated */
	const size_t size = 1024 * self->page;
	unsigned char *mem;
	int err;

	ASSERT_TRUE(fail_nth_arm(&self->fail));
	mem = kmbuf_mmap(&tr->ring, BGID, size, PROT_READ | PROT_WRITE);
	err = errno;
	fail_nth_disarm(&self->fail);
	if (mem == MAP_FAILED) {
		fail_nth_count(&self->fail, -err);
		return;
	}
	mem[0] = 1;
	mem[size - 1] = 1;
	munmap(mem, size);
}

TEST_F_TIMEOUT(kmbuf_fail_nth, mmap, TIMEOUT)
{
	struct test_ring tr;

	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	ASSERT_EQ(0, kmbuf_setup(&tr.ring, BGID, 1024, 1, 0));
	while (fail_nth_next(&self->fail, 0, 1))
		map_failing(_metadata, self, &tr);
	EXPECT_GE(self->fail.nr_nomem, 1);
	/* failed attempts have not kept the buffers */
	EXPECT_EQ(1024, charged(self));
	EXPECT_EQ(0, kmbuf_unregister(&tr.ring, BGID));
	EXPECT_EQ(0, charged(self));
	test_ring_exit(&tr);
}

static void pin_failing(struct __test_metadata *_metadata,
			FIXTURE_DATA(kmbuf_fail_nth) *self)
{
	struct io_uring_mock_kmbuf_ring arg = { .bgid = BGID };
	struct test_ring tr;
	int ret;

	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	ASSERT_EQ(0, kmbuf_setup(&tr.ring, BGID, 4, 1, 0));
	mock_prep(&tr, self->mock, IORING_MOCK_KMBUF_CMD_RING_PIN, &arg,
		  sizeof(arg));
	ret = fail_nth_submit(&self->fail, &tr);
	if (!ret) {
		EXPECT_EQ(-EBUSY, kmbuf_unregister(&tr.ring, BGID));
		EXPECT_EQ(0, kmbuf_unpin(&tr, self->mock, 0));
	}
	/* a pin that failed pins nothing */
	EXPECT_EQ(0, kmbuf_unregister(&tr.ring, BGID));
	test_ring_exit(&tr);
}

TEST_F_TIMEOUT(kmbuf_fail_nth, pin, TIMEOUT)
{
	/* the argument is copied, the mock's array is allocated */
	while (fail_nth_next(&self->fail, 1, 1))
		pin_failing(_metadata, self);
	EXPECT_GE(self->fail.nr_fault, 1);
	EXPECT_GE(self->fail.nr_nomem, 1);
}

TEST_HARNESS_MAIN
