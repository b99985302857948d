// SPDX-License-Identifier: GPL-2.0
/*
 * Fixed I/O into buffers of several pieces of memory, at arbitrary offsets:
 * across every border between pieces, the data is where the mapping has it.
 */
#include "kselftest_harness.h"
#include "iou_kmbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BGID		7
#define SLOT		3
#define SEED		31
#define CHUNK		1024
/* seconds: comparing the largest buffers takes long */
#define TIMEOUT		120

FIXTURE(kmbuf_pieces)
{
	struct test_ring tr;
	unsigned char *mem;
	unsigned char *data;
	size_t size;
	size_t page;
	int file;
};

/* Two or more blocks per buffer, and blocks that are cut to size */
FIXTURE_VARIANT(kmbuf_pieces)
{
	unsigned int entries;
	unsigned int pages;
	unsigned int bytes;
};

FIXTURE_VARIANT_ADD(kmbuf_pieces, page_beyond_largest_block) {
	.entries = 2,
	.pages = 1025,
};

FIXTURE_VARIANT_ADD(kmbuf_pieces, largest_block_and_a_half) {
	.entries = 1,
	.pages = 1536,
};

FIXTURE_VARIANT_ADD(kmbuf_pieces, many_sectors_beyond_largest_block) {
	.entries = 2,
	.pages = 1024,
	.bytes = 512,
};

FIXTURE_VARIANT_ADD(kmbuf_pieces, seven_pages) {
	.entries = 100,
	.pages = 7,
};

FIXTURE_VARIANT_ADD(kmbuf_pieces, sectors_across_pages) {
	.entries = 333,
	.bytes = 5 * 512,
};

FIXTURE_SETUP(kmbuf_pieces)
{
	struct io_uring_kmbuf_reg reg = {
		.ring_entries = variant->entries,
		.bgid = BGID,
		.flags = IOU_KMBUF_RING_FIXED,
		.fixed_index = SLOT,
	};
	char path[] = "/dev/shm/kmbuf.XXXXXX";

	self->page = sysconf(_SC_PAGESIZE);
	reg.buf_size = variant->pages * self->page + variant->bytes;
	self->size = (size_t)variant->entries * reg.buf_size;
	ASSERT_EQ(0, test_ring_init(&self->tr, 0, 0));
	ASSERT_EQ(0, kmbuf_register(&self->tr.ring, &reg));
	self->mem = kmbuf_mmap(&self->tr.ring, BGID, self->size,
			       PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->mem);

	self->file = mkstemp(path);
	ASSERT_GE(self->file, 0);
	unlink(path);
	self->data = malloc(self->size);
	fill_pattern(self->data, self->size, SEED);
	ASSERT_EQ((ssize_t)self->size,
		  pwrite(self->file, self->data, self->size, 0));
}

FIXTURE_TEARDOWN(kmbuf_pieces)
{
	munmap(self->mem, self->size);
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	test_ring_exit(&self->tr);
	close(self->file);
	free(self->data);
}

/* Around the borders of all pages, as pieces can only meet there */
TEST_F_TIMEOUT(kmbuf_pieces, read_across_every_page, TIMEOUT)
{
	const unsigned int step = self->size > 64 * self->page ? 17 : 1;
	size_t at, page;

	for (page = 1; page * self->page + CHUNK / 2 < self->size;
	     page += page % 1024 < 1020 ? step : 1) {
		at = page * self->page - CHUNK / 2;
		ASSERT_EQ(CHUNK, test_rw_fixed(&self->tr, false, self->file,
					       SLOT, at, CHUNK, at));
		ASSERT_EQ(0, memcmp(self->mem + at, self->data + at, CHUNK)) {
			TH_LOG("at %zu", at);
		}
		ASSERT_EQ(0, self->mem[at + CHUNK]);
	}
}

TEST_F_TIMEOUT(kmbuf_pieces, read_all, TIMEOUT)
{
	ASSERT_EQ((int)self->size, test_rw_fixed(&self->tr, false, self->file,
						 SLOT, 0, self->size, 0));
	EXPECT_EQ(0, memcmp(self->mem, self->data, self->size));
	/* and the last bytes, which do not start at a piece */
	memset(self->mem, 0, self->size);
	ASSERT_EQ(100, test_rw_fixed(&self->tr, false, self->file, SLOT,
				     self->size - 100, 100, self->size - 100));
	EXPECT_EQ(0, memcmp(self->mem + self->size - 100,
			    self->data + self->size - 100, 100));
	EXPECT_EQ(0, self->mem[self->size - 101]);
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, false, self->file, SLOT,
					 self->size - 100, 101, 0));
}

TEST_F_TIMEOUT(kmbuf_pieces, write_all, TIMEOUT)
{
	unsigned char *back = malloc(self->size);

	memcpy(self->mem, self->data, self->size);
	memset(back, 0, self->size);
	ASSERT_EQ((ssize_t)self->size,
		  pwrite(self->file, back, self->size, 0));
	ASSERT_EQ((int)self->size, test_rw_fixed(&self->tr, true, self->file,
						 SLOT, 0, self->size, 0));
	ASSERT_EQ((ssize_t)self->size, pread(self->file, back, self->size, 0));
	EXPECT_EQ(0, memcmp(back, self->data, self->size));
	free(back);
}

/* Vectors that begin and end in the middle of pieces, out of order */
TEST_F_TIMEOUT(kmbuf_pieces, vectored, TIMEOUT)
{
	const size_t third = self->size / 3;
	struct iovec iov[] = {
		{ (void *)(2 * third + 5), third - 5 },
		{ (void *)7, third - 7 },
		{ (void *)third, third },
	};
	struct io_uring_sqe *sqe = test_sqe(&self->tr);
	size_t at = 0;
	unsigned int i;

	sqe->opcode = IORING_OP_READV_FIXED;
	sqe->fd = self->file;
	sqe->addr = (unsigned long)iov;
	sqe->len = ARRAY_SIZE(iov);
	sqe->buf_index = SLOT;
	ASSERT_EQ((int)(3 * third - 12), test_submit_wait(&self->tr));
	for (i = 0; i < ARRAY_SIZE(iov); i++) {
		EXPECT_EQ(0, memcmp(self->mem + (size_t)iov[i].iov_base,
				    self->data + at, iov[i].iov_len));
		at += iov[i].iov_len;
	}
}

TEST_HARNESS_MAIN
