// SPDX-License-Identifier: GPL-2.0
/*
 * The buffers of a ring as userspace and as the kernel see them: the same
 * memory, in the same order, and read-only where that was asked for.
 */
#include "kselftest_harness.h"
#include "iou_kmbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define BGID		3
#define ENTRIES		4

FIXTURE(kmbuf_map)
{
	struct test_ring tr;
	size_t buf_size;
	size_t size;
	int fd;
};

/*
 * Pages per buffer: single, contiguous, cut to size, too many for one chunk.
 * And bytes: several buffers per page, across pages.
 */
FIXTURE_VARIANT(kmbuf_map)
{
	unsigned int pages;
	unsigned int bytes;
	unsigned int setup_flags;
};

FIXTURE_VARIANT_ADD(kmbuf_map, one_page) {
	.pages = 1,
};

FIXTURE_VARIANT_ADD(kmbuf_map, three_pages) {
	.pages = 3,
};

FIXTURE_VARIANT_ADD(kmbuf_map, eight_pages) {
	.pages = 8,
	.setup_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(kmbuf_map, many_pages) {
	.pages = 1025,
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(kmbuf_map, five_sectors) {
	.bytes = 5 * 512,
};

FIXTURE_VARIANT_ADD(kmbuf_map, three_sectors) {
	.bytes = 3 * 512,
};

FIXTURE_VARIANT_ADD(kmbuf_map, pages_and_sector) {
	.pages = 2,
	.bytes = 512,
};

FIXTURE_SETUP(kmbuf_map)
{
	self->fd = mock_create(1, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	self->buf_size = (size_t)variant->pages * sysconf(_SC_PAGESIZE) +
			 variant->bytes;
	self->size = ENTRIES * self->buf_size;
	ASSERT_EQ(0, test_ring_init(&self->tr, variant->setup_flags, 0));
}

FIXTURE_TEARDOWN(kmbuf_map)
{
	test_ring_exit(&self->tr);
	close(self->fd);
}

static int setup(struct io_uring *ring, FIXTURE_DATA(kmbuf_map) *self,
		 unsigned int flags)
{
	return kmbuf_setup_bytes(ring, BGID, ENTRIES, self->buf_size, flags);
}

static bool all_zero(const unsigned char *mem, size_t size)
{
	return !mem[0] && !memcmp(mem, mem + 1, size - 1);
}

/* Ids come in order, and each side sees the data of the other */
TEST_F(kmbuf_map, same_memory)
{
	unsigned long long old, *word;
	unsigned char *mem;
	int pin, bid;

	ASSERT_EQ(0, setup(&self->tr.ring, self, 0));
	pin = kmbuf_pin(&self->tr, self->fd, BGID);
	ASSERT_EQ(0, pin);
	mem = kmbuf_mmap(&self->tr.ring, BGID, self->size,
			 PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_TRUE(all_zero(mem, self->size));

	for (bid = 0; bid < ENTRIES; bid++) {
		size_t last = self->buf_size - sizeof(*word);

		ASSERT_EQ(bid, kmbuf_select(&self->tr, self->fd, pin));
		word = (void *)(mem + bid * self->buf_size);
		*word = 0x1234 + bid;
		EXPECT_EQ(0, kmbuf_exchange(&self->tr, self->fd, pin, bid, 0,
					    77 + bid, &old));
		EXPECT_EQ(0x1234 + bid, old);
		EXPECT_EQ(77 + bid, *word);
		/* and the same at the far end */
		word += last / sizeof(*word);
		*word = 0x4321 + bid;
		EXPECT_EQ(0, kmbuf_exchange(&self->tr, self->fd, pin, bid, last,
					    88 + bid, &old));
		EXPECT_EQ(0x4321 + bid, old);
		EXPECT_EQ(88 + bid, *word);
	}
	EXPECT_EQ(-ENOBUFS, kmbuf_select(&self->tr, self->fd, pin));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, pin));
	munmap(mem, self->size);
}

/* The page frame of a page of the mapping; 0 if the kernel does not tell */
static unsigned long long frame_of(int pagemap, const unsigned char *addr)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	unsigned long long entry = 0;

	if (pread(pagemap, &entry, sizeof(entry),
		  (unsigned long)addr / page * sizeof(entry)) != sizeof(entry))
		return 0;
	return entry & ((1ULL << 55) - 1);
}

static bool is_contiguous(int pagemap, const unsigned char *mem, size_t size)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	unsigned long long first = frame_of(pagemap, mem);
	unsigned long pages = ((unsigned long)mem % page + size - 1) / page;
	unsigned long i;

	for (i = 1; i <= pages; i++)
		if (frame_of(pagemap, mem + i * page) != first + i)
			return false;
	return true;
}

/*
 * A buffer is one piece of memory if available; here, at least one is. The
 * kernel counts them, without blocks that are adjacent by chance.
 */
TEST_F(kmbuf_map, contiguous)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned int bid;
	unsigned char *mem;
	long whole, nr = 0;

	ASSERT_EQ(0, setup(&self->tr.ring, self, 0));
	mem = kmbuf_mmap(&self->tr.ring, BGID, self->size, PROT_READ);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_NE(0, frame_of(pagemap, mem));
	for (bid = 0; bid < ENTRIES; bid++)
		nr += is_contiguous(pagemap, mem + bid * self->buf_size,
				    self->buf_size);
	whole = kmbuf_fdinfo_field(&self->tr.ring, BGID, "whole");
	EXPECT_LE(whole, nr);
	/* no allocator has that many contiguous pages */
	EXPECT_EQ(variant->pages <= 512, whole >= 1);
	munmap(mem, self->size);
	close(pagemap);
}

/* Every page of the mapping is a page of its own, in order */
TEST_F(kmbuf_map, two_mappings)
{
	unsigned char *one, *two;

	ASSERT_EQ(0, setup(&self->tr.ring, self, 0));
	one = kmbuf_mmap(&self->tr.ring, BGID, self->size,
			 PROT_READ | PROT_WRITE);
	two = kmbuf_mmap(&self->tr.ring, BGID, self->size, PROT_READ);
	ASSERT_NE(MAP_FAILED, one);
	ASSERT_NE(MAP_FAILED, two);
	fill_pattern(one, self->size, 9);
	EXPECT_TRUE(check_pattern(two, self->size, 9, 0));
	munmap(one, self->size);
	EXPECT_TRUE(check_pattern(two, self->size, 9, 0));
	munmap(two, self->size);
}

/* The mapping of a ring that is unregistered and closed */
TEST_F(kmbuf_map, mapping_outlives_ring)
{
	struct io_uring ring;
	unsigned char *mem;
	size_t half = self->size / 2;

	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	ASSERT_EQ(0, setup(&ring, self, 0));
	mem = kmbuf_mmap(&ring, BGID, self->size, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, mem);
	fill_pattern(mem, self->size, 5);
	EXPECT_EQ(0, kmbuf_unregister(&ring, BGID));
	io_uring_queue_exit(&ring);

	EXPECT_TRUE(check_pattern(mem, self->size, 5, 0));
	/* it can shrink, but neither grow again nor move */
	EXPECT_EQ(mem, mremap(mem, self->size, half, 0));
	EXPECT_EQ(MAP_FAILED, mremap(mem, half, self->size, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(mem, half, half,
				     MREMAP_MAYMOVE | MREMAP_FIXED,
				     mem + half));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(check_pattern(mem, half, 5, 0));
	munmap(mem, half);
}

static sigjmp_buf fault;

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* The signal that a write gets */
static int write_to(unsigned char *p)
{
	int sig;

	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	sig = sigsetjmp(fault, 1);
	if (!sig)
		__atomic_store_n(p, 1, __ATOMIC_SEQ_CST);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	return sig;
}

/* Write as a debugger does, without PROT_WRITE */
static int write_by_proc(void *addr)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	int ret;

	ret = pwrite(fd, "x", 1, (unsigned long)addr) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int write_by_kernel(void *addr)
{
	int fd[2], ret;

	if (pipe(fd) || write(fd[1], "x", 1) != 1)
		return -EIO;
	ret = read(fd[0], addr, 1) < 0 ? -errno : 0;
	close(fd[0]);
	close(fd[1]);
	return ret;
}

static void expect_read_only(struct __test_metadata *_metadata,
			     struct test_ring *tr, unsigned char *mem,
			     size_t size)
{
	struct iovec iov = { .iov_base = mem, .iov_len = size };
	__u64 tag = 0;

	EXPECT_EQ(SIGSEGV, write_to(mem));
	EXPECT_EQ(SIGSEGV, write_to(mem + size - 1));
	EXPECT_EQ(-1, mprotect(mem, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_NE(0, write_by_proc(mem));
	EXPECT_EQ(-EFAULT, write_by_kernel(mem));
	/* nor can it be registered as a buffer, which needs write access */
	EXPECT_EQ(-EFAULT, io_uring_register_buffers_update_tag(&tr->ring, 0,
								&iov, &tag, 1));
	EXPECT_TRUE(all_zero(mem, size));
}

TEST_F(kmbuf_map, read_only)
{
	unsigned char *mem;
	unsigned long long old;
	int status, pin;
	pid_t pid;

	ASSERT_EQ(0, setup(&self->tr.ring, self, IOU_KMBUF_RING_RDONLY));
	EXPECT_EQ(MAP_FAILED, kmbuf_mmap(&self->tr.ring, BGID, self->size,
					 PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, kmbuf_mmap(&self->tr.ring, BGID, self->size,
					 PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	mem = kmbuf_mmap(&self->tr.ring, BGID, self->size, PROT_READ);
	ASSERT_NE(MAP_FAILED, mem);
	expect_read_only(_metadata, &self->tr, mem, self->size);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(write_to(mem) == SIGSEGV && write_by_proc(mem) &&
		      mprotect(mem, self->size, PROT_WRITE) ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(all_zero(mem, self->size));

	/* the kernel can still write */
	pin = kmbuf_pin(&self->tr, self->fd, BGID);
	ASSERT_EQ(0, pin);
	ASSERT_EQ(0, kmbuf_select(&self->tr, self->fd, pin));
	EXPECT_EQ(0, kmbuf_exchange(&self->tr, self->fd, pin, 0, 8, 99, &old));
	EXPECT_EQ(99, mem[8]);
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, self->fd, pin));
	munmap(mem, self->size);
}

/*
 * A child shares the buffers, and keeps them when its parent has released them
 */
TEST_F(kmbuf_map, fork)
{
	unsigned char *mem;
	int status, go[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, setup(&self->tr.ring, self, 0));
	mem = kmbuf_mmap(&self->tr.ring, BGID, self->size,
			 PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, mem);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 0)
			_exit(2);
		_exit(!check_pattern(mem, self->size, 2, 0));
	}
	fill_pattern(mem, self->size, 2);
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	munmap(mem, self->size);
	close(go[0]);
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
