// SPDX-License-Identifier: GPL-2.0
/*
 * A directory on tmpfs, seen through a FUSE server: reads and writes are
 * compared with the backing file, for all ways to transfer requests and data.
 * The counters show that the intended way was used.
 */
#include "kselftest_harness.h"
#include "fuse_data.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TIMEOUT		300
#define NAME		"user.test"
#define XATTR_LEN	65536
#define TRUNCATIONS	20

FIXTURE(fuse_data)
{
	struct fuse_data d;
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

FIXTURE_VARIANT_ADD(fuse_data, headers) {
	.mode = FUSE_MODE_HEADERS,
};

FIXTURE_VARIANT_ADD(fuse_data, buffers) {
	.mode = FUSE_MODE_BUFFERS,
};

FIXTURE_VARIANT_ADD(fuse_data, buffers_zc) {
	.mode = FUSE_MODE_BUFFERS_ZC,
};

FIXTURE_SETUP(fuse_data)
{
	const struct fuse_test ft = { .mode = variant->mode };
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ret = fuse_data_init(&self->d, &ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_data)
{
	EXPECT_EQ(0, fuse_data_exit(&self->d));
}

TEST_F_TIMEOUT(fuse_data, buffered_reads, TIMEOUT)
{
	EXPECT_TRUE(fuse_data_reads(&self->d, 0, 1));
}

TEST_F_TIMEOUT(fuse_data, direct_reads, TIMEOUT)
{
	EXPECT_TRUE(fuse_data_reads(&self->d, O_DIRECT, 1));
}

TEST_F_TIMEOUT(fuse_data, buffered_writes, TIMEOUT)
{
	EXPECT_TRUE(fuse_data_writes(&self->d, 0, 1));
}

TEST_F_TIMEOUT(fuse_data, direct_writes, TIMEOUT)
{
	EXPECT_TRUE(fuse_data_writes(&self->d, O_DIRECT, 1));
}

TEST_F_TIMEOUT(fuse_data, mapped, TIMEOUT)
{
	unsigned char *map;
	unsigned int i;
	int fd;

	fd = open(self->d.ft.file, O_RDWR);
	ASSERT_GE(fd, 0);
	map = mmap(NULL, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	/* pages in no order, written without having been read */
	for (i = 0; i < DATA_SIZE; i += 7 * DATA_PAGE) {
		map[i] = i / DATA_PAGE;
		self->d.want[i] = map[i];
	}
	EXPECT_EQ(0, memcmp(map, self->d.want, DATA_SIZE));
	EXPECT_EQ(0, msync(map, DATA_SIZE, MS_SYNC));
	EXPECT_TRUE(fuse_data_backing_is(&self->d, DATA_SIZE));
	munmap(map, DATA_SIZE);
	close(fd);
}

TEST_F(fuse_data, append_and_truncate)
{
	const size_t half = DATA_SIZE / 2;
	int fd;

	fd = open(self->d.ft.file, O_RDWR | O_APPEND);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, half));
	EXPECT_TRUE(fuse_data_backing_is(&self->d, half));

	/* truncated data does not reappear */
	ASSERT_EQ(0, ftruncate(fd, half + 3 * DATA_PAGE));
	memset(self->d.want + half, 0, 3 * DATA_PAGE);
	EXPECT_TRUE(fuse_data_backing_is(&self->d, half + 3 * DATA_PAGE));
	EXPECT_EQ(3 * DATA_PAGE, pread(fd, self->d.buf, DATA_PAGE * 4, half));
	EXPECT_TRUE(bytes_are(self->d.buf, 3 * DATA_PAGE, 0));

	ASSERT_EQ(0, ftruncate(fd, half));
	fill_pattern(self->d.want + half, 100000, DATA_SEED + 1);
	EXPECT_EQ(100, write(fd, self->d.want + half, 100));
	EXPECT_EQ(99900, write(fd, self->d.want + half + 100, 99900));
	EXPECT_TRUE(fuse_data_backing_is(&self->d, half + 100000));
	close(fd);

	fd = open(self->d.ft.file, O_RDWR | O_TRUNC);
	EXPECT_GE(fd, 0);
	EXPECT_TRUE(fuse_data_backing_is(&self->d, 0));
	close(fd);
}

/* Is that the data written there, or zero? */
static bool was_there(const unsigned char *buf, const unsigned char *want,
		      size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] && buf[i] != want[i])
			return false;
	return true;
}

/* Read around the end of the file, which moves, until killed */
static pid_t read_on(FIXTURE_DATA(fuse_data) *self, size_t end, int flags)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = open(self->d.ft.file, O_RDONLY | flags);
	for (;;) {
		size_t offset = end - (rand() % 64 + 1) * DATA_PAGE;
		ssize_t len = pread(fd, self->d.buf, 128 * DATA_PAGE, offset);

		if (len < 0 ||
		    !was_there(self->d.buf, self->d.want + offset, len))
			_exit(1);
	}
}

/* A read during truncation returns the data, or less, but no other data */
TEST_F_TIMEOUT(fuse_data, truncate_races, TIMEOUT)
{
	const size_t end = DATA_SIZE / 2 / DATA_PAGE * DATA_PAGE;
	const size_t tail = 64 * DATA_PAGE;
	unsigned int i;
	int fd, status;
	pid_t pids[2];

	fd = open(self->d.ft.file, O_RDWR);
	ASSERT_GE(fd, 0);
	pids[0] = read_on(self, end, 0);
	pids[1] = read_on(self, end, O_DIRECT);
	for (i = 0; i < TRUNCATIONS; i++) {
		/* in the middle of a page every other time */
		ASSERT_EQ(0, ftruncate(fd, end - i % 2 * 100));
		ASSERT_EQ(0, ftruncate(fd, end + tail));
		ASSERT_EQ(tail + 100, pwrite(fd, self->d.want + end - 100,
					     tail + 100, end - 100));
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		kill(pids[i], SIGKILL);
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_TRUE(fuse_data_backing_is(&self->d, end + tail));
	EXPECT_EQ(end + tail, pread(fd, self->d.buf, DATA_SIZE, 0));
	EXPECT_EQ(0, memcmp(self->d.buf, self->d.want, end + tail));
	close(fd);
}

/* Make it likely that the next allocated pages are not zero */
static void dirty_free_memory(void)
{
	const size_t size = 4UL * 1024 * 1024;
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(mem, DATA_OLD, size);
	munmap(mem, size);
}

/* If the server has less data than expected, the file ends for the client */
TEST_F(fuse_data, short_reads)
{
	const size_t lens[] = {
		1, 100, DATA_PAGE - 1, DATA_PAGE + 1, 3 * DATA_PAGE - 10,
	};
	unsigned char *map;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		const size_t len = lens[i];
		const size_t tail = (DATA_PAGE - len % DATA_PAGE) % DATA_PAGE;

		self->d.dir->max_io = len;
		dirty_free_memory();
		fd = open(self->d.ft.file, O_RDONLY);
		ASSERT_GE(fd, 0);
		map = mmap(NULL, DATA_SIZE, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		memset(self->d.buf, DATA_OLD, 4 * DATA_PAGE);
		EXPECT_EQ(len, pread(fd, self->d.buf, 4 * DATA_PAGE, 0));
		EXPECT_EQ(0, memcmp(self->d.buf, self->d.want, len));
		EXPECT_TRUE(bytes_are(self->d.buf + len, DATA_PAGE, DATA_OLD));
		/* the rest of the page is only visible in a mapping */
		EXPECT_EQ(0, memcmp(map, self->d.want, len));
		EXPECT_TRUE(bytes_are(map + len, tail, 0));
		munmap(map, DATA_SIZE);
		close(fd);
	}
}

/*
 * The server has not filled the pages. They may be zero, or have the client's
 * own data, but no data of others.
 */
TEST_F(fuse_data, unfilled_reads)
{
	int fd;

	if (!fuse_mode_zero_copy(variant->mode))
		return;
	self->d.dir->unfilled = true;
	dirty_free_memory();
	fd = open(self->d.ft.file, O_RDONLY);
	ASSERT_GE(fd, 0);
	/* large enough for readahead with zero copy */
	EXPECT_EQ(DATA_MAX_IO, pread(fd, self->d.buf, DATA_MAX_IO, 0));
	EXPECT_TRUE(bytes_are(self->d.buf, DATA_MAX_IO, 0));
	EXPECT_GE(fuse_test_counter(&self->d.ft, "zero_copy"), 1);
	close(fd);

	memset(self->d.buf, DATA_OLD, DATA_MAX_IO);
	fd = open(self->d.ft.file, O_RDONLY | O_DIRECT);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(DATA_MAX_IO, pread(fd, self->d.buf, DATA_MAX_IO, 0));
	EXPECT_TRUE(bytes_are(self->d.buf, DATA_MAX_IO, 0) ||
		    bytes_are(self->d.buf, DATA_MAX_IO, DATA_OLD));
	close(fd);
}

/* The client must not see data behind the end of the reply */
TEST_F(fuse_data, overfilled_reads)
{
	const size_t len = DATA_PAGE + 1;
	unsigned char *map;
	int fd;

	if (!fuse_mode_zero_copy(variant->mode))
		return;
	self->d.dir->claim = len;
	fd = open(self->d.ft.file, O_RDONLY);
	ASSERT_GE(fd, 0);
	map = mmap(NULL, DATA_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	/* large enough for readahead with zero copy */
	EXPECT_EQ(len, pread(fd, self->d.buf, DATA_MAX_IO, 0));
	EXPECT_GE(fuse_test_counter(&self->d.ft, "zero_copy"), 1);
	EXPECT_EQ(0, memcmp(map, self->d.want, len));
	EXPECT_TRUE(bytes_are(map + len, 2 * DATA_PAGE - len, 0));
	munmap(map, DATA_SIZE);
	close(fd);
}

/* With a cache, the kernel would request the rest again */
TEST_F(fuse_data, short_direct_io)
{
	const size_t len = 50000;
	int fd;

	self->d.dir->max_io = len;
	self->d.dir->open_flags |= FOPEN_DIRECT_IO;
	fd = open(self->d.ft.file, O_RDWR);
	ASSERT_GE(fd, 0);
	memset(self->d.buf, DATA_OLD, DATA_MAX_IO + DATA_PAGE);
	EXPECT_EQ(len, pread(fd, self->d.buf, DATA_MAX_IO, DATA_PAGE));
	EXPECT_EQ(0, memcmp(self->d.buf, self->d.want + DATA_PAGE, len));
	EXPECT_TRUE(bytes_are(self->d.buf + len, DATA_MAX_IO - len, DATA_OLD) ||
		    bytes_are(self->d.buf + len, DATA_MAX_IO - len, 0));
	EXPECT_TRUE(bytes_are(self->d.buf + DATA_MAX_IO, DATA_PAGE, DATA_OLD));

	fill_pattern(self->d.buf, DATA_MAX_IO, DATA_SEED + 1);
	memcpy(self->d.want + DATA_PAGE, self->d.buf, len);
	EXPECT_EQ(len, pwrite(fd, self->d.buf, DATA_MAX_IO, DATA_PAGE));
	EXPECT_TRUE(fuse_data_backing_is(&self->d, DATA_SIZE));
	close(fd);
}

/* The client gets the errors of the backing file, for reads and writes */
TEST_F(fuse_data, errors)
{
	char dir[300];
	int fd;

	fd = open(self->d.ft.file, O_WRONLY);
	ASSERT_GE(fd, 0);
	/* larger than any memory */
	EXPECT_EQ(-1, fallocate(fd, 0, 0, 1LL << 50));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       DATA_PAGE, DATA_PAGE));
	memset(self->d.want + DATA_PAGE, 0, DATA_PAGE);
	EXPECT_TRUE(fuse_data_backing_is(&self->d, DATA_SIZE));
	close(fd);
	snprintf(dir, sizeof(dir), "%s/nothing", self->d.ft.dir);
	EXPECT_EQ(-1, open(dir, O_RDONLY));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(0, mkdir(dir, 0700));
	EXPECT_EQ(-1, mkdir(dir, 0700));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(0, rmdir(dir));
}

/* More entries than one reply holds, with names of all lengths */
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
		snprintf(path, sizeof(path), "%s/%04u%.*s", self->d.back, i,
			 i % 250, pad);
		ASSERT_EQ(0, mknod(path, S_IFREG | 0600, 0));
	}
	dir = opendir(self->d.ft.dir);
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
	const char *file = self->d.ft.file;
	unsigned char *buf = self->d.buf, *want = self->d.want;
	char path[64], list[64];
	unsigned int i;

	snprintf(path, sizeof(path), "%s/" FUSE_TEST_FILE, self->d.back);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		fill_pattern(want, lens[i], DATA_SEED + i);
		ASSERT_EQ(0, setxattr(file, NAME, want, lens[i], 0));
		EXPECT_EQ(lens[i], getxattr(path, NAME, buf, XATTR_LEN));
		EXPECT_EQ(0, memcmp(want, buf, lens[i]));

		memset(buf, DATA_OLD, XATTR_LEN);
		EXPECT_EQ(lens[i], getxattr(file, NAME, NULL, 0));
		EXPECT_EQ(lens[i], getxattr(file, NAME, buf, XATTR_LEN));
		EXPECT_EQ(0, memcmp(want, buf, lens[i]));
	}
	EXPECT_EQ(-1, getxattr(file, NAME, buf, XATTR_LEN - 1));
	EXPECT_EQ(ERANGE, errno);
	EXPECT_EQ(sizeof(NAME), listxattr(file, list, sizeof(list)));
	EXPECT_STREQ(NAME, list);
	EXPECT_EQ(0, removexattr(file, NAME));
	EXPECT_EQ(0, listxattr(path, list, sizeof(list)));
}

/* The server's own ioctl, and one of the backing file */
TEST_F(fuse_data, ioctl)
{
	const unsigned int lens[] = { 1, 300, 1000, DATA_PAGE, 16000 };
	unsigned char *buf = self->d.buf;
	unsigned int i, k;
	int fd, flags, back_flags;

	fd = open(self->d.ft.file, O_RDWR);
	ASSERT_GE(fd, 0);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		memset(buf, DATA_OLD, 5 * DATA_PAGE);
		fill_pattern(buf, lens[i], DATA_SEED + i);
		ASSERT_EQ(0, ioctl(fd, FUSE_DIR_IOC_INVERT(lens[i]), buf));
		for (k = 0; k < lens[i]; k++)
			buf[k] = ~buf[k];
		EXPECT_TRUE(check_pattern(buf, lens[i], DATA_SEED + i, 0));
		EXPECT_TRUE(bytes_are(buf + lens[i], DATA_PAGE, DATA_OLD));
	}
	EXPECT_EQ(-1, ioctl(fd, _IOR('T', 2, int), buf));
	EXPECT_EQ(ENOTTY, errno);

	ASSERT_EQ(0, ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags |= FS_NODUMP_FL;
	ASSERT_EQ(0, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	ASSERT_EQ(0, ioctl(self->d.back_fd, FS_IOC_GETFLAGS, &back_flags));
	EXPECT_EQ(flags, back_flags);
	close(fd);
}

/* Create and read links, with inline and with larger targets */
TEST_F(fuse_data, symlink)
{
	const size_t lens[] = { 1, 300, 700, 1000, PATH_MAX - 1 };
	char target[PATH_MAX], path[320], back[64];
	char *buf = (char *)self->d.buf;
	unsigned int i;

	snprintf(path, sizeof(path), "%s/link", self->d.ft.dir);
	snprintf(back, sizeof(back), "%s/link", self->d.back);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		memset(target, 'a' + i, lens[i]);
		target[lens[i]] = 0;
		ASSERT_EQ(0, symlink(target, path));
		EXPECT_EQ(lens[i], readlink(back, buf, PATH_MAX));
		EXPECT_EQ(0, memcmp(target, buf, lens[i]));
		memset(buf, DATA_OLD, PATH_MAX);
		EXPECT_EQ(lens[i], readlink(path, buf, PATH_MAX));
		EXPECT_EQ(0, memcmp(target, buf, lens[i]));
		ASSERT_EQ(0, unlink(path));
	}
}

static const char * const counters[] = {
	"none", "inline", "buffer", "iovec", "zero_copy", "fallback",
	"buffer_wait",
};

struct counts {
	long long nr[ARRAY_SIZE(counters)];
};

static struct counts count(FIXTURE_DATA(fuse_data) *self)
{
	struct counts counts;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		counts.nr[i] = fuse_test_counter(&self->d.ft, counters[i]);
	return counts;
}

/* Counter for a small payload, and for a larger one */
static const char *small_as(enum fuse_mode mode)
{
	return fuse_mode_headers(mode) ? "inline" : "buffer";
}

static const char *large_as(enum fuse_mode mode)
{
	return fuse_mode_buffers(mode) ? "buffer" : "iovec";
}

/* One more request is counted as @as, and up to @others small ones */
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

		if (!strcmp(counters[i], small_as(self->d.ft.mode)))
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

/* Check the counters for one read and one write of @len bytes */
static void expect_io_counted(struct __test_metadata *_metadata,
			      FIXTURE_DATA(fuse_data) *self, int fd,
			      size_t len, const char *as)
{
	struct counts before = count(self);

	ASSERT_EQ(len, pread(fd, self->d.buf, len, 0));
	expect_counted(_metadata, self, &before, as, 0);
	/* a write also looks up the file's capabilities, to remove them */
	before = count(self);
	ASSERT_EQ(len, pwrite(fd, self->d.buf, len, 0));
	expect_counted(_metadata, self, &before, as, 1);
}

TEST_F(fuse_data, counters)
{
	const bool zc = fuse_mode_zero_copy(variant->mode);
	const char *large = large_as(variant->mode);
	const char *small = small_as(variant->mode);
	/* the headers of read and write are not in this room */
	const size_t room = FUSE_TEST_STRIDE - FUSE_URING_HDR_ALIGN;
	/* the minimum is set along with the headers */
	const size_t zc_min = fuse_mode_headers(variant->mode) ? DATA_ZC_MIN : 1;
	int fd;

	fd = open(self->d.ft.file, O_RDWR | O_DIRECT);
	ASSERT_GE(fd, 0);
	if (variant->mode < FUSE_MODE_KMBUF) {
		/* nothing can be counted */
		ASSERT_EQ(1000, pread(fd, self->d.buf, 1000, 0));
		EXPECT_LE(fuse_test_counter(&self->d.ft, "inline"), 0);
		EXPECT_LE(fuse_test_counter(&self->d.ft, "buffer"), 0);
		close(fd);
		return;
	}
	expect_io_counted(_metadata, self, fd, 1,
			  zc && zc_min == 1 ? "zero_copy" : small);
	expect_io_counted(_metadata, self, fd, room,
			  zc && zc_min == 1 ? "zero_copy" : small);
	expect_io_counted(_metadata, self, fd, room + 1,
			  zc && zc_min == 1 ? "zero_copy" : large);
	expect_io_counted(_metadata, self, fd, DATA_ZC_MIN - 1,
			  zc && zc_min == 1 ? "zero_copy" : large);
	expect_io_counted(_metadata, self, fd, DATA_ZC_MIN,
			  zc ? "zero_copy" : large);
	expect_io_counted(_metadata, self, fd, DATA_MAX_IO,
			  zc ? "zero_copy" : large);
	close(fd);
}

TEST_HARNESS_MAIN
