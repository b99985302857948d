// SPDX-License-Identifier: GPL-2.0
/*
 * A module whose buffers are in a ring's table stays loaded until the ring is
 * gone, as its code runs when they are released. There is one reference for all
 * buffers of a ring: a request takes none.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "iou_module.h"
#include "iou_test.h"
#include "ublk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define MOCK	"io_uring_mock_kmbuf"
#define UBLK	"ublk_drv"
#define FUSE	"fuse"

/* mounted by fuse_test_mount() */
#define CONNECTIONS	"/sys/fs/fuse/connections"

#define TIMEOUT		120
#define STEP_MS		20000
#define NR_CLIENTS	4
#define SECTOR		512U
/* no read through the page cache has this length */
#define OWN_LEN		(3 * SECTOR)
/* one tag is left for programs that scan new disks */
#define NR_HELD		(UBLK_DEPTH - 1)
#define READ_LEN	65536

/* NULL if the module is loaded and unused; or the reason to skip the test */
static const char *unusable(const char *module)
{
	module_load(module);
	if (module_refs(module) == -ENOENT)
		return "needs it as a module, and modprobe";
	return module_refs(module) ? "needs a module that nobody uses" : NULL;
}

/*
 * Nothing holds the module any more, except perhaps other users of the system
 */
static void expect_unloads(struct __test_metadata *_metadata,
			   const char *module)
{
	EXPECT_TRUE(module_wait_refs(module, 0));
	EXPECT_EQ(0, module_unload(module));
	EXPECT_EQ(0, module_load(module));
}

FIXTURE(mock_unload)
{
	struct mock_page page;
	struct test_ring tr[2];
};

FIXTURE_SETUP(mock_unload)
{
	unsigned int i;

	if (unusable(MOCK))
		SKIP(return, "%s: %s", MOCK, unusable(MOCK));
	ASSERT_EQ(0, mock_page_create(&self->page));
	for (i = 0; i < ARRAY_SIZE(self->tr); i++)
		ASSERT_EQ(0, test_ring_init(&self->tr[i], 0, 0));
}

FIXTURE_TEARDOWN(mock_unload) { }

/* Two rings with all slots in use, and nothing else left of the consumer */
TEST_F_TIMEOUT(mock_unload, one_reference_for_each_ring, TIMEOUT)
{
	unsigned int i;

	for (i = 0; i < 2 * NR_SLOTS; i++)
		ASSERT_EQ(0, mock_page_lend(&self->page, &self->tr[i % 2],
					    i / 2));
	mock_page_destroy(&self->page);
	EXPECT_EQ(2, module_refs(MOCK));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(MOCK));

	test_ring_exit(&self->tr[0]);
	EXPECT_TRUE(module_wait_refs(MOCK, 1));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(MOCK));

	test_ring_exit(&self->tr[1]);
	expect_unloads(_metadata, MOCK);
}

/* I/O on a buffer continues when its slot is empty */
TEST_F_TIMEOUT(mock_unload, io_on_an_unregistered_buffer, TIMEOUT)
{
	struct test_ring *tr = &self->tr[0];
	struct io_uring_sqe *sqe;
	int pipe_fd = dup(self->page.pipe[1]);

	ASSERT_EQ(0, mock_page_lend(&self->page, tr, 0));
	sqe = test_sqe(tr);
	sqe->opcode = IORING_OP_READ_FIXED;
	sqe->fd = self->page.pipe[0];
	sqe->len = self->page.len;
	sqe->off = -1ULL;
	test_submit(tr);
	EXPECT_EQ(0, io_uring_unregister_buffers(&tr->ring));
	mock_page_destroy(&self->page);
	EXPECT_EQ(1, module_refs(MOCK));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(MOCK));

	ASSERT_EQ(4, write(pipe_fd, "data", 4));
	EXPECT_EQ(4, test_wait(tr));
	close(pipe_fd);
	test_ring_exit(tr);
	test_ring_exit(&self->tr[1]);
	expect_unloads(_metadata, MOCK);
}

FIXTURE(ublk_unload)
{
	struct ublk_dev dev;
	void *buf;
};

FIXTURE_VARIANT(ublk_unload)
{
	bool recover;
};

FIXTURE_VARIANT_ADD(ublk_unload, stop) {
	.recover = false,
};

/* Another server takes over before the device is stopped */
FIXTURE_VARIANT_ADD(ublk_unload, recover) {
	.recover = true,
};

FIXTURE_SETUP(ublk_unload)
{
	const unsigned long long recovery = UBLK_F_USER_RECOVERY |
					    UBLK_F_USER_RECOVERY_REISSUE;
	int ret;

	if (unusable(UBLK))
		SKIP(return, "%s: %s", UBLK, unusable(UBLK));
	ret = ublk_add(&self->dev, UBLK_F_SUPPORT_ZERO_COPY |
				   (variant->recover ? recovery : 0));
	if (ublk_missing(ret))
		SKIP(return, "%s", ublk_missing(ret));
	ASSERT_EQ(0, ret);
	self->buf = aligned_alloc(SECTOR, OWN_LEN);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(ublk_unload)
{
	free(self->buf);
}

/* The pages stay in a slot until the server is gone */
static int serve_and_hang(struct ublk_server *srv, const struct ublk_io *io)
{
	if (io->len != OWN_LEN)
		return server_transfer(srv, io);
	server_get_buffer(srv, io);
	server_tell(srv);
	return UBLK_HELD;
}

TEST_F_TIMEOUT(ublk_unload, requests_take_no_reference, TIMEOUT)
{
	const struct ublk_ops ops = { .data = serve_and_hang };
	int i, refs = 0;

	ASSERT_EQ(0, ublk_start(&self->dev, &ops, O_RDWR | O_DIRECT));
	for (i = 0; i < NR_HELD; i++) {
		ublk_send(&self->dev, IORING_OP_READ, self->buf, OWN_LEN, 0);
		ASSERT_EQ(0, ublk_wait_told(&self->dev));
		if (!i)
			refs = module_refs(UBLK);
	}
	/* such a program may have it open, but ends */
	EXPECT_TRUE(module_wait_refs(UBLK, refs));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(UBLK));

	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	if (variant->recover)
		EXPECT_EQ(0, ublk_recover(&self->dev, NULL));
	for (i = 0; i < NR_HELD; i++)
		EXPECT_EQ(variant->recover ? (int)OWN_LEN : -EIO,
			  ublk_wait(&self->dev));
	EXPECT_EQ(0, ublk_stop(&self->dev));
	EXPECT_EQ(0, ublk_del(&self->dev));
	expect_unloads(_metadata, UBLK);
}

FIXTURE(fuse_unload)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	int pipe[2];
};

FIXTURE_SETUP(fuse_unload)
{
	int ret;

	if (unusable(FUSE))
		SKIP(return, "%s: %s", FUSE, unusable(FUSE));
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_ZC,
		.depth = NR_CLIENTS,
		.max_write = READ_LEN,
		.max_pages = READ_LEN / sysconf(_SC_PAGESIZE),
	};
	ASSERT_EQ(0, pipe(self->pipe));
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	self->hold->hold = true;
	self->hold->park_fd = self->pipe[0];
	ret = fuse_hold_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
}

FIXTURE_TEARDOWN(fuse_unload)
{
	fuse_hold_exit(self->hold);
	close(self->pipe[0]);
	close(self->pipe[1]);
}

TEST_F_TIMEOUT(fuse_unload, requests_take_no_reference, TIMEOUT)
{
	pid_t clients[NR_CLIENTS];
	int i, refs = 0;

	for (i = 0; i < NR_CLIENTS; i++) {
		clients[i] = fuse_hold_client(&self->ft, FUSE_HOLD_READ,
					      READ_LEN, 1);
		ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
		if (!i)
			refs = module_refs(FUSE);
	}
	EXPECT_EQ(refs, module_refs(FUSE));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(FUSE));

	kill(self->ft.server, SIGKILL);
	EXPECT_EQ(-EINTR, fuse_hold_end(self->ft.server, STEP_MS));
	for (i = 0; i < NR_CLIENTS; i++)
		EXPECT_GT(0, fuse_hold_end(clients[i], STEP_MS));
	EXPECT_EQ(0, umount(self->ft.dir));
	EXPECT_EQ(0, fuse_test_cleanup(&self->ft));
	EXPECT_EQ(0, umount(CONNECTIONS));
	expect_unloads(_metadata, FUSE);
}

TEST_HARNESS_MAIN
