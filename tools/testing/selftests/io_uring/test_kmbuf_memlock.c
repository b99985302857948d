// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers are charged to RLIMIT_MEMLOCK and to the memory cgroup, by the page,
 * for as long as anybody holds them: ring, mapping, slot or pin.
 */
#include "kselftest_harness.h"
#include "iou_cgroup.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define BGID		1
#define ENTRIES		8
#define NR_RINGS	4
#define LOOPS		50
#define MIB		(1024L * 1024)
/* charges are batched per CPU */
#define SLACK		(2 * MIB)

FIXTURE(kmbuf_memlock)
{
	struct test_ring tr;
	/* ring to probe the charge with */
	struct test_ring probe;
	long page;
	long before;
	/* size of the whole ring of buffers, in pages and bytes */
	long pages;
	size_t size;
};

FIXTURE_VARIANT(kmbuf_memlock)
{
	unsigned int pages;
	unsigned int bytes;
};

FIXTURE_VARIANT_ADD(kmbuf_memlock, one_page) {
	.pages = 1,
};

FIXTURE_VARIANT_ADD(kmbuf_memlock, three_pages) {
	.pages = 3,
};

FIXTURE_VARIANT_ADD(kmbuf_memlock, sixteen_pages) {
	.pages = 16,
};

/* Together they end within a page, which is charged whole */
FIXTURE_VARIANT_ADD(kmbuf_memlock, page_and_sector) {
	.pages = 1,
	.bytes = 512 + 1024,
};

FIXTURE_SETUP(kmbuf_memlock)
{
	if (getuid())
		SKIP(return, "needs root");
	self->page = sysconf(_SC_PAGESIZE);
	self->pages = ENTRIES * variant->pages +
		      (ENTRIES * variant->bytes + self->page - 1) / self->page;
	self->size = self->pages * self->page;
	ASSERT_TRUE(memlock_enter());
	ASSERT_EQ(0, test_ring_init(&self->tr, 0, 0));
	ASSERT_EQ(0, test_ring_init(&self->probe, 0, 0));
	self->before = memlock_pages(&self->probe);
	ASSERT_GE(self->before, 0);
}

static long charged(FIXTURE_DATA(kmbuf_memlock) *self)
{
	return memlock_pages(&self->probe) - self->before;
}

FIXTURE_TEARDOWN(kmbuf_memlock)
{
	test_ring_exit(&self->tr);
	EXPECT_TRUE(memlock_wait(&self->probe, self->before));
	test_ring_exit(&self->probe);
	EXPECT_TRUE(memlock_leave());
}

static int set_limit(long pages)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	limit.rlim_cur = pages * sysconf(_SC_PAGESIZE);
	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

static int setup(FIXTURE_DATA(kmbuf_memlock) *self,
		 const FIXTURE_VARIANT(kmbuf_memlock) *variant,
		 unsigned int flags)
{
	return kmbuf_setup_bytes(&self->tr.ring, BGID, ENTRIES,
				 variant->pages * self->page + variant->bytes,
				 flags);
}

static void *map(FIXTURE_DATA(kmbuf_memlock) *self)
{
	return kmbuf_mmap(&self->tr.ring, BGID, self->size,
			  PROT_READ | PROT_WRITE);
}

/* Exactly the number of pages, even if it is not a power of two */
TEST_F(kmbuf_memlock, charge)
{
	ASSERT_EQ(0, setup(self, variant, 0));
	EXPECT_EQ(self->pages, charged(self));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(0, charged(self));
}

TEST_F(kmbuf_memlock, at_the_limit)
{
	ASSERT_EQ(0, set_limit(self->before + self->pages - 1));
	EXPECT_EQ(-ENOMEM, setup(self, variant, 0));
	ASSERT_EQ(0, set_limit(self->before + self->pages));
	EXPECT_EQ(0, setup(self, variant, 0));
	EXPECT_EQ(self->pages, charged(self));
}

/* With room for one ring and not a page more, to show leaks at once */
TEST_F(kmbuf_memlock, loop)
{
	unsigned int i;
	void *mem;

	for (i = 0; i < LOOPS; i++) {
		ASSERT_EQ(0, set_limit(self->before + self->pages));
		ASSERT_EQ(0, setup(self, variant, 0));
		mem = map(self);
		ASSERT_NE(MAP_FAILED, mem);
		/* the first half of the rounds unmaps first */
		if (i < LOOPS / 2)
			munmap(mem, self->size);
		ASSERT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
		munmap(mem, self->size);
	}
	EXPECT_EQ(0, charged(self));
}

TEST_F(kmbuf_memlock, mapped_after_unregister)
{
	size_t half;
	void *mem;

	ASSERT_EQ(0, setup(self, variant, 0));
	mem = map(self);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(self->pages, charged(self));

	/* in two parts, then one, then a part of that */
	half = self->pages / 2 * self->page;
	EXPECT_EQ(0, munmap(mem + half, self->page));
	EXPECT_EQ(self->pages, charged(self));
	EXPECT_EQ(0, munmap(mem + half, self->size - half));
	EXPECT_EQ(self->pages, charged(self));
	EXPECT_EQ(mem, mremap(mem, half, self->page, 0));
	EXPECT_EQ(self->pages, charged(self));
	munmap(mem, self->page);
	EXPECT_EQ(0, charged(self));
}

TEST_F(kmbuf_memlock, mapped_in_child)
{
	int status, go[2];
	pid_t pid;
	void *mem;
	char byte;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, setup(self, variant, 0));
	mem = map(self);
	ASSERT_NE(MAP_FAILED, mem);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 0);
	}
	munmap(mem, self->size);
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(self->pages, charged(self));
	close(go[0]);
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, charged(self));
}

TEST_F(kmbuf_memlock, kept_by_slot)
{
	ASSERT_EQ(0, setup(self, variant, IOU_KMBUF_RING_FIXED));
	EXPECT_EQ(self->pages, charged(self));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(self->pages, charged(self));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->tr.ring));
	EXPECT_EQ(0, charged(self));

	/* and in the other order */
	ASSERT_EQ(0, io_uring_register_buffers_sparse(&self->tr.ring, 1));
	ASSERT_EQ(0, setup(self, variant, IOU_KMBUF_RING_FIXED));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->tr.ring));
	EXPECT_EQ(self->pages, charged(self));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(0, charged(self));
}

/* A clone in another ring keeps the buffers, and is not charged again */
TEST_F(kmbuf_memlock, kept_by_clone)
{
	struct io_uring dst;
	void *mem;

	ASSERT_EQ(0, setup(self, variant, IOU_KMBUF_RING_FIXED));
	ASSERT_EQ(0, io_uring_queue_init(4, &dst, 0));
	ASSERT_EQ(0, io_uring_clone_buffers(&dst, &self->tr.ring));
	EXPECT_EQ(self->pages, charged(self));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->tr.ring));
	EXPECT_EQ(self->pages, charged(self));
	EXPECT_EQ(0, io_uring_unregister_buffers(&dst));
	EXPECT_EQ(0, charged(self));

	/* unregister the clone first; then close a ring that has one */
	ASSERT_EQ(0, io_uring_register_buffers_sparse(&self->tr.ring, 1));
	ASSERT_EQ(0, setup(self, variant, IOU_KMBUF_RING_FIXED));
	ASSERT_EQ(0, io_uring_clone_buffers(&dst, &self->tr.ring));
	EXPECT_EQ(0, io_uring_unregister_buffers(&dst));
	EXPECT_EQ(self->pages, charged(self));
	ASSERT_EQ(0, io_uring_clone_buffers(&dst, &self->tr.ring));
	mem = map(self);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, BGID));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->tr.ring));
	munmap(mem, self->size);
	EXPECT_EQ(self->pages, charged(self));
	io_uring_queue_exit(&dst);
	EXPECT_TRUE(memlock_wait(&self->probe, self->before));
}

/* The source is closed while the clone is in use */
TEST_F(kmbuf_memlock, clone_of_closed_ring)
{
	struct test_ring src;
	struct io_uring dst;

	ASSERT_EQ(0, test_ring_init(&src, 0, 0));
	ASSERT_EQ(0, kmbuf_setup(&src.ring, BGID, ENTRIES, 1,
				 IOU_KMBUF_RING_FIXED));
	ASSERT_EQ(0, io_uring_queue_init(4, &dst, 0));
	ASSERT_EQ(0, io_uring_clone_buffers(&dst, &src.ring));
	test_ring_exit(&src);
	usleep(200000);
	EXPECT_EQ(ENTRIES, charged(self));
	io_uring_queue_exit(&dst);
	EXPECT_TRUE(memlock_wait(&self->probe, self->before));
}

/* A user who may lock any amount is not charged */
TEST_F(kmbuf_memlock, privileged)
{
	struct test_ring tr;

	ASSERT_EQ(0, set_limit(1));
	ASSERT_TRUE(memlock_leave());
	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	EXPECT_EQ(0, kmbuf_setup(&tr.ring, BGID, ENTRIES, 1, 0));
	ASSERT_TRUE(memlock_enter());
	EXPECT_EQ(0, charged(self));
	test_ring_exit(&tr);
	EXPECT_EQ(0, charged(self));
}

/* A consumer's pin keeps the charge, too: it outlives the ring */
TEST_F(kmbuf_memlock, kept_by_pin)
{
	struct test_ring tr;
	int mock, pin;

	/* the mock device is for root, its file is not */
	ASSERT_TRUE(memlock_leave());
	mock = mock_create(1, 0);
	if (mock_missing(mock))
		SKIP(return, "%s", mock_missing(mock));
	ASSERT_GE(mock, 0);
	ASSERT_TRUE(memlock_enter());
	ASSERT_EQ(0, test_ring_init(&tr, 0, 0));
	ASSERT_EQ(0, kmbuf_setup(&tr.ring, BGID, ENTRIES, 3, 0));
	pin = kmbuf_pin(&tr, mock, BGID);
	EXPECT_EQ(0, pin);
	test_ring_exit(&tr);
	usleep(200000);
	EXPECT_EQ(3 * ENTRIES, charged(self));
	EXPECT_EQ(0, kmbuf_unpin(&self->tr, mock, pin));
	EXPECT_TRUE(memlock_wait(&self->probe, self->before));
	close(mock);
}

FIXTURE(kmbuf_memcg)
{
	struct test_cgroup cg;
	struct io_uring ring;
	long before;
};

FIXTURE_SETUP(kmbuf_memcg)
{
	if (getuid())
		SKIP(return, "needs root");
	if (!test_cgroup_create(&self->cg, "iou_kmbuf"))
		SKIP(return, "needs the memory controller of cgroup v2");
	ASSERT_TRUE(test_cgroup_enter(&self->cg));
	ASSERT_EQ(0, io_uring_queue_init(4, &self->ring, 0));
	self->before = test_cgroup_usage(&self->cg);
	ASSERT_GE(self->before, 0);
}

FIXTURE_TEARDOWN(kmbuf_memcg)
{
	io_uring_queue_exit(&self->ring);
	EXPECT_TRUE(test_cgroup_destroy(&self->cg));
}

static void expect_usage(struct __test_metadata *_metadata,
			 FIXTURE_DATA(kmbuf_memcg) *self, long bytes)
{
	long usage = test_cgroup_usage(&self->cg) - self->before;

	EXPECT_GE(usage, bytes - SLACK);
	EXPECT_LE(usage, bytes + SLACK);
}

/* By the page, in chunks, cut chunks and pages alike */
TEST_F(kmbuf_memcg, charge)
{
	const unsigned int pages[] = { 1, 3, 64, 1025 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		unsigned int nr = 1;
		void *mem;
		long size;

		while (nr * pages[i] < 4096)
			nr *= 2;
		size = (long)nr * pages[i] * sysconf(_SC_PAGESIZE);
		ASSERT_EQ(0, kmbuf_setup(&self->ring, BGID, nr, pages[i], 0));
		expect_usage(_metadata, self, size);
		mem = kmbuf_mmap(&self->ring, BGID, size, PROT_READ);
		ASSERT_NE(MAP_FAILED, mem);
		EXPECT_EQ(0, kmbuf_unregister(&self->ring, BGID));
		expect_usage(_metadata, self, size);
		munmap(mem, size);
		expect_usage(_metadata, self, 0);
	}
}

/* Memory charged for four rings of the largest number of pages, in bytes */
static long usage_of_rings(struct __test_metadata *_metadata,
			   FIXTURE_DATA(kmbuf_memcg) *self, unsigned int flags)
{
	long usage = -1;
	unsigned int i;

	ASSERT_EQ(0, io_uring_register_buffers_sparse(&self->ring, NR_RINGS));
	for (i = 0; i < NR_RINGS; i++) {
		struct io_uring_kmbuf_reg reg = {
			.buf_size = sysconf(_SC_PAGESIZE),
			.ring_entries = 32768,
			.bgid = i,
			.flags = flags,
			.fixed_index = flags & IOU_KMBUF_RING_FIXED ? i : 0,
		};

		ASSERT_EQ(0, kmbuf_register(&self->ring, &reg));
	}
	usage = test_cgroup_usage(&self->cg);
	for (i = 0; i < NR_RINGS; i++)
		EXPECT_EQ(0, kmbuf_unregister(&self->ring, i));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
	return usage;
}

/* The array of a slot, 16 bytes per page here, is charged in addition */
TEST_F_TIMEOUT(kmbuf_memcg, array_of_slot, 120)
{
	long plain = usage_of_rings(_metadata, self, 0);
	long fixed = usage_of_rings(_metadata, self, IOU_KMBUF_RING_FIXED);

	/* half of it: see SLACK */
	EXPECT_GE(fixed - plain, NR_RINGS * 32768L * 16 / 2) {
		TH_LOG("%ld bytes with slots, %ld without", fixed, plain);
	}
}

/* So are the arrays and nodes of buffers that userspace registers */
TEST_F_TIMEOUT(kmbuf_memcg, nodes_of_user_buffers, 120)
{
	const unsigned int nr = 16384;
	struct iovec *iov = calloc(nr, sizeof(*iov));
	static char byte;
	unsigned int i;
	long usage;

	for (i = 0; i < nr; i++)
		iov[i] = (struct iovec) { &byte, 1 };
	ASSERT_EQ(0, io_uring_register_buffers_sparse(&self->ring, nr));
	usage = test_cgroup_usage(&self->cg);
	ASSERT_EQ((int)nr, io_uring_register_buffers_update_tag(&self->ring, 0,
								iov, NULL, nr));
	/* a node, and an array of at least 32 entries */
	EXPECT_GE(test_cgroup_usage(&self->cg) - usage, nr * 512L);
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
	free(iov);
}

/* Exceeding the group's limit is an error, and does not kill the task */
TEST_F(kmbuf_memcg, at_the_limit)
{
	const unsigned int pages[] = { 1, 3, 16, 1025 };
	unsigned int i;

	ASSERT_TRUE(test_cgroup_limit(&self->cg, self->before + 16 * MIB));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		unsigned int nr = 1;

		while (nr * pages[i] * sysconf(_SC_PAGESIZE) < 24 * MIB)
			nr *= 2;
		EXPECT_EQ(-ENOMEM, kmbuf_setup(&self->ring, BGID, nr, pages[i],
					       0));
		expect_usage(_metadata, self, 0);
	}
	EXPECT_EQ(0, test_cgroup_oom_kills(&self->cg));
	EXPECT_EQ(0, kmbuf_setup(&self->ring, BGID, 16, 64, 0));
	EXPECT_EQ(0, kmbuf_unregister(&self->ring, BGID));
}

TEST_HARNESS_MAIN
