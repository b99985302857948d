// SPDX-License-Identifier: GPL-2.0
/*
 * io_buffer_register_bvec(): invalid arguments are refused, and leave nothing
 * behind.
 */
#include "kselftest_harness.h"
#include "iou_test.h"

#include <errno.h>
#include <stdlib.h>

#define NR_PAGES	4

FIXTURE(bvec_errno)
{
	struct test_ring tr;
	struct io_uring_mock_bvec bvs[NR_PAGES];
	unsigned int page_size;
	int fd;
};

FIXTURE_SETUP(bvec_errno)
{
	self->fd = mock_create(NR_PAGES, 0);
	if (mock_missing(self->fd))
		SKIP(return, "%s", mock_missing(self->fd));
	ASSERT_GE(self->fd, 0);
	self->page_size = sysconf(_SC_PAGESIZE);
	mock_bvecs_linear(self->bvs, NR_PAGES);
	ASSERT_EQ(0, test_ring_init(&self->tr, 0, 0));
}

/* Whatever a test did wrong: nothing was released, and every slot is free */
FIXTURE_TEARDOWN(bvec_errno)
{
	unsigned int i, nr = mock_stats(self->fd).nr_registered;

	for (i = 0; i < NR_SLOTS; i++)
		mock_unregister(&self->tr, self->fd, i);
	EXPECT_EQ(nr, mock_stats(self->fd).nr_released);
	EXPECT_EQ(0, mock_stats(self->fd).nr_released_again);
	for (i = 0; i < NR_SLOTS; i++)
		EXPECT_EQ(0, mock_register(&self->tr, self->fd, self->bvs, 1, i,
					   BUF_DEST));
	test_ring_exit(&self->tr);
	EXPECT_TRUE(mock_wait_released(self->fd, nr + NR_SLOTS));
	close(self->fd);
}

static int register_one(FIXTURE_DATA(bvec_errno) *self, unsigned int nr,
			unsigned int index, unsigned int dir)
{
	return mock_register(&self->tr, self->fd, self->bvs, nr, index, dir);
}

TEST_F(bvec_errno, no_entries)
{
	EXPECT_EQ(-EINVAL, register_one(self, 0, 0, BUF_DEST));
	EXPECT_EQ(0, mock_stats(self->fd).nr_registered);
}

TEST_F(bvec_errno, entry_without_length)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++) {
		self->bvs[i].len = 0;
		EXPECT_EQ(-EINVAL, register_one(self, NR_PAGES, 0, BUF_DEST));
		self->bvs[i].len = self->page_size;
	}
}

TEST_F(bvec_errno, entry_without_page)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++) {
		self->bvs[i].page = IORING_MOCK_KMBUF_NO_PAGE;
		EXPECT_EQ(-EINVAL, register_one(self, NR_PAGES, 0, BUF_DEST));
		self->bvs[i].page = i;
	}
}

TEST_F(bvec_errno, no_release)
{
	struct io_uring_mock_kmbuf_register reg = {
		.bvecs = (unsigned long)self->bvs,
		.nr_bvecs = 1,
		.dir = BUF_DEST,
		.flags = IORING_MOCK_KMBUF_NO_RELEASE,
	};

	EXPECT_EQ(-EINVAL, mock_cmd(&self->tr, self->fd,
				    IORING_MOCK_KMBUF_CMD_REGISTER, &reg,
				    sizeof(reg)));
}

TEST_F(bvec_errno, direction)
{
	EXPECT_EQ(-EINVAL, register_one(self, 1, 0, 0));
	EXPECT_EQ(0, register_one(self, 1, 0, BUF_DEST));
	EXPECT_EQ(0, register_one(self, 1, 1, BUF_SOURCE));
	EXPECT_EQ(0, register_one(self, 1, 2, BUF_DEST | BUF_SOURCE));
	EXPECT_EQ(-EINVAL, register_one(self, 1, 3, 4));
	EXPECT_EQ(-EINVAL, register_one(self, 1, 3, BUF_DEST | 4));
	EXPECT_EQ(-EINVAL, register_one(self, 1, 3, 0xff));
}

TEST_F(bvec_errno, slot_out_of_range)
{
	EXPECT_EQ(0, register_one(self, 1, NR_SLOTS - 1, BUF_DEST));
	EXPECT_EQ(-EINVAL, register_one(self, 1, NR_SLOTS, BUF_DEST));
	EXPECT_EQ(-EINVAL, register_one(self, 1, ~0U, BUF_DEST));
}

TEST_F(bvec_errno, slot_taken_by_kernel_buffer)
{
	EXPECT_EQ(0, register_one(self, 1, 3, BUF_DEST));
	EXPECT_EQ(-EBUSY, register_one(self, 1, 3, BUF_DEST));
	EXPECT_EQ(1, mock_stats(self->fd).nr_registered);
	EXPECT_EQ(0, mock_stats(self->fd).nr_released);
}

TEST_F(bvec_errno, slot_taken_by_user_buffer)
{
	struct iovec iov = { .iov_len = self->page_size };
	__u64 tag = 0;

	iov.iov_base = aligned_alloc(self->page_size, self->page_size);
	ASSERT_NE(NULL, iov.iov_base);
	ASSERT_EQ(1, io_uring_register_buffers_update_tag(&self->tr.ring, 3,
							  &iov, &tag, 1));
	EXPECT_EQ(-EBUSY, register_one(self, 1, 3, BUF_DEST));
	/* and a subsystem cannot unregister it either */
	EXPECT_EQ(-EBUSY, mock_unregister(&self->tr, self->fd, 3));

	free(iov.iov_base);
	iov = (struct iovec) { };
	ASSERT_EQ(1, io_uring_register_buffers_update_tag(&self->tr.ring, 3,
							  &iov, &tag, 1));
}

TEST_F(bvec_errno, no_table)
{
	struct test_ring bare = { };

	ASSERT_EQ(0, io_uring_queue_init(4, &bare.ring, 0));
	EXPECT_EQ(-EINVAL, mock_register(&bare, self->fd, self->bvs, 1, 0,
					 BUF_DEST));
	EXPECT_EQ(-EINVAL, mock_unregister(&bare, self->fd, 0));
	io_uring_queue_exit(&bare.ring);
}

TEST_F(bvec_errno, unregister_empty_slot)
{
	EXPECT_EQ(-EINVAL, mock_unregister(&self->tr, self->fd, 0));
	EXPECT_EQ(-EINVAL, mock_unregister(&self->tr, self->fd, NR_SLOTS));
	EXPECT_EQ(-EINVAL, mock_unregister(&self->tr, self->fd, ~0U));
	EXPECT_EQ(0, register_one(self, 1, 0, BUF_DEST));
	EXPECT_EQ(0, mock_unregister(&self->tr, self->fd, 0));
	EXPECT_EQ(-EINVAL, mock_unregister(&self->tr, self->fd, 0));
}

TEST_HARNESS_MAIN
