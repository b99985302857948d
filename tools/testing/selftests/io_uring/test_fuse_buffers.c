// SPDX-License-Identifier: GPL-2.0
/*
 * Few payload buffers for many entries: requests that need a buffer wait for
 * it, other requests pass them, and no request waits forever.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "iou_memlock.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
#define LARGE		65536
#define SMALL		100
#define DEPTH		8
#define MAX_IO		(1024 * 1024)

FIXTURE(fuse_buffers)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	struct memlock_probe probe;
};

FIXTURE_VARIANT(fuse_buffers)
{
	unsigned int buffers;
	unsigned int sqe_flags;
	unsigned int ring_flags;
};

FIXTURE_VARIANT_ADD(fuse_buffers, one) {
	.buffers = 1,
};

FIXTURE_VARIANT_ADD(fuse_buffers, two) {
	.buffers = 2,
};

FIXTURE_VARIANT_ADD(fuse_buffers, one_async) {
	.buffers = 1,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(fuse_buffers, one_defer) {
	.buffers = 1,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

/* Where possible, the server is a user with limited memory */
FIXTURE_SETUP(fuse_buffers)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_KMBUF,
		.depth = DEPTH,
		.buffers = variant->buffers,
		.max_write = MAX_IO,
		.max_pages = MAX_IO / sysconf(_SC_PAGESIZE),
		.sqe_flags = variant->sqe_flags,
		.ring_flags = variant->ring_flags,
	};
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_hold_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	/* io_uring is ready: all further requests go to the server */
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
}

FIXTURE_TEARDOWN(fuse_buffers)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
	fuse_hold_exit(self->hold);
}

static long payload_pages(FIXTURE_DATA(fuse_buffers) *self,
			  const FIXTURE_VARIANT(fuse_buffers) *variant)
{
	return sysconf(_SC_NPROCESSORS_CONF) * variant->buffers *
	       self->ft.max_pages;
}

/* No payload buffer per entry, and no other memory of that size */
TEST_F(fuse_buffers, charge)
{
	const long pages = payload_pages(self, variant);
	const long charged = memlock_probe_charged(&self->probe);

	EXPECT_GE(charged, pages);
	EXPECT_LT(charged, pages + self->ft.max_pages);
}

/* Wait until the server holds as many payloads as possible, unanswered */
static void exhaust(struct __test_metadata *_metadata,
		    FIXTURE_DATA(fuse_buffers) *self,
		    const FIXTURE_VARIANT(fuse_buffers) *variant, pid_t *pids,
		    unsigned int nr)
{
	unsigned int i;

	self->hold->hold = true;
	/* a second write would wait for the first, and not for a buffer */
	for (i = 0; i < nr; i++)
		pids[i] = fuse_hold_client(&self->ft, i ? FUSE_HOLD_READ :
					   FUSE_HOLD_WRITE, LARGE, 1);
	for (i = 0; i < variant->buffers; i++)
		ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	/* the other clients get nothing, since no buffer is free */
	EXPECT_FALSE(fuse_hold_wait(self->hold, 300));
	EXPECT_EQ(variant->buffers, fuse_test_counter(&self->ft, "buffer"));
}

/* A request without a buffer, in a process in case it hangs */
static int stat_in_time(FIXTURE_DATA(fuse_buffers) *self)
{
	return fuse_hold_end(fuse_hold_client(&self->ft, FUSE_HOLD_STAT, 0, 1),
			     STEP_MS);
}

/*
 * More payloads than buffers are in flight, and all requests that need no
 * buffer pass. One of them makes the server answer the held ones.
 */
TEST_F_TIMEOUT(fuse_buffers, small_requests_pass, TIMEOUT)
{
	const unsigned int nr = variant->buffers + 3;
	pid_t pids[DEPTH];
	unsigned int i;

	exhaust(_metadata, self, variant, pids, nr);
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, stat_in_time(self));
	EXPECT_EQ(variant->buffers, fuse_test_counter(&self->ft, "buffer"));
	EXPECT_GE(fuse_test_counter(&self->ft, "buffer_wait"), 1);

	self->hold->release = true;
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], STEP_MS));
	EXPECT_EQ(nr, fuse_test_counter(&self->ft, "buffer"));
}

/* More requests wait than there are entries */
TEST_F_TIMEOUT(fuse_buffers, more_than_entries, TIMEOUT)
{
	const unsigned int nr = 2 * DEPTH;
	pid_t pids[2 * DEPTH];
	unsigned int i;

	exhaust(_metadata, self, variant, pids, nr);
	self->hold->release = true;
	ASSERT_EQ(0, stat_in_time(self));
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], STEP_MS));
	EXPECT_EQ(nr, fuse_test_counter(&self->ft, "buffer"));
}

/* A client that waits for a buffer can be killed, and is forgotten */
TEST_F_TIMEOUT(fuse_buffers, killed_while_waiting, TIMEOUT)
{
	const unsigned int nr = variant->buffers + 4;
	unsigned int i, alive = 0;
	pid_t pids[DEPTH];
	int ret;

	exhaust(_metadata, self, variant, pids, nr);
	for (i = 0; i < nr; i++)
		kill(pids[i], SIGKILL);
	/* clients whose request the server has must wait for the reply */
	for (i = 0; i < nr; i++) {
		ret = fuse_hold_end(pids[i], 1000);
		EXPECT_TRUE(ret == -EINTR || ret == -ETIME);
		if (ret == -ETIME)
			pids[alive++] = pids[i];
	}
	EXPECT_EQ(variant->buffers, alive);
	EXPECT_EQ(variant->buffers, fuse_test_counter(&self->ft, "buffer"));

	self->hold->release = true;
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	for (i = 0; i < alive; i++)
		EXPECT_EQ(-EINTR, fuse_hold_end(pids[i], STEP_MS));
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
}

/* All kinds at once, many times: no wakeup and no byte is lost */
TEST_F_TIMEOUT(fuse_buffers, mixed, TIMEOUT)
{
	const struct {
		enum fuse_hold_op op;
		size_t len;
	} kinds[] = {
		{ FUSE_HOLD_STAT, 0 }, { FUSE_HOLD_READ, LARGE },
		{ FUSE_HOLD_WRITE, SMALL }, { FUSE_HOLD_WRITE, LARGE },
		{ FUSE_HOLD_READ, SMALL }, { FUSE_HOLD_READ, MAX_IO },
		{ FUSE_HOLD_WRITE, MAX_IO },
	};
	const unsigned int nr = 3 * ARRAY_SIZE(kinds), times = 6;
	pid_t pids[3 * ARRAY_SIZE(kinds)];
	unsigned int i;

	for (i = 0; i < nr; i++)
		pids[i] = fuse_hold_client(&self->ft,
					   kinds[i % ARRAY_SIZE(kinds)].op,
					   kinds[i % ARRAY_SIZE(kinds)].len,
					   times);
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], 3 * STEP_MS));
	/* four kinds of requests need a buffer */
	EXPECT_EQ(4 * 3 * times, fuse_test_counter(&self->ft, "buffer"));
	EXPECT_GE(fuse_test_counter(&self->ft, "buffer_wait"), 1);
}

TEST_HARNESS_MAIN
