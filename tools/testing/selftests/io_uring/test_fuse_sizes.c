// SPDX-License-Identifier: GPL-2.0
/*
 * Payload buffers of several sizes: a request takes the smallest one that is
 * free and large enough, waits only if there is none, and does not hold up
 * requests that fit elsewhere.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "iou_memlock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
#define LARGEST		131072
#define SMALL		4096
#define DEPTH		12
#define MAX_CLIENTS	16

FIXTURE(fuse_sizes)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	struct memlock_probe probe;
	/* the queue's buffers that are free, the smallest first */
	struct fuse_buffers model[FUSE_TEST_MORE_SIZES + 1];
	unsigned int nr_sizes;
	pid_t clients[MAX_CLIENTS];
	unsigned int nr_clients;
};

FIXTURE_VARIANT(fuse_sizes)
{
	/* besides a single one of the largest; in any order */
	struct fuse_buffers more[FUSE_TEST_MORE_SIZES];
	unsigned int ring_flags;
};

FIXTURE_VARIANT_ADD(fuse_sizes, three) {
	.more = { { 1, 65536 }, { 1, SMALL } },
};

/* nothing between the smallest and the largest */
FIXTURE_VARIANT_ADD(fuse_sizes, one_is_missing) {
	.more = { { 2, SMALL } },
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(fuse_sizes, two_of_one_size) {
	.more = { { 1, 16384 }, { 1, 16384 } },
};

FIXTURE_VARIANT_ADD(fuse_sizes, four) {
	.more = { { 1, SMALL }, { 1, 65536 }, { 1, 16384 } },
};

/* Shared with the server: the size of reads that it answers, 0 for all */
static unsigned int *answered;
static fuse_serve_t serve_all;

static int serve_size(const struct fuse_call *call)
{
	const struct fuse_read_in *read = call->arg;
	struct fuse_hold *hold = call->ft->data;

	if (call->in->opcode == FUSE_READ)
		hold->hold = *answered && read->size != *answered;
	return serve_all(call);
}

/* Insert the buffers in the order of their sizes */
static void add_to_model(FIXTURE_DATA(fuse_sizes) *self,
			 struct fuse_buffers buffers)
{
	unsigned int i = self->nr_sizes++;

	for (; i && self->model[i - 1].size > buffers.size; i--)
		self->model[i] = self->model[i - 1];
	self->model[i] = buffers;
}

static void init_model(FIXTURE_DATA(fuse_sizes) *self,
		       const FIXTURE_VARIANT(fuse_sizes) *variant)
{
	unsigned int i;

	self->nr_sizes = 0;
	add_to_model(self, (struct fuse_buffers) { 1, LARGEST });
	for (i = 0; i < FUSE_TEST_MORE_SIZES && variant->more[i].nr; i++)
		add_to_model(self, variant->more[i]);
}

FIXTURE_SETUP(fuse_sizes)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (sysconf(_SC_PAGESIZE) > SMALL)
		SKIP(return, "needs pages of 4 KiB");
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_KMBUF,
		.depth = DEPTH,
		.buffers = 1,
		.max_write = LARGEST,
		.max_pages = LARGEST / sysconf(_SC_PAGESIZE),
		.ring_flags = variant->ring_flags,
	};
	memcpy(self->ft.more_buffers, variant->more, sizeof(variant->more));
	init_model(self, variant);
	answered = shared_alloc(sizeof(*answered));
	ASSERT_NE(NULL, answered);
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	serve_all = self->ft.serve;
	self->ft.serve = serve_size;
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_hold_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	/* io_uring is ready: all further requests go to the server */
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
}

FIXTURE_TEARDOWN(fuse_sizes)
{
	EXPECT_EQ(0, self->ft.server ? fuse_test_umount(&self->ft) :
				       fuse_test_cleanup(&self->ft));
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
	fuse_hold_exit(self->hold);
	munmap(answered, sizeof(*answered));
}

/* No read that the server has got, or gets, is answered from now on */
static void hold_reads(void)
{
	*answered = 1;
}

static int stat_in_time(FIXTURE_DATA(fuse_sizes) *self)
{
	return fuse_hold_end(fuse_hold_client(&self->ft, FUSE_HOLD_STAT, 0, 1),
			     STEP_MS);
}

/* Answer reads of that size, or all of them, which takes one more request */
static void answer(struct __test_metadata *_metadata,
		   FIXTURE_DATA(fuse_sizes) *self, unsigned int size)
{
	*answered = size;
	EXPECT_EQ(0, stat_in_time(self));
}

static struct fuse_buffer_counts counts(FIXTURE_DATA(fuse_sizes) *self,
					unsigned int size)
{
	return fuse_test_buffer_counts(&self->ft, size);
}

static long long all_waits(FIXTURE_DATA(fuse_sizes) *self)
{
	return fuse_test_counter(&self->ft, "buffer_wait");
}

/* The size of the buffer that a read gets, or 0 */
static unsigned int model_take(FIXTURE_DATA(fuse_sizes) *self, size_t len)
{
	unsigned int i;

	for (i = 0; i < self->nr_sizes; i++) {
		if (self->model[i].size < len || !self->model[i].nr)
			continue;
		self->model[i].nr--;
		return self->model[i].size;
	}
	return 0;
}

/* The size that it waits for: the smallest that is large enough */
static unsigned int model_fit(FIXTURE_DATA(fuse_sizes) *self, size_t len)
{
	unsigned int i = 0;

	while (self->model[i].size < len)
		i++;
	return self->model[i].size;
}

/*
 * Start a read, and wait until the server holds it in the buffer that the model
 * says, or until it waits for one. Returns the size of the buffer, or 0.
 */
static unsigned int held_read(struct __test_metadata *_metadata,
			      FIXTURE_DATA(fuse_sizes) *self, size_t len)
{
	const unsigned int size = model_take(self, len);
	const unsigned int fit = size ? size : model_fit(self, len);
	const struct fuse_buffer_counts before = counts(self, fit);
	const long long waits = all_waits(self);
	struct fuse_buffer_counts after;

	ASSERT_LT(self->nr_clients, MAX_CLIENTS);
	self->clients[self->nr_clients++] =
		fuse_hold_client(&self->ft, FUSE_HOLD_READ, len, 1);
	EXPECT_TRUE(size ? fuse_hold_wait(self->hold, STEP_MS) :
			   WAIT_FOR(all_waits(self) > waits, STEP_MS));
	after = counts(self, fit);
	EXPECT_EQ(before.sent + !!size, after.sent) {
		TH_LOG("read of %zu, buffer of %u", len, size);
	}
	EXPECT_EQ(before.waits + !size, after.waits) {
		TH_LOG("read of %zu, buffer of %u", len, fit);
	}
	return size;
}

static void end_clients(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_sizes) *self)
{
	while (self->nr_clients)
		EXPECT_EQ(0, fuse_hold_end(self->clients[--self->nr_clients],
					   STEP_MS));
}

static void drop_events(FIXTURE_DATA(fuse_sizes) *self)
{
	while (fuse_hold_wait(self->hold, 0))
		;
}

/* Each sequence of three reads of three lengths */
TEST_F_TIMEOUT(fuse_sizes, every_order, TIMEOUT)
{
	static const size_t lens[] = { SMALL, 16384, LARGEST };
	const unsigned int nr = ARRAY_SIZE(lens);
	unsigned int order, i, rest;

	for (order = 0; order < nr * nr * nr; order++) {
		hold_reads();
		for (i = 0, rest = order; i < 3; i++, rest /= nr)
			held_read(_metadata, self, lens[rest % nr]);
		answer(_metadata, self, 0);
		end_clients(_metadata, self);
		drop_events(self);
		init_model(self, variant);
	}
}

/* Reads of the whole buffer until none is free: the largest buffer first */
static void take_all(struct __test_metadata *_metadata,
		     FIXTURE_DATA(fuse_sizes) *self)
{
	hold_reads();
	EXPECT_EQ(LARGEST, held_read(_metadata, self, LARGEST));
	while (self->model[0].nr || self->model[1].nr ||
	       (self->nr_sizes > 2 && self->model[2].nr))
		EXPECT_GT(held_read(_metadata, self, SMALL), 0);
}

/* While large reads wait, small ones get the small buffers */
TEST_F_TIMEOUT(fuse_sizes, small_reads_pass, TIMEOUT)
{
	unsigned int i;

	hold_reads();
	held_read(_metadata, self, LARGEST);
	EXPECT_EQ(0, held_read(_metadata, self, LARGEST));
	*answered = SMALL;
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, fuse_hold_end(fuse_hold_client(&self->ft,
							    FUSE_HOLD_READ,
							    SMALL, 1),
					   STEP_MS));
	answer(_metadata, self, 0);
	end_clients(_metadata, self);
}

/*
 * All buffers are in use, and a large read waits, and then a small one, which
 * would fit everywhere. The large buffer goes to the large read.
 */
TEST_F_TIMEOUT(fuse_sizes, large_read_gets_the_large_buffer, TIMEOUT)
{
	struct fuse_buffer_counts before;

	take_all(_metadata, self);
	EXPECT_EQ(0, held_read(_metadata, self, LARGEST));
	EXPECT_EQ(0, held_read(_metadata, self, SMALL));
	before = counts(self, LARGEST);
	*answered = LARGEST;
	EXPECT_EQ(0, stat_in_time(self));
	/* the second large read */
	EXPECT_EQ(0, fuse_hold_end(self->clients[self->nr_clients - 2],
				   STEP_MS));
	self->clients[self->nr_clients - 2] =
		self->clients[self->nr_clients - 1];
	self->nr_clients--;
	/* and then the small one */
	EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	EXPECT_EQ(before.sent + 2, counts(self, LARGEST).sent);
	answer(_metadata, self, 0);
	end_clients(_metadata, self);
}

/* The reverse: the small read is older, and is not passed by large ones */
TEST_F_TIMEOUT(fuse_sizes, old_small_read_gets_the_large_buffer, TIMEOUT)
{
	take_all(_metadata, self);
	EXPECT_EQ(0, held_read(_metadata, self, SMALL));
	/* their ages differ by more than a tick of any clock */
	usleep(50000);
	EXPECT_EQ(0, held_read(_metadata, self, LARGEST));
	answer(_metadata, self, LARGEST);
	EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	EXPECT_EQ(-ETIME, fuse_hold_end(self->clients[self->nr_clients - 1],
					100));
	answer(_metadata, self, 0);
	end_clients(_metadata, self);
}

static void use_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* All lengths from all CPUs: no wakeup and no byte is lost */
TEST_F_TIMEOUT(fuse_sizes, stress, TIMEOUT)
{
	static const size_t lens[] = { 100, SMALL, 16384, 65536, LARGEST };
	const unsigned int nr = 2 * ARRAY_SIZE(lens), times = 10;
	long long before = fuse_test_counter(&self->ft, "buffer");
	unsigned int i;

	for (i = 0; i < nr; i++) {
		use_cpu(i);
		self->clients[self->nr_clients++] =
			fuse_hold_client(&self->ft, i % 4 ? FUSE_HOLD_READ :
					 FUSE_HOLD_WRITE,
					 lens[i % ARRAY_SIZE(lens)], times);
	}
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, fuse_hold_end(self->clients[i], 3 * STEP_MS));
	self->nr_clients = 0;
	/* the shortest do not need a buffer */
	EXPECT_EQ(before + (nr - 2) * times,
		  fuse_test_counter(&self->ft, "buffer"));
}

/* With all buffers in use and one request for each size waiting */
static void take_all_and_wait(struct __test_metadata *_metadata,
			      FIXTURE_DATA(fuse_sizes) *self)
{
	unsigned int i;

	take_all(_metadata, self);
	for (i = 0; i < self->nr_sizes; i++)
		EXPECT_EQ(0, held_read(_metadata, self, self->model[i].size));
}

static void expect_clients_failed(struct __test_metadata *_metadata,
				  FIXTURE_DATA(fuse_sizes) *self)
{
	int ret;

	while (self->nr_clients) {
		ret = fuse_hold_end(self->clients[--self->nr_clients], STEP_MS);
		EXPECT_TRUE(ret == -ECONNABORTED || ret == -ENOTCONN) {
			TH_LOG("%d", ret);
		}
	}
}

TEST_F_TIMEOUT(fuse_sizes, abort, TIMEOUT)
{
	take_all_and_wait(_metadata, self);
	ASSERT_TRUE(fuse_test_abort(&self->ft));
	expect_clients_failed(_metadata, self);
	EXPECT_TRUE(memlock_probe_wait(&self->probe));
}

TEST_F_TIMEOUT(fuse_sizes, server_killed, TIMEOUT)
{
	take_all_and_wait(_metadata, self);
	kill(self->ft.server, SIGKILL);
	EXPECT_EQ(-EINTR, fuse_hold_end(self->ft.server, STEP_MS));
	self->ft.server = 0;
	expect_clients_failed(_metadata, self);
	EXPECT_TRUE(memlock_probe_wait(&self->probe));
	EXPECT_EQ(0, umount(self->ft.dir));
}

/* Clients that wait for a buffer can be killed, and are forgotten */
TEST_F_TIMEOUT(fuse_sizes, clients_killed, TIMEOUT)
{
	unsigned int i;

	take_all_and_wait(_metadata, self);
	for (i = 0; i < self->nr_sizes; i++) {
		kill(self->clients[--self->nr_clients], SIGKILL);
		EXPECT_EQ(-EINTR, fuse_hold_end(self->clients[self->nr_clients],
						STEP_MS));
	}
	answer(_metadata, self, 0);
	end_clients(_metadata, self);
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGEST));
}

#define MIB		(1024 * 1024)
#define MANY		32
#define MEDIUM		65536

/* Empty: for the timeout */
FIXTURE(fuse_little_memory)
{
};

FIXTURE_SETUP(fuse_little_memory)
{
}

FIXTURE_TEARDOWN(fuse_little_memory)
{
}

/*
 * A queue needs one large buffer for large requests, and not one for each
 * request: 32 reads of 64 KiB are in flight with 3 MiB.
 */
TEST_F_TIMEOUT(fuse_little_memory, many_reads, TIMEOUT)
{
	struct fuse_test ft = {
		.mode = FUSE_MODE_KMBUF,
		.depth = MANY + 1,
		.buffers = 1,
		.more_buffers = { { MANY, MEDIUM } },
		.max_write = MIB,
		.max_pages = MIB / sysconf(_SC_PAGESIZE),
	};
	const size_t limit = 3200 * 1024 / sysconf(_SC_PAGESIZE);
	struct memlock_probe probe;
	struct fuse_hold *hold;
	pid_t pids[MANY];
	unsigned int i;
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	hold = fuse_hold_init(&ft);
	ASSERT_NE(NULL, hold);
	ASSERT_TRUE(memlock_probe_init(&probe));
	ret = fuse_hold_mount(&ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	EXPECT_EQ(0, fuse_hold_do(&ft, FUSE_HOLD_STAT, 0));
	EXPECT_LE(memlock_probe_charged(&probe),
		  (long)(limit * sysconf(_SC_NPROCESSORS_CONF)));

	hold->hold = true;
	for (i = 0; i < MANY; i++)
		pids[i] = fuse_hold_client(&ft, FUSE_HOLD_READ, MEDIUM, 1);
	for (i = 0; i < MANY; i++)
		EXPECT_TRUE(fuse_hold_wait(hold, STEP_MS));
	EXPECT_EQ(MANY, fuse_test_buffer_counts(&ft, MEDIUM).sent);
	EXPECT_EQ(0, fuse_test_counter(&ft, "buffer_wait"));
	hold->release = true;
	EXPECT_EQ(0, fuse_hold_do(&ft, FUSE_HOLD_STAT, 0));
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], STEP_MS));
	EXPECT_EQ(0, fuse_test_umount(&ft));
	EXPECT_TRUE(memlock_probe_exit(&probe));
	fuse_hold_exit(hold);
}

TEST_HARNESS_MAIN
