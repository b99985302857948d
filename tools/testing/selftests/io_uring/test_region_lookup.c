// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring_registered_mem_region_get(): a command handler reaches the very
 * memory that the application sees, all of it, or is told that there is none.
 */
#include "kselftest_harness.h"
#include "iou_region.h"

#include <pthread.h>
#include <stdlib.h>

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

/* Every page, seen from both sides */
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
 * Look up the region until it is there, while another thread registers it. The
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
	/* both outcomes were seen, or this was no race */
	EXPECT_GT(before, 0);
	close(fd);
}

TEST_HARNESS_MAIN
