// SPDX-License-Identifier: GPL-2.0
/*
 * The lock owner that reads and writes report to the server is that of the
 * calling process, the same as in a flush by that process, whichever process
 * used the file before.
 */
#include "kselftest_harness.h"
#include "fuse_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE		512
#define MOST		16

/* Owners that the server got, in order; shared with it */
struct owners {
	unsigned int		nr;
	unsigned int		nr_without;
	unsigned long long	ids[MOST];
};

FIXTURE(fuse_owner)
{
	struct fuse_test ft;
	struct owners *owners;
	/* within one page, so that I/O is one request */
	void *buf;
	int fd;
};

FIXTURE_VARIANT(fuse_owner)
{
	enum fuse_mode mode;
	bool write;
};

FIXTURE_VARIANT_ADD(fuse_owner, dev_read) {
	.mode = FUSE_MODE_DEV,
};

FIXTURE_VARIANT_ADD(fuse_owner, dev_write) {
	.mode = FUSE_MODE_DEV,
	.write = true,
};

FIXTURE_VARIANT_ADD(fuse_owner, kmbuf_read) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_owner, kmbuf_write) {
	.mode = FUSE_MODE_KMBUF,
	.write = true,
};

static void note(struct owners *owners, unsigned long long id, bool there)
{
	if (!there)
		owners->nr_without++;
	if (owners->nr < MOST)
		owners->ids[owners->nr++] = id;
}

static int serve(const struct fuse_call *call)
{
	struct fuse_open_out *open = (void *)call->reply;
	struct fuse_write_out *wrote = (void *)call->reply;
	const struct fuse_flush_in *flush = call->arg;
	const struct fuse_write_in *write = call->arg;
	const struct fuse_read_in *read = call->arg;
	struct owners *owners = call->ft->data;

	switch (call->in->opcode) {
	case FUSE_OPEN:
		*open = (struct fuse_open_out) {
			.open_flags = FOPEN_DIRECT_IO,
		};
		return sizeof(*open);
	case FUSE_READ:
		note(owners, read->lock_owner,
		     read->read_flags & FUSE_READ_LOCKOWNER);
		memset(call->reply, 0, SIZE);
		return SIZE;
	case FUSE_WRITE:
		note(owners, write->lock_owner,
		     write->write_flags & FUSE_WRITE_LOCKOWNER);
		*wrote = (struct fuse_write_out) { .size = write->size };
		return sizeof(*wrote);
	case FUSE_FLUSH:
		note(owners, flush->lock_owner, true);
		return 0;
	}
	return -ENOSYS;
}

FIXTURE_SETUP(fuse_owner)
{
	int ret;

	self->owners = shared_alloc(sizeof(*self->owners));
	ASSERT_NE(NULL, self->owners);
	self->buf = aligned_alloc(SIZE, SIZE);
	ASSERT_NE(NULL, self->buf);
	memset(self->buf, 0, SIZE);
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.max_pages = 1,
		.max_write = 4096,
		.serve = serve,
		.data = self->owners,
	};
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	self->fd = open(self->ft.file, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(fuse_owner)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	munmap(self->owners, sizeof(*self->owners));
	free(self->buf);
}

static bool transfer(const FIXTURE_DATA(fuse_owner) *self,
		     const FIXTURE_VARIANT(fuse_owner) *variant)
{
	if (variant->write)
		return pwrite(self->fd, self->buf, SIZE, 0) == SIZE;
	return pread(self->fd, self->buf, SIZE, 0) == SIZE;
}

/* In a process of its own, which uses the same open file and flushes it */
static bool transfer_elsewhere(const FIXTURE_DATA(fuse_owner) *self,
			       const FIXTURE_VARIANT(fuse_owner) *variant)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(!transfer(self, variant) || !transfer(self, variant) ||
		      close(self->fd));
	return waitpid(child, &status, 0) == child && !status;
}

TEST_F(fuse_owner, others_come_second)
{
	const unsigned long long *ids = self->owners->ids;

	EXPECT_TRUE(transfer(self, variant));
	EXPECT_TRUE(transfer_elsewhere(self, variant));
	EXPECT_TRUE(transfer(self, variant));
	EXPECT_EQ(0, close(self->fd));

	/* ours; twice and a flush by the other process; ours and a flush */
	ASSERT_EQ(6, self->owners->nr);
	EXPECT_EQ(0, self->owners->nr_without);
	EXPECT_NE(ids[0], ids[1]);
	EXPECT_EQ(ids[1], ids[2]);
	EXPECT_EQ(ids[1], ids[3]);
	EXPECT_EQ(ids[0], ids[4]);
	EXPECT_EQ(ids[0], ids[5]);
}

TEST_F(fuse_owner, others_come_first)
{
	const unsigned long long *ids = self->owners->ids;

	EXPECT_TRUE(transfer_elsewhere(self, variant));
	EXPECT_TRUE(transfer(self, variant));
	EXPECT_EQ(0, close(self->fd));

	ASSERT_EQ(5, self->owners->nr);
	EXPECT_EQ(0, self->owners->nr_without);
	EXPECT_EQ(ids[0], ids[1]);
	EXPECT_EQ(ids[0], ids[2]);
	EXPECT_NE(ids[0], ids[3]);
	EXPECT_EQ(ids[3], ids[4]);
}

TEST_HARNESS_MAIN
