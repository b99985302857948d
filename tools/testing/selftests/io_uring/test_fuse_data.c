// SPDX-License-Identifier: GPL-2.0
/*
 * A directory on tmpfs, seen through a FUSE server: what is read is what the
 * backing file has, what is written is what it gets, whichever way requests
 * and data take. Counters tell that they took it.
 */
#include "kselftest_harness.h"
#include "fuse_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TIMEOUT		300
#define SEED		5
#define PAGE		4096
#define MAX_IO		(1024 * 1024)
/* neither ends with a page, nor with what is read at a time */
#define SIZE		(2 * MAX_IO + 1234)
/* from here on without a copy */
#define ZC_MIN		8192
#define NAME		"user.test"
#define XATTR_LEN	65536
#define OLD		0xa5

FIXTURE(fuse_data)
{
	struct fuse_test ft;
	/* what the server serves; shared with it */
	struct fuse_dir *dir;
	char back[32];
	int back_fd;
	/* the client's memory, and what the backing file should hold */
	unsigned char *buf;
	unsigned char *want;
	unsigned char *have;
};

FIXTURE_VARIANT(fuse_data)
{
	enum fuse_mode mode;
};

FIXTURE_VARIANT_ADD(fuse_data, dev) {
	.mode = FUSE_MODE_DEV,
};

FIXTURE_VARIANT_ADD(fuse_data, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_data, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_data, zc) {
	.mode = FUSE_MODE_ZC,
};

/* A tmpfs that nobody else sees, with one file */
static int make_backing(FIXTURE_DATA(fuse_data) *self)
{
	char path[64];

	snprintf(self->back, sizeof(self->back), "/tmp/back.XXXXXX");
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(self->back) || mount("back", self->back, "tmpfs", 0, NULL))
		return -errno;
	snprintf(path, sizeof(path), "%s/" FUSE_TEST_FILE, self->back);
	self->back_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	fill_pattern(self->want, SIZE, SEED);
	return pwrite(self->back_fd, self->want, SIZE, 0) == SIZE ? 0 : -EIO;
}

/* Serve it as @ft says: 0 or what fuse_test_missing() knows */
static int set_up(struct __test_metadata *_metadata,
		  FIXTURE_DATA(fuse_data) *self, const struct fuse_test *ft)
{
	struct stat st;
	int ret;

	self->buf = aligned_alloc(PAGE, SIZE + PAGE - SIZE % PAGE);
	self->want = calloc(1, 2 * SIZE);
	self->have = malloc(2 * SIZE);
	self->dir = mmap(NULL, sizeof(*self->dir), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT_NE(MAP_FAILED, self->dir);
	EXPECT_EQ(0, make_backing(self));
	self->ft = *ft;
	self->ft.depth = 4;
	self->ft.buffers = 2;
	self->ft.zero_copy_min = ZC_MIN;
	EXPECT_EQ(0, fuse_dir_init(self->dir, &self->ft, self->back));
	ret = fuse_test_mount(&self->ft);
	/* the server is there, also for who has nothing to ask it */
	if (!ret)
		EXPECT_EQ(0, stat(self->ft.file, &st));
	return ret;
}

static void tear_down(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_data) *self)
{
	close(self->back_fd);
	fuse_dir_exit(self->dir);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	EXPECT_EQ(0, umount(self->back));
	rmdir(self->back);
	munmap(self->dir, sizeof(*self->dir));
	free(self->have);
	free(self->want);
	free(self->buf);
}

FIXTURE_SETUP(fuse_data)
{
	const struct fuse_test ft = { .mode = variant->mode };
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ret = set_up(_metadata, self, &ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_data)
{
	tear_down(_metadata, self);
}

/* Every length with every offset: both ends of the file, odd places, its end */
static bool nth_io(unsigned int n, size_t *len, size_t *offset)
{
	const size_t lens[] = {
		1, 4096, 4097, ZC_MIN - 1, ZC_MIN, 65536, MAX_IO,
	};
	const unsigned int nr_offsets = 5;

	if (n / nr_offsets >= ARRAY_SIZE(lens))
		return false;
	*len = lens[n / nr_offsets];
	*offset = ((const size_t[]) {
		0, PAGE - 1, 12345, SIZE - *len, SIZE - *len / 2,
	})[n % nr_offsets];
	return true;
}

/* Is @size, and all in it, what the backing file has? */
static bool backing_is(FIXTURE_DATA(fuse_data) *self, size_t size)
{
	return pread(self->back_fd, self->have, 2 * SIZE, 0) == (ssize_t)size &&
	       !memcmp(self->have, self->want, size);
}

static bool all_are(const unsigned char *buf, size_t len, unsigned char byte)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != byte)
			return false;
	return true;
}

/* Every @step-th of them */
static void check_reads(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_data) *self, int flags,
			unsigned int step)
{
	size_t len, offset, got;
	unsigned int n;
	int fd;

	for (n = 0; nth_io(n, &len, &offset); n += step) {
		/* every other I/O starts in the middle of a page */
		unsigned char *buf = self->buf + n % 2 * 512;

		got = offset + len > SIZE ? SIZE - offset : len;
		memset(self->buf, OLD, len + PAGE);
		/* nothing is cached of a file that was not open */
		fd = open(self->ft.file, O_RDONLY | flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(got, pread(fd, buf, len, offset));
		EXPECT_EQ(0, memcmp(buf, self->want + offset, got)) {
			TH_LOG("%zu bytes at %zu", len, offset);
		}
		/* where nothing was read there is nothing, old or none */
		EXPECT_TRUE(all_are(buf + got, len - got, OLD) ||
			    all_are(buf + got, len - got, 0));
		EXPECT_TRUE(all_are(buf + len, 512, OLD));
		close(fd);
	}
}

static void check_writes(struct __test_metadata *_metadata,
			 FIXTURE_DATA(fuse_data) *self, int flags,
			 unsigned int step)
{
	size_t len, offset, size = SIZE;
	unsigned int n;
	int fd;

	for (n = 0; nth_io(n, &len, &offset); n += step) {
		unsigned char *buf = self->buf + n % 2 * 512;

		fill_pattern(buf, len, SEED + n + 1);
		memcpy(self->want + offset, buf, len);
		if (offset + len > size)
			size = offset + len;
		fd = open(self->ft.file, O_WRONLY | flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(len, pwrite(fd, buf, len, offset));
		ASSERT_EQ(0, close(fd));
		ASSERT_TRUE(backing_is(self, size)) {
			TH_LOG("%zu bytes at %zu", len, offset);
		}
	}
}

TEST_F_TIMEOUT(fuse_data, buffered_reads, TIMEOUT)
{
	check_reads(_metadata, self, 0, 1);
}

TEST_F_TIMEOUT(fuse_data, direct_reads, TIMEOUT)
{
	check_reads(_metadata, self, O_DIRECT, 1);
}

TEST_F_TIMEOUT(fuse_data, buffered_writes, TIMEOUT)
{
	check_writes(_metadata, self, 0, 1);
}

TEST_F_TIMEOUT(fuse_data, direct_writes, TIMEOUT)
{
	check_writes(_metadata, self, O_DIRECT, 1);
}

TEST_F_TIMEOUT(fuse_data, mapped, TIMEOUT)
{
	unsigned char *map;
	unsigned int i;
	int fd;

	fd = open(self->ft.file, O_RDWR);
	ASSERT_GE(fd, 0);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	/* pages in no order, written without having been read */
	for (i = 0; i < SIZE; i += 7 * PAGE) {
		map[i] = i / PAGE;
		self->want[i] = map[i];
	}
	EXPECT_EQ(0, memcmp(map, self->want, SIZE));
	EXPECT_EQ(0, msync(map, SIZE, MS_SYNC));
	EXPECT_TRUE(backing_is(self, SIZE));
	munmap(map, SIZE);
	close(fd);
}

TEST_F(fuse_data, append_and_truncate)
{
	const size_t half = SIZE / 2;
	int fd;

	fd = open(self->ft.file, O_RDWR | O_APPEND);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, half));
	EXPECT_TRUE(backing_is(self, half));

	/* what was cut off does not come back */
	ASSERT_EQ(0, ftruncate(fd, half + 3 * PAGE));
	memset(self->want + half, 0, 3 * PAGE);
	EXPECT_TRUE(backing_is(self, half + 3 * PAGE));
	EXPECT_EQ(3 * PAGE, pread(fd, self->buf, PAGE * 4, half));
	EXPECT_TRUE(all_are(self->buf, 3 * PAGE, 0));

	ASSERT_EQ(0, ftruncate(fd, half));
	fill_pattern(self->want + half, 100000, SEED + 1);
	EXPECT_EQ(100, write(fd, self->want + half, 100));
	EXPECT_EQ(99900, write(fd, self->want + half + 100, 99900));
	EXPECT_TRUE(backing_is(self, half + 100000));
	close(fd);

	fd = open(self->ft.file, O_RDWR | O_TRUNC);
	EXPECT_GE(fd, 0);
	EXPECT_TRUE(backing_is(self, 0));
	close(fd);
}

/* Make it likely that pages that are allocated next are not empty */
static void dirty_free_memory(void)
{
	const size_t size = 4UL * 1024 * 1024;
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(mem, OLD, size);
	munmap(mem, size);
}

/* A server that has less than there was ends the file for the client */
TEST_F(fuse_data, short_reads)
{
	const size_t lens[] = { 1, 100, PAGE - 1, PAGE + 1, 3 * PAGE - 10 };
	unsigned char *map;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		const size_t len = lens[i];
		const size_t tail = (PAGE - len % PAGE) % PAGE;

		self->dir->max_io = len;
		dirty_free_memory();
		fd = open(self->ft.file, O_RDONLY);
		ASSERT_GE(fd, 0);
		map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		memset(self->buf, OLD, 4 * PAGE);
		EXPECT_EQ(len, pread(fd, self->buf, 4 * PAGE, 0));
		EXPECT_EQ(0, memcmp(self->buf, self->want, len));
		EXPECT_TRUE(all_are(self->buf + len, PAGE, OLD));
		/* the rest of the page can be seen like this alone */
		EXPECT_EQ(0, memcmp(map, self->want, len));
		EXPECT_TRUE(all_are(map + len, tail, 0));
		munmap(map, SIZE);
		close(fd);
	}
}

/*
 * Nobody has written to the pages. What there is may be nothing, or the
 * client's own, but not what others had there.
 */
TEST_F(fuse_data, unfilled_reads)
{
	int fd;

	if (variant->mode != FUSE_MODE_ZC)
		return;
	self->dir->unfilled = true;
	dirty_free_memory();
	fd = open(self->ft.file, O_RDONLY);
	ASSERT_GE(fd, 0);
	/* enough for it to be read ahead, without a copy */
	EXPECT_EQ(MAX_IO, pread(fd, self->buf, MAX_IO, 0));
	EXPECT_TRUE(all_are(self->buf, MAX_IO, 0));
	EXPECT_GE(fuse_test_counter(&self->ft, "zero_copy"), 1);
	close(fd);

	memset(self->buf, OLD, MAX_IO);
	fd = open(self->ft.file, O_RDONLY | O_DIRECT);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(MAX_IO, pread(fd, self->buf, MAX_IO, 0));
	EXPECT_TRUE(all_are(self->buf, MAX_IO, 0) ||
		    all_are(self->buf, MAX_IO, OLD));
	close(fd);
}

/* With a cache, the rest would be asked for again */
/* What is behind the end that the server tells is not the client's to see */
TEST_F(fuse_data, overfilled_reads)
{
	const size_t len = PAGE + 1;
	unsigned char *map;
	int fd;

	if (variant->mode != FUSE_MODE_ZC)
		return;
	self->dir->claim = len;
	fd = open(self->ft.file, O_RDONLY);
	ASSERT_GE(fd, 0);
	map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	/* enough for it to be read ahead, without a copy */
	EXPECT_EQ(len, pread(fd, self->buf, MAX_IO, 0));
	EXPECT_GE(fuse_test_counter(&self->ft, "zero_copy"), 1);
	EXPECT_EQ(0, memcmp(map, self->want, len));
	EXPECT_TRUE(all_are(map + len, 2 * PAGE - len, 0));
	munmap(map, SIZE);
	close(fd);
}

TEST_F(fuse_data, short_direct_io)
{
	const size_t len = 50000;
	int fd;

	self->dir->max_io = len;
	self->dir->open_flags |= FOPEN_DIRECT_IO;
	fd = open(self->ft.file, O_RDWR);
	ASSERT_GE(fd, 0);
	memset(self->buf, OLD, MAX_IO + PAGE);
	EXPECT_EQ(len, pread(fd, self->buf, MAX_IO, PAGE));
	EXPECT_EQ(0, memcmp(self->buf, self->want + PAGE, len));
	EXPECT_TRUE(all_are(self->buf + len, MAX_IO - len, OLD) ||
		    all_are(self->buf + len, MAX_IO - len, 0));
	EXPECT_TRUE(all_are(self->buf + MAX_IO, PAGE, OLD));

	fill_pattern(self->buf, MAX_IO, SEED + 1);
	memcpy(self->want + PAGE, self->buf, len);
	EXPECT_EQ(len, pwrite(fd, self->buf, MAX_IO, PAGE));
	EXPECT_TRUE(backing_is(self, SIZE));
	close(fd);
}

/* An error of the backing file is one of the client, in either direction */
TEST_F(fuse_data, errors)
{
	char dir[300];
	int fd;

	fd = open(self->ft.file, O_WRONLY);
	ASSERT_GE(fd, 0);
	/* no memory is that large */
	EXPECT_EQ(-1, fallocate(fd, 0, 0, 1LL << 50));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       PAGE, PAGE));
	memset(self->want + PAGE, 0, PAGE);
	EXPECT_TRUE(backing_is(self, SIZE));
	close(fd);
	snprintf(dir, sizeof(dir), "%s/nothing", self->ft.dir);
	EXPECT_EQ(-1, open(dir, O_RDONLY));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(0, mkdir(dir, 0700));
	EXPECT_EQ(-1, mkdir(dir, 0700));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(0, rmdir(dir));
}

/* More of them than one reply holds, with names of all lengths */
TEST_F_TIMEOUT(fuse_data, readdir, TIMEOUT)
{
	const unsigned int nr = 500;
	bool seen[500] = { };
	struct dirent *entry;
	unsigned int i, found = 0;
	char path[512], pad[256];
	DIR *dir;

	memset(pad, 'x', sizeof(pad));
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%04u%.*s", self->back, i,
			 i % 250, pad);
		ASSERT_EQ(0, mknod(path, S_IFREG | 0600, 0));
	}
	dir = opendir(self->ft.dir);
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "%4u", &i) != 1)
			continue;
		ASSERT_LT(i, nr);
		EXPECT_EQ(4 + i % 250, strlen(entry->d_name));
		EXPECT_FALSE(seen[i]);
		seen[i] = true;
		found++;
	}
	EXPECT_EQ(nr, found);
	closedir(dir);
}

TEST_F(fuse_data, xattr)
{
	const size_t lens[] = { 1, 700, 4096, XATTR_LEN };
	char path[64], list[64];
	unsigned int i;

	snprintf(path, sizeof(path), "%s/" FUSE_TEST_FILE, self->back);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		fill_pattern(self->want, lens[i], SEED + i);
		ASSERT_EQ(0, setxattr(self->ft.file, NAME, self->want, lens[i],
				      0));
		EXPECT_EQ(lens[i], getxattr(path, NAME, self->buf, XATTR_LEN));
		EXPECT_EQ(0, memcmp(self->want, self->buf, lens[i]));

		memset(self->buf, OLD, XATTR_LEN);
		EXPECT_EQ(lens[i], getxattr(self->ft.file, NAME, NULL, 0));
		EXPECT_EQ(lens[i], getxattr(self->ft.file, NAME, self->buf,
					    XATTR_LEN));
		EXPECT_EQ(0, memcmp(self->want, self->buf, lens[i]));
	}
	EXPECT_EQ(-1, getxattr(self->ft.file, NAME, self->buf, XATTR_LEN - 1));
	EXPECT_EQ(ERANGE, errno);
	EXPECT_EQ(sizeof(NAME), listxattr(self->ft.file, list, sizeof(list)));
	EXPECT_STREQ(NAME, list);
	EXPECT_EQ(0, removexattr(self->ft.file, NAME));
	EXPECT_EQ(0, listxattr(path, list, sizeof(list)));
}

/* Both ways, with targets that are inline and ones that are not */
TEST_F(fuse_data, symlink)
{
	const size_t lens[] = { 1, 300, 700, 1000, PATH_MAX - 1 };
	char target[PATH_MAX], path[320], back[64];
	unsigned int i;

	snprintf(path, sizeof(path), "%s/link", self->ft.dir);
	snprintf(back, sizeof(back), "%s/link", self->back);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		memset(target, 'a' + i, lens[i]);
		target[lens[i]] = 0;
		ASSERT_EQ(0, symlink(target, path));
		EXPECT_EQ(lens[i], readlink(back, (char *)self->buf, PATH_MAX));
		EXPECT_EQ(0, memcmp(target, self->buf, lens[i]));
		memset(self->buf, OLD, PATH_MAX);
		EXPECT_EQ(lens[i], readlink(path, (char *)self->buf, PATH_MAX));
		EXPECT_EQ(0, memcmp(target, self->buf, lens[i]));
		ASSERT_EQ(0, unlink(path));
	}
}

static const char * const counters[] = {
	"none", "inline", "buffer", "zero_copy", "fallback", "buffer_wait",
};

struct counts {
	long long nr[ARRAY_SIZE(counters)];
};

static struct counts count(FIXTURE_DATA(fuse_data) *self)
{
	struct counts counts;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		counts.nr[i] = fuse_test_counter(&self->ft, counters[i]);
	return counts;
}

/* One request has been counted, as @as; and up to @others small ones */
static void expect_counted(struct __test_metadata *_metadata,
			   FIXTURE_DATA(fuse_data) *self,
			   const struct counts *before, const char *as,
			   unsigned int others)
{
	struct counts after = count(self);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		long long more = after.nr[i] - before->nr[i];
		long long least = !strcmp(counters[i], as);
		long long most = least;

		if (!strcmp(counters[i], "inline"))
			most += others;
		ASSERT_GE(before->nr[i], 0) {
			TH_LOG("no counter %s", counters[i]);
		}
		EXPECT_GE(more, least) {
			TH_LOG("%s", counters[i]);
		}
		EXPECT_LE(more, most) {
			TH_LOG("%s", counters[i]);
		}
	}
}

/* What one read and one write of @len bytes are counted as */
static void expect_io_counted(struct __test_metadata *_metadata,
			      FIXTURE_DATA(fuse_data) *self, int fd,
			      size_t len, const char *as)
{
	struct counts before = count(self);

	ASSERT_EQ(len, pread(fd, self->buf, len, 0));
	expect_counted(_metadata, self, &before, as, 0);
	/* a write looks for the file's capabilities, to take them away */
	before = count(self);
	ASSERT_EQ(len, pwrite(fd, self->buf, len, 0));
	expect_counted(_metadata, self, &before, as, 1);
}

TEST_F(fuse_data, counters)
{
	const bool zc = variant->mode == FUSE_MODE_ZC;
	/* read and write have a header that is not part of it */
	const size_t room = FUSE_TEST_STRIDE -
			    sizeof(struct fuse_uring_req_header);
	int fd;

	fd = open(self->ft.file, O_RDWR | O_DIRECT);
	ASSERT_GE(fd, 0);
	if (variant->mode < FUSE_MODE_KMBUF) {
		/* nothing that could be counted */
		ASSERT_EQ(1000, pread(fd, self->buf, 1000, 0));
		EXPECT_LE(fuse_test_counter(&self->ft, "inline"), 0);
		EXPECT_LE(fuse_test_counter(&self->ft, "buffer"), 0);
		close(fd);
		return;
	}
	expect_io_counted(_metadata, self, fd, 1, "inline");
	expect_io_counted(_metadata, self, fd, room, "inline");
	expect_io_counted(_metadata, self, fd, room + 1, "buffer");
	expect_io_counted(_metadata, self, fd, ZC_MIN - 1, "buffer");
	expect_io_counted(_metadata, self, fd, ZC_MIN,
			  zc ? "zero_copy" : "buffer");
	expect_io_counted(_metadata, self, fd, MAX_IO,
			  zc ? "zero_copy" : "buffer");
	close(fd);
}

/*
 * Rings, commands, entries of other kinds, and writes that come when nobody
 * waits for them: the same ways, a few reads and writes
 */
FIXTURE(fuse_data_rings)
{
	FIXTURE_DATA(fuse_data) data;
};

FIXTURE_VARIANT(fuse_data_rings)
{
	enum fuse_mode mode;
	unsigned int ring_flags;
	unsigned int sqe_flags;
	unsigned long long init_flags;
	bool mixed;
};

FIXTURE_VARIANT_ADD(fuse_data_rings, kmbuf_writeback) {
	.mode = FUSE_MODE_KMBUF,
	.init_flags = FUSE_WRITEBACK_CACHE,
};

FIXTURE_VARIANT_ADD(fuse_data_rings, zc_writeback) {
	.mode = FUSE_MODE_ZC,
	.init_flags = FUSE_WRITEBACK_CACHE,
};

FIXTURE_VARIANT_ADD(fuse_data_rings, zc_mixed) {
	.mode = FUSE_MODE_ZC,
	.mixed = true,
};

FIXTURE_VARIANT_ADD(fuse_data_rings, kmbuf_async) {
	.mode = FUSE_MODE_KMBUF,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(fuse_data_rings, kmbuf_sqpoll) {
	.mode = FUSE_MODE_KMBUF,
	.ring_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(fuse_data_rings, zc_async) {
	.mode = FUSE_MODE_ZC,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(fuse_data_rings, zc_sqpoll) {
	.mode = FUSE_MODE_ZC,
	.ring_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(fuse_data_rings, zc_defer) {
	.mode = FUSE_MODE_ZC,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(fuse_data_rings)
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
	ret = set_up(_metadata, &self->data, &ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_data_rings)
{
	tear_down(_metadata, &self->data);
}

TEST_F_TIMEOUT(fuse_data_rings, buffered, TIMEOUT)
{
	check_reads(_metadata, &self->data, 0, 7);
	check_writes(_metadata, &self->data, 0, 7);
}

TEST_F_TIMEOUT(fuse_data_rings, direct, TIMEOUT)
{
	check_reads(_metadata, &self->data, O_DIRECT, 7);
	check_writes(_metadata, &self->data, O_DIRECT, 7);
}

TEST_HARNESS_MAIN
