// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O by clients that provide pages instead of addresses: a loop device,
 * and io_urings with registered buffers. Zero copy serves them as well; data in
 * pages that cannot be held is copied. The counters show which.
 */
#include "kselftest_harness.h"
#include "fuse_data.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT		120
#define SLOT		1
#define LEN		65536
#define OFFSET		8192
/* pages of 4 KiB, of different orders */
#define LEN_ORDER	4

FIXTURE(fuse_bvec)
{
	struct fuse_data d;
	struct test_ring tr;
	int fd;
};

FIXTURE_SETUP(fuse_bvec)
{
	const struct fuse_test ft = { .mode = FUSE_MODE_ZC };
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ret = fuse_data_init(&self->d, &ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	self->fd = open(self->d.ft.file, O_RDWR | O_DIRECT);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_ring_init(&self->tr, 0, 0));
}

FIXTURE_TEARDOWN(fuse_bvec)
{
	test_ring_exit(&self->tr);
	close(self->fd);
	EXPECT_EQ(0, fuse_data_exit(&self->d));
}

static long long count(FIXTURE_DATA(fuse_bvec) *self, const char *name)
{
	return fuse_test_counter(&self->d.ft, name);
}

static void register_memory(struct __test_metadata *_metadata,
			    FIXTURE_DATA(fuse_bvec) *self, size_t len)
{
	struct iovec iov = { self->d.buf, len };
	__u64 tag = 0;

	ASSERT_EQ(1, io_uring_register_buffers_update_tag(&self->tr.ring, SLOT,
							  &iov, &tag, 1));
}

/*
 * Read @len bytes of the file into the start of the slot and write them back.
 * True if all succeeded.
 */
static bool do_io(FIXTURE_DATA(fuse_bvec) *self, unsigned long addr, size_t len)
{
	return test_rw_fixed(&self->tr, false, self->fd, SLOT, addr, len,
			     OFFSET) == (int)len &&
	       test_rw_fixed(&self->tr, true, self->fd, SLOT, addr, len,
			     OFFSET + len) == (int)len;
}

static void expect_copied(struct __test_metadata *_metadata,
			  FIXTURE_DATA(fuse_bvec) *self, size_t len)
{
	memcpy(self->d.want + OFFSET + len, self->d.want + OFFSET, len);
	EXPECT_TRUE(fuse_data_backing_is(&self->d, DATA_SIZE));
}

TEST_F_TIMEOUT(fuse_bvec, registered_memory, TIMEOUT)
{
	const size_t lens[] = { DATA_ZC_MIN, LEN, LEN + 512 };
	unsigned int i;

	register_memory(_metadata, self, 2 * LEN);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		memset(self->d.buf, DATA_OLD, 2 * LEN);
		ASSERT_TRUE(do_io(self, (unsigned long)self->d.buf, lens[i]));
		EXPECT_EQ(0, memcmp(self->d.buf, self->d.want + OFFSET,
				    lens[i]));
		EXPECT_EQ(DATA_OLD, self->d.buf[lens[i]]);
		expect_copied(_metadata, self, lens[i]);
		EXPECT_EQ(2 * (i + 1), count(self, "zero_copy"));
	}
	EXPECT_EQ(0, count(self, "fallback"));
}

/* Not aligned to sectors: the server could not use O_DIRECT on that */
TEST_F_TIMEOUT(fuse_bvec, odd_memory, TIMEOUT)
{
	register_memory(_metadata, self, 2 * LEN);
	ASSERT_TRUE(do_io(self, (unsigned long)self->d.buf + 16, LEN));
	EXPECT_EQ(0, memcmp(self->d.buf + 16, self->d.want + OFFSET, LEN));
	expect_copied(_metadata, self, LEN);
	EXPECT_EQ(0, count(self, "zero_copy"));
	EXPECT_EQ(0, count(self, "fallback"));
	EXPECT_EQ(2, count(self, "buffer"));
}

/* Memory of a subsystem: only the kind of memory differs */
static void kernel_memory(struct __test_metadata *_metadata,
			  FIXTURE_DATA(fuse_bvec) *self, unsigned int order,
			  unsigned int flags, bool held)
{
	const unsigned int nr = LEN / 4096;
	struct io_uring_mock_bvec bvs[LEN / 4096];
	int mock = mock_create_flags(nr >> order, order, flags);

	if (mock_missing(mock))
		SKIP(return, "%s", mock_missing(mock));
	ASSERT_LE(0, mock);
	mock_bvecs_linear(bvs, nr);
	ASSERT_EQ(0, mock_register(&self->tr, mock, bvs, nr, SLOT,
				   BUF_DEST | BUF_SOURCE));
	ASSERT_TRUE(do_io(self, 0, LEN));
	expect_copied(_metadata, self, LEN);
	EXPECT_EQ(held ? 2 : 0, count(self, "zero_copy"));
	EXPECT_EQ(held ? 0 : 2, count(self, "fallback"));
	EXPECT_EQ(held ? 0 : 2, count(self, "buffer"));
	EXPECT_EQ(0, mock_unregister(&self->tr, mock, SLOT));
	close(mock);
}

TEST_F_TIMEOUT(fuse_bvec, pages, TIMEOUT)
{
	kernel_memory(_metadata, self, 0, 0, true);
}

TEST_F_TIMEOUT(fuse_bvec, large_folio, TIMEOUT)
{
	kernel_memory(_metadata, self, LEN_ORDER, 0, true);
}

TEST_F_TIMEOUT(fuse_bvec, slab, TIMEOUT)
{
	kernel_memory(_metadata, self, 0, IORING_MOCK_KMBUF_KMALLOC, false);
}

TEST_F_TIMEOUT(fuse_bvec, large_kmalloc, TIMEOUT)
{
	kernel_memory(_metadata, self, LEN_ORDER, IORING_MOCK_KMBUF_KMALLOC,
		      false);
}

/* A block device backed by the file, with direct I/O; -1 if there is none */
static int open_loop(FIXTURE_DATA(fuse_bvec) *self)
{
	struct loop_config config = {
		.fd = self->fd,
		.info = { .lo_flags = LO_FLAGS_DIRECT_IO },
	};
	int control = open("/dev/loop-control", O_RDWR);
	char path[32];
	int fd, nr;

	nr = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (nr < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/loop%d", nr);
	fd = open(path, O_RDWR | O_DIRECT);
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config))
		return -1;
	return fd;
}

/* Wait up to ten seconds until the device has released the file */
static bool wait_unused(FIXTURE_DATA(fuse_bvec) *self)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000000L };
	unsigned int i;

	close(self->fd);
	self->fd = -1;
	for (i = 0; i < 1000; i++) {
		/*
		 * this does not unmount it, but tests whether it could be
		 * unmounted
		 */
		if (umount2(self->d.ft.dir, MNT_EXPIRE) && errno == EAGAIN)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

TEST_F_TIMEOUT(fuse_bvec, loop_device, TIMEOUT)
{
	struct loop_info64 info;
	long long reads, writes;
	int loop;

	if (access("/dev/loop-control", F_OK))
		SKIP(return, "needs loop devices");
	loop = open_loop(self);
	ASSERT_LE(0, loop);
	ASSERT_EQ(0, ioctl(loop, LOOP_GET_STATUS64, &info));
	EXPECT_TRUE(info.lo_flags & LO_FLAGS_DIRECT_IO);

	memset(self->d.buf, DATA_OLD, DATA_MAX_IO);
	reads = count(self, "zero_copy");
	EXPECT_EQ(DATA_MAX_IO, pread(loop, self->d.buf, DATA_MAX_IO, OFFSET));
	EXPECT_EQ(0, memcmp(self->d.buf, self->d.want + OFFSET, DATA_MAX_IO));
	writes = count(self, "zero_copy");
	EXPECT_LT(reads, writes);
	EXPECT_EQ(LEN, pwrite(loop, self->d.buf, LEN, OFFSET + LEN));
	expect_copied(_metadata, self, LEN);
	EXPECT_LT(writes, count(self, "zero_copy"));
	EXPECT_EQ(0, count(self, "fallback"));
	EXPECT_EQ(0, ioctl(loop, LOOP_CLR_FD));
	close(loop);
	EXPECT_TRUE(wait_unused(self));
}

TEST_HARNESS_MAIN
