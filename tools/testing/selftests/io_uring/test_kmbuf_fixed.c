// SPDX-License-Identifier: GPL-2.0
/*
 * With IOU_KMBUF_RING_FIXED, plain fixed reads and writes use the buffers. The
 * offset is the number of the buffer times its size.
 */
#include "kselftest_harness.h"
#include "iou_ext4.h"
#include "iou_kmbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define BGID		4
#define SLOT		2
#define ENTRIES		8
#define SEED		12

/* Mounted once for all tests, each of which is a child */
static const char *ext4_dir;

static void __attribute__((constructor)) mount_ext4(void)
{
	ext4_dir = test_ext4_mount(4096);
}

FIXTURE(kmbuf_fixed)
{
	struct test_ring tr;
	unsigned char *mem;
	size_t buf_size;
	size_t size;
	/* a file as large as all buffers */
	int file;
};

FIXTURE_VARIANT(kmbuf_fixed)
{
	unsigned int pages;
	unsigned int bytes;
	unsigned int sqe_flags;
	bool ext4;
	int open_flags;
};

FIXTURE_VARIANT_ADD(kmbuf_fixed, tmpfs) {
	.pages = 1,
};

FIXTURE_VARIANT_ADD(kmbuf_fixed, tmpfs_three_pages) {
	.pages = 3,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(kmbuf_fixed, ext4) {
	.pages = 16,
	.ext4 = true,
};

FIXTURE_VARIANT_ADD(kmbuf_fixed, ext4_direct) {
	.pages = 16,
	.ext4 = true,
	.open_flags = O_DIRECT,
};

FIXTURE_VARIANT_ADD(kmbuf_fixed, ext4_direct_three_pages) {
	.pages = 3,
	.ext4 = true,
	.open_flags = O_DIRECT,
};

FIXTURE_VARIANT_ADD(kmbuf_fixed, tmpfs_three_sectors) {
	.bytes = 3 * 512,
};

FIXTURE_VARIANT_ADD(kmbuf_fixed, ext4_direct_pages_and_sector) {
	.pages = 4,
	.bytes = 512,
	.ext4 = true,
	.open_flags = O_DIRECT,
};

FIXTURE_SETUP(kmbuf_fixed)
{
	const char *dir = variant->ext4 ? ext4_dir : "/dev/shm";
	char path[64];

	if (!dir)
		SKIP(return, "needs root, loop devices and mkfs.ext4");
	self->buf_size = (size_t)variant->pages * sysconf(_SC_PAGESIZE) +
			 variant->bytes;
	self->size = ENTRIES * self->buf_size;
	ASSERT_EQ(0, test_ring_init(&self->tr, 0, variant->sqe_flags));
	snprintf(path, sizeof(path), "%s/kmbuf.XXXXXX", dir);
	self->file = mkstemp(path);
	ASSERT_GE(self->file, 0);
	unlink(path);
	ASSERT_EQ(0, ftruncate(self->file, self->size));
}

FIXTURE_TEARDOWN(kmbuf_fixed)
{
	close(self->file);
	test_ring_exit(&self->tr);
}

/* The ring, its slot and its mapping, and a file with a pattern */
static void setup(struct __test_metadata *_metadata,
		  FIXTURE_DATA(kmbuf_fixed) *self,
		  const FIXTURE_VARIANT(kmbuf_fixed) *variant,
		  unsigned int flags)
{
	struct io_uring_kmbuf_reg reg = {
		.buf_size = self->buf_size,
		.ring_entries = ENTRIES,
		.bgid = BGID,
		.flags = IOU_KMBUF_RING_FIXED | flags,
		.fixed_index = SLOT,
	};
	unsigned char *data = malloc(self->size);

	ASSERT_EQ(0, kmbuf_register(&self->tr.ring, &reg));
	self->mem = kmbuf_mmap(&self->tr.ring, BGID, self->size,
			       flags & IOU_KMBUF_RING_RDONLY ? PROT_READ :
			       PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->mem);
	fill_pattern(data, self->size, SEED);
	ASSERT_EQ((ssize_t)self->size, pwrite(self->file, data, self->size, 0));
	ASSERT_EQ(0, fsync(self->file));
	free(data);
	ASSERT_EQ(0, fcntl(self->file, F_SETFL, variant->open_flags));
}

static void teardown(struct __test_metadata *_metadata,
		     FIXTURE_DATA(kmbuf_fixed) *self)
{
	munmap(self->mem, self->size);
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
}

static int rw(FIXTURE_DATA(kmbuf_fixed) *self, bool write, unsigned int bid,
	      unsigned int skip, unsigned int len)
{
	unsigned long addr = bid * self->buf_size + skip;

	return test_rw_fixed(&self->tr, write, self->file, SLOT, addr, len,
			     addr);
}

TEST_F(kmbuf_fixed, read_lands_in_buffer)
{
	const int len = self->buf_size;
	int bid;

	setup(_metadata, self, variant, 0);
	/* start with the last one, so that wrong offsets show wrong data */
	for (bid = ENTRIES - 1; bid >= 0; bid--) {
		ASSERT_EQ(len, rw(self, false, bid, 0, len));
		EXPECT_TRUE(check_pattern(self->mem + bid * len, len, SEED,
					  bid * len));
		if (bid)
			EXPECT_EQ(0, self->mem[bid * len - 1]);
	}
	/* across the end of a buffer, all at once, parts */
	memset(self->mem, 0, self->size);
	EXPECT_EQ(len, rw(self, false, 0, len / 2 & ~511, len));
	EXPECT_TRUE(check_pattern(self->mem + (len / 2 & ~511), len, SEED,
				  len / 2 & ~511));
	EXPECT_EQ((int)self->size, rw(self, false, 0, 0, self->size));
	EXPECT_TRUE(check_pattern(self->mem, self->size, SEED, 0));
	memset(self->mem, 0, self->size);
	EXPECT_EQ(512, rw(self, false, ENTRIES - 1, len - 512, 512));
	EXPECT_TRUE(check_pattern(self->mem + self->size - 512, 512, SEED,
				  self->size - 512));
	EXPECT_EQ(0, self->mem[self->size - 513]);
	teardown(_metadata, self);
}

TEST_F(kmbuf_fixed, write_comes_from_buffer)
{
	unsigned char *data = malloc(self->size);
	const int len = self->buf_size;
	int bid;

	setup(_metadata, self, variant, 0);
	fill_pattern(self->mem, self->size, SEED + 1);
	for (bid = 0; bid < ENTRIES; bid += 2)
		ASSERT_EQ(len, rw(self, true, bid, 0, len));
	ASSERT_EQ(0, fcntl(self->file, F_SETFL, 0));
	ASSERT_EQ((ssize_t)self->size, pread(self->file, data, self->size, 0));
	for (bid = 0; bid < ENTRIES; bid++)
		EXPECT_TRUE(check_pattern(data + bid * len, len,
					  bid % 2 ? SEED : SEED + 1, bid * len));
	free(data);
	teardown(_metadata, self);
}

TEST_F(kmbuf_fixed, bounds)
{
	const int len = self->buf_size;

	setup(_metadata, self, variant, 0);
	EXPECT_EQ(-EFAULT, rw(self, false, ENTRIES, 0, 512));
	EXPECT_EQ(-EFAULT, rw(self, false, ENTRIES - 1, 512, len));
	EXPECT_EQ(-EFAULT, rw(self, false, 0, 512, self->size));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, false, self->file, SLOT,
					 (unsigned long)self->mem, 512, 0));
	EXPECT_EQ(0, rw(self, false, 0, 0, 0));
	teardown(_metadata, self);
}

/*
 * Userspace cannot write, but can read a file into it; it cannot write it to a
 * file
 */
TEST_F(kmbuf_fixed, read_only_ring)
{
	const int len = self->buf_size;

	setup(_metadata, self, variant, IOU_KMBUF_RING_RDONLY);
	ASSERT_EQ(len, rw(self, false, 1, 0, len));
	EXPECT_TRUE(check_pattern(self->mem + len, len, SEED, len));
	EXPECT_EQ(-EFAULT, rw(self, true, 1, 0, len));
	teardown(_metadata, self);
}

/* A vectored read of three pieces, out of order */
TEST_F(kmbuf_fixed, vectored)
{
	const size_t len = self->buf_size;
	struct iovec iov[3] = {
		{ (void *)(5 * len), len },
		{ (void *)(1 * len), 2 * len },
		{ (void *)(7 * len + 512), len - 512 },
	};
	struct io_uring_sqe *sqe;
	int total = 4 * len - 512;

	setup(_metadata, self, variant, 0);
	sqe = test_sqe(&self->tr);
	sqe->opcode = IORING_OP_READV_FIXED;
	sqe->flags = self->tr.sqe_flags;
	sqe->fd = self->file;
	sqe->addr = (unsigned long)iov;
	sqe->len = 3;
	sqe->buf_index = SLOT;
	ASSERT_EQ(total, test_submit_wait(&self->tr));
	EXPECT_TRUE(check_pattern(self->mem + 5 * len, len, SEED, 0));
	EXPECT_TRUE(check_pattern(self->mem + len, 2 * len, SEED, len));
	EXPECT_TRUE(check_pattern(self->mem + 7 * len + 512, len - 512, SEED,
				  3 * len));
	teardown(_metadata, self);
}

static void from_fd(struct __test_metadata *_metadata,
		    FIXTURE_DATA(kmbuf_fixed) *self, int in, int out)
{
	unsigned char data[700];

	fill_pattern(data, sizeof(data), SEED);
	ASSERT_EQ((ssize_t)sizeof(data), write(out, data, sizeof(data)));
	EXPECT_EQ((int)sizeof(data),
		  test_rw_fixed(&self->tr, false, in, SLOT,
				6 * self->buf_size - 100, sizeof(data), -1));
	EXPECT_TRUE(check_pattern(self->mem + 6 * self->buf_size - 100,
				  sizeof(data), SEED, 0));
}

TEST_F(kmbuf_fixed, pipe_and_socket)
{
	int fd[2];

	setup(_metadata, self, variant, 0);
	ASSERT_EQ(0, pipe(fd));
	from_fd(_metadata, self, fd[0], fd[1]);
	close(fd[0]);
	close(fd[1]);
	memset(self->mem, 0, self->size);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	from_fd(_metadata, self, fd[0], fd[1]);
	close(fd[0]);
	close(fd[1]);
	teardown(_metadata, self);
}

/* Slot and ring can be unregistered in either order, with I/O in flight */
TEST_F(kmbuf_fixed, unregister_with_io_in_flight)
{
	struct io_uring_sqe *sqe;
	int fd[2];

	setup(_metadata, self, variant, 0);
	ASSERT_EQ(0, pipe(fd));
	sqe = test_sqe(&self->tr);
	sqe->opcode = IORING_OP_READ_FIXED;
	sqe->fd = fd[0];
	sqe->addr = self->buf_size;
	sqe->len = 64;
	sqe->off = -1ULL;
	sqe->buf_index = SLOT;
	test_submit(&self->tr);
	EXPECT_FALSE(test_wait_for(&self->tr, 100));

	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->tr.ring));
	ASSERT_EQ(5, write(fd[1], "hello", 5));
	EXPECT_EQ(5, test_wait(&self->tr));
	EXPECT_EQ(0, memcmp(self->mem + self->buf_size, "hello", 5));
	munmap(self->mem, self->size);
	close(fd[0]);
	close(fd[1]);
}

static void read_through(struct __test_metadata *_metadata,
			 FIXTURE_DATA(kmbuf_fixed) *self, struct test_ring *tr)
{
	const int len = self->buf_size;

	memset(self->mem, 0, self->size);
	EXPECT_EQ(len, test_rw_fixed(tr, false, self->file, SLOT, 3 * len, len,
				     0));
	EXPECT_TRUE(check_pattern(self->mem + 3 * len, len, SEED, 0));
}

/* Another ring has the same buffers, for as long as it likes */
TEST_F(kmbuf_fixed, clone)
{
	struct test_ring dst = { .sqe_flags = variant->sqe_flags };

	setup(_metadata, self, variant, 0);
	ASSERT_EQ(0, io_uring_queue_init(4, &dst.ring, 0));
	EXPECT_EQ(0, io_uring_clone_buffers(&dst.ring, &self->tr.ring));
	read_through(_metadata, self, &self->tr);
	read_through(_metadata, self, &dst);

	EXPECT_EQ(0, io_uring_unregister_buffers(&self->tr.ring));
	EXPECT_EQ(-EFAULT, rw(self, false, 0, 0, 512));
	read_through(_metadata, self, &dst);
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	read_through(_metadata, self, &dst);
	munmap(self->mem, self->size);
	EXPECT_EQ((int)self->buf_size,
		  test_rw_fixed(&dst, false, self->file, SLOT, 0,
				self->buf_size, 0));
	io_uring_queue_exit(&dst.ring);
}

/* A clone bypasses neither the read-only flag nor the bounds */
TEST_F(kmbuf_fixed, clone_of_read_only_ring)
{
	struct test_ring dst = { .sqe_flags = variant->sqe_flags };

	setup(_metadata, self, variant, IOU_KMBUF_RING_RDONLY);
	ASSERT_EQ(0, io_uring_queue_init(4, &dst.ring, 0));
	EXPECT_EQ(0, io_uring_clone_buffers(&dst.ring, &self->tr.ring));
	EXPECT_EQ(512, test_rw_fixed(&dst, false, self->file, SLOT, 0, 512, 0));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&dst, true, self->file, SLOT, 0, 512,
					 0));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&dst, false, self->file, SLOT,
					 self->size - 512, 1024, 0));
	/* the source goes first */
	teardown(_metadata, self);
	EXPECT_EQ(512, test_rw_fixed(&dst, false, self->file, SLOT, 0, 512, 0));
	EXPECT_EQ(0, io_uring_unregister_buffers(&dst.ring));
	io_uring_queue_exit(&dst.ring);
}

TEST_F(kmbuf_fixed, slot_is_the_kernels)
{
	int mock;

	setup(_metadata, self, variant, 0);
	/* a subsystem can empty the slot like that of any kernel buffer */
	mock = mock_create(1, 0);
	if (mock_missing(mock))
		SKIP(return, "%s", mock_missing(mock));
	EXPECT_EQ(0, mock_unregister(&self->tr, mock, SLOT));
	EXPECT_EQ(-EFAULT, rw(self, false, 0, 0, 512));
	close(mock);
	teardown(_metadata, self);
}

TEST_HARNESS_MAIN
