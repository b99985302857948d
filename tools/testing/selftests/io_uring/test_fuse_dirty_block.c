// SPDX-License-Identifier: GPL-2.0
/*
 * A direct read into memory that belongs to a file, whose file system writes
 * back blocks that are smaller than a page. During the read the page is
 * cleaned, and another of its blocks is written. The data that was read must
 * still get into that file.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "iou_ext4.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP_MS		20000
#define PAGE		4096
#define BLOCK		1024
/* the read fills the first blocks of the page, a write the last one */
#define READ_LEN	(2 * BLOCK)
#define OTHER_OFFSET	(3 * BLOCK)
#define OTHER_SEED	7

FIXTURE(fuse_dirty_block)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	/* a page of a file on ext4 */
	int fd;
	int direct_fd;
	unsigned char *map;
	unsigned char *buf;
};

FIXTURE_VARIANT(fuse_dirty_block)
{
	enum fuse_mode mode;
};

FIXTURE_VARIANT_ADD(fuse_dirty_block, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_dirty_block, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_dirty_block, zc) {
	.mode = FUSE_MODE_ZC,
};

static void make_file(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_dirty_block) *self, const char *dir)
{
	char path[64];

	self->buf = aligned_alloc(PAGE, PAGE);
	ASSERT_NE(NULL, self->buf);
	memset(self->buf, 0, PAGE);
	snprintf(path, sizeof(path), "%s/file", dir);
	self->fd = open(path, O_RDWR | O_CREAT, 0600);
	ASSERT_LE(0, self->fd);
	self->direct_fd = open(path, O_RDONLY | O_DIRECT);
	ASSERT_LE(0, self->direct_fd);
	ASSERT_EQ(PAGE, write(self->fd, self->buf, PAGE));
	ASSERT_EQ(0, fsync(self->fd));
	self->map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_SETUP(fuse_dirty_block)
{
	const char *dir;
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	dir = test_ext4_mount(BLOCK);
	if (!dir)
		SKIP(return, "needs loop devices and ext4");
	make_file(_metadata, self, dir);
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.depth = 4,
		.buffers = 4,
		.max_write = PAGE,
		.max_pages = 1,
	};
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_dirty_block)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	fuse_hold_exit(self->hold);
	munmap(self->map, PAGE);
	close(self->direct_fd);
	close(self->fd);
	free(self->buf);
}

/* In a process of its own: read from the test's file system into ext4's page */
static pid_t read_into_map(const FIXTURE_DATA(fuse_dirty_block) *self)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = open(self->ft.file, O_RDONLY);
	_exit(pread(fd, self->map, READ_LEN, FUSE_HOLD_OFFSET) != READ_LEN);
}

TEST_F_TIMEOUT(fuse_dirty_block, other_block_written_meanwhile, 60)
{
	pid_t pid;

	self->hold->hold = true;
	pid = read_into_map(self);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));

	/* after that the page is clean, and then dirty in one block */
	EXPECT_EQ(0, msync(self->map, PAGE, MS_SYNC));
	fill_pattern(self->buf, BLOCK, OTHER_SEED);
	EXPECT_EQ(BLOCK, pwrite(self->fd, self->buf, BLOCK, OTHER_OFFSET));

	self->hold->release = true;
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(check_pattern(self->map, READ_LEN, FUSE_HOLD_SEED,
				  FUSE_HOLD_OFFSET));

	/* check the disk, not the page cache */
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_EQ(PAGE, pread(self->direct_fd, self->buf, PAGE, 0));
	EXPECT_TRUE(check_pattern(self->buf, READ_LEN, FUSE_HOLD_SEED,
				  FUSE_HOLD_OFFSET));
	EXPECT_TRUE(check_pattern(self->buf + OTHER_OFFSET, BLOCK, OTHER_SEED,
				  0));
}

TEST_HARNESS_MAIN
