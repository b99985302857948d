// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel buffer is lent to one ring. IORING_REGISTER_CLONE_BUFFERS copies
 * buffers that userspace registered, and refuses buffers of a subsystem.
 */
#include "kselftest_harness.h"
#include "iou_test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>

#define USER_SLOT	1
#define KERNEL_SLOT	4

FIXTURE(bvec_clone)
{
	struct test_ring src;
	struct test_ring dst;
	struct mock_page page;
	void *user;
};

static int put_user_buffer(struct test_ring *tr, unsigned int slot, void *addr,
			   size_t len)
{
	struct iovec iov = { .iov_base = addr, .iov_len = len };
	__u64 tag = 0;

	return io_uring_register_buffers_update_tag(&tr->ring, slot, &iov, &tag,
						    1);
}

FIXTURE_SETUP(bvec_clone)
{
	int ret = mock_page_create(&self->page);

	if (mock_missing(ret))
		SKIP(return, "%s", mock_missing(ret));
	ASSERT_EQ(0, ret);
	self->user = aligned_alloc(self->page.len, self->page.len);
	ASSERT_EQ(0, test_ring_init(&self->src, 0, 0));
	ASSERT_EQ(0, io_uring_queue_init(4, &self->dst.ring, 0));
	ASSERT_EQ(1, put_user_buffer(&self->src, USER_SLOT, self->user,
				     self->page.len));
	ASSERT_EQ(0, mock_page_lend(&self->page, &self->src,
				    KERNEL_SLOT));
}

/* A refused clone keeps nothing */
FIXTURE_TEARDOWN(bvec_clone)
{
	unsigned int nr = mock_stats(self->page.fd).nr_registered;

	EXPECT_EQ(nr - 1, mock_stats(self->page.fd).nr_released);
	EXPECT_EQ(0, mock_unregister(&self->src, self->page.fd, KERNEL_SLOT));
	EXPECT_EQ(nr, mock_stats(self->page.fd).nr_released);
	EXPECT_EQ(0, mock_stats(self->page.fd).nr_released_again);
	test_ring_exit(&self->src);
	test_ring_exit(&self->dst);
	mock_page_destroy(&self->page);
	free(self->user);
}

static int clone_buffers(struct test_ring *dst, struct test_ring *src,
			 unsigned int dst_off, unsigned int src_off,
			 unsigned int nr, unsigned int flags)
{
	struct io_uring_clone_buffers arg = {
		.src_fd = src->ring.ring_fd,
		.flags = flags,
		.src_off = src_off,
		.dst_off = dst_off,
		.nr = nr,
	};
	int ret;

	ret = syscall(__NR_io_uring_register, dst->ring.ring_fd,
		      IORING_REGISTER_CLONE_BUFFERS, &arg, 1);
	return ret < 0 ? -errno : ret;
}

/* Read one byte into @slot: 1, or -EFAULT if there is no buffer */
static int try_slot(FIXTURE_DATA(bvec_clone) *self, struct test_ring *tr,
		    unsigned int slot, void *addr)
{
	char byte;
	int ret;

	if (write(self->page.pipe[1], "x", 1) != 1)
		return -EIO;
	ret = test_rw_fixed(tr, false, self->page.pipe[0], slot,
			    (unsigned long)addr, 1, -1);
	if (ret < 0 && read(self->page.pipe[0], &byte, 1) != 1)
		return -EIO;
	return ret;
}

TEST_F(bvec_clone, whole_table_refused)
{
	EXPECT_EQ(-EOPNOTSUPP, clone_buffers(&self->dst, &self->src, 0, 0, 0, 0));
	/* the destination is unchanged: it has no table */
	EXPECT_EQ(-EFAULT, try_slot(self, &self->dst, USER_SLOT, self->user));
	EXPECT_EQ(0, io_uring_register_buffers_sparse(&self->dst.ring, NR_SLOTS));
}

TEST_F(bvec_clone, range_with_kernel_buffer_refused)
{
	EXPECT_EQ(-EOPNOTSUPP, clone_buffers(&self->dst, &self->src, 0,
					     KERNEL_SLOT, 1, 0));
	EXPECT_EQ(-EOPNOTSUPP, clone_buffers(&self->dst, &self->src, 0, 0,
					     KERNEL_SLOT + 1, 0));
	EXPECT_EQ(-EOPNOTSUPP, clone_buffers(&self->dst, &self->src, 0,
					     KERNEL_SLOT, NR_SLOTS - KERNEL_SLOT, 0));
}

TEST_F(bvec_clone, rest_of_table_cloned)
{
	EXPECT_EQ(0, clone_buffers(&self->dst, &self->src, 0, 0, KERNEL_SLOT, 0));
	EXPECT_EQ(1, try_slot(self, &self->dst, USER_SLOT, self->user));
	EXPECT_EQ(-EFAULT, try_slot(self, &self->dst, KERNEL_SLOT, NULL));
}

TEST_F(bvec_clone, refused_replace_keeps_old_table)
{
	ASSERT_EQ(0, io_uring_register_buffers_sparse(&self->dst.ring, NR_SLOTS));
	ASSERT_EQ(1, put_user_buffer(&self->dst, 7, self->user,
				     self->page.len));
	EXPECT_EQ(-EOPNOTSUPP, clone_buffers(&self->dst, &self->src, 0, 0, 0,
					     IORING_REGISTER_DST_REPLACE));
	EXPECT_EQ(-EOPNOTSUPP, clone_buffers(&self->dst, &self->src, 7,
					     KERNEL_SLOT, 1,
					     IORING_REGISTER_DST_REPLACE));
	EXPECT_EQ(1, try_slot(self, &self->dst, 7, self->user));
}

/* Within a ring as well: the pages of a request do not go into two slots */
TEST_F(bvec_clone, own_table)
{
	EXPECT_EQ(-EOPNOTSUPP, clone_buffers(&self->src, &self->src, 0,
					     KERNEL_SLOT, 1,
					     IORING_REGISTER_DST_REPLACE));
	EXPECT_EQ(1, try_slot(self, &self->src, KERNEL_SLOT, NULL));

	/* a range that stays in place is not cloned */
	EXPECT_EQ(0, clone_buffers(&self->src, &self->src, 0, USER_SLOT, 1,
				   IORING_REGISTER_DST_REPLACE));
	EXPECT_EQ(1, try_slot(self, &self->src, 0, self->user));
	EXPECT_EQ(1, try_slot(self, &self->src, KERNEL_SLOT, NULL));
}

TEST_F(bvec_clone, after_unregister)
{
	ASSERT_EQ(0, mock_unregister(&self->src, self->page.fd, KERNEL_SLOT));
	EXPECT_EQ(0, clone_buffers(&self->dst, &self->src, 0, 0, 0, 0));
	EXPECT_EQ(1, try_slot(self, &self->dst, USER_SLOT, self->user));
	ASSERT_EQ(0, mock_page_lend(&self->page, &self->src,
				    KERNEL_SLOT));
}

TEST_HARNESS_MAIN
