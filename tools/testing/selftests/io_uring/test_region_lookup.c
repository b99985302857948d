// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring_registered_mem_region_get(): a command handler gets exactly the
 * memory that the application sees, all of it, or learns that there is none.
 */
#include "kselftest_harness.h"
#include "iou_region.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define NR_PAGES	5
#define NR_RACES	200

FIXTURE(region_lookup)
{
	struct test_ring tr;
	size_t size;
	int fd;
};

FIXTURE_VARIANT(region_lookup)
{
	unsigned int setup_flags;
	unsigned int sqe_flags;
};

FIXTURE_VARIANT_ADD(region_lookup, inline) { };

FIXTURE_VARIANT_ADD(region_lookup, async) {
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(region_lookup, sqpoll) {
	.setup_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(region_lookup, defer_taskrun) {
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(region_lookup)
{
	self->fd = mock_create(1, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	self->size = NR_PAGES * sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, test_ring_init(&self->tr, variant->setup_flags,
				    variant->sqe_flags));
}

FIXTURE_TEARDOWN(region_lookup)
{
	test_ring_exit(&self->tr);
	close(self->fd);
}

/* Every page is the same from both sides */
static bool is_shared(FIXTURE_DATA(region_lookup) *self, __u64 *mem)
{
	size_t i;

	for (i = 0; i < self->size / sizeof(*mem); i += 509) {
		struct io_uring_mock_kmbuf_region arg = {
			.offset = i * sizeof(*mem),
			.new = ~i,
		};

		mem[i] = i + 1;
		if (region_exchange(&self->tr, self->fd, &arg) ||
		    arg.nr_pages != NR_PAGES || arg.old != i + 1 ||
		    mem[i] != ~i)
			return false;
	}
	return true;
}

TEST_F(region_lookup, none)
{
	struct io_uring_mock_kmbuf_region arg = { };

	EXPECT_EQ(0, region_exchange(&self->tr, self->fd, &arg));
	EXPECT_EQ(0, arg.nr_pages);
}

TEST_F(region_lookup, allocated_by_kernel)
{
	void *mem = region_register(&self->tr.ring, NULL, self->size);

	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_TRUE(is_shared(self, mem));
	munmap(mem, self->size);
}

TEST_F(region_lookup, provided_by_user)
{
	void *mem = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(mem, region_register(&self->tr.ring, mem, self->size));
	EXPECT_TRUE(is_shared(self, mem));
	munmap(mem, self->size);
}

/* The kernel's address outlives the mapping */
TEST_F(region_lookup, unmapped)
{
	struct io_uring_mock_kmbuf_region arg = { .new = 7 };
	void *mem = region_register(&self->tr.ring, NULL, self->size);

	ASSERT_NE(MAP_FAILED, mem);
	munmap(mem, self->size);
	EXPECT_EQ(0, region_exchange(&self->tr, self->fd, &arg));
	arg = (struct io_uring_mock_kmbuf_region) { };
	EXPECT_EQ(0, region_exchange(&self->tr, self->fd, &arg));
	EXPECT_EQ(7, arg.old);
}

TEST_F(region_lookup, refused_registration_leaves_none)
{
	struct io_uring_mock_kmbuf_region arg = { };

	EXPECT_EQ(MAP_FAILED, region_register(&self->tr.ring, NULL, 100));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, region_exchange(&self->tr, self->fd, &arg));
	EXPECT_EQ(0, arg.nr_pages);
}

struct racer {
	struct io_uring	*ring;
	size_t		size;
	void		*mem;
};

static void *register_racing(void *arg)
{
	struct racer *r = arg;

	r->mem = region_register(r->ring, NULL, r->size);
	return NULL;
}

/*
 * Look up the region until it exists, while another thread registers it. The
 * mock fails a lookup that returns an address without a size or the reverse.
 */
TEST(region_lookup_races_registration)
{
	size_t size = NR_PAGES * sysconf(_SC_PAGESIZE);
	unsigned int i, before = 0;
	int fd = mock_create(1, 0);

	if (mock_missing(fd))
		SKIP(return, "%s", mock_missing(fd));
	ASSERT_GE(fd, 0);

	for (i = 0; i < NR_RACES; i++) {
		struct io_uring_mock_kmbuf_region arg = { };
		struct test_ring tr;
		struct racer r = { .ring = &tr.ring, .size = size };
		pthread_t thread;

		/* half of them from a worker, which holds no lock at first */
		ASSERT_EQ(0, test_ring_init(&tr, 0, i & 1 ? IOSQE_ASYNC : 0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, register_racing,
					    &r));
		while (!arg.nr_pages) {
			arg = (struct io_uring_mock_kmbuf_region) {
				.offset = size - sizeof(__u64),
				.new = i + 1,
			};
			ASSERT_EQ(0, region_exchange(&tr, fd, &arg));
			before += !arg.nr_pages;
		}
		EXPECT_EQ(NR_PAGES, arg.nr_pages);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_NE(MAP_FAILED, r.mem);
		EXPECT_EQ(i + 1, ((__u64 *)r.mem)[size / sizeof(__u64) - 1]);
		munmap(r.mem, size);
		test_ring_exit(&tr);
	}
	/* both outcomes have to occur, or this was no race */
	EXPECT_GT(before, 0);
	close(fd);
}

/*
 * Memory whose pages the test provides on demand; until then the kernel waits
 */
struct held_pages {
	unsigned char	*mem;
	size_t		page;
	int		uffd;
};

static bool hold_pages(struct held_pages *held, unsigned int nr)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	held->page = sysconf(_SC_PAGESIZE);
	held->uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (held->uffd < 0 || ioctl(held->uffd, UFFDIO_API, &api))
		return false;
	held->mem = mmap(NULL, nr * held->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (unsigned long)held->mem;
	reg.range.len = nr * held->page;
	return held->mem != MAP_FAILED &&
	       !ioctl(held->uffd, UFFDIO_REGISTER, &reg);
}

/* Wait for a page fault, and return the number of the page */
static int wait_for_fault(struct held_pages *held)
{
	struct uffd_msg msg;

	if (read(held->uffd, &msg, sizeof(msg)) != sizeof(msg))
		return -1;
	return (msg.arg.pagefault.address - (unsigned long)held->mem) /
	       held->page;
}

static int release_page(struct held_pages *held, unsigned int nr,
			const void *data, size_t len)
{
	unsigned char *page = aligned_alloc(held->page, held->page);
	struct uffdio_copy copy = {
		.dst = (unsigned long)held->mem + nr * held->page,
		.src = (unsigned long)page,
		.len = held->page,
	};
	int ret;

	memset(page, 0, held->page);
	memcpy(page, data, len);
	ret = ioctl(held->uffd, UFFDIO_COPY, &copy);
	free(page);
	return ret;
}

struct region_arg {
	struct io_uring_mem_region_reg	reg;
	struct io_uring_region_desc	rd;
};

struct slow_register {
	struct io_uring		*ring;
	struct region_arg	*arg;
	int			ret;
};

static void *register_slowly(void *data)
{
	struct slow_register *slow = data;

	slow->ret = syscall(__NR_io_uring_register, slow->ring->ring_fd,
			    IORING_REGISTER_MEM_REGION, &slow->arg->reg, 1);
	return NULL;
}

/* Page 0 of @held is the registration's argument, page 1 that of the lookup */
static void lookup_during(struct __test_metadata *_metadata,
			  struct test_ring *tr, int fd, struct held_pages *held)
{
	struct io_uring_mock_kmbuf_region *arg = (void *)held->mem + held->page;
	struct region_arg *user = (void *)held->mem;
	struct slow_register slow = { .ring = &tr->ring, .arg = user };
	struct io_uring_mock_kmbuf_region lookup = { };
	struct region_arg region = {
		.reg.region_uptr = (unsigned long)&user->rd,
		.rd.size = NR_PAGES * held->page,
	};
	pthread_t thread;

	mock_prep(tr, fd, IORING_MOCK_KMBUF_CMD_REGION, arg, sizeof(*arg));
	test_submit(tr);
	ASSERT_EQ(1, wait_for_fault(held));
	ASSERT_EQ(0, pthread_create(&thread, NULL, register_slowly, &slow));
	ASSERT_EQ(0, wait_for_fault(held));

	/* the registration has begun: the lookup must not overtake it */
	ASSERT_EQ(0, release_page(held, 1, &lookup, sizeof(lookup)));
	EXPECT_FALSE(test_wait_for(tr, 300));
	ASSERT_EQ(0, release_page(held, 0, &region, sizeof(region)));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, slow.ret);
	EXPECT_EQ(0, test_wait(tr));
	EXPECT_EQ(NR_PAGES, arg->nr_pages);
}

/*
 * A lookup by a worker that holds no lock waits for the registration in
 * progress, and sees all of it.
 */
TEST(region_lookup_waits_for_registration)
{
	int fd = mock_create(1, 0);
	struct held_pages held;
	struct test_ring tr;

	if (mock_missing(fd))
		SKIP(return, "%s", mock_missing(fd));
	ASSERT_GE(fd, 0);
	if (!hold_pages(&held, 2))
		SKIP(return, "needs CONFIG_USERFAULTFD");
	ASSERT_EQ(0, test_ring_init(&tr, 0, IOSQE_ASYNC));
	lookup_during(_metadata, &tr, fd, &held);
	test_ring_exit(&tr);
	munmap(held.mem, 2 * held.page);
	close(held.uffd);
	close(fd);
}

TEST_HARNESS_MAIN
