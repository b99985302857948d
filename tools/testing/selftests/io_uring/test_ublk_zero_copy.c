// SPDX-License-Identifier: GPL-2.0
/*
 * io_buffer_register_request() and io_buffer_unregister() as ublk uses them: a
 * disk backed by a file, whose server never touches the data of a request but
 * lends the request's pages to its ring.
 */
#include "kselftest_harness.h"
#include "ublk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Steps may take UBLK_TIMEOUT_MS, and a test has several */
#define TIMEOUT		(10 * UBLK_TIMEOUT_MS / 1000)

#define SECTOR		512U
#define SEED		3

/*
 * No read through the page cache has three sectors, so that a callback can tell
 * the test's requests from those of a daemon that looks for labels.
 */
#define OWN_LEN		(3 * SECTOR)

/* For EXPECT_*() outside of the tests, and in the server's process */
static struct __test_metadata *_metadata;

static void expect_for(struct __test_metadata *metadata)
{
	_metadata = metadata;
}

FIXTURE(ublk)
{
	struct ublk_dev dev;
	/* the client's memory, and the expected contents of the backing file */
	unsigned char *buf;
	unsigned char *want;
};

FIXTURE_VARIANT(ublk)
{
	unsigned long long flags;
	unsigned int auto_slot;
	unsigned int auto_flags;
};

FIXTURE_VARIANT_ADD(ublk, register) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY,
};

/* The explicit commands remain, for what the tests do with other slots */
FIXTURE_VARIANT_ADD(ublk, auto) {
	.flags = UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY,
};

/*
 * Registration fails as there are no such slots, so the server registers by
 * itself
 */
FIXTURE_VARIANT_ADD(ublk, auto_fallback) {
	.flags = UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY,
	.auto_slot = NR_SLOTS,
	.auto_flags = UBLK_AUTO_BUF_REG_FALLBACK,
};

FIXTURE_SETUP(ublk)
{
	int ret;

	expect_for(_metadata);
	self->buf = aligned_alloc(SECTOR, UBLK_MAX_IO + SECTOR);
	self->want = malloc(UBLK_SIZE);
	ASSERT_NE(NULL, self->buf);
	ASSERT_NE(NULL, self->want);
	ret = ublk_add(&self->dev, variant->flags);
	if (ublk_missing(ret))
		SKIP(return, "%s", ublk_missing(ret));
	ASSERT_EQ(0, ret);
	self->dev.auto_slot = variant->auto_slot;
	self->dev.auto_flags = variant->auto_flags;
	fill_pattern(self->want, UBLK_SIZE, SEED);
	memcpy(self->dev.backing, self->want, UBLK_SIZE);
}

FIXTURE_TEARDOWN(ublk)
{
	EXPECT_EQ(0, ublk_stop(&self->dev));
	EXPECT_EQ(0, ublk_del(&self->dev));
	free(self->want);
	free(self->buf);
}

/* Each length with each offset: both ends of the disk, and odd places */
static bool nth_io(unsigned int n, unsigned int *len, unsigned int *offset)
{
	const unsigned int offsets[] = {
		0, 7 * SECTOR, UBLK_SIZE / 2 - SECTOR,
		UBLK_SIZE - (SECTOR << n / 4),
	};

	*len = SECTOR << n / 4;
	*offset = offsets[n % 4];
	return *len <= UBLK_MAX_IO;
}

/* Write different data, and update the expected contents */
static int write_changed(FIXTURE_DATA(ublk) *self, unsigned char *buf,
			 unsigned int len, unsigned int offset,
			 unsigned char add)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		buf[i] = self->want[offset + i] += add;
	return ublk_rw(&self->dev, IORING_OP_WRITE, buf, len, offset);
}

TEST_F_TIMEOUT(ublk, direct_reads_return_the_file, TIMEOUT)
{
	unsigned int n, len, offset;
	unsigned char *buf;

	ASSERT_EQ(0, ublk_start(&self->dev, NULL, O_DIRECT));
	for (n = 0; nth_io(n, &len, &offset); n++) {
		/* every other I/O starts in the middle of a page */
		buf = self->buf + n % 2 * SECTOR;
		ASSERT_EQ(len, ublk_rw(&self->dev, IORING_OP_READ, buf, len,
				       offset));
		ASSERT_EQ(0, memcmp(buf, self->want + offset, len)) {
			TH_LOG("%u bytes at %u", len, offset);
		}
	}
}

TEST_F_TIMEOUT(ublk, direct_writes_reach_the_file, TIMEOUT)
{
	unsigned int n, len, offset;

	ASSERT_EQ(0, ublk_start(&self->dev, NULL, O_DIRECT));
	for (n = 0; nth_io(n, &len, &offset); n++) {
		ASSERT_EQ(len, write_changed(self, self->buf + n % 2 * SECTOR,
					     len, offset, n + 1));
		/* and nothing else has changed */
		ASSERT_EQ(0, memcmp(self->dev.backing, self->want,
				    UBLK_SIZE)) {
			TH_LOG("%u bytes at %u", len, offset);
		}
	}
}

TEST_F_TIMEOUT(ublk, fsync_writes_buffered_data_to_the_file, TIMEOUT)
{
	unsigned int n, len, offset;

	ASSERT_EQ(0, ublk_start(&self->dev, NULL, 0));
	for (n = 0; nth_io(n, &len, &offset); n++)
		ASSERT_EQ(len - 1, write_changed(self, self->buf, len - 1,
						 offset + 1, n + 1));
	ASSERT_EQ(0, ublk_rw(&self->dev, IORING_OP_FSYNC, NULL, 0, 0));
	EXPECT_EQ(0, memcmp(self->dev.backing, self->want, UBLK_SIZE));
}

/* More requests than tags, and not adjacent, lest they be merged */
TEST_F_TIMEOUT(ublk, all_tags_in_use, TIMEOUT)
{
	const unsigned int nr = 4 * UBLK_DEPTH, len = UBLK_MAX_IO / nr;
	unsigned int i;

	ASSERT_EQ(0, ublk_start(&self->dev, NULL, O_DIRECT));
	for (i = 0; i < nr; i++)
		ublk_send(&self->dev, IORING_OP_READ, self->buf + i * len, len,
			  (nr - i) * 3 * len);
	for (i = 0; i < nr; i++)
		ASSERT_EQ(len, ublk_wait(&self->dev));
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, memcmp(self->buf + i * len,
				    self->want + (nr - i) * 3 * len, len));
}

#define OWN_OFFSET	(5 * SECTOR)

/* A read that is recognisable as the test's, and changes only memory */
static void own_read(FIXTURE_DATA(ublk) *self)
{
	memset(self->buf, 0, OWN_LEN);
	EXPECT_EQ(OWN_LEN, ublk_rw(&self->dev, IORING_OP_READ, self->buf,
				   OWN_LEN, OWN_OFFSET));
	EXPECT_EQ(0, memcmp(self->buf, self->want + OWN_OFFSET, OWN_LEN));
	EXPECT_EQ(0, memcmp(self->dev.backing, self->want, UBLK_SIZE));
}

/* Likewise a write. It must not change the memory. */
static void own_write(FIXTURE_DATA(ublk) *self)
{
	EXPECT_EQ(OWN_LEN, write_changed(self, self->buf, OWN_LEN, OWN_OFFSET,
					 1));
	EXPECT_EQ(0, memcmp(self->buf, self->want + OWN_OFFSET, OWN_LEN));
	EXPECT_EQ(0, memcmp(self->dev.backing, self->want, UBLK_SIZE));
}

/* Whatever else the server tries, the client's requests succeed */
static void own_io(FIXTURE_DATA(ublk) *self,
		   int (*serve)(struct ublk_server *, const struct ublk_io *))
{
	const struct ublk_ops ops = { .data = serve };

	EXPECT_EQ(0, ublk_start(&self->dev, &ops, O_DIRECT));
	own_read(self);
	own_write(self);
}

static int rw_and_put(struct ublk_server *srv, const struct ublk_io *io)
{
	int ret = server_rw(srv, io, io->tag);

	EXPECT_EQ(0, server_put_buffer(srv, io));
	return ret;
}

static int serve_wrong_direction(struct ublk_server *srv,
				 const struct ublk_io *io)
{
	EXPECT_EQ(0, server_get_buffer(srv, io));
	EXPECT_EQ(-EFAULT, server_rw_fixed(srv, io, io->tag, !io->write, 0,
					   io->len));
	return rw_and_put(srv, io);
}

TEST_F_TIMEOUT(ublk, wrong_direction_is_refused, TIMEOUT)
{
	own_io(self, serve_wrong_direction);
}

static int serve_in_pieces(struct ublk_server *srv, const struct ublk_io *io)
{
	unsigned int addr;

	EXPECT_EQ(0, server_get_buffer(srv, io));
	for (addr = 0; addr < io->len; addr += SECTOR)
		EXPECT_EQ(SECTOR, server_rw_fixed(srv, io, io->tag, io->write,
						  addr, SECTOR));
	/* past the end, by one byte or by all of them */
	EXPECT_EQ(-EFAULT, server_rw_fixed(srv, io, io->tag, io->write,
					   io->len, 1));
	EXPECT_EQ(-EFAULT, server_rw_fixed(srv, io, io->tag, io->write, 1,
					   io->len));
	EXPECT_EQ(-EFAULT, server_rw_fixed(srv, io, io->tag, io->write, -1UL,
					   2));
	EXPECT_EQ(0, server_put_buffer(srv, io));
	return io->len;
}

TEST_F_TIMEOUT(ublk, addresses_are_offsets, TIMEOUT)
{
	own_io(self, serve_in_pieces);
}

static int serve_wrong_slots(struct ublk_server *srv, const struct ublk_io *io)
{
	EXPECT_EQ(-EINVAL, server_register(srv, io, NR_SLOTS));
	EXPECT_EQ(-EINVAL, server_register(srv, io, ~0U));
	EXPECT_EQ(-EINVAL, server_unregister(srv, NR_SLOTS));
	EXPECT_EQ(-EINVAL, server_unregister(srv, ~0U));

	EXPECT_EQ(-EINVAL, server_unregister(srv, UBLK_SPARE_SLOT));
	EXPECT_EQ(0, server_register(srv, io, UBLK_SPARE_SLOT));
	EXPECT_EQ(0, server_unregister(srv, UBLK_SPARE_SLOT));
	EXPECT_EQ(-EINVAL, server_unregister(srv, UBLK_SPARE_SLOT));
	return server_transfer(srv, io);
}

TEST_F_TIMEOUT(ublk, slot_out_of_range_or_empty, TIMEOUT)
{
	own_io(self, serve_wrong_slots);
}

/* Hold the first of the test's requests until the second one is there */
static int serve_pair(struct ublk_server *srv, const struct ublk_io *io)
{
	static struct ublk_io first;

	if (io->len != OWN_LEN)
		return server_transfer(srv, io);
	if (!first.len) {
		EXPECT_EQ(0, server_get_buffer(srv, io));
		first = *io;
		return UBLK_HELD;
	}
	EXPECT_EQ(-EBUSY, server_register(srv, io, first.tag));
	EXPECT_EQ(-EBUSY, server_register(srv, &first, first.tag));
	server_commit(srv, &first, rw_and_put(srv, &first));
	return server_transfer(srv, io);
}

TEST_F_TIMEOUT(ublk, slot_taken, TIMEOUT)
{
	const struct ublk_ops ops = { .data = serve_pair };
	const unsigned int far = UBLK_SIZE / 2;

	ASSERT_EQ(0, ublk_start(&self->dev, &ops, O_DIRECT));
	ublk_send(&self->dev, IORING_OP_READ, self->buf, OWN_LEN, 0);
	ublk_send(&self->dev, IORING_OP_READ, self->buf + OWN_LEN, OWN_LEN,
		  far);
	EXPECT_EQ(OWN_LEN, ublk_wait(&self->dev));
	EXPECT_EQ(OWN_LEN, ublk_wait(&self->dev));
	EXPECT_TRUE(check_pattern(self->buf, OWN_LEN, SEED, 0));
	EXPECT_TRUE(check_pattern(self->buf + OWN_LEN, OWN_LEN, SEED, far));
}

static int serve_clone(struct ublk_server *srv, const struct ublk_io *io)
{
	struct io_uring *src = server_ring(srv), dst;

	EXPECT_EQ(0, io_uring_queue_init(4, &dst, 0));
	EXPECT_EQ(0, server_get_buffer(srv, io));
	EXPECT_EQ(-EOPNOTSUPP, io_uring_clone_buffers(&dst, src));
	/* a range without kernel buffers can be cloned */
	EXPECT_EQ(0, io_uring_clone_buffers_offset(&dst, src, 0,
						   UBLK_SPARE_SLOT, 1, 0));
	io_uring_queue_exit(&dst);
	return rw_and_put(srv, io);
}

TEST_F_TIMEOUT(ublk, clone_is_refused, TIMEOUT)
{
	own_io(self, serve_clone);
}

/* Without UBLK_U_IO_UNREGISTER_IO_BUF, as for any registered buffer */
static int serve_update(struct ublk_server *srv, const struct ublk_io *io)
{
	struct iovec none = { };
	__u64 no_tag = 0;
	int ret;

	EXPECT_EQ(0, server_get_buffer(srv, io));
	ret = server_rw(srv, io, io->tag);
	EXPECT_EQ(1, io_uring_register_buffers_update_tag(server_ring(srv),
							  io->tag, &none,
							  &no_tag, 1));
	EXPECT_EQ(-EINVAL, server_unregister(srv, io->tag));
	return ret;
}

TEST_F_TIMEOUT(ublk, table_update_empties_the_slot, TIMEOUT)
{
	own_io(self, serve_update);
}

static int serve_flush(struct ublk_server *srv, const struct ublk_io *io)
{
	EXPECT_EQ(-EINVAL, server_register(srv, io, UBLK_SPARE_SLOT));
	server_tell(srv);
	return 0;
}

TEST_F_TIMEOUT(ublk, flush_has_no_buffer, TIMEOUT)
{
	const struct ublk_ops ops = { .flush = serve_flush };

	ASSERT_EQ(0, ublk_start(&self->dev, &ops, O_DIRECT));
	own_write(self);
	EXPECT_EQ(0, ublk_rw(&self->dev, IORING_OP_FSYNC, NULL, 0, 0));
	EXPECT_EQ(0, ublk_wait_told(&self->dev));
}

/* Have the server handle a read, and leave I/O on its buffer unfinished */
static void unfinished_read(FIXTURE_DATA(ublk) *self,
			    int (*serve)(struct ublk_server *,
					 const struct ublk_io *))
{
	const struct ublk_ops ops = { .data = serve };

	EXPECT_EQ(0, ublk_start(&self->dev, &ops, O_DIRECT));
	ublk_send(&self->dev, IORING_OP_READ, self->buf, OWN_LEN, OWN_OFFSET);
	EXPECT_EQ(0, ublk_wait_told(&self->dev));
}

/* Empty the slot and commit while a read into the buffer still runs */
static int serve_early_commit(struct ublk_server *srv, const struct ublk_io *io)
{
	if (io->len != OWN_LEN)
		return server_transfer(srv, io);
	EXPECT_EQ(0, server_get_buffer(srv, io));
	server_park(srv, io);
	EXPECT_EQ(0, server_put_buffer(srv, io));
	server_commit(srv, io, io->len);
	server_tell(srv);
	return UBLK_HELD;
}

TEST_F_TIMEOUT(ublk, request_ends_after_the_last_use, TIMEOUT)
{
	unsigned char data[OWN_LEN];

	unfinished_read(self, serve_early_commit);
	EXPECT_FALSE(test_wait_for(&self->dev.client, 100));

	fill_pattern(data, OWN_LEN, SEED + 1);
	ASSERT_EQ(OWN_LEN, write(self->dev.pipe_fd, data, OWN_LEN));
	EXPECT_EQ(OWN_LEN, ublk_wait(&self->dev));
	EXPECT_EQ(0, memcmp(self->buf, data, OWN_LEN));
}

/* Leave a buffer in its slot, and a read into it that does not end */
static int serve_and_hang(struct ublk_server *srv, const struct ublk_io *io)
{
	if (io->len != OWN_LEN)
		return server_transfer(srv, io);
	EXPECT_EQ(0, server_get_buffer(srv, io));
	server_park(srv, io);
	server_tell(srv);
	return UBLK_HELD;
}

/* The client gets an error, and the teardown removes the device */
TEST_F_TIMEOUT(ublk, server_is_killed, TIMEOUT)
{
	unfinished_read(self, serve_and_hang);
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	EXPECT_EQ(-EIO, ublk_wait(&self->dev));
}

/* Not killed: the ring is closed, the process stays */
static int serve_and_close(struct ublk_server *srv, const struct ublk_io *io)
{
	int ret = serve_and_hang(srv, io);

	if (ret != UBLK_HELD)
		return ret;
	server_close(srv);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(ublk, server_closes_its_ring, TIMEOUT)
{
	unfinished_read(self, serve_and_close);
	EXPECT_EQ(-EIO, ublk_wait(&self->dev));
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
}

TEST_HARNESS_MAIN
