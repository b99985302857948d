// SPDX-License-Identifier: GPL-2.0
/*
 * A server that opens its files with O_DIRECT, on a disk with blocks of 512
 * bytes that needs memory aligned to 512 bytes. All lengths and alignments of
 * the client's memory that work over /dev/fuse work in all other modes, with
 * the same data, though the server does not choose its memory there.
 */
#include "kselftest_harness.h"
#include "fuse_dir.h"
#include "iou_ext4.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define TIMEOUT		300
#define SECTOR		512
#define PAGE		4096
#define MIB		(1024 * 1024)
#define SEED		8
#define OLD		0xa5
/* a multiple neither of the page size nor of the largest I/O */
#define FILE_SIZE	(3 * MIB + 3 * SECTOR)
#define ZC_MIN		8192

/* Lengths of reads and writes, and their offsets in a page of the client */
static const size_t lens[] = {
	SECTOR, 2 * SECTOR, 3 * SECTOR, PAGE - SECTOR, PAGE, PAGE + SECTOR,
	ZC_MIN, ZC_MIN + SECTOR, 65536 - SECTOR, 65536, MIB - SECTOR, MIB,
	MIB + SECTOR, 2 * MIB,
};

static const size_t places[] = { 0, SECTOR, PAGE - SECTOR, 16, 288, 3001 };

FIXTURE(fuse_direct)
{
	struct fuse_test ft;
	struct fuse_dir *dir;
	/* the client's memory, and the expected contents of the file */
	unsigned char *buf;
	unsigned char *want;
	int back_fd;
	int fd;
};

FIXTURE_VARIANT(fuse_direct)
{
	enum fuse_mode mode;
	unsigned int hdr_stride;
};

FIXTURE_VARIANT_ADD(fuse_direct, dev) {
	.mode = FUSE_MODE_DEV,
};

FIXTURE_VARIANT_ADD(fuse_direct, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_direct, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

/* More requests fit inline */
FIXTURE_VARIANT_ADD(fuse_direct, kmbuf_large_headers) {
	.mode = FUSE_MODE_KMBUF,
	.hdr_stride = 3 * PAGE,
};

FIXTURE_VARIANT_ADD(fuse_direct, zc) {
	.mode = FUSE_MODE_ZC,
};

static void make_file(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_direct) *self, const char *dir)
{
	char path[64];

	/* room before and behind the data */
	self->buf = aligned_alloc(PAGE, 2 * MIB + 2 * PAGE);
	self->want = aligned_alloc(PAGE, FILE_SIZE + PAGE - FILE_SIZE % PAGE);
	self->dir = shared_alloc(sizeof(*self->dir));
	ASSERT_TRUE(self->buf && self->want && self->dir);
	snprintf(path, sizeof(path), "%s/" FUSE_TEST_FILE, dir);
	self->back_fd = open(path, O_RDWR | O_CREAT, 0600);
	ASSERT_LE(0, self->back_fd);
	fill_pattern(self->want, FILE_SIZE, SEED);
	ASSERT_EQ(FILE_SIZE, write(self->back_fd, self->want, FILE_SIZE));
	ASSERT_EQ(0, fsync(self->back_fd));
}

FIXTURE_SETUP(fuse_direct)
{
	const char *dir;
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	dir = test_ext4_mount(1024);
	if (!dir)
		SKIP(return, "needs loop devices and ext4");
	make_file(_metadata, self, dir);
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.hdr_stride = variant->hdr_stride,
		.zero_copy_min = ZC_MIN,
		.depth = 4,
		.buffers = 2,
	};
	ASSERT_EQ(0, fuse_dir_init(self->dir, &self->ft, dir));
	self->dir->backing_flags = O_DIRECT;
	self->dir->open_flags |= FOPEN_DIRECT_IO;
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	self->fd = open(self->ft.file, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(fuse_direct)
{
	close(self->fd);
	close(self->back_fd);
	fuse_dir_exit(self->dir);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	munmap(self->dir, sizeof(*self->dir));
	free(self->want);
	free(self->buf);
}

/*
 * Even over /dev/fuse, unaligned memory is split at the maximum number of pages
 * of a request, and the rest is not in whole sectors.
 */
static bool is_cut(size_t place, size_t len)
{
	return place % SECTOR && place + len > MIB;
}

/* Offsets in the middle and at the end of the file */
static size_t nth_offset(unsigned int n, size_t len)
{
	return ((const size_t[]) { 0, SECTOR, FILE_SIZE - len })[n % 3];
}

static bool read_one(FIXTURE_DATA(fuse_direct) *self, size_t place, size_t len,
		     size_t offset)
{
	unsigned char *at = self->buf + place;

	memset(self->buf, OLD, place + len + 1);
	return pread(self->fd, at, len, offset) == (ssize_t)len &&
	       !memcmp(at, self->want + offset, len) &&
	       (!place || at[-1] == OLD) && at[len] == OLD;
}

static bool write_one(FIXTURE_DATA(fuse_direct) *self, size_t place, size_t len,
		      size_t offset, unsigned int seed)
{
	unsigned char *at = self->buf + place;

	fill_pattern(at, len, seed);
	memcpy(self->want + offset, at, len);
	if (pwrite(self->fd, at, len, offset) != (ssize_t)len)
		return false;
	memset(at, 0, len);
	return pread(self->back_fd, at, len, offset) == (ssize_t)len &&
	       !memcmp(at, self->want + offset, len);
}

TEST_F_TIMEOUT(fuse_direct, reads, TIMEOUT)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (j = 0; j < ARRAY_SIZE(places); j++) {
			if (is_cut(places[j], lens[i]))
				continue;
			EXPECT_TRUE(read_one(self, places[j], lens[i],
					     nth_offset(i + j, lens[i]))) {
				TH_LOG("%zu bytes to %zu: %s", lens[i],
				       places[j], strerror(errno));
			}
		}
	}
}

TEST_F_TIMEOUT(fuse_direct, writes, TIMEOUT)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (j = i % 2; j < ARRAY_SIZE(places); j += 2) {
			if (is_cut(places[j], lens[i]))
				continue;
			EXPECT_TRUE(write_one(self, places[j], lens[i],
					      nth_offset(i + j, lens[i]),
					      SEED + 1 + i + j)) {
				TH_LOG("%zu bytes from %zu: %s", lens[i],
				       places[j], strerror(errno));
			}
		}
	}
}

/* Pieces of memory that are whole sectors only in sum */
TEST_F_TIMEOUT(fuse_direct, pieces, TIMEOUT)
{
	const size_t len = 65536, first = 700, second = 3000;
	const struct iovec iov[] = {
		{ self->buf, first },
		{ self->buf + PAGE + SECTOR, second },
		{ self->buf + 3 * PAGE, len - first - second },
	};

	memset(self->buf, OLD, 2 * MIB);
	ASSERT_EQ(len, preadv(self->fd, iov, 3, PAGE));
	EXPECT_EQ(0, memcmp(iov[0].iov_base, self->want + PAGE, first));
	EXPECT_EQ(0, memcmp(iov[1].iov_base, self->want + PAGE + first,
			    second));
	EXPECT_EQ(0, memcmp(iov[2].iov_base, self->want + PAGE + first + second,
			    iov[2].iov_len));
	ASSERT_EQ(len, pwritev(self->fd, iov, 3, 2 * PAGE));
	ASSERT_EQ(len, pread(self->back_fd, self->buf, len, 2 * PAGE));
	EXPECT_EQ(0, memcmp(self->buf, self->want + PAGE, len));
}

/* I/O that ends within a sector ends there in every mode */
TEST_F_TIMEOUT(fuse_direct, end_of_file, TIMEOUT)
{
	const size_t size = MIB + 100;

	ASSERT_EQ(0, ftruncate(self->back_fd, size));
	memset(self->buf, OLD, 2 * MIB);
	EXPECT_EQ(100, pread(self->fd, self->buf, SECTOR, MIB));
	EXPECT_EQ(0, memcmp(self->buf, self->want + MIB, 100));
	EXPECT_EQ(PAGE + 100, pread(self->fd, self->buf, MIB, MIB - PAGE));
	EXPECT_EQ(0, memcmp(self->buf, self->want + MIB - PAGE, PAGE + 100));
}

TEST_HARNESS_MAIN
