// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE_IO_URING_CMD_REGISTER on a queue with kernel memory: arguments that are
 * refused and that are accepted. A refused entry leaves nothing behind:
 * afterwards the queue can be used, and its charge is returned.
 */
#include "kselftest_harness.h"
#include "fuse_queue.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"

#include <errno.h>

#define REGION_SIZE	fuse_queue_region_size()
#define STRIDE		FUSE_QUEUE_STRIDE
#define ALIGN		FUSE_URING_HDR_ALIGN
#define HDR_SIZE	sizeof(struct fuse_uring_req_header)
#define NO_SLOT		FUSE_URING_NO_BUF_INDEX

#define HAVE_ALL \
	(FUSE_QUEUE_ADDED | FUSE_QUEUE_HEADERS | FUSE_QUEUE_KMBUF)

FIXTURE(fuse_entry)
{
	struct fuse_queue fq;
	struct fuse_queue_own own;
	/* number of entries that end with the mount */
	unsigned int nr_entries;
	struct memlock_probe probe;
};

FIXTURE_VARIANT(fuse_entry)
{
	enum fuse_mode mode;
};

FIXTURE_VARIANT_ADD(fuse_entry, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_entry, zc) {
	.mode = FUSE_MODE_ZC,
};

FIXTURE_VARIANT_ADD(fuse_entry, headers) {
	.mode = FUSE_MODE_HEADERS,
};

FIXTURE_VARIANT_ADD(fuse_entry, buffers) {
	.mode = FUSE_MODE_BUFFERS,
};

FIXTURE_VARIANT_ADD(fuse_entry, buffers_zc) {
	.mode = FUSE_MODE_BUFFERS_ZC,
};

static int open_ring(struct fuse_queue *fq)
{
	int ret;

	if (!memlock_enter())
		return -errno;
	ret = fuse_queue_open_ring(fq);
	return memlock_leave() ? ret : -errno;
}

FIXTURE_SETUP(fuse_entry)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (sysconf(_SC_PAGESIZE) != 4096)
		SKIP(return, "needs pages of 4 KiB");
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_queue_mount(&self->fq, variant->mode);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_ring(&self->fq));
	ASSERT_EQ(0, fuse_queue_add(&self->fq, 0));
	fuse_queue_set_own(&self->fq, &self->own);
}

FIXTURE_TEARDOWN(fuse_entry)
{
	if (self->nr_entries) {
		EXPECT_EQ(0, fuse_queue_umount(&self->fq));
		while (self->nr_entries--)
			EXPECT_EQ(-ENOTCONN, test_wait(&self->fq.tr));
		fuse_queue_close_ring(&self->fq);
	} else {
		EXPECT_EQ(0, fuse_queue_use(&self->fq, HAVE_ALL));
	}
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
}

/* Register an entry with these iovecs: -errno, or 0 if it waits for requests */
static int add_entry(struct fuse_queue *fq, const struct fuse_uring_cmd_req *ent,
		     const struct iovec *iov, unsigned int len)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_queue_entry(fq, ent);
	sqe->addr = (unsigned long)iov;
	sqe->len = len;
	return fuse_queue_register(&fq->tr);
}

/* Likewise, with the mode's iovecs, and @ent or the usual parameters */
static int add_usual(FIXTURE_DATA(fuse_entry) *self,
		     const struct fuse_uring_cmd_req *ent)
{
	return add_entry(&self->fq, ent, self->own.iov, 2);
}

/* Register a valid entry */
static void expect_good(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_entry) *self,
			const struct fuse_uring_cmd_req *ent,
			const struct iovec *iov, unsigned int len)
{
	EXPECT_EQ(0, add_entry(&self->fq, ent, iov, len));
	self->nr_entries++;
}

/* Server memory for both */
static void set_both(struct iovec iov[2], FIXTURE_DATA(fuse_entry) *self)
{
	iov[0] = (struct iovec) { &self->own.head, sizeof(self->own.head) };
	iov[1] = (struct iovec) { self->own.payload, sizeof(self->own.payload) };
}

/* Unused bytes of the command area have to be zero */
TEST_F(fuse_entry, reserved)
{
	const unsigned int ranges[][2] = {
		{ 0, 16 }, { 18, 24 }, { 26, 32 }, { 40, 80 },
	};
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct iovec both[2];
	struct io_uring_sqe *sqe;
	unsigned int i, at;

	set_both(both, self);
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		for (at = ranges[i][0]; at < ranges[i][1]; at++) {
			sqe = fuse_queue_entry(&self->fq, &ent);
			((unsigned char *)sqe->cmd)[at] ^= 0x80;
			/* also for entries that use no memory of the queue */
			sqe->addr = (unsigned long)(at % 2 ? both :
						    self->own.iov);
			sqe->len = 2;
			EXPECT_EQ(-EINVAL, fuse_queue_register(&self->fq.tr)) {
				TH_LOG("byte %u", at);
			}
		}
	}
}

TEST_F(fuse_entry, qid)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();

	ent.qid = fuse_uring_nr_queues();
	EXPECT_EQ(-EINVAL, add_usual(self, &ent));
	ent.qid = 0xffff;
	EXPECT_EQ(-EINVAL, add_usual(self, &ent));
	/* there is no such queue that could provide the missing memory */
	if (fuse_uring_nr_queues() > 1) {
		ent.qid = 1;
		EXPECT_EQ(-EINVAL, add_usual(self, &ent));
		EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, NULL, 0));
	}
}

/* Only memory that the queue has can be omitted */
TEST_F(fuse_entry, what_the_queue_lacks)
{
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct iovec iov[2];

	set_both(iov, self);
	iov[0] = (struct iovec) { };
	if (!fuse_mode_headers(variant->mode))
		EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	set_both(iov, self);
	iov[1] = (struct iovec) { };
	if (!fuse_mode_buffers(variant->mode))
		EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	if (fuse_mode_own(variant->mode))
		EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, NULL, 0));
}

/* A non-empty iovec has to be valid */
TEST_F(fuse_entry, iovecs)
{
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct iovec iov[2];

	set_both(iov, self);
	iov[0].iov_len--;
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	iov[0].iov_len = 0;
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	iov[0] = (struct iovec) { NULL, 1 };
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	set_both(iov, self);
	iov[1].iov_len--;
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	iov[1].iov_len = 0;
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	iov[1] = (struct iovec) { NULL, 1 };
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	/* two iovecs or none */
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, self->own.iov, 0));
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, self->own.iov, 1));
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, self->own.iov, 3));
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, NULL, 1));
	EXPECT_EQ(-EFAULT, add_entry(&self->fq, &ent, NULL, 2));
}

TEST_F(fuse_entry, offset)
{
	const unsigned long long bad[] = {
		1, 32, HDR_SIZE, ALIGN - 1, REGION_SIZE - STRIDE + ALIGN,
		REGION_SIZE, REGION_SIZE + ALIGN, 1ULL << 32, -1ULL * ALIGN,
	};
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct iovec both[2];
	unsigned int i;

	set_both(both, self);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ent.ent.hdr_offset = bad[i];
		EXPECT_EQ(-EINVAL, add_usual(self, &ent)) {
			TH_LOG("offset %llu", bad[i]);
		}
	}
	/* a header in server memory is not in the region */
	ent.ent.hdr_offset = ALIGN;
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, both, 2));
	if (!fuse_mode_headers(variant->mode))
		EXPECT_EQ(-EINVAL, add_usual(self, &ent));
}

TEST_F(fuse_entry, good_offset)
{
	const unsigned long long good[] = { 0, ALIGN, REGION_SIZE - STRIDE };
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	unsigned int i;

	if (!fuse_mode_headers(variant->mode))
		return;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ent.ent.hdr_offset = good[i];
		expect_good(_metadata, self, &ent, self->own.iov, 2);
	}
}

TEST_F(fuse_entry, slot)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct iovec both[2];

	set_both(both, self);
	if (!fuse_mode_zero_copy(variant->mode)) {
		ent.ent.zero_copy_buf_index = 1;
		EXPECT_EQ(-EINVAL, add_usual(self, &ent));
		ent.ent.zero_copy_buf_index = 0xfffe;
		EXPECT_EQ(-EINVAL, add_usual(self, &ent));
		EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, both, 2));
		return;
	}
	/* not beside a payload in server memory */
	ent.ent.zero_copy_buf_index = 0;
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, both, 2));
	ASSERT_TRUE(memlock_enter());
	EXPECT_EQ(-EPERM, add_usual(self, &ent));
	ASSERT_TRUE(memlock_leave());
}

TEST_F(fuse_entry, good_slot)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct iovec both[2];

	set_both(both, self);
	expect_good(_metadata, self, &ent, self->own.iov, 2);
	expect_good(_metadata, self, &ent, both, 2);
	/* a slot, or none */
	ent.ent.zero_copy_buf_index = 0;
	expect_good(_metadata, self, &ent, self->own.iov, 2);
	if (!fuse_mode_zero_copy(variant->mode))
		expect_good(_metadata, self, &ent, both, 2);
	/* an invalid slot shows only when it is used */
	ent.ent.zero_copy_buf_index = 0xfffe;
	if (fuse_mode_zero_copy(variant->mode))
		expect_good(_metadata, self, &ent, self->own.iov, 2);
}

/* Omitted iovecs are the same as empty ones */
TEST_F(fuse_entry, good_without_iovec)
{
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();

	if (fuse_mode_own(variant->mode))
		return;
	expect_good(_metadata, self, &ent, NULL, 0);
	expect_good(_metadata, self, &ent, self->own.iov, 2);
}

/* Another ring has a region and the same group as well */
TEST_F(fuse_entry, another_ring)
{
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct fuse_queue other = self->fq;

	ASSERT_EQ(0, open_ring(&other));
	EXPECT_EQ(-EINVAL, add_entry(&other, &ent, self->own.iov, 2));
	if (!fuse_mode_own(variant->mode))
		EXPECT_EQ(-EINVAL, add_entry(&other, &ent, NULL, 0));
	fuse_queue_close_ring(&other);
}

/* An entry with server memory can be on any ring */
TEST_F(fuse_entry, good_on_another_ring)
{
	const struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct fuse_queue other = self->fq;
	struct iovec both[2];

	set_both(both, self);
	ASSERT_EQ(0, test_ring_init(&other.tr, IORING_SETUP_SQE128, 0));
	EXPECT_EQ(0, add_entry(&other, &ent, both, 2));
	test_ring_exit(&other.tr);
}

/*
 * Queues without kernel memory: an entry has no slot if the queue was added. A
 * queue created by its entry ignores the slot, unless the kernel has pools.
 */
TEST(slot_without_memory)
{
	const unsigned int slots[] = { 1, 0x100, 0xfffe };
	const struct fuse_uring_cmd_req queue = { };
	struct fuse_uring_cmd_req ent = { };
	struct fuse_queue_own own;
	struct fuse_queue fq;
	unsigned int i;
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ret = fuse_queue_mount(&fq, FUSE_MODE_ENTRY);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, test_ring_init(&fq.tr, IORING_SETUP_SQE128, 0));
	fuse_queue_set_own(&fq, &own);
	ASSERT_EQ(0, fuse_queue_cmd(&fq, FUSE_IO_URING_CMD_ADD_QUEUE, &queue));
	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		ent.ent.zero_copy_buf_index = slots[i];
		EXPECT_EQ(-EINVAL, add_entry(&fq, &ent, own.iov, 2)) {
			TH_LOG("slot %u", slots[i]);
		}
	}
	ent.ent.zero_copy_buf_index = 0;
	EXPECT_EQ(0, add_entry(&fq, &ent, own.iov, 2));
	ent.ent.zero_copy_buf_index = NO_SLOT;
	EXPECT_EQ(0, add_entry(&fq, &ent, own.iov, 2));
	if (fuse_uring_nr_queues() > 1) {
		ent.qid = 1;
		ent.ent.zero_copy_buf_index = 1;
		EXPECT_EQ(fq.ft.has_pools ? -EINVAL : 0,
			  add_entry(&fq, &ent, own.iov, 2));
	}
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	test_ring_exit(&fq.tr);
}

/* A queue for zero copy needs buffers before its first entry */
FIXTURE(fuse_entry_no_buffers)
{
	struct fuse_queue fq;
	struct fuse_queue_own own;
	unsigned int have;
	struct memlock_probe probe;
};

FIXTURE_VARIANT(fuse_entry_no_buffers)
{
	bool headers;
};

FIXTURE_VARIANT_ADD(fuse_entry_no_buffers, iovecs) {
	.headers = false,
};

FIXTURE_VARIANT_ADD(fuse_entry_no_buffers, headers) {
	.headers = true,
};

FIXTURE_SETUP(fuse_entry_no_buffers)
{
	const struct fuse_uring_cmd_req headers = fuse_queue_good_headers();
	const struct fuse_uring_cmd_req queue = {
		.flags = FUSE_URING_ZERO_COPY,
	};
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (sysconf(_SC_PAGESIZE) != 4096)
		SKIP(return, "needs pages of 4 KiB");
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_queue_mount(&self->fq, FUSE_MODE_ZC);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, open_ring(&self->fq));
	ASSERT_EQ(0, fuse_queue_cmd(&self->fq, FUSE_IO_URING_CMD_ADD_QUEUE,
				    &queue));
	self->have = FUSE_QUEUE_ADDED;
	if (!variant->headers)
		return;
	ASSERT_EQ(0, fuse_queue_cmd(&self->fq, FUSE_IO_URING_CMD_ADD_HEADERS,
				    &headers));
	self->have |= FUSE_QUEUE_HEADERS;
}

FIXTURE_TEARDOWN(fuse_entry_no_buffers)
{
	EXPECT_EQ(0, fuse_queue_use(&self->fq, self->have));
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
}

TEST_F(fuse_entry_no_buffers, refused)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	struct iovec iov[2] = {
		{ &self->own.head, sizeof(self->own.head) },
		{ self->own.payload, sizeof(self->own.payload) },
	};

	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, NULL, 0));
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	ent.ent.zero_copy_buf_index = 0;
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	iov[1] = (struct iovec) { };
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
	iov[0] = (struct iovec) { };
	EXPECT_EQ(-EINVAL, add_entry(&self->fq, &ent, iov, 2));
}

TEST_HARNESS_MAIN
