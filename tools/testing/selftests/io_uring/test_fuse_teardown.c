// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a FUSE file system over io_uring, whatever causes it, and whatever
 * is in flight: clients get an error, the mount disappears, and memory is
 * returned, all in bounded time.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "fuse_queue.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
#define LARGE		65536
#define DEPTH		4
#define BUFFERS		2
#define ROUNDS		6
/* more than the server can hold at a time */
#define NR_CLIENTS	(DEPTH + 3)

/* What is in flight */
enum state {
	/* no request, all entries wait */
	IDLE,
	/* the server has requests, others wait for entries or buffers */
	BUSY,
	/* and reads into the pages of a client do not end */
	PARKED,
};

FIXTURE(fuse_teardown)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	pid_t clients[NR_CLIENTS + 1];
	unsigned int nr_clients;
	/* kill the clients before the end, or serve one */
	bool killed;
	bool served;
	int pipe[2];
	struct memlock_probe probe;
};

FIXTURE_VARIANT(fuse_teardown)
{
	enum fuse_mode mode;
	enum state state;
	unsigned int ring_flags;
};

FIXTURE_VARIANT_ADD(fuse_teardown, entry_idle) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_teardown, entry_busy) {
	.mode = FUSE_MODE_ENTRY,
	.state = BUSY,
};

FIXTURE_VARIANT_ADD(fuse_teardown, kmbuf_idle) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_teardown, kmbuf_busy) {
	.mode = FUSE_MODE_KMBUF,
	.state = BUSY,
};

FIXTURE_VARIANT_ADD(fuse_teardown, kmbuf_busy_defer) {
	.mode = FUSE_MODE_KMBUF,
	.state = BUSY,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(fuse_teardown, zc_idle) {
	.mode = FUSE_MODE_ZC,
};

FIXTURE_VARIANT_ADD(fuse_teardown, zc_busy) {
	.mode = FUSE_MODE_ZC,
	.state = BUSY,
};

FIXTURE_VARIANT_ADD(fuse_teardown, zc_parked) {
	.mode = FUSE_MODE_ZC,
	.state = PARKED,
};

FIXTURE_VARIANT_ADD(fuse_teardown, headers_busy) {
	.mode = FUSE_MODE_HEADERS,
	.state = BUSY,
};

FIXTURE_VARIANT_ADD(fuse_teardown, buffers_busy) {
	.mode = FUSE_MODE_BUFFERS,
	.state = BUSY,
};

FIXTURE_VARIANT_ADD(fuse_teardown, buffers_zc_parked) {
	.mode = FUSE_MODE_BUFFERS_ZC,
	.state = PARKED,
};

static int start(FIXTURE_DATA(fuse_teardown) *self)
{
	int ret = fuse_hold_mount(&self->ft);

	/* io_uring is ready: all further requests go to the server */
	return ret ? ret : fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0);
}

static void add_client(FIXTURE_DATA(fuse_teardown) *self, enum fuse_hold_op op,
		       unsigned int times)
{
	self->clients[self->nr_clients++] = fuse_hold_client(&self->ft, op,
							     LARGE, times);
}

/* Maximum number of client requests that the server can have */
static unsigned int nr_served(const FIXTURE_VARIANT(fuse_teardown) *variant)
{
	return fuse_mode_buffers(variant->mode) &&
	       !fuse_mode_zero_copy(variant->mode) ? BUFFERS : DEPTH;
}

static void make_busy(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_teardown) *self,
		      const FIXTURE_VARIANT(fuse_teardown) *variant)
{
	unsigned int i;

	self->hold->hold = true;
	if (variant->state == PARKED)
		self->hold->park_fd = self->pipe[0];
	for (i = 0; i < NR_CLIENTS; i++)
		add_client(self, FUSE_HOLD_READ, 1);
	for (i = 0; i < nr_served(variant); i++)
		ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	EXPECT_FALSE(fuse_hold_wait(self->hold, 200));
}

FIXTURE_SETUP(fuse_teardown)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.depth = DEPTH,
		.buffers = BUFFERS,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		.ring_flags = variant->ring_flags,
	};
	ASSERT_EQ(0, pipe(self->pipe));
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = start(self);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	if (variant->state != IDLE)
		make_busy(_metadata, self, variant);
}

FIXTURE_TEARDOWN(fuse_teardown)
{
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
	EXPECT_EQ(0, fuse_test_cleanup(&self->ft));
	fuse_hold_exit(self->hold);
	close(self->pipe[0]);
	close(self->pipe[1]);
}

/* The results that a client may get when the server is gone */
static bool ended_well(FIXTURE_DATA(fuse_teardown) *self, int ret)
{
	if (self->killed)
		return ret == -EINTR;
	if (!ret && self->served) {
		self->served = false;
		return true;
	}
	/* the kernel could not access the memory of a killed server */
	if (fuse_mode_own(self->ft.mode) && ret == -EINTR)
		return true;
	/* the last one: its request was on its way to such a server */
	return ret == -ECONNABORTED || ret == -ENOTCONN || ret == -ECANCELED;
}

static void expect_clients_ended(struct __test_metadata *_metadata,
				 FIXTURE_DATA(fuse_teardown) *self)
{
	unsigned int i;
	int ret;

	for (i = 0; i < self->nr_clients; i++) {
		ret = fuse_hold_end(self->clients[i], STEP_MS);
		EXPECT_TRUE(ended_well(self, ret)) {
			TH_LOG("client %u: %d", i, ret);
		}
	}
	self->nr_clients = 0;
}

/* End one of the parked reads */
static void end_parked(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fuse_teardown) *self)
{
	unsigned char data[LARGE];
	unsigned int i;

	for (i = 0; i < LARGE; i++)
		data[i] = pattern_at(FUSE_HOLD_SEED, FUSE_HOLD_OFFSET + i);
	EXPECT_EQ(LARGE, write(self->pipe[1], data, LARGE));
}

/*
 * End all parked reads, after the exit of the clients whose pages they fill.
 * They are refused, and leave the data in the pipe.
 */
static void end_all_parked(struct __test_metadata *_metadata,
			   FIXTURE_DATA(fuse_teardown) *self,
			   const FIXTURE_VARIANT(fuse_teardown) *variant)
{
	if (variant->state == PARKED)
		EXPECT_EQ(1, write(self->pipe[1], "x", 1));
}

TEST_F_TIMEOUT(fuse_teardown, abort, TIMEOUT)
{
	ASSERT_TRUE(fuse_test_abort(&self->ft));
	expect_clients_ended(_metadata, self);
	EXPECT_EQ(0, umount(self->ft.dir));
	end_all_parked(_metadata, self, variant);
	EXPECT_EQ(0, fuse_hold_end(self->ft.server, STEP_MS));
}

TEST_F_TIMEOUT(fuse_teardown, force_umount, TIMEOUT)
{
	/*
	 * the same for open files; for other clients, the path leads elsewhere
	 * now
	 */
	ASSERT_EQ(0, umount2(self->ft.dir, MNT_FORCE | MNT_DETACH));
	expect_clients_ended(_metadata, self);
	end_all_parked(_metadata, self, variant);
	EXPECT_EQ(0, fuse_hold_end(self->ft.server, STEP_MS));
}

/* The mount lives as long as its users, or until the server exits */
TEST_F_TIMEOUT(fuse_teardown, lazy_umount, TIMEOUT)
{
	ASSERT_EQ(0, umount2(self->ft.dir, MNT_DETACH));
	if (variant->state == IDLE) {
		EXPECT_EQ(0, fuse_hold_end(self->ft.server, STEP_MS));
		return;
	}
	EXPECT_EQ(-ETIME, fuse_hold_end(self->clients[0], 100));
	kill(self->ft.server, SIGKILL);
	expect_clients_ended(_metadata, self);
	EXPECT_EQ(-EINTR, fuse_hold_end(self->ft.server, STEP_MS));
}

TEST_F_TIMEOUT(fuse_teardown, server_killed, TIMEOUT)
{
	kill(self->ft.server, SIGKILL);
	EXPECT_EQ(-EINTR, fuse_hold_end(self->ft.server, STEP_MS));
	expect_clients_ended(_metadata, self);
	EXPECT_EQ(0, umount(self->ft.dir));
}

/*
 * Memory that a dead server has locked is free for the next one, without an
 * umount
 */
TEST_F_TIMEOUT(fuse_teardown, memory_of_killed_server, TIMEOUT)
{
	kill(self->ft.server, SIGKILL);
	EXPECT_EQ(-EINTR, fuse_hold_end(self->ft.server, STEP_MS));
	expect_clients_ended(_metadata, self);
	EXPECT_TRUE(memlock_probe_wait(&self->probe));
	EXPECT_EQ(0, umount(self->ft.dir));
}

/*
 * The server checks its orders when something arrives: a request, or, if it
 * holds requests, the interrupts of their killed clients.
 */
static void let_close(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_teardown) *self,
		      const FIXTURE_VARIANT(fuse_teardown) *variant)
{
	unsigned int i;

	switch (variant->state) {
	case IDLE:
		add_client(self, FUSE_HOLD_STAT, 1);
		break;
	case BUSY:
		for (i = 0; i < self->nr_clients; i++)
			kill(self->clients[i], SIGKILL);
		self->killed = true;
		break;
	case PARKED:
		end_parked(_metadata, self);
		self->served = true;
		break;
	}
	usleep(300000);
}

/* Nobody can answer any more, but nothing ends the requests: abort does */
TEST_F_TIMEOUT(fuse_teardown, ring_closed, TIMEOUT)
{
	self->hold->close_ring = true;
	let_close(_metadata, self, variant);
	ASSERT_TRUE(fuse_test_abort(&self->ft));
	expect_clients_ended(_metadata, self);
	EXPECT_EQ(0, umount(self->ft.dir));
	kill(self->ft.server, SIGKILL);
	EXPECT_EQ(-EINTR, fuse_hold_end(self->ft.server, STEP_MS));
}

/* The entries keep the device; it ends with the ring */
TEST_F_TIMEOUT(fuse_teardown, dev_closed, TIMEOUT)
{
	self->hold->close_dev = true;
	let_close(_metadata, self, variant);
	kill(self->ft.server, SIGKILL);
	EXPECT_EQ(-EINTR, fuse_hold_end(self->ft.server, STEP_MS));
	expect_clients_ended(_metadata, self);
	EXPECT_EQ(0, umount(self->ft.dir));
}

/* FUSE_TEARDOWN_ROUNDS in the environment overrides the number of rounds */
static unsigned int nr_rounds(void)
{
	const char *nr = getenv("FUSE_TEARDOWN_ROUNDS");

	return nr ? atoi(nr) : ROUNDS;
}

/* At a random point of the traffic */
TEST_F_TIMEOUT(fuse_teardown, mid_traffic, TIMEOUT)
{
	unsigned int i;

	if (variant->state != IDLE) {
		ASSERT_TRUE(fuse_test_abort(&self->ft));
		expect_clients_ended(_metadata, self);
		end_all_parked(_metadata, self, variant);
		ASSERT_EQ(0, fuse_test_umount(&self->ft));
		return;
	}
	for (i = 0; i < nr_rounds(); i++) {
		if (i)
			ASSERT_EQ(0, start(self));
		add_client(self, FUSE_HOLD_READ, -1);
		add_client(self, FUSE_HOLD_WRITE, -1);
		add_client(self, FUSE_HOLD_STAT, -1);
		usleep(20000 + 1777 * (i % 50));
		if (i % 2)
			kill(self->ft.server, SIGKILL);
		else
			ASSERT_TRUE(fuse_test_abort(&self->ft));
		expect_clients_ended(_metadata, self);
		EXPECT_EQ(0, umount(self->ft.dir));
		EXPECT_EQ(i % 2 ? -EINTR : 0,
			  fuse_hold_end(self->ft.server, STEP_MS));
		EXPECT_EQ(0, fuse_test_cleanup(&self->ft));
	}
	/* as FIXTURE_TEARDOWN() expects it */
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

/* Two queues with one entry each, each on a ring of its own */
FIXTURE(fuse_two_rings)
{
	struct fuse_queue queues[2];
	struct memlock_probe probe;
};

static void open_queue(struct __test_metadata *_metadata, struct fuse_queue *fq,
		       unsigned int qid)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();

	ent.qid = qid;
	ASSERT_EQ(0, fuse_queue_open_ring(fq));
	ASSERT_EQ(0, fuse_queue_add(fq, qid));
	fuse_queue_entry(fq, &ent);
	test_submit(&fq->tr);
	ASSERT_FALSE(test_wait_for(&fq->tr, 50));
}

FIXTURE_SETUP(fuse_two_rings)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (fuse_uring_nr_queues() != 2)
		SKIP(return, "needs two CPUs");
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_queue_mount(&self->queues[0], FUSE_MODE_KMBUF);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	self->queues[1].ft = self->queues[0].ft;
	ASSERT_TRUE(memlock_enter());
	open_queue(_metadata, &self->queues[0], 0);
	open_queue(_metadata, &self->queues[1], 1);
	ASSERT_TRUE(memlock_leave());
}

FIXTURE_TEARDOWN(fuse_two_rings)
{
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
}

/* The other ring's queue is not affected */
static void close_one(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_two_rings) *self)
{
	struct test_ring *other = &self->queues[1].tr;

	fuse_queue_close_ring(&self->queues[0]);
	EXPECT_FALSE(test_wait_for(other, 300));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&other->ring, FUSE_QUEUE_BGID));
}

static void close_rest(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fuse_two_rings) *self)
{
	struct fuse_queue *other = &self->queues[1];

	EXPECT_EQ(0, fuse_queue_umount(other));
	EXPECT_EQ(-ENOTCONN, test_wait(&other->tr));
	EXPECT_EQ(0, kmbuf_unregister(&other->tr.ring, FUSE_QUEUE_BGID));
	fuse_queue_close_ring(other);
}

/* When the server is notified, before the umount, it can use the buffers */
TEST_F_TIMEOUT(fuse_two_rings, aborted, TIMEOUT)
{
	unsigned int i;

	ASSERT_TRUE(fuse_test_abort(&self->queues[0].ft));
	for (i = 0; i < 2; i++) {
		struct test_ring *tr = &self->queues[i].tr;

		EXPECT_EQ(-ENOTCONN, test_wait(tr));
		EXPECT_EQ(0, kmbuf_unregister(&tr->ring, FUSE_QUEUE_BGID));
		fuse_queue_close_ring(&self->queues[i]);
	}
	EXPECT_EQ(0, fuse_queue_umount(&self->queues[0]));
}

TEST_F_TIMEOUT(fuse_two_rings, one_closed, TIMEOUT)
{
	close_one(_metadata, self);
	close_rest(_metadata, self);
}

/* A client that does not keep the first ring open */
static pid_t stat_client(FIXTURE_DATA(fuse_two_rings) *self)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	fuse_queue_close_ring(&self->queues[0]);
	_exit(-fuse_hold_do(&self->queues[0].ft, FUSE_HOLD_STAT, 0));
}

/* Wait until that many pages are charged */
static bool are_charged(FIXTURE_DATA(fuse_two_rings) *self, long pages)
{
	struct memlock_probe *probe = &self->probe;
	bool equal = memlock_enter() &&
		     memlock_wait(&probe->tr, probe->before + pages);

	return memlock_leave() && equal;
}

/*
 * Close it while its entry has a request: the entry stays until the abort, as
 * the device is open, and so do the buffers, although their ring is gone.
 */
TEST_F_TIMEOUT(fuse_two_rings, one_closed_in_use, TIMEOUT)
{
	const long region = fuse_queue_region_size() / sysconf(_SC_PAGESIZE);
	const long all = memlock_probe_charged(&self->probe);
	struct fuse_queue *fq = &self->queues[0];
	cpu_set_t set;
	pid_t pid;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
	pid = stat_client(self);
	EXPECT_EQ(0, test_wait(&fq->tr));
	close_one(_metadata, self);
	EXPECT_EQ(-ETIME, fuse_hold_end(pid, 100));
	EXPECT_TRUE(are_charged(self, all - region));
	ASSERT_TRUE(fuse_test_abort(&fq->ft));
	EXPECT_EQ(-ECONNABORTED, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(are_charged(self, all - region - 2 * FUSE_QUEUE_BUF_PAGES));
	close_rest(_metadata, self);
}

/*
 * Nothing notifies the server, so the buffers have to be released when the
 * abort returns
 */
TEST(queue_without_entries)
{
	struct fuse_queue fq;
	int ret;

	ret = fuse_queue_mount(&fq, FUSE_MODE_KMBUF);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_queue_open_ring(&fq));
	ASSERT_EQ(0, fuse_queue_add(&fq, 0));
	EXPECT_EQ(-EBUSY, kmbuf_unregister(&fq.tr.ring, FUSE_QUEUE_BGID));
	ASSERT_TRUE(fuse_test_abort(&fq.ft));
	EXPECT_EQ(0, kmbuf_unregister(&fq.tr.ring, FUSE_QUEUE_BGID));
	/* and no further queue can be added */
	EXPECT_EQ(-ENOTCONN, fuse_queue_add(&fq, 0));
	EXPECT_EQ(0, fuse_queue_umount(&fq));
	fuse_queue_close_ring(&fq);
}

/* All requests end after an abort, whatever the limit is set to */
TEST(limit_after_abort)
{
	struct fuse_queue fq;
	long long limit;
	int ret;

	ret = fuse_queue_mount(&fq, FUSE_MODE_ENTRY);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_TRUE(fuse_test_set(&fq.ft, "max_background", "3"));
	EXPECT_EQ(3, fuse_test_get(&fq.ft, "max_background"));
	ASSERT_TRUE(fuse_test_abort(&fq.ft));
	limit = fuse_test_get(&fq.ft, "max_background");
	EXPECT_LT(3, limit);
	EXPECT_TRUE(fuse_test_set(&fq.ft, "max_background", "3"));
	EXPECT_EQ(limit, fuse_test_get(&fq.ft, "max_background"));
	EXPECT_EQ(0, fuse_queue_umount(&fq));
}

TEST_HARNESS_MAIN
