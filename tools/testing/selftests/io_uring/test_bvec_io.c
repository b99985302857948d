// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and writes through a buffer that a subsystem registered: every byte
 * lands where the array of bvecs says, in rings of every kind.
 */
#include "kselftest_harness.h"
#include "iou_test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FILE_SEED	1
#define MEM_SEED	2
#define NR_MANY		1000

FIXTURE(bvec_io)
{
	struct test_ring tr;
	unsigned int page_size;
	int memfd;
};

FIXTURE_VARIANT(bvec_io)
{
	unsigned int setup_flags;
	unsigned int sqe_flags;
};

FIXTURE_VARIANT_ADD(bvec_io, inline) { };

FIXTURE_VARIANT_ADD(bvec_io, async) {
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(bvec_io, sqpoll) {
	.setup_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(bvec_io, defer_taskrun) {
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(bvec_io)
{
	int fd = mock_create(1, 0);

	if (mock_missing(fd))
		SKIP(return, "%s", mock_missing(fd));
	ASSERT_GE(fd, 0);
	close(fd);

	self->page_size = sysconf(_SC_PAGESIZE);
	self->memfd = memfd_create("bvec_io", MFD_CLOEXEC);
	ASSERT_GE(self->memfd, 0);
	ASSERT_EQ(0, test_ring_init(&self->tr, variant->setup_flags,
				    variant->sqe_flags));
}

FIXTURE_TEARDOWN(bvec_io)
{
	test_ring_exit(&self->tr);
	close(self->memfd);
}

/*
 * A consumer, the expected contents of its memory, and a registered buffer over
 * it
 */
struct subject {
	int			fd;
	size_t			mem_size;
	unsigned char		*mem;
	unsigned char		*seen;
	struct io_uring_mock_bvec *bvs;
	unsigned int		nr_bvs;
	size_t			len;
};

static int subject_init(FIXTURE_DATA(bvec_io) *self, struct subject *s,
			struct io_uring_mock_bvec *bvs, unsigned int nr_bvs,
			unsigned int dir)
{
	unsigned int i;

	s->mem = malloc(s->mem_size);
	s->seen = malloc(s->mem_size);
	fill_pattern(s->mem, s->mem_size, MEM_SEED);
	s->bvs = bvs;
	s->nr_bvs = nr_bvs;
	s->len = 0;
	for (i = 0; i < nr_bvs; i++)
		s->len += bvs[i].len;
	if (mock_copy_in(&self->tr, s->fd, s->mem, 0, s->mem_size))
		return -1;
	return mock_register(&self->tr, s->fd, bvs, nr_bvs, 0, dir);
}

static void subject_exit(FIXTURE_DATA(bvec_io) *self, struct subject *s)
{
	mock_unregister(&self->tr, s->fd, 0);
	free(s->mem);
	free(s->seen);
	close(s->fd);
}

/*
 * Model of the kernel's copy: between @buf and the expected contents of the
 * consumer's memory, for @len bytes of the buffer from @addr on.
 */
static void subject_copy(FIXTURE_DATA(bvec_io) *self, struct subject *s,
			 size_t addr, size_t len, unsigned char *buf, bool in)
{
	struct io_uring_mock_bvec *bv = s->bvs;

	for (; len && addr >= bv->len; bv++)
		addr -= bv->len;
	for (; len; bv++, addr = 0) {
		size_t n = bv->len - addr < len ? bv->len - addr : len;
		unsigned char *mem = s->mem + bv->offset + addr +
				     (size_t)bv->page * self->page_size;

		memcpy(in ? mem : buf, in ? buf : mem, n);
		buf += n;
		len -= n;
	}
}

static bool memory_is_as_expected(FIXTURE_DATA(bvec_io) *self,
				  struct subject *s)
{
	return !mock_copy_out(&self->tr, s->fd, s->seen, 0, s->mem_size) &&
	       !memcmp(s->mem, s->seen, s->mem_size);
}

/* Read @len bytes of the file into the buffer at @addr, and check all memory */
static bool read_is_exact(FIXTURE_DATA(bvec_io) *self, struct subject *s,
			  size_t addr, size_t len)
{
	if (test_rw_fixed(&self->tr, false, self->memfd, 0, addr, len, addr) !=
	    (int)len ||
	    pread(self->memfd, s->seen, len, addr) != (ssize_t)len)
		return false;
	subject_copy(self, s, addr, len, s->seen, true);
	return memory_is_as_expected(self, s);
}

/*
 * Write @len bytes of the buffer at @addr to the empty file, and check the file
 */
static bool write_is_exact(FIXTURE_DATA(bvec_io) *self, struct subject *s,
			   size_t addr, size_t len)
{
	unsigned char *want = malloc(len);
	bool ok;

	subject_copy(self, s, addr, len, want, false);
	ok = !ftruncate(self->memfd, 0) &&
	     test_rw_fixed(&self->tr, true, self->memfd, 0, addr, len, 0) ==
	     (int)len &&
	     pread(self->memfd, s->seen, s->mem_size, 0) == (ssize_t)len &&
	     !memcmp(s->seen, want, len);
	free(want);
	return ok;
}

static bool fill_file(FIXTURE_DATA(bvec_io) *self, size_t len)
{
	unsigned char *buf = malloc(len);
	bool ok;

	fill_pattern(buf, len, FILE_SEED);
	ok = pwrite(self->memfd, buf, len, 0) == (ssize_t)len;
	free(buf);
	return ok;
}

/* Starts around every boundary of a page, a sector or an entry */
static const size_t starts[] = { 0, 1, 511, 512, 513, 4095, 4096, 4097, 8190 };
static const size_t lengths[] = { 1, 2, 511, 512, 4095, 4096, 4098 };

/* Every start with every length that fits, and with the rest of the buffer */
static bool all_alignments(FIXTURE_DATA(bvec_io) *self, struct subject *s,
			   bool (*is_exact)(FIXTURE_DATA(bvec_io) *,
					    struct subject *, size_t, size_t))
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(starts) && starts[i] < s->len; i++) {
		size_t rest = s->len - starts[i];

		for (j = 0; j < ARRAY_SIZE(lengths); j++)
			if (lengths[j] <= rest &&
			    !is_exact(self, s, starts[i], lengths[j]))
				return false;
		if (!is_exact(self, s, starts[i], rest))
			return false;
	}
	return true;
}

/* Odd offsets and lengths, pages out of order, one entry of a single byte */
static struct io_uring_mock_bvec ragged[] = {
	{ .page = 2, .offset = 0, .len = 4096 },
	{ .page = 0, .offset = 100, .len = 1 },
	{ .page = 1, .offset = 4095, .len = 1 },
	{ .page = 5, .offset = 7, .len = 513 },
	{ .page = 3, .offset = 512, .len = 3584 },
	{ .page = 4, .offset = 0, .len = 4095 },
};

TEST_F(bvec_io, read_alignments)
{
	struct subject s = { .mem_size = 6 * self->page_size };

	s.fd = mock_create(6, 0);
	ASSERT_GE(s.fd, 0);
	ASSERT_EQ(0, subject_init(self, &s, ragged, ARRAY_SIZE(ragged),
				  BUF_DEST));
	ASSERT_TRUE(fill_file(self, s.len));
	EXPECT_TRUE(all_alignments(self, &s, read_is_exact));
	subject_exit(self, &s);
}

TEST_F(bvec_io, write_alignments)
{
	struct subject s = { .mem_size = 6 * self->page_size };

	s.fd = mock_create(6, 0);
	ASSERT_GE(s.fd, 0);
	ASSERT_EQ(0, subject_init(self, &s, ragged, ARRAY_SIZE(ragged),
				  BUF_SOURCE));
	EXPECT_TRUE(all_alignments(self, &s, write_is_exact));
	subject_exit(self, &s);
}

/*
 * Folios of four pages. Entries of several pages that continue the previous
 * one, or only seem to: the next folio, a gap, a step back, the same again.
 */
TEST_F(bvec_io, compound_folios)
{
	unsigned int ps = self->page_size;
	struct io_uring_mock_bvec bvs[] = {
		{ .page = 0, .offset = 100, .len = ps - 100 },
		{ .page = 1, .offset = 0, .len = ps },
		{ .page = 2, .offset = 0, .len = 2 * ps },
		{ .page = 4, .offset = 0, .len = ps },
		{ .page = 5, .offset = 1, .len = 10 },
		{ .page = 5, .offset = 11, .len = 10 },
		{ .page = 5, .offset = 22, .len = 10 },
		{ .page = 11, .offset = 0, .len = ps },
		{ .page = 10, .offset = 0, .len = ps },
		{ .page = 8, .offset = ps, .len = 10 },
		{ .page = 9, .offset = 10, .len = ps - 10 },
	};
	struct subject s = { .mem_size = 12 * ps };

	s.fd = mock_create(3, 2);
	ASSERT_GE(s.fd, 0);
	ASSERT_EQ(0, subject_init(self, &s, bvs, ARRAY_SIZE(bvs),
				  BUF_DEST | BUF_SOURCE));
	EXPECT_TRUE(all_alignments(self, &s, write_is_exact));
	ASSERT_TRUE(fill_file(self, s.len));
	EXPECT_TRUE(all_alignments(self, &s, read_is_exact));
	subject_exit(self, &s);
}

/* One entry is a special case; this many exceed every inline cache */
TEST_F(bvec_io, one_and_many_entries)
{
	struct io_uring_mock_bvec *bvs = calloc(NR_MANY, sizeof(*bvs));
	const unsigned int counts[] = { 1, 2, 31, 32, 33, NR_MANY };
	unsigned int i;

	mock_bvecs_linear(bvs, NR_MANY);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		struct subject s = { .mem_size = counts[i] * self->page_size };

		s.fd = mock_create(counts[i], 0);
		ASSERT_GE(s.fd, 0);
		ASSERT_EQ(0, subject_init(self, &s, bvs, counts[i],
					  BUF_DEST | BUF_SOURCE));
		EXPECT_TRUE(write_is_exact(self, &s, 0, s.len));
		ASSERT_TRUE(fill_file(self, s.len));
		EXPECT_TRUE(read_is_exact(self, &s, 0, s.len));
		subject_exit(self, &s);
	}
	free(bvs);
}

TEST_F(bvec_io, direction)
{
	struct subject s = { .mem_size = self->page_size };
	struct io_uring_mock_bvec bv = { .len = self->page_size };

	ASSERT_TRUE(fill_file(self, self->page_size));
	s.fd = mock_create(1, 0);
	ASSERT_GE(s.fd, 0);

	ASSERT_EQ(0, subject_init(self, &s, &bv, 1, BUF_SOURCE));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, false, self->memfd, 0, 0,
					 self->page_size, 0));
	EXPECT_TRUE(memory_is_as_expected(self, &s));
	ASSERT_EQ(0, mock_unregister(&self->tr, s.fd, 0));

	ASSERT_EQ(0, mock_register(&self->tr, s.fd, &bv, 1, 0, BUF_DEST));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, true, self->memfd, 0, 0,
					 self->page_size, 0));
	ASSERT_EQ((ssize_t)s.mem_size,
		  pread(self->memfd, s.seen, s.mem_size, 0));
	EXPECT_TRUE(check_pattern(s.seen, s.mem_size, FILE_SEED, 0));
	subject_exit(self, &s);
}

TEST_F(bvec_io, range)
{
	struct subject s = { .mem_size = 6 * self->page_size };
	struct io_uring_mock_bvec *bvs = ragged;

	s.fd = mock_create(6, 0);
	ASSERT_GE(s.fd, 0);
	ASSERT_EQ(0, subject_init(self, &s, bvs, ARRAY_SIZE(ragged),
				  BUF_DEST | BUF_SOURCE));
	ASSERT_TRUE(fill_file(self, s.len));
	EXPECT_EQ(0, test_rw_fixed(&self->tr, false, self->memfd, 0, s.len, 0,
				   0));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, false, self->memfd, 0, 0,
					 s.len + 1, 0));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, false, self->memfd, 0,
					 s.len, 1, 0));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, false, self->memfd, 0,
					 s.len + 1, 0, 0));
	EXPECT_EQ(-EFAULT, test_rw_fixed(&self->tr, false, self->memfd, 0, -1UL,
					 2, 0));
	subject_exit(self, &s);
}

/* The end of the file is not the end of the buffer */
TEST_F(bvec_io, short_read)
{
	struct subject s = { .mem_size = 6 * self->page_size };

	s.fd = mock_create(6, 0);
	ASSERT_GE(s.fd, 0);
	ASSERT_EQ(0, subject_init(self, &s, ragged, ARRAY_SIZE(ragged),
				  BUF_DEST));
	ASSERT_TRUE(fill_file(self, 5000));
	EXPECT_EQ(4000, test_rw_fixed(&self->tr, false, self->memfd, 0, 0,
				      s.len, 1000));
	ASSERT_EQ(4000, pread(self->memfd, s.seen, 4000, 1000));
	subject_copy(self, &s, 0, 4000, s.seen, true);
	EXPECT_TRUE(memory_is_as_expected(self, &s));
	subject_exit(self, &s);
}

/* A slot belongs to one ring: the other has a table of its own */
TEST_F(bvec_io, two_rings)
{
	struct subject s = { .mem_size = self->page_size };
	struct io_uring_mock_bvec bv = { .len = self->page_size };
	struct test_ring other;

	ASSERT_TRUE(fill_file(self, self->page_size));
	s.fd = mock_create(1, 0);
	ASSERT_GE(s.fd, 0);
	ASSERT_EQ(0, test_ring_init(&other, variant->setup_flags,
				    variant->sqe_flags));
	ASSERT_EQ(0, subject_init(self, &s, &bv, 1, BUF_DEST));

	EXPECT_EQ(-EFAULT, test_rw_fixed(&other, false, self->memfd, 0, 0,
					 self->page_size, 0));
	EXPECT_EQ(-EINVAL, mock_unregister(&other, s.fd, 0));
	EXPECT_EQ(0, mock_register(&other, s.fd, &bv, 1, 0, BUF_DEST));
	EXPECT_EQ(0, mock_unregister(&self->tr, s.fd, 0));
	EXPECT_EQ((int)self->page_size,
		  test_rw_fixed(&other, false, self->memfd, 0, 0,
				self->page_size, 0));
	test_ring_exit(&other);
	EXPECT_TRUE(mock_wait_released(s.fd, 2));
	subject_exit(self, &s);
}

TEST_HARNESS_MAIN
