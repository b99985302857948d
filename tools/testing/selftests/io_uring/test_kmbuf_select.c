// SPDX-License-Identifier: GPL-2.0
/*
 * A subsystem takes and returns buffers: first in, first out, never one twice,
 * and in every context. It reports their ids to userspace.
 */
#include "kselftest_harness.h"
#include "iou_kmbuf.h"

#include <errno.h>
#include <stdlib.h>

#define BGID		11
/* in seconds: a debug kernel takes its time */
#define STRESS_TIMEOUT	400
/* three times around the largest ring */
#define COUNT_CYCLES	100000

FIXTURE(kmbuf_select)
{
	struct test_ring tr;
	int fd;
	int pin;
};

FIXTURE_VARIANT(kmbuf_select)
{
	unsigned int entries;
	unsigned int setup_flags;
	unsigned int sqe_flags;
	unsigned int stress_cycles;
};

FIXTURE_VARIANT_ADD(kmbuf_select, single) {
	.entries = 1,
	.stress_cycles = 100000,
};

FIXTURE_VARIANT_ADD(kmbuf_select, three) {
	.entries = 3,
	.stress_cycles = 100000,
};

FIXTURE_VARIANT_ADD(kmbuf_select, async) {
	.entries = 7,
	.sqe_flags = IOSQE_ASYNC,
	.stress_cycles = 1000000,
};

FIXTURE_VARIANT_ADD(kmbuf_select, sqpoll) {
	.entries = 8,
	.setup_flags = IORING_SETUP_SQPOLL,
	.stress_cycles = 100000,
};

FIXTURE_VARIANT_ADD(kmbuf_select, defer_taskrun) {
	.entries = 8,
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	.stress_cycles = 100000,
};

FIXTURE_SETUP(kmbuf_select)
{
	self->fd = mock_create(1, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, test_ring_init(&self->tr, variant->setup_flags,
				    variant->sqe_flags));
	ASSERT_EQ(0, kmbuf_setup(&self->tr.ring, BGID, variant->entries, 1, 0));
	self->pin = kmbuf_pin(&self->tr, self->fd, BGID);
	ASSERT_EQ(0, self->pin);
}

/* All buffers are free, each of them once */
FIXTURE_TEARDOWN(kmbuf_select)
{
	unsigned long long seen = 0;
	unsigned int i;
	int bid;

	for (i = 0; i < variant->entries; i++) {
		bid = kmbuf_select(&self->tr, self->fd, self->pin);
		ASSERT_GE(bid, 0);
		ASSERT_LT(bid, 64);
		seen |= 1ULL << bid;
	}
	EXPECT_EQ((1ULL << variant->entries) - 1, seen);
	EXPECT_EQ(-ENOBUFS, kmbuf_select(&self->tr, self->fd, self->pin));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, self->pin));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	test_ring_exit(&self->tr);
	close(self->fd);
}

static int select_one(FIXTURE_DATA(kmbuf_select) *self)
{
	return kmbuf_select(&self->tr, self->fd, self->pin);
}

static int recycle_one(FIXTURE_DATA(kmbuf_select) *self, unsigned int bid)
{
	return kmbuf_recycle(&self->tr, self->fd, self->pin, bid);
}

TEST_F(kmbuf_select, first_in_first_out)
{
	const int nr = variant->entries;
	int i;

	for (i = 0; i < nr; i++)
		ASSERT_EQ(i, select_one(self));
	EXPECT_EQ(-ENOBUFS, select_one(self));
	/* return the last one first: they are selected in that order */
	for (i = nr - 1; i >= 0; i--)
		ASSERT_EQ(0, recycle_one(self, i));
	for (i = nr - 1; i >= 0; i--)
		ASSERT_EQ(i, select_one(self));
	EXPECT_EQ(-ENOBUFS, select_one(self));
	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, recycle_one(self, i));
}

TEST_F(kmbuf_select, wrong_ids)
{
	const unsigned int nr = variant->entries;
	const unsigned int bad[] = { nr, nr + 1, 32768, 65535, 65536, ~0U };
	unsigned int i;

	/* all are free, then all but one */
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, recycle_one(self, bad[i]));
	EXPECT_EQ(-EINVAL, recycle_one(self, 0));
	ASSERT_EQ(0, select_one(self));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, recycle_one(self, bad[i]));
	if (nr > 1)
		EXPECT_EQ(-EINVAL, recycle_one(self, 1));
	EXPECT_EQ(0, recycle_one(self, 0));
	EXPECT_EQ(-EINVAL, recycle_one(self, 0));
}

TEST_F(kmbuf_select, info)
{
	struct io_uring_mock_kmbuf_ring info;

	ASSERT_EQ(0, kmbuf_info(&self->tr, self->fd, self->pin, &info));
	EXPECT_EQ(sysconf(_SC_PAGESIZE), info.buf_size);
	EXPECT_EQ(variant->entries, info.nr_bufs);
	EXPECT_EQ(0, info.flags);
}

/* Four contexts at once, many times around the ring */
TEST_F_TIMEOUT(kmbuf_select, stress, STRESS_TIMEOUT)
{
	struct io_uring_mock_kmbuf_cycles result;

	ASSERT_EQ(0, kmbuf_stress(&self->tr, self->fd, self->pin,
				  variant->stress_cycles, &result));
	EXPECT_EQ(0, result.nr_faults);
}

/* A whole completion, which is consumed */
static struct io_uring_cqe wait_cqe(struct test_ring *tr)
{
	struct io_uring_cqe *cqe, copy = { .res = -EIO };

	if (io_uring_wait_cqe(&tr->ring, &cqe))
		return copy;
	copy = *cqe;
	io_uring_cqe_seen(&tr->ring, cqe);
	return copy;
}

static void check_done(struct __test_metadata *_metadata, struct test_ring *tr,
		       int fd, unsigned int how)
{
	const unsigned int bids[] = { 0, 1, 32767, 65535 };
	struct io_uring_mock_kmbuf_done arg = { .how = how };
	struct io_uring_cqe cqe;
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(bids); i++) {
		arg.bid = bids[i / 2];
		arg.res = i % 2 ? -EILSEQ : 4242;
		mock_prep(tr, fd, IORING_MOCK_KMBUF_CMD_RING_DONE, &arg,
			  sizeof(arg));
		test_submit(tr);
		cqe = wait_cqe(tr);
		EXPECT_EQ(arg.res, cqe.res);
		EXPECT_EQ(IORING_CQE_F_BUFFER | arg.bid << 16, cqe.flags);
	}
}

TEST_F(kmbuf_select, completion_with_id)
{
	unsigned int how;

	for (how = IORING_MOCK_KMBUF_DONE_INLINE;
	     how <= IORING_MOCK_KMBUF_DONE_WORKER; how++)
		check_done(_metadata, &self->tr, self->fd, how);
}

/* The completion of polled commands has its own code, which must keep the id */
TEST_F(kmbuf_select, polled_completion_with_id)
{
	struct test_ring tr;

	ASSERT_EQ(0, test_ring_init(&tr, variant->setup_flags |
				    IORING_SETUP_IOPOLL, variant->sqe_flags));
	check_done(_metadata, &tr, self->fd, IORING_MOCK_KMBUF_DONE_INLINE);
	check_done(_metadata, &tr, self->fd, IORING_MOCK_KMBUF_DONE_WORKER);
	test_ring_exit(&tr);
}

static void prep_mshot(FIXTURE_DATA(kmbuf_select) *self,
		       struct io_uring_mock_kmbuf_done *arg)
{
	struct io_uring_sqe *sqe;

	mock_prep(&self->tr, self->fd, IORING_MOCK_KMBUF_CMD_RING_MSHOT, arg,
		  sizeof(*arg));
	sqe = &self->tr.ring.sq.sqes[(self->tr.ring.sq.sqe_tail - 1) &
				     self->tr.ring.sq.ring_mask];
	sqe->uring_cmd_flags = IORING_URING_CMD_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BGID;
}

/* One completion per buffer, and a last one */
TEST_F(kmbuf_select, multishot)
{
	const unsigned int nr = variant->sqe_flags & IOSQE_ASYNC ?
				0 : variant->entries;
	struct io_uring_mock_kmbuf_done arg = {
		.res = 777,
		.handle = self->pin,
		.nr = 20,
	};
	struct io_uring_cqe cqe;
	unsigned int i;

	prep_mshot(self, &arg);
	test_submit(&self->tr);
	for (i = 0; i < nr; i++) {
		cqe = wait_cqe(&self->tr);
		EXPECT_EQ(777, cqe.res);
		EXPECT_EQ(IORING_CQE_F_BUFFER | IORING_CQE_F_MORE | i << 16,
			  cqe.flags);
	}
	/* an io-wq thread cannot post: the first buffer was recycled */
	cqe = wait_cqe(&self->tr);
	EXPECT_EQ((int)nr, cqe.res);
	EXPECT_EQ(0, cqe.flags);
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, recycle_one(self, i));
}

/* The command is not a multishot one: nothing is posted */
TEST_F(kmbuf_select, multishot_flag_missing)
{
	struct io_uring_mock_kmbuf_done arg = { .handle = self->pin, .nr = 1 };
	struct io_uring_cqe cqe;

	mock_prep(&self->tr, self->fd, IORING_MOCK_KMBUF_CMD_RING_MSHOT, &arg,
		  sizeof(arg));
	test_submit(&self->tr);
	cqe = wait_cqe(&self->tr);
	EXPECT_EQ(0, cqe.res);
	EXPECT_EQ(0, cqe.flags);
}

/* Rings of different sizes, one after the other */
FIXTURE(kmbuf_counts)
{
	struct test_ring tr;
	int fd;
};

FIXTURE_SETUP(kmbuf_counts)
{
	self->fd = mock_create(1, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, test_ring_init(&self->tr, 0, 0));
}

FIXTURE_TEARDOWN(kmbuf_counts)
{
	test_ring_exit(&self->tr);
	close(self->fd);
}

static void stress_count(struct __test_metadata *_metadata,
			 struct test_ring *tr, int fd, unsigned int nr)
{
	struct io_uring_mock_kmbuf_cycles result;
	int pin;

	ASSERT_EQ(0, kmbuf_setup_bytes(&tr->ring, BGID, nr, 512, 0));
	pin = kmbuf_pin(tr, fd, BGID);
	ASSERT_EQ(0, pin);
	EXPECT_EQ(0, kmbuf_stress(tr, fd, pin, COUNT_CYCLES, &result));
	EXPECT_EQ(0, result.nr_faults) {
		TH_LOG("%u buffers", nr);
	}
	EXPECT_EQ(nr, kmbuf_fdinfo_field(&tr->ring, BGID, "free"));
	EXPECT_EQ(0, kmbuf_unpin(tr, fd, pin));
	EXPECT_EQ(0, kmbuf_unregister(&tr->ring, BGID));
}

/* The list of free buffers wraps, whatever their number */
TEST_F_TIMEOUT(kmbuf_counts, stress, STRESS_TIMEOUT)
{
	const unsigned int counts[] = { 1, 2, 3, 5, 1000, 32767, 32768 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		stress_count(_metadata, &self->tr, self->fd, counts[i]);
}

TEST_HARNESS_MAIN
