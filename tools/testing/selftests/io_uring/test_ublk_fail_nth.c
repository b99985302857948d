// SPDX-License-Identifier: GPL-2.0
/*
 * Let every allocation of io_buffer_register_request() fail once: the server
 * gets an errno, the request keeps its pages, and can still be served.
 */
#include "kselftest_harness.h"
#include "iou_fail_nth.h"
#include "ublk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT		(10 * UBLK_TIMEOUT_MS / 1000)
/* three sectors: only the test reads that many */
#define OWN_LEN		1536
#define SLOT		1

/* Used by the server's process, which cannot see the test's variables */
static struct __test_metadata *_metadata;
static struct fail_nth fail;

static void expect_for(struct __test_metadata *metadata)
{
	_metadata = metadata;
}

/* On a new ring, as a ring caches allocations */
static void register_failing(struct ublk_server *srv, const struct ublk_io *io)
{
	struct test_ring tr;
	int ret;

	EXPECT_EQ(0, test_ring_init(&tr, 0, 0));
	server_prep_register(srv, &tr, io, SLOT);
	ret = fail_nth_submit(&fail, &tr);
	if (ret) {
		/* the slot is free, and the request can be registered */
		server_prep_register(srv, &tr, io, SLOT);
		EXPECT_EQ(0, test_submit_wait(&tr));
	}
	/* the pages return with the end of the ring */
	test_ring_exit(&tr);
}

static int serve_failing(struct ublk_server *srv, const struct ublk_io *io)
{
	if (io->len != OWN_LEN)
		return server_transfer(srv, io);
	EXPECT_TRUE(fail_nth_open(&fail));
	/* the node and the buffer */
	while (fail_nth_next(&fail, 0, 2))
		register_failing(srv, io);
	fail_nth_close(&fail);
	EXPECT_GE(fail.nr_nomem, 2);
	EXPECT_EQ(0, fail.nr_fault);
	EXPECT_EQ(0, fail.nr_others);
	return server_transfer(srv, io);
}

FIXTURE(ublk_fail_nth)
{
	struct ublk_dev dev;
};

FIXTURE_SETUP(ublk_fail_nth)
{
	int ret;

	if (!fail_nth_init())
		SKIP(return, "needs failslab, fail_page_alloc, fail_usercopy");
	ret = ublk_add(&self->dev, UBLK_F_SUPPORT_ZERO_COPY);
	if (ublk_missing(ret))
		SKIP(return, "%s", ublk_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(ublk_fail_nth)
{
	EXPECT_EQ(0, ublk_stop(&self->dev));
	EXPECT_EQ(0, ublk_del(&self->dev));
}

TEST_F_TIMEOUT(ublk_fail_nth, register_request, TIMEOUT)
{
	unsigned char *buf = aligned_alloc(OWN_LEN / 3, OWN_LEN);
	const struct ublk_ops ops = { .data = serve_failing };

	expect_for(_metadata);
	fill_pattern(self->dev.backing, OWN_LEN, 1);
	ASSERT_EQ(0, ublk_start(&self->dev, &ops, O_DIRECT));
	EXPECT_EQ(OWN_LEN, ublk_rw(&self->dev, IORING_OP_READ, buf, OWN_LEN,
				   0));
	EXPECT_TRUE(check_pattern(buf, OWN_LEN, 1, 0));
	free(buf);
}

TEST_HARNESS_MAIN
