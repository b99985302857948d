// SPDX-License-Identifier: GPL-2.0
/*
 * Background requests of a queue without idle entries go to one of another queue, if
 * that can serve them at once.
 */
#include "kselftest_harness.h"
#include "fuse_few.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define TIMEOUT		300
#define STEP_MS		FUSE_FEW_STEP_MS
/* A request that is not served does not end within this time */
#define WAIT_MS		300
#define LARGE		FUSE_FEW_LARGE
/* Fits behind a header */
#define SMALL		100
#define DEPTH		3
/* Clients that read, one after the other */
#define NR_READS	5

/* Two queues with three entries each */
FIXTURE(fuse_spread)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	pid_t clients[DEPTH + 1];
	unsigned int nr_clients;
	int fd;
};

FIXTURE_VARIANT(fuse_spread)
{
	enum fuse_mode mode;
	unsigned int ring_flags;
};

FIXTURE_VARIANT_ADD(fuse_spread, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_spread, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_spread, kmbuf_defer) {
	.mode = FUSE_MODE_KMBUF,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(fuse_spread)
{
	int ret;

	if (fuse_few_unsuitable(2))
		SKIP(return, "%s", fuse_few_unsuitable(2));
	if (!fuse_few_one_node())
		SKIP(return, "needs CPUs of one node");
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.ring_flags = variant->ring_flags,
		.depth = DEPTH,
	};
	ret = fuse_few_mount(&self->ft, &self->hold);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	/* no client waits until a file is closed */
	self->hold->open_flags = FOPEN_NOFLUSH;
	self->fd = fuse_few_open(&self->ft);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(fuse_spread)
{
	unsigned int i;

	kill(fuse_few_pid(FUSE_FEW_FIRST), SIGCONT);
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	for (i = 0; i < self->nr_clients; i++)
		EXPECT_NE(-ETIME, fuse_hold_end(self->clients[i], STEP_MS));
	close(self->fd);
	EXPECT_EQ(0, fuse_few_umount(&self->ft, self->hold));
}

/*
 * The server holds a request for each entry of the queue. There is one buffer, and
 * small data needs none.
 */
static bool fill(const struct fuse_test *ft, struct fuse_hold *hold,
		 pid_t *clients, bool last)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		clients[i] = fuse_few_read(ft, last, i ? SMALL : LARGE);
		if (!fuse_hold_wait(hold, STEP_MS))
			return false;
	}
	return true;
}

/*
 * While a queue has no idle entry, those of the other one serve background
 * requests, and no others. Each queue can have many CPUs.
 */
static void spread_from(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_spread) *self, bool last)
{
	int i, ret = 0;

	fuse_few->held = last ? 1ULL << fuse_few_last_queue() : 1;
	self->nr_clients = DEPTH;
	ASSERT_TRUE(fill(&self->ft, self->hold, self->clients, last));
	for (i = 0; !ret && i < NR_READS; i++)
		ret = fuse_few_async_do(self->fd, last, 1);
	EXPECT_EQ(0, ret);
	/* a client that waits for the reply has its own queue */
	self->clients[self->nr_clients++] = fuse_few_read(&self->ft, last, LARGE);
	EXPECT_EQ(-ETIME, fuse_hold_end(self->clients[DEPTH], WAIT_MS));
}

TEST_F_TIMEOUT(fuse_spread, to_first, TIMEOUT)
{
	spread_from(_metadata, self, true);
}

TEST_F_TIMEOUT(fuse_spread, to_last, TIMEOUT)
{
	spread_from(_metadata, self, false);
}

/*
 * One request of a client of the last queue is with the first, which stopped: the
 * last queue has nothing else to do, and does not serve it. 0 if it does.
 */
static pid_t spread_one(FIXTURE_DATA(fuse_spread) *self)
{
	pid_t pid;
	int i;

	fuse_few->held = 1ULL << fuse_few_last_queue();
	if (!fill(&self->ft, self->hold, self->clients, true) ||
	    !test_stop(fuse_few_pid(FUSE_FEW_FIRST), STEP_MS))
		return 0;
	pid = fuse_few_async(self->fd, true, 1, FUSE_FEW_ASYNC_SIZE);
	if (!fuse_test_wait_requests(&self->ft, DEPTH + 1, STEP_MS))
		return 0;
	fuse_few->held = 0;
	/* the server looks again at what it has left unanswered */
	kill(self->clients[DEPTH - 1], SIGKILL);
	for (i = 0; i < DEPTH; i++)
		if (fuse_hold_end(self->clients[i], STEP_MS) == -ETIME)
			return 0;
	return fuse_hold_end(pid, WAIT_MS) == -ETIME ? pid : 0;
}

/* It returns to its client's queue when the other one goes */
TEST_F_TIMEOUT(fuse_spread, moves, TIMEOUT)
{
	pid_t pid = spread_one(self);

	ASSERT_GT(pid, 0);
	fuse_few_kill(FUSE_FEW_FIRST);
	EXPECT_TRUE(WAIT_FOR(fuse_few_has_all(&self->ft, fuse_few_last_queue()),
			     STEP_MS));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(fuse_few_limit_is_free(&self->ft, self->fd));
}

/* Its client is killed, and then it ends with the connection */
TEST_F_TIMEOUT(fuse_spread, aborted, TIMEOUT)
{
	pid_t pid = spread_one(self);

	ASSERT_GT(pid, 0);
	kill(pid, SIGKILL);
	EXPECT_FALSE(fuse_test_wait_requests(&self->ft, 0, WAIT_MS));
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	EXPECT_EQ(-EINTR, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 0, STEP_MS));
}

/*
 * Likewise. Some entries of the first queue are idle, and may not serve a request of
 * the last queue, whose entries are all with its server.
 */
FIXTURE(fuse_half_busy)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	pid_t clients[DEPTH + 2];
	unsigned int nr_clients;
	/* one of them has a request of the last queue */
	unsigned int of_last;
	int fd;
};

FIXTURE_SETUP(fuse_half_busy)
{
	int ret;

	if (fuse_few_unsuitable(2))
		SKIP(return, "%s", fuse_few_unsuitable(2));
	if (!fuse_few_one_node())
		SKIP(return, "needs CPUs of one node");
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_KMBUF,
		.depth = DEPTH,
	};
	ret = fuse_few_mount(&self->ft, &self->hold);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	/* files are closed by a background request only */
	self->hold->open_flags = FOPEN_NOFLUSH;
	self->fd = fuse_few_open(&self->ft);
	ASSERT_GE(self->fd, 0);
	fuse_few->held = 1 | 1ULL << fuse_few_last_queue();
}

FIXTURE_TEARDOWN(fuse_half_busy)
{
	unsigned int i;

	kill(fuse_few_pid(FUSE_FEW_FIRST), SIGCONT);
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	for (i = 0; i < self->nr_clients; i++)
		EXPECT_NE(-ETIME, fuse_hold_end(self->clients[i], STEP_MS));
	close(self->fd);
	EXPECT_EQ(0, fuse_few_umount(&self->ft, self->hold));
}

static void half_busy_read(FIXTURE_DATA(fuse_half_busy) *self, bool last,
			   size_t len)
{
	self->clients[self->nr_clients++] = fuse_few_read(&self->ft, last, len);
}

static bool half_busy_hold(FIXTURE_DATA(fuse_half_busy) *self, bool last,
			   size_t len)
{
	half_busy_read(self, last, len);
	return fuse_hold_wait(self->hold, STEP_MS);
}

static bool fill_last(FIXTURE_DATA(fuse_half_busy) *self)
{
	pid_t *clients = self->clients + self->nr_clients;

	self->of_last = self->nr_clients;
	self->nr_clients += DEPTH;
	return fill(&self->ft, self->hold, clients, true);
}

/*
 * The server of the last queue answers, and gets on with its other requests. An
 * interrupt wakes it, which the other server does not take.
 */
static bool let_last_go_on(FIXTURE_DATA(fuse_half_busy) *self)
{
	if (!test_stop(fuse_few_pid(FUSE_FEW_FIRST), STEP_MS))
		return false;
	fuse_few->held = 1;
	return !kill(self->clients[self->of_last], SIGKILL);
}

/* A request that needs no buffer is the @nr-th, and the last queue serves it */
static void small_async_waits(struct __test_metadata *_metadata,
			      FIXTURE_DATA(fuse_half_busy) *self,
			      unsigned int nr)
{
	pid_t pid = fuse_few_async(self->fd, true, 1, SMALL);

	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, nr, STEP_MS));
	EXPECT_TRUE(let_last_go_on(self));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
}

/* It can: there are two more than one, and a buffer */
TEST_F_TIMEOUT(fuse_half_busy, serves_it, TIMEOUT)
{
	ASSERT_TRUE(fill_last(self));
	fuse_few->held &= ~1ULL;
	EXPECT_EQ(0, fuse_few_async_do(self->fd, true, 1));
}

/* The request would need a buffer, and none is free */
TEST_F_TIMEOUT(fuse_half_busy, no_buffer, TIMEOUT)
{
	pid_t pid;

	EXPECT_TRUE(half_busy_hold(self, false, LARGE));
	ASSERT_TRUE(fill_last(self));
	pid = fuse_few_async(self->fd, true, 1, FUSE_FEW_ASYNC_SIZE);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 5, STEP_MS));
	EXPECT_TRUE(let_last_go_on(self));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
}

/* Another request waits for a buffer, and this one would pass it */
TEST_F_TIMEOUT(fuse_half_busy, another_request_waits, TIMEOUT)
{
	const unsigned int size = fuse_entry_room(&self->ft);

	EXPECT_TRUE(half_busy_hold(self, false, LARGE));
	half_busy_read(self, false, LARGE);
	EXPECT_TRUE(WAIT_FOR(fuse_test_buffer_counts(&self->ft, size).waits == 1,
			     STEP_MS));
	ASSERT_TRUE(fill_last(self));
	small_async_waits(_metadata, self, 6);
}

/* The queue's own clients can have it at once */
TEST_F_TIMEOUT(fuse_half_busy, last_idle_entry, TIMEOUT)
{
	EXPECT_TRUE(half_busy_hold(self, false, LARGE));
	EXPECT_TRUE(half_busy_hold(self, false, SMALL));
	ASSERT_TRUE(fill_last(self));
	small_async_waits(_metadata, self, 6);
}

/* The server has yet to see a request, so it may be busy */
TEST_F_TIMEOUT(fuse_half_busy, unseen_request, TIMEOUT)
{
	ASSERT_TRUE(fill_last(self));
	ASSERT_TRUE(test_stop(fuse_few_pid(FUSE_FEW_FIRST), STEP_MS));
	half_busy_read(self, false, SMALL);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 4, STEP_MS));
	small_async_waits(_metadata, self, 5);
}

/*
 * The limit allows each queue one background request, which the first queue has.
 * A file can be closed even if the limit is exceeded.
 */
TEST_F_TIMEOUT(fuse_half_busy, limit_is_reached, TIMEOUT)
{
	pid_t pid;
	int fd;

	EXPECT_TRUE(fuse_test_set(&self->ft, "max_background", "1"));
	pid = fuse_few_async(self->fd, false, 1, FUSE_FEW_ASYNC_SIZE);
	EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	ASSERT_TRUE(fill_last(self));
	/* no client has it as well */
	fd = open(self->ft.file, O_RDONLY);
	ASSERT_GE(fd, 0);
	fuse_few_use_cpu(fuse_few_last_queue());
	close(fd);
	fuse_few_use_cpu(0);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 5, STEP_MS));
	EXPECT_TRUE(let_last_go_on(self));
	/* this file, and those of the clients */
	EXPECT_TRUE(WAIT_FOR(fuse_few->nr_released[1] == 4, STEP_MS));
	EXPECT_EQ(0, fuse_few->nr_released[0]);
	/* the other server answers as well */
	fuse_few->held = 0;
	kill(fuse_few_pid(FUSE_FEW_FIRST), SIGCONT);
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, SMALL));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(fuse_few_limit_is_free(&self->ft, self->fd));
}

TEST_HARNESS_MAIN
