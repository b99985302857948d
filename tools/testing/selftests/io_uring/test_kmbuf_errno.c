// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_REGISTER_KMBUF_RING, IORING_UNREGISTER_KMBUF_RING, mmap() and the
 * query: every error, and the last value before each bound.
 */
#include "kselftest_harness.h"
#include "iou_kmbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define BGID	5

FIXTURE(kmbuf_errno)
{
	struct io_uring ring;
	/* good for a ring of two buffers */
	struct io_uring_kmbuf_reg reg;
	unsigned int page;
};

FIXTURE_SETUP(kmbuf_errno)
{
	self->page = sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, io_uring_queue_init(4, &self->ring, 0));
	self->reg = (struct io_uring_kmbuf_reg) {
		.buf_size = self->page,
		.ring_entries = 2,
		.bgid = BGID,
	};
}

/* Refused registrations have not left a ring */
FIXTURE_TEARDOWN(kmbuf_errno)
{
	EXPECT_EQ(-ENOENT, kmbuf_unregister(&self->ring, self->reg.bgid));
	io_uring_queue_exit(&self->ring);
}

static int raw_register(struct io_uring *ring, unsigned int op, void *arg,
			unsigned int nr)
{
	int ret = syscall(__NR_io_uring_register, ring->ring_fd, op, arg, nr);

	return ret < 0 ? -errno : ret;
}

/* Registering works, and so does unregistering */
static void expect_good(struct __test_metadata *_metadata,
			FIXTURE_DATA(kmbuf_errno) *self)
{
	struct io_uring_kmbuf_reg reg = self->reg;

	EXPECT_EQ(0, kmbuf_register(&self->ring, &reg));
	EXPECT_NE(0, reg.mmap_offset);
	EXPECT_EQ(0, kmbuf_unregister(&self->ring, reg.bgid));
}

static void expect_bad(struct __test_metadata *_metadata,
		       FIXTURE_DATA(kmbuf_errno) *self, int err)
{
	struct io_uring_kmbuf_reg reg = self->reg;

	EXPECT_EQ(err, kmbuf_register(&self->ring, &reg));
	/* and nothing was written back */
	EXPECT_EQ(0, memcmp(&reg, &self->reg, sizeof(reg)));
}

TEST_F(kmbuf_errno, argument)
{
	struct io_uring *ring = &self->ring;

	EXPECT_EQ(-EINVAL, raw_register(ring, IORING_REGISTER_KMBUF_RING,
					NULL, 1));
	EXPECT_EQ(-EINVAL, raw_register(ring, IORING_REGISTER_KMBUF_RING,
					&self->reg, 0));
	EXPECT_EQ(-EINVAL, raw_register(ring, IORING_REGISTER_KMBUF_RING,
					&self->reg, 2));
	EXPECT_EQ(-EFAULT, raw_register(ring, IORING_REGISTER_KMBUF_RING,
					(void *)8, 1));
	EXPECT_EQ(-EINVAL, raw_register(ring, IORING_UNREGISTER_KMBUF_RING,
					NULL, 1));
	EXPECT_EQ(-EINVAL, raw_register(ring, IORING_UNREGISTER_KMBUF_RING,
					&self->reg, 2));
	EXPECT_EQ(-EFAULT, raw_register(ring, IORING_UNREGISTER_KMBUF_RING,
					(void *)8, 1));
}

/* The result cannot be written back: the ring is removed, and so is its slot */
TEST_F(kmbuf_errno, read_only_argument)
{
	struct io_uring_kmbuf_reg *reg;
	struct iovec iov = { &self->page, 1 };
	__u64 tag = 0;

	ASSERT_EQ(0, io_uring_register_buffers_sparse(&self->ring, 2));
	self->reg.flags = IOU_KMBUF_RING_FIXED;
	reg = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, reg);
	*reg = self->reg;
	ASSERT_EQ(0, mprotect(reg, self->page, PROT_READ));
	EXPECT_EQ(-EFAULT, kmbuf_register(&self->ring, reg));
	EXPECT_EQ(-ENOENT, kmbuf_unregister(&self->ring, BGID));
	/* an emptied slot can be used again at once */
	EXPECT_EQ(1, io_uring_register_buffers_update_tag(&self->ring, 0, &iov,
							  &tag, 1));
	munmap(reg, self->page);
}

TEST_F(kmbuf_errno, entries)
{
	const unsigned int bad[] = { 0, 32769, 65536, 1U << 31, ~0U };
	const unsigned int good[] = { 1, 2, 3, 4, 1000, 32767, 32768 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->reg.ring_entries = bad[i];
		expect_bad(_metadata, self, -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		self->reg.ring_entries = good[i];
		expect_good(_metadata, self);
	}
}

TEST_F(kmbuf_errno, buffer_size)
{
	const unsigned int page = self->page;
	const unsigned int bad[] = { 0, 1, 256, 511, 513, page - 1, page + 1,
				     3 * page + 256, ~0U };
	const unsigned int good[] = { 512, 1024, 1536, page - 512, page,
				      page + 512, 3 * page, 3 * page + 512,
				      5 * page, 256 * page };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->reg.buf_size = bad[i];
		expect_bad(_metadata, self, -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		self->reg.buf_size = good[i];
		expect_good(_metadata, self);
	}
}

/* The maximum number of pages, and one buffer more */
TEST_F(kmbuf_errno, total_size)
{
	self->reg.buf_size = -self->page;
	self->reg.ring_entries = 32768;
	expect_bad(_metadata, self, -EOVERFLOW);
	/* 2^31 pages exactly */
	self->reg.buf_size = 1U << 31;
	self->reg.ring_entries = self->page;
	expect_bad(_metadata, self, self->page <= 32768 ? -EOVERFLOW : -EINVAL);
	/* fewer, but more than any machine has */
	self->reg.buf_size = 1U << 31;
	self->reg.ring_entries = 2048;
	expect_bad(_metadata, self, sizeof(long) == 8 ? -ENOMEM : -EOVERFLOW);
}

TEST_F(kmbuf_errno, group)
{
	self->reg.bgid = 2048;
	expect_bad(_metadata, self, -EINVAL);
	self->reg.bgid = 65535;
	expect_bad(_metadata, self, -EINVAL);
	self->reg.bgid = 2047;
	expect_good(_metadata, self);
	self->reg.bgid = 0;
	expect_good(_metadata, self);
}

TEST_F(kmbuf_errno, flags)
{
	unsigned int bit;

	for (bit = 4; bit <= 0x8000; bit <<= 1) {
		self->reg.flags = bit;
		expect_bad(_metadata, self, -EINVAL);
		self->reg.flags = bit | IOU_KMBUF_RING_RDONLY;
		expect_bad(_metadata, self, -EINVAL);
	}
	self->reg.flags = IOU_KMBUF_RING_RDONLY;
	expect_good(_metadata, self);
}

TEST_F(kmbuf_errno, reserved_fields)
{
	const struct io_uring_kmbuf_reg good = self->reg;

	self->reg.resv0 = 1;
	expect_bad(_metadata, self, -EINVAL);
	self->reg = good;
	self->reg.resv1 = 1U << 31;
	expect_bad(_metadata, self, -EINVAL);
	self->reg = good;
	self->reg.resv2 = 1ULL << 63;
	expect_bad(_metadata, self, -EINVAL);
	self->reg = good;
	self->reg.mmap_offset = self->page;
	expect_bad(_metadata, self, -EINVAL);
	self->reg = good;
	/* not used without the flag */
	self->reg.fixed_index = 1;
	expect_bad(_metadata, self, -EINVAL);
}

TEST_F(kmbuf_errno, fixed_slot)
{
	self->reg.flags = IOU_KMBUF_RING_FIXED;
	/* no table, then a table of two */
	expect_bad(_metadata, self, -EINVAL);
	ASSERT_EQ(0, io_uring_register_buffers_sparse(&self->ring, 2));
	self->reg.fixed_index = 2;
	expect_bad(_metadata, self, -EINVAL);
	self->reg.fixed_index = ~0U;
	expect_bad(_metadata, self, -EINVAL);
	self->reg.fixed_index = 1;
	expect_good(_metadata, self);
	/* the slot still has the buffers */
	expect_bad(_metadata, self, -EBUSY);
	self->reg.fixed_index = 0;
	expect_good(_metadata, self);
}

TEST_F(kmbuf_errno, unregister)
{
	struct io_uring_kmbuf_reg reg = self->reg;

	ASSERT_EQ(0, kmbuf_register(&self->ring, &reg));
	/* the argument for registering is not valid for unregistering */
	EXPECT_EQ(-EINVAL, raw_register(&self->ring,
					IORING_UNREGISTER_KMBUF_RING, &reg, 1));
	EXPECT_EQ(-ENOENT, kmbuf_unregister(&self->ring, BGID + 1));
	EXPECT_EQ(-ENOENT, kmbuf_unregister(&self->ring, 65535));
	EXPECT_EQ(0, kmbuf_unregister(&self->ring, BGID));
	EXPECT_EQ(-ENOENT, kmbuf_unregister(&self->ring, BGID));
}

TEST_F(kmbuf_errno, group_taken)
{
	struct io_uring_kmbuf_reg reg = self->reg;

	ASSERT_EQ(0, kmbuf_register(&self->ring, &reg));
	expect_bad(_metadata, self, -EEXIST);
	EXPECT_EQ(0, kmbuf_unregister(&self->ring, BGID));
	expect_good(_metadata, self);
}

static void *map(FIXTURE_DATA(kmbuf_errno) *self, size_t size, int flags,
		 unsigned long long offset)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, flags,
		    self->ring.ring_fd, offset);
}

TEST_F(kmbuf_errno, mmap)
{
	unsigned long long offset;
	size_t size = 2 * self->page;
	void *mem;

	ASSERT_EQ(0, kmbuf_register(&self->ring, &self->reg));
	offset = self->reg.mmap_offset;

	/* all of it or nothing */
	EXPECT_EQ(MAP_FAILED, map(self, self->page, MAP_SHARED, offset));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, map(self, 3 * self->page, MAP_SHARED, offset));
	EXPECT_EQ(EINVAL, errno);
	/* no private copy */
	EXPECT_EQ(MAP_FAILED, map(self, size, MAP_PRIVATE, offset));
	EXPECT_EQ(EINVAL, errno);
	/* the offset must match exactly, in all bits */
	EXPECT_EQ(MAP_FAILED, map(self, size, MAP_SHARED, offset + self->page));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, map(self, size, MAP_SHARED, offset + (1ULL << 16)));
	EXPECT_EQ(EINVAL, errno);
	if (sizeof(long) == 8) {
		EXPECT_EQ(MAP_FAILED, map(self, size, MAP_SHARED,
					  offset + (1ULL << 48)));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, map(self, size, MAP_SHARED,
					  offset + (1ULL << 32)));
		EXPECT_EQ(EINVAL, errno);
	}
	mem = map(self, size, MAP_SHARED, offset);
	EXPECT_NE(MAP_FAILED, mem);
	munmap(mem, size);
	EXPECT_EQ(0, kmbuf_unregister(&self->ring, BGID));
	EXPECT_EQ(MAP_FAILED, map(self, size, MAP_SHARED, offset));
	EXPECT_EQ(EINVAL, errno);
}

/* Buffers that end within a page are mapped with the rest of that page */
TEST_F(kmbuf_errno, mmap_part_of_a_page)
{
	const unsigned int page = self->page;
	const size_t sizes[] = { page + 512, 2 * page };
	unsigned int i;
	void *mem;

	self->reg.buf_size = page / 2 + 512;
	ASSERT_EQ(0, kmbuf_register(&self->ring, &self->reg));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		mem = map(self, sizes[i], MAP_SHARED, self->reg.mmap_offset);
		EXPECT_NE(MAP_FAILED, mem);
		munmap(mem, sizes[i]);
	}
	EXPECT_EQ(MAP_FAILED, map(self, page, MAP_SHARED,
				  self->reg.mmap_offset));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, kmbuf_unregister(&self->ring, BGID));
}

/* A KMBUF ring must not be at the offset from an earlier proposal */
TEST_F(kmbuf_errno, offset_of_provided_group_2048)
{
	self->reg.bgid = 0;
	ASSERT_EQ(0, kmbuf_register(&self->ring, &self->reg));
	EXPECT_EQ(MAP_FAILED, map(self, 2 * self->page, MAP_SHARED,
				  IORING_OFF_PBUF_RING | 2048ULL << 16));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, kmbuf_unregister(&self->ring, 0));
}

static int query(void *data, unsigned int size, int *result)
{
	struct io_uring_query_hdr hdr = {
		.query_data = (unsigned long)data,
		.query_op = IO_URING_QUERY_KMBUF,
		.size = size,
	};
	int ret;

	ret = syscall(__NR_io_uring_register, -1, IORING_REGISTER_QUERY, &hdr, 0);
	*result = hdr.result;
	return ret < 0 ? -errno : (int)hdr.size;
}

TEST_F(kmbuf_errno, query)
{
	struct io_uring_query_kmbuf q = { }, part = { };
	int result;

	ASSERT_EQ((int)sizeof(q), query(&q, sizeof(q), &result));
	EXPECT_EQ(0, result);
	EXPECT_EQ(IOU_KMBUF_RING_RDONLY | IOU_KMBUF_RING_FIXED,
		  q.register_flags);
	EXPECT_EQ(32768, q.max_entries);
	EXPECT_EQ(2047, q.max_bgid);
	EXPECT_EQ(512, q.buf_alignment);
	EXPECT_EQ(0, q.__resv[0] | q.__resv[1]);

	/* an older program requests less of the structure */
	ASSERT_EQ(4, query(&part, 4, &result));
	EXPECT_EQ(q.register_flags, part.register_flags);
	EXPECT_EQ(0, part.max_entries);
}

static int restrict_to(struct io_uring *ring, unsigned int op)
{
	struct io_uring_restriction res = {
		.opcode = IORING_RESTRICTION_REGISTER_OP,
		.register_op = op,
	};

	return io_uring_register_restrictions(ring, &res, 1) ?:
	       io_uring_enable_rings(ring);
}

/* Each of the two calls can be allowed on its own */
TEST_F(kmbuf_errno, restrictions)
{
	struct io_uring_kmbuf_reg reg = self->reg;
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(4, &ring, IORING_SETUP_R_DISABLED));
	ASSERT_EQ(0, restrict_to(&ring, IORING_REGISTER_KMBUF_RING));
	EXPECT_EQ(0, kmbuf_register(&ring, &reg));
	EXPECT_EQ(-EACCES, kmbuf_unregister(&ring, BGID));
	io_uring_queue_exit(&ring);

	reg = self->reg;
	ASSERT_EQ(0, io_uring_queue_init(4, &ring, IORING_SETUP_R_DISABLED));
	ASSERT_EQ(0, kmbuf_register(&ring, &reg));
	ASSERT_EQ(0, restrict_to(&ring, IORING_UNREGISTER_KMBUF_RING));
	EXPECT_EQ(0, kmbuf_unregister(&ring, BGID));
	reg = self->reg;
	EXPECT_EQ(-EACCES, kmbuf_register(&ring, &reg));
	io_uring_queue_exit(&ring);

	ASSERT_EQ(0, io_uring_queue_init(4, &ring, IORING_SETUP_R_DISABLED));
	ASSERT_EQ(0, restrict_to(&ring, IORING_REGISTER_PBUF_RING));
	EXPECT_EQ(-EACCES, kmbuf_register(&ring, &reg));
	EXPECT_EQ(-EACCES, kmbuf_unregister(&ring, BGID));
	io_uring_queue_exit(&ring);
}

TEST_HARNESS_MAIN
