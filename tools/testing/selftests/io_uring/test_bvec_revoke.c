// SPDX-License-Identifier: GPL-2.0
/*
 * A subsystem lends pages for a limited time. No I/O starts on them before the
 * subsystem grants it, or after it revokes it, with any kind of request, even
 * if the request already has the buffer and waits for its file. I/O in flight
 * keeps the pages.
 */
#include "kselftest_harness.h"
#include "iou_test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEED	4
#define SLOT	2
#define LEN	4096

FIXTURE(bvec_revoke)
{
	struct test_ring tr;
	struct mock_page page;
	/* the file of the I/O, and its other end */
	int near;
	int far;
	struct iovec iov;
	struct msghdr msg;
};

FIXTURE_VARIANT(bvec_revoke)
{
	unsigned int opcode;
	/* the page is the source */
	bool write;
	int domain;
};

FIXTURE_VARIANT_ADD(bvec_revoke, read_fixed) {
	.opcode = IORING_OP_READ_FIXED,
};

FIXTURE_VARIANT_ADD(bvec_revoke, readv_fixed) {
	.opcode = IORING_OP_READV_FIXED,
};

FIXTURE_VARIANT_ADD(bvec_revoke, recv) {
	.opcode = IORING_OP_RECV,
	.domain = AF_UNIX,
};

FIXTURE_VARIANT_ADD(bvec_revoke, write_fixed) {
	.opcode = IORING_OP_WRITE_FIXED,
	.write = true,
};

FIXTURE_VARIANT_ADD(bvec_revoke, writev_fixed) {
	.opcode = IORING_OP_WRITEV_FIXED,
	.write = true,
};

FIXTURE_VARIANT_ADD(bvec_revoke, send) {
	.opcode = IORING_OP_SEND,
	.write = true,
	.domain = AF_UNIX,
};

FIXTURE_VARIANT_ADD(bvec_revoke, send_zc) {
	.opcode = IORING_OP_SEND_ZC,
	.write = true,
	.domain = AF_INET,
};

FIXTURE_VARIANT_ADD(bvec_revoke, sendmsg_zc) {
	.opcode = IORING_OP_SENDMSG_ZC,
	.write = true,
	.domain = AF_INET,
};

/* A local TCP connection */
static int tcp_pair(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fds[0] < 0)
		return -1;
	if (bind(listener, (struct sockaddr *)&addr, len) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(fds[0], (struct sockaddr *)&addr, len))
		return -1;
	fds[1] = accept(listener, NULL, NULL);
	close(listener);
	return fds[1] < 0 ? -1 : 0;
}

static int make_pair(int domain, bool write, int fds[2])
{
	int ends[2];

	switch (domain) {
	case AF_INET:
		return tcp_pair(fds);
	case AF_UNIX:
		return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	}
	if (pipe(ends) || fcntl(ends[0], F_SETPIPE_SZ, LEN) < 0)
		return -1;
	fds[0] = ends[write];
	fds[1] = ends[!write];
	return 0;
}

FIXTURE_SETUP(bvec_revoke)
{
	int ret = mock_page_create(&self->page);
	unsigned char data[LEN];
	int fds[2];

	if (mock_missing(ret))
		SKIP(return, "%s", mock_missing(ret));
	ASSERT_EQ(0, ret);
	ret = make_pair(variant->domain, variant->write, fds);
	if (ret && errno == EAFNOSUPPORT)
		SKIP(return, "needs CONFIG_INET");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, test_ring_init(&self->tr, 0, 0));
	self->near = fds[0];
	self->far = fds[1];
	self->iov = (struct iovec) { NULL, LEN };
	self->msg = (struct msghdr) {
		.msg_iov = &self->iov,
		.msg_iovlen = 1,
	};
	fill_pattern(data, LEN, SEED);
	ASSERT_EQ(0, mock_copy_in(&self->tr, self->page.fd, data, 0, LEN));
	ASSERT_EQ(0, mock_lend(&self->tr, self->page.fd, &self->page.bv, 1,
			       SLOT, variant->write ? BUF_SOURCE : BUF_DEST));
}

/* The page is released once, when nothing uses it */
FIXTURE_TEARDOWN(bvec_revoke)
{
	test_ring_exit(&self->tr);
	close(self->near);
	close(self->far);
	EXPECT_TRUE(mock_wait_released(self->page.fd, 1));
	EXPECT_EQ(1, mock_stats(self->page.fd).nr_released);
	EXPECT_EQ(0, mock_stats(self->page.fd).nr_released_again);
	mock_page_destroy(&self->page);
}

static void start_io(FIXTURE_DATA(bvec_revoke) *self, unsigned int opcode)
{
	struct io_uring_sqe *sqe = test_sqe(&self->tr);

	sqe->opcode = opcode;
	sqe->fd = self->near;
	sqe->len = LEN;
	sqe->buf_index = SLOT;
	switch (opcode) {
	case IORING_OP_READV_FIXED:
	case IORING_OP_WRITEV_FIXED:
		sqe->addr = (unsigned long)&self->iov;
		sqe->len = 1;
		sqe->off = -1ULL;
		break;
	case IORING_OP_SENDMSG_ZC:
		sqe->addr = (unsigned long)&self->msg;
		sqe->len = 1;
		sqe->ioprio = IORING_RECVSEND_FIXED_BUF;
		break;
	case IORING_OP_SEND:
	case IORING_OP_SEND_ZC:
	case IORING_OP_RECV:
		sqe->ioprio = IORING_RECVSEND_FIXED_BUF;
		break;
	default:
		sqe->off = -1ULL;
	}
	test_submit(&self->tr);
}

static struct io_uring_cqe wait_cqe(struct io_uring *ring)
{
	struct io_uring_cqe *cqe, copy = { .res = -EIO };

	if (!io_uring_wait_cqe(ring, &cqe)) {
		copy = *cqe;
		io_uring_cqe_seen(ring, cqe);
	}
	return copy;
}

/* The result. A failed send without a copy posts one more completion. */
static int end_io(FIXTURE_DATA(bvec_revoke) *self)
{
	struct io_uring_cqe cqe = wait_cqe(&self->tr.ring);

	if (cqe.res < 0 && cqe.flags & IORING_CQE_F_MORE)
		wait_cqe(&self->tr.ring);
	return cqe.res;
}

static int do_io(FIXTURE_DATA(bvec_revoke) *self, unsigned int opcode)
{
	start_io(self, opcode);
	return end_io(self);
}

/* Fill it until it accepts no more data */
static size_t fill(int fd)
{
	const int flags = fcntl(fd, F_GETFL);
	unsigned char data[LEN] = { };
	size_t sum = 0;
	ssize_t ret;

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while ((ret = write(fd, data, LEN)) > 0)
		sum += ret;
	fcntl(fd, F_SETFL, flags);
	return sum;
}

static ssize_t read_all(int fd, unsigned char *data, size_t size)
{
	size_t done = 0;
	ssize_t ret;

	while (done < size) {
		ret = read(fd, data + done, size - done);
		if (ret <= 0)
			return -1;
		done += ret;
	}
	return done;
}

static bool drain(int fd, size_t size)
{
	unsigned char data[LEN];
	size_t part;

	for (; size; size -= part) {
		part = size < LEN ? size : LEN;
		if (read_all(fd, data, part) < 0)
			return false;
	}
	return true;
}

static void expect_untouched(struct __test_metadata *_metadata,
			     FIXTURE_DATA(bvec_revoke) *self, bool write)
{
	unsigned char data[LEN];
	int left = -1;

	ASSERT_EQ(0, mock_copy_out(&self->tr, self->page.fd, data, 0, LEN));
	EXPECT_TRUE(check_pattern(data, LEN, SEED, 0));
	if (!write)
		return;
	ASSERT_EQ(0, ioctl(self->far, FIONREAD, &left));
	EXPECT_EQ(0, left);
}

TEST_F(bvec_revoke, granted)
{
	unsigned char data[LEN] = { };

	if (!variant->write)
		ASSERT_EQ(LEN, write(self->far, data, LEN));
	EXPECT_EQ(-EFAULT, do_io(self, variant->opcode));
	ASSERT_EQ(0, mock_grant(&self->tr, self->page.fd, 0));
	EXPECT_EQ(LEN, do_io(self, variant->opcode));
	if (variant->write) {
		ASSERT_EQ(LEN, read_all(self->far, data, LEN));
		EXPECT_TRUE(check_pattern(data, LEN, SEED, 0));
	}
}

TEST_F(bvec_revoke, revoked)
{
	unsigned char data[LEN] = { };

	ASSERT_EQ(0, mock_grant(&self->tr, self->page.fd, 0));
	ASSERT_EQ(0, mock_revoke(&self->tr, self->page.fd, 0));
	if (!variant->write)
		ASSERT_EQ(LEN, write(self->far, data, LEN));
	EXPECT_EQ(-EFAULT, do_io(self, variant->opcode));
	expect_untouched(_metadata, self, variant->write);
	/* the slot is still in use, and so are the pages */
	EXPECT_EQ(0, mock_stats(self->page.fd).nr_released);
	EXPECT_EQ(0, mock_unregister(&self->tr, self->page.fd, SLOT));
	EXPECT_EQ(1, mock_stats(self->page.fd).nr_released);
}

/* A grant must not undo an earlier revocation */
TEST_F(bvec_revoke, revoked_before_granted)
{
	ASSERT_EQ(0, mock_revoke(&self->tr, self->page.fd, 0));
	EXPECT_EQ(-ESTALE, mock_grant(&self->tr, self->page.fd, 0));
	EXPECT_EQ(-EFAULT, do_io(self, variant->opcode));
	expect_untouched(_metadata, self, variant->write);
}

/* Revoking needs neither the ring nor the slot */
TEST_F(bvec_revoke, revoked_without_slot)
{
	struct test_ring other;

	ASSERT_EQ(0, mock_grant(&self->tr, self->page.fd, 0));
	ASSERT_EQ(0, mock_unregister(&self->tr, self->page.fd, SLOT));
	ASSERT_EQ(0, test_ring_init(&other, 0, 0));
	EXPECT_EQ(0, mock_revoke(&other, self->page.fd, 0));
	EXPECT_EQ(0, mock_revoke(&other, self->page.fd, 0));
	test_ring_exit(&other);
}

/* A request that waits for its file has the buffer, but does not use it yet */
TEST_F_TIMEOUT(bvec_revoke, revoked_while_file_is_not_ready, 60)
{
	unsigned char data[LEN] = { };
	size_t size = variant->write ? fill(self->near) : 0;
	struct test_ring other;

	ASSERT_EQ(0, mock_grant(&self->tr, self->page.fd, 0));
	start_io(self, variant->opcode);
	/* on a ring of its own, its completion comes first */
	ASSERT_EQ(0, test_ring_init(&other, 0, 0));
	ASSERT_EQ(0, mock_revoke(&other, self->page.fd, 0));
	test_ring_exit(&other);
	ASSERT_TRUE(variant->write ? drain(self->far, size) :
				     write(self->far, data, LEN) == LEN);
	EXPECT_EQ(-EFAULT, end_io(self));
	expect_untouched(_metadata, self, variant->write);
}

TEST_HARNESS_MAIN
