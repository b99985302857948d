// SPDX-License-Identifier: GPL-2.0
/*
 * Mapped pages of a file. If they are written back during a direct read into
 * them, the file still gets the data that was read. Data of a write that the
 * server refuses does not stay in them.
 */
#include "kselftest_harness.h"
#include "fuse_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE		4096
/* the first page is mapped, the second one is read into it */
#define SIZE		(2 * PAGE)
#define SEED		7

/* Shared with the server */
struct dirty {
	/* contents of the file */
	int		data_fd;
	unsigned int	nr_writes;
	/* writes fail */
	bool		refuse;
	/* hold a direct read until more requests have come */
	bool		reading;
	unsigned int	nr_before;
};

FIXTURE(fuse_dirty)
{
	struct fuse_test ft;
	struct dirty *dirty;
	unsigned char *map;
	int fd;
	int direct_fd;
};

FIXTURE_VARIANT(fuse_dirty)
{
	enum fuse_mode mode;
	unsigned int open_flags;
};

FIXTURE_VARIANT_ADD(fuse_dirty, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_dirty, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_dirty, zc) {
	.mode = FUSE_MODE_ZC,
	.open_flags = FOPEN_IO_URING_ZERO_COPY,
};

static int serve_slot(const struct fuse_call *call, unsigned long long offset,
		      unsigned int len)
{
	const struct dirty *dirty = call->ft->data;

	*call->io = (struct fuse_io) {
		.fd = dirty->data_fd,
		.offset = offset,
		.len = len,
	};
	return FUSE_SERVE_IO;
}

static int serve_read(const struct fuse_call *call)
{
	const struct fuse_read_in *arg = call->arg;
	struct dirty *dirty = call->ft->data;

	if (arg->flags & O_DIRECT) {
		if (!call->again) {
			dirty->nr_before = dirty->nr_writes;
			__atomic_store_n(&dirty->reading, true,
					 __ATOMIC_RELEASE);
		}
		if (dirty->nr_writes == dirty->nr_before)
			return FUSE_SERVE_HELD;
	}
	if (call->slot >= 0)
		return serve_slot(call, arg->offset, arg->size);
	return pread(dirty->data_fd, call->reply, arg->size, arg->offset);
}

static int serve_write(const struct fuse_call *call)
{
	struct fuse_write_out *out = (void *)call->reply;
	const struct fuse_write_in *arg = call->arg;
	struct dirty *dirty = call->ft->data;

	dirty->nr_writes++;
	if (dirty->refuse)
		return -EIO;
	if (call->slot >= 0)
		return serve_slot(call, arg->offset, arg->size);
	*out = (struct fuse_write_out) {
		.size = pwrite(dirty->data_fd, call->payload, arg->size,
			       arg->offset),
	};
	return sizeof(*out);
}

static int serve(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_READ:
		return serve_read(call);
	case FUSE_WRITE:
		return serve_write(call);
	}
	return -ENOSYS;
}

/* A page of zeroes, and one with a pattern */
static int make_data(void)
{
	int fd = memfd_create("fuse_dirty", MFD_CLOEXEC);
	unsigned char page[PAGE];

	fill_pattern(page, PAGE, SEED);
	if (ftruncate(fd, SIZE) || pwrite(fd, page, PAGE, PAGE) != PAGE)
		return -1;
	return fd;
}

FIXTURE_SETUP(fuse_dirty)
{
	struct stat st;
	int ret;

	self->dirty = shared_alloc(sizeof(*self->dirty));
	ASSERT_NE(NULL, self->dirty);
	self->dirty->data_fd = make_data();
	ASSERT_LE(0, self->dirty->data_fd);
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.max_pages = 2,
		.max_write = SIZE,
		.file_size = SIZE,
		.open_flags = variant->open_flags,
		.depth = 4,
		.buffers = 4,
		.serve = serve,
		.data = self->dirty,
	};
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	self->fd = open(self->ft.file, O_RDWR);
	ASSERT_LE(0, self->fd);
	self->direct_fd = open(self->ft.file, O_RDONLY | O_DIRECT);
	ASSERT_LE(0, self->direct_fd);
	ASSERT_EQ(0, fstat(self->fd, &st));
	ASSERT_EQ(SIZE, st.st_size);
	self->map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(fuse_dirty)
{
	munmap(self->map, PAGE);
	close(self->direct_fd);
	close(self->fd);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	close(self->dirty->data_fd);
	munmap(self->dirty, sizeof(*self->dirty));
}

/* In a process of its own: clean the page once the read has begun */
static pid_t write_back(const FIXTURE_DATA(fuse_dirty) *self)
{
	pid_t child = fork();

	if (child)
		return child;
	while (!__atomic_load_n(&self->dirty->reading, __ATOMIC_ACQUIRE))
		sched_yield();
	self->map[0] = 1;
	_exit(msync(self->map, PAGE, MS_SYNC) != 0);
}

TEST_F(fuse_dirty, written_back_meanwhile)
{
	unsigned char page[PAGE];
	pid_t child;
	int status;

	child = write_back(self);
	ASSERT_LT(0, child);
	EXPECT_EQ(PAGE, pread(self->direct_fd, self->map, PAGE, PAGE));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(check_pattern(self->map, PAGE, SEED, 0));

	/* only the read has touched the page since it was written */
	EXPECT_EQ(0, msync(self->map, PAGE, MS_SYNC));
	EXPECT_EQ(PAGE, pread(self->dirty->data_fd, page, PAGE, 0));
	EXPECT_TRUE(check_pattern(page, PAGE, SEED, 0));
}

static void refuse_write(struct __test_metadata *_metadata,
			 FIXTURE_DATA(fuse_dirty) *self, size_t len)
{
	unsigned char page[PAGE];

	memset(page, SEED, len);
	self->dirty->refuse = true;
	EXPECT_EQ(-1, pwrite(self->fd, page, len, 0));
	EXPECT_EQ(EIO, errno);
	self->dirty->refuse = false;
}

/*
 * Without the fix, a write to a mapping of the page triggers a kernel warning
 */
TEST_F(fuse_dirty, refused_write_of_clean_page)
{
	unsigned char byte;

	ASSERT_EQ(0, self->map[0]);
	refuse_write(_metadata, self, PAGE);
	self->map[1] = 1;
	EXPECT_EQ(0, msync(self->map, PAGE, MS_SYNC));
	EXPECT_EQ(1, pread(self->dirty->data_fd, &byte, 1, 1));
	EXPECT_EQ(1, byte);
}

/* Readers see the mapped data, whether it is kept, as in Linux 7.3, or not */
TEST_F(fuse_dirty, refused_write_is_seen_alike)
{
	unsigned char mapped, byte;

	ASSERT_EQ(0, self->map[0]);
	refuse_write(_metadata, self, PAGE);
	mapped = self->map[0];
	EXPECT_EQ(1, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(mapped, byte);
	EXPECT_EQ(mapped, self->map[0]);
}

/* Data written to the mapping that the server has not got is not lost */
TEST_F(fuse_dirty, refused_write_of_dirty_page)
{
	unsigned char page[PAGE];

	self->map[PAGE - 1] = 1;
	refuse_write(_metadata, self, PAGE / 2);
	EXPECT_EQ(1, self->map[PAGE - 1]);
	EXPECT_EQ(0, msync(self->map, PAGE, MS_SYNC));
	EXPECT_EQ(PAGE, pread(self->dirty->data_fd, page, PAGE, 0));
	EXPECT_EQ(1, page[PAGE - 1]);
}

TEST_HARNESS_MAIN
