// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer of more than 4 GiB, made of one folio in many entries. Every way to
 * address it must count in 64 bits.
 */
#include "kselftest_harness.h"
#include "iou_test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FOLIO_ORDER	9
#define NR_ENTRIES	2600
#define SEED		3
#define LEN		3000

FIXTURE(bvec_large)
{
	struct test_ring tr;
	unsigned char *mem;
	size_t mem_size;
	/* the length of an entry does not divide 4 GiB, to detect a wrap */
	unsigned int entry_len;
	int memfd;
	int fd;
};

FIXTURE_SETUP(bvec_large)
{
	struct io_uring_mock_bvec *bvs;
	unsigned int i;

	self->fd = mock_create(1, FOLIO_ORDER);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	self->mem_size = (size_t)sysconf(_SC_PAGESIZE) << FOLIO_ORDER;
	self->entry_len = self->mem_size - 4096;
	self->mem = malloc(self->mem_size);
	fill_pattern(self->mem, self->mem_size, SEED);
	self->memfd = memfd_create("bvec_large", MFD_CLOEXEC);
	ASSERT_GE(self->memfd, 0);

	ASSERT_EQ(0, test_ring_init(&self->tr, 0, 0));
	ASSERT_EQ(0, mock_copy_in(&self->tr, self->fd, self->mem, 0,
				  self->mem_size));
	bvs = calloc(NR_ENTRIES, sizeof(*bvs));
	for (i = 0; i < NR_ENTRIES; i++)
		bvs[i].len = self->entry_len;
	ASSERT_EQ(0, mock_register(&self->tr, self->fd, bvs, NR_ENTRIES, 0,
				   BUF_DEST | BUF_SOURCE));
	free(bvs);
}

FIXTURE_TEARDOWN(bvec_large)
{
	test_ring_exit(&self->tr);
	close(self->memfd);
	close(self->fd);
	free(self->mem);
}

/* Starts in the lower 4 GiB, across the border, beyond, and at the very end */
static size_t start(FIXTURE_DATA(bvec_large) *self, unsigned int i)
{
	const size_t border = 1UL << 32;
	const size_t starts[] = {
		123, border - LEN / 2, border, border + 77777,
		(size_t)NR_ENTRIES * self->entry_len - LEN,
	};

	return i < ARRAY_SIZE(starts) ? starts[i] : 0;
}

/* The file must hold what the folio holds at byte @addr of the buffer */
static bool file_is_from(FIXTURE_DATA(bvec_large) *self, size_t addr)
{
	unsigned char seen[LEN];
	unsigned int i;

	if (pread(self->memfd, seen, LEN, 0) != LEN)
		return false;
	for (i = 0; i < LEN; i++)
		if (seen[i] != self->mem[(addr + i) % self->entry_len])
			return false;
	return true;
}

TEST_F(bvec_large, plain)
{
	unsigned int i;

	for (i = 0; start(self, i); i++) {
		EXPECT_EQ(LEN, test_rw_fixed(&self->tr, true, self->memfd, 0,
					     start(self, i), LEN, 0));
		EXPECT_TRUE(file_is_from(self, start(self, i)));
	}
}

TEST_F(bvec_large, vectored)
{
	unsigned int i;

	for (i = 0; start(self, i); i++) {
		struct iovec iov[2] = {
			{ .iov_base = (void *)start(self, i), .iov_len = 1000 },
			{ .iov_base = (void *)start(self, i) + 1000,
			  .iov_len = LEN - 1000 },
		};
		struct io_uring_sqe *sqe = test_sqe(&self->tr);

		sqe->opcode = IORING_OP_WRITEV_FIXED;
		sqe->fd = self->memfd;
		sqe->addr = (unsigned long)iov;
		sqe->len = 2;
		EXPECT_EQ(LEN, test_submit_wait(&self->tr));
		EXPECT_TRUE(file_is_from(self, start(self, i)));
	}
}

TEST_F(bvec_large, end)
{
	size_t end = (size_t)NR_ENTRIES * self->entry_len;

	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, true, self->memfd, 0,
					 end - LEN + 1, LEN, 0));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, true, self->memfd, 0,
					 end + (1UL << 32), LEN, 0));
}

TEST_HARNESS_MAIN
