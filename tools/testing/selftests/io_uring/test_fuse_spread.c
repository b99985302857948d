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
struct spread {
	struct fuse_test ft;
	struct fuse_hold *hold;
	pid_t clients[DEPTH + 2];
	unsigned int nr_clients;
	/* of these, the first whose request fills a queue */
	unsigned int filler;
	int fd;
};

static void spread_setup(struct __test_metadata *_metadata, struct spread *s,
			 enum fuse_mode mode, unsigned int ring_flags)
{
	int ret;

	if (fuse_few_unsuitable(true))
		SKIP(return, "%s", fuse_few_unsuitable(true));
	if (!fuse_few_one_node())
		SKIP(return, "needs CPUs of one node");
	s->ft = (struct fuse_test) {
		.mode = mode,
		.ring_flags = ring_flags,
		.depth = DEPTH,
	};
	ret = fuse_few_mount(&s->ft, &s->hold);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	/* files are closed by a background request only, and no client waits for it */
	s->hold->open_flags = FOPEN_NOFLUSH;
	s->fd = fuse_few_open(&s->ft);
	ASSERT_GE(s->fd, 0);
	fuse_few->held = 1 | 1ULL << fuse_few_last_queue();
}

static void spread_teardown(struct __test_metadata *_metadata, struct spread *s)
{
	unsigned int i;

	kill(fuse_few_pid(FUSE_FEW_FIRST), SIGCONT);
	EXPECT_TRUE(fuse_test_abort(&s->ft));
	for (i = 0; i < s->nr_clients; i++)
		EXPECT_NE(-ETIME, fuse_hold_end(s->clients[i], STEP_MS));
	close(s->fd);
	EXPECT_EQ(0, fuse_few_umount(&s->ft, s->hold));
}

/* Start a client that reads, on a CPU of the last queue, or of the first one */
static void start_reader(struct spread *s, bool last, size_t len)
{
	s->clients[s->nr_clients++] = fuse_few_read(&s->ft, last, len);
}

/* Likewise, and the server holds its request */
static bool hold_reader(struct spread *s, bool last, size_t len)
{
	start_reader(s, last, len);
	return fuse_hold_wait(s->hold, STEP_MS);
}

/*
 * The server holds a request for each entry of the queue. There is one buffer, and
 * small data needs none.
 */
static bool fill(struct spread *s, bool last)
{
	unsigned int i;

	s->filler = s->nr_clients;
	for (i = 0; i < DEPTH; i++)
		if (!hold_reader(s, last, i ? SMALL : LARGE))
			return false;
	return true;
}

/*
 * The first server stops. That of the last queue, which is full, answers, and gets on
 * with its other requests: an interrupt wakes it, which the first one does not take.
 */
static bool let_last_go_on(struct spread *s)
{
	if (!test_stop(fuse_few_pid(FUSE_FEW_FIRST), STEP_MS))
		return false;
	fuse_few->held = 1;
	return !kill(s->clients[s->filler], SIGKILL);
}

FIXTURE(fuse_spread)
{
	struct spread s;
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
	spread_setup(_metadata, &self->s, variant->mode, variant->ring_flags);
}

FIXTURE_TEARDOWN(fuse_spread)
{
	spread_teardown(_metadata, &self->s);
}

/*
 * While a queue has no idle entry, those of the other one serve background
 * requests, and no others. Each queue can have many CPUs.
 */
static void spread_from(struct __test_metadata *_metadata, struct spread *s,
			bool last)
{
	int i, ret = 0;

	fuse_few->held = last ? 1ULL << fuse_few_last_queue() : 1;
	ASSERT_TRUE(fill(s, last));
	for (i = 0; !ret && i < NR_READS; i++)
		ret = fuse_few_async_do(s->fd, last, 1);
	EXPECT_EQ(0, ret);
	/* a client that waits for the reply has its own queue */
	start_reader(s, last, LARGE);
	EXPECT_EQ(-ETIME, fuse_hold_end(s->clients[DEPTH], WAIT_MS));
}

TEST_F_TIMEOUT(fuse_spread, to_first, TIMEOUT)
{
	spread_from(_metadata, &self->s, true);
}

TEST_F_TIMEOUT(fuse_spread, to_last, TIMEOUT)
{
	spread_from(_metadata, &self->s, false);
}

/*
 * One request of a client of the last queue is with the first, which stopped: the
 * last queue has nothing else to do, and does not serve it. 0 if it does.
 */
static pid_t spread_one(struct spread *s)
{
	pid_t pid;

	fuse_few->held = 1ULL << fuse_few_last_queue();
	if (!fill(s, true) ||
	    !test_stop(fuse_few_pid(FUSE_FEW_FIRST), STEP_MS))
		return 0;
	pid = fuse_few_async(s->fd, true, 1, FUSE_FEW_ASYNC_SIZE);
	if (!fuse_test_wait_requests(&s->ft, DEPTH + 1, STEP_MS) ||
	    !let_last_go_on(s))
		return 0;
	while (s->nr_clients)
		if (fuse_hold_end(s->clients[--s->nr_clients], STEP_MS) == -ETIME)
			return 0;
	return fuse_hold_end(pid, WAIT_MS) == -ETIME ? pid : 0;
}

/* It returns to its client's queue when the other one goes */
TEST_F_TIMEOUT(fuse_spread, moves, TIMEOUT)
{
	struct spread *s = &self->s;
	pid_t pid = spread_one(s);

	ASSERT_GT(pid, 0);
	fuse_few_kill(FUSE_FEW_FIRST);
	EXPECT_TRUE(WAIT_FOR(fuse_few_has_all(&s->ft, fuse_few_last_queue()),
			     STEP_MS));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(fuse_few_limit_is_free(&s->ft, s->fd));
}

/* Its client is killed, and then it ends with the connection */
TEST_F_TIMEOUT(fuse_spread, aborted, TIMEOUT)
{
	struct spread *s = &self->s;
	pid_t pid = spread_one(s);

	ASSERT_GT(pid, 0);
	kill(pid, SIGKILL);
	EXPECT_FALSE(fuse_test_wait_requests(&s->ft, 0, WAIT_MS));
	EXPECT_TRUE(fuse_test_abort(&s->ft));
	EXPECT_EQ(-EINTR, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(fuse_test_wait_requests(&s->ft, 0, STEP_MS));
}

/*
 * Likewise. Some entries of the first queue are idle, and may not serve a request of
 * the last queue, whose entries are all with its server.
 */
FIXTURE(fuse_half_busy)
{
	struct spread s;
};

FIXTURE_SETUP(fuse_half_busy)
{
	spread_setup(_metadata, &self->s, FUSE_MODE_KMBUF, 0);
}

FIXTURE_TEARDOWN(fuse_half_busy)
{
	spread_teardown(_metadata, &self->s);
}

/* A request that needs no buffer is the @nr-th, and the last queue serves it */
static void small_async_waits(struct __test_metadata *_metadata, struct spread *s,
			      unsigned int nr)
{
	pid_t pid = fuse_few_async(s->fd, true, 1, SMALL);

	EXPECT_TRUE(fuse_test_wait_requests(&s->ft, nr, STEP_MS));
	EXPECT_TRUE(let_last_go_on(s));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
}

/* It can: there are two more than one, and a buffer */
TEST_F_TIMEOUT(fuse_half_busy, serves_it, TIMEOUT)
{
	struct spread *s = &self->s;

	ASSERT_TRUE(fill(s, true));
	fuse_few->held &= ~1ULL;
	EXPECT_EQ(0, fuse_few_async_do(s->fd, true, 1));
}

/* The request would need a buffer, and none is free */
TEST_F_TIMEOUT(fuse_half_busy, no_buffer, TIMEOUT)
{
	struct spread *s = &self->s;
	pid_t pid;

	EXPECT_TRUE(hold_reader(s, false, LARGE));
	ASSERT_TRUE(fill(s, true));
	pid = fuse_few_async(s->fd, true, 1, FUSE_FEW_ASYNC_SIZE);
	EXPECT_TRUE(fuse_test_wait_requests(&s->ft, 5, STEP_MS));
	EXPECT_TRUE(let_last_go_on(s));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
}

/* Another request waits for a buffer, and this one would pass it */
TEST_F_TIMEOUT(fuse_half_busy, another_request_waits, TIMEOUT)
{
	struct spread *s = &self->s;
	const unsigned int size = fuse_entry_room(&s->ft);

	EXPECT_TRUE(hold_reader(s, false, LARGE));
	start_reader(s, false, LARGE);
	EXPECT_TRUE(WAIT_FOR(fuse_test_buffer_counts(&s->ft, size).waits == 1,
			     STEP_MS));
	ASSERT_TRUE(fill(s, true));
	small_async_waits(_metadata, s, 6);
}

/* The queue's own clients can have it at once */
TEST_F_TIMEOUT(fuse_half_busy, last_idle_entry, TIMEOUT)
{
	struct spread *s = &self->s;

	EXPECT_TRUE(hold_reader(s, false, LARGE));
	EXPECT_TRUE(hold_reader(s, false, SMALL));
	ASSERT_TRUE(fill(s, true));
	small_async_waits(_metadata, s, 6);
}

/* The server has yet to see a request, so it may be busy */
TEST_F_TIMEOUT(fuse_half_busy, unseen_request, TIMEOUT)
{
	struct spread *s = &self->s;

	ASSERT_TRUE(fill(s, true));
	ASSERT_TRUE(test_stop(fuse_few_pid(FUSE_FEW_FIRST), STEP_MS));
	start_reader(s, false, SMALL);
	EXPECT_TRUE(fuse_test_wait_requests(&s->ft, 4, STEP_MS));
	small_async_waits(_metadata, s, 5);
}

/*
 * The limit allows each queue one background request, which the first queue has.
 * A file can be closed even if the limit is exceeded.
 */
TEST_F_TIMEOUT(fuse_half_busy, limit_is_reached, TIMEOUT)
{
	struct spread *s = &self->s;
	pid_t pid;
	int fd;

	EXPECT_TRUE(fuse_test_set(&s->ft, "max_background", "1"));
	pid = fuse_few_async(s->fd, false, 1, FUSE_FEW_ASYNC_SIZE);
	EXPECT_TRUE(fuse_hold_wait(s->hold, STEP_MS));
	ASSERT_TRUE(fill(s, true));
	/* no client has it as well */
	fd = open(s->ft.file, O_RDONLY);
	ASSERT_GE(fd, 0);
	fuse_few_use_cpu(fuse_few_last_queue());
	close(fd);
	fuse_few_use_cpu(0);
	EXPECT_TRUE(fuse_test_wait_requests(&s->ft, 5, STEP_MS));
	EXPECT_TRUE(let_last_go_on(s));
	/* this file, and those of the clients */
	EXPECT_TRUE(WAIT_FOR(fuse_few->nr_released[1] == 4, STEP_MS));
	EXPECT_EQ(0, fuse_few->nr_released[0]);
	/* the other server answers as well */
	fuse_few->held = 0;
	kill(fuse_few_pid(FUSE_FEW_FIRST), SIGCONT);
	EXPECT_EQ(0, fuse_hold_do(&s->ft, FUSE_HOLD_READ, SMALL));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(fuse_few_limit_is_free(&s->ft, s->fd));
}

TEST_HARNESS_MAIN
