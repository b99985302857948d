// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer group is one kind of ring or the other. Operations on provided
 * buffers treat a group of kernel-managed buffers as an unused group, and the
 * other way round.
 */
#include "kselftest_harness.h"
#include "iou_kmbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define KMBUF_GROUP	7
#define UNUSED_GROUP	8
#define SEED		6
#define ENTRIES		4

FIXTURE(kmbuf_group)
{
	struct test_ring tr;
	unsigned char *mem;
	size_t size;
	/* two sockets, the first of them with data to read */
	int sock[2];
};

FIXTURE_VARIANT(kmbuf_group)
{
	unsigned int setup_flags;
	unsigned int sqe_flags;
};

FIXTURE_VARIANT_ADD(kmbuf_group, inline) { };

FIXTURE_VARIANT_ADD(kmbuf_group, async) {
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(kmbuf_group, sqpoll) {
	.setup_flags = IORING_SETUP_SQPOLL,
};

FIXTURE_SETUP(kmbuf_group)
{
	self->size = ENTRIES * sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, test_ring_init(&self->tr, variant->setup_flags,
				    variant->sqe_flags));
	ASSERT_EQ(0, kmbuf_setup(&self->tr.ring, KMBUF_GROUP, ENTRIES, 1, 0));
	self->mem = kmbuf_mmap(&self->tr.ring, KMBUF_GROUP, self->size,
			       PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->mem);
	fill_pattern(self->mem, self->size, SEED);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sock));
}

/* Whatever a test tried, the buffers are unchanged */
FIXTURE_TEARDOWN(kmbuf_group)
{
	EXPECT_TRUE(check_pattern(self->mem, self->size, SEED, 0));
	munmap(self->mem, self->size);
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, KMBUF_GROUP));
	test_ring_exit(&self->tr);
	close(self->sock[0]);
	close(self->sock[1]);
}

static struct iovec iov;
static struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

/* Requests that let the kernel select the buffer */
static const struct {
	const char *name;
	unsigned char opcode;
	unsigned short ioprio;
	unsigned int len;
	const void *addr;
} ops[] = {
	{ "READ", IORING_OP_READ, .len = 64 },
	{ "READV", IORING_OP_READV, .len = 1, .addr = &iov },
	{ "READ_MULTISHOT", IORING_OP_READ_MULTISHOT },
	{ "RECV", IORING_OP_RECV, .len = 64 },
	{ "RECV multishot", IORING_OP_RECV, .ioprio = IORING_RECV_MULTISHOT },
	{ "RECV bundle", IORING_OP_RECV, .ioprio = IORING_RECVSEND_BUNDLE },
	{ "RECVMSG", IORING_OP_RECVMSG, .len = 1, .addr = &msg },
	{ "SEND", IORING_OP_SEND, .len = 64 },
	{ "SEND bundle", IORING_OP_SEND, .ioprio = IORING_RECVSEND_BUNDLE },
};

static int try_op(struct test_ring *tr, unsigned int nr, int fd,
		  unsigned int bgid)
{
	struct io_uring_sqe *sqe = test_sqe(tr);

	sqe->opcode = ops[nr].opcode;
	sqe->flags = tr->sqe_flags | IOSQE_BUFFER_SELECT;
	sqe->ioprio = ops[nr].ioprio;
	sqe->fd = fd;
	sqe->addr = (unsigned long)ops[nr].addr;
	sqe->len = ops[nr].len;
	sqe->buf_group = bgid;
	return test_submit_wait(tr);
}

TEST_F(kmbuf_group, requests_find_no_buffer)
{
	unsigned int nr;

	ASSERT_EQ(64, send(self->sock[1], self->mem, 64, 0));
	for (nr = 0; nr < ARRAY_SIZE(ops); nr++) {
		int want = try_op(&self->tr, nr, self->sock[0], UNUSED_GROUP);

		EXPECT_GT(0, want) {
			TH_LOG("%s", ops[nr].name);
		}
		EXPECT_EQ(want, try_op(&self->tr, nr, self->sock[0],
				       KMBUF_GROUP)) {
			TH_LOG("%s", ops[nr].name);
		}
	}
}

static int legacy(struct test_ring *tr, unsigned int opcode, unsigned int bgid,
		  void *addr, unsigned int nr)
{
	struct io_uring_sqe *sqe = test_sqe(tr);

	sqe->opcode = opcode;
	sqe->flags = tr->sqe_flags;
	sqe->fd = nr;
	sqe->addr = (unsigned long)addr;
	sqe->len = addr ? 64 : 0;
	sqe->buf_group = bgid;
	return test_submit_wait(tr);
}

TEST_F(kmbuf_group, classic_buffers)
{
	static char buf[64];

	EXPECT_EQ(-EEXIST, legacy(&self->tr, IORING_OP_PROVIDE_BUFFERS,
				  KMBUF_GROUP, buf, 1));
	EXPECT_EQ(-ENOENT, legacy(&self->tr, IORING_OP_REMOVE_BUFFERS,
				  KMBUF_GROUP, NULL, 1));

	/* with buffers in it, the group cannot be replaced; without, it can */
	ASSERT_EQ(0, legacy(&self->tr, IORING_OP_PROVIDE_BUFFERS, UNUSED_GROUP,
			    buf, 1));
	EXPECT_EQ(-EEXIST, kmbuf_setup(&self->tr.ring, UNUSED_GROUP, 1, 1, 0));
	EXPECT_EQ(-ENOENT, kmbuf_unregister(&self->tr.ring, UNUSED_GROUP));
	ASSERT_EQ(1, legacy(&self->tr, IORING_OP_REMOVE_BUFFERS, UNUSED_GROUP,
			    NULL, 1));
	EXPECT_EQ(0, kmbuf_setup(&self->tr.ring, UNUSED_GROUP, 1, 1, 0));
	EXPECT_EQ(-EEXIST, legacy(&self->tr, IORING_OP_PROVIDE_BUFFERS,
				  UNUSED_GROUP, buf, 1));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, UNUSED_GROUP));
	EXPECT_EQ(0, legacy(&self->tr, IORING_OP_PROVIDE_BUFFERS, UNUSED_GROUP,
			    buf, 1));
}

static void *map_provided(struct test_ring *tr, unsigned int bgid)
{
	return mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED,
		    tr->ring.ring_fd,
		    IORING_OFF_PBUF_RING | (unsigned long long)bgid << 16);
}

TEST_F(kmbuf_group, provided_ring_calls)
{
	struct io_uring_buf_reg reg = {
		.ring_entries = ENTRIES,
		.bgid = KMBUF_GROUP,
		.flags = IOU_PBUF_RING_MMAP,
	};
	unsigned short head;

	EXPECT_EQ(-EEXIST, io_uring_register_buf_ring(&self->tr.ring, &reg, 0));
	EXPECT_EQ(-ENOENT, io_uring_unregister_buf_ring(&self->tr.ring,
							KMBUF_GROUP));
	EXPECT_EQ(-ENOENT, io_uring_buf_ring_head(&self->tr.ring, KMBUF_GROUP,
						  &head));
	EXPECT_EQ(MAP_FAILED, map_provided(&self->tr, KMBUF_GROUP));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(kmbuf_group, calls_on_provided_ring)
{
	struct io_uring_buf_reg reg = {
		.ring_entries = ENTRIES,
		.bgid = UNUSED_GROUP,
		.flags = IOU_PBUF_RING_MMAP,
	};
	void *mem;

	/* the mmap() offset of such a ring, while one exists */
	ASSERT_EQ(0, kmbuf_setup(&self->tr.ring, UNUSED_GROUP, 1, 1, 0));
	ASSERT_EQ(0, kmbuf_unregister(&self->tr.ring, UNUSED_GROUP));

	ASSERT_EQ(0, io_uring_register_buf_ring(&self->tr.ring, &reg, 0));
	EXPECT_EQ(-EEXIST, kmbuf_setup(&self->tr.ring, UNUSED_GROUP, 1, 1, 0));
	EXPECT_EQ(-ENOENT, kmbuf_unregister(&self->tr.ring, UNUSED_GROUP));
	EXPECT_EQ(MAP_FAILED, kmbuf_mmap(&self->tr.ring, UNUSED_GROUP,
					 sysconf(_SC_PAGESIZE), PROT_READ));
	EXPECT_EQ(EINVAL, errno);

	/* both kinds side by side, each at its own offset */
	mem = map_provided(&self->tr, UNUSED_GROUP);
	EXPECT_NE(MAP_FAILED, mem);
	EXPECT_FALSE(check_pattern(mem, 64, SEED, 0));
	munmap(mem, sysconf(_SC_PAGESIZE));
	EXPECT_EQ(0, io_uring_unregister_buf_ring(&self->tr.ring,
						  UNUSED_GROUP));
	EXPECT_EQ(0, kmbuf_setup(&self->tr.ring, UNUSED_GROUP, 1, 1, 0));
	EXPECT_EQ(0, kmbuf_unregister(&self->tr.ring, UNUSED_GROUP));
}

TEST_HARNESS_MAIN
