// SPDX-License-Identifier: GPL-2.0
/*
 * Requests are matched with entries of a FUSE queue as soon as one fits: no
 * request waits while an idle entry could serve it.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "fuse_queue.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
#define LARGE		65536

static bool stay_on_first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* Mount the server of @hold; NULL, or the reason to skip the test */
static const char *mount_held(struct __test_metadata *_metadata,
			      struct fuse_test *ft)
{
	int ret = fuse_hold_mount(ft);

	if (fuse_test_missing(ret))
		return fuse_test_missing(ret);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, fuse_hold_do(ft, FUSE_HOLD_STAT, 0));
	return NULL;
}

/*
 * One buffer. Every other entry of the first queue has server memory: the next
 * in line are one without, one with and one without.
 */
TEST(entry_with_memory_serves_while_no_buffer_is_free)
{
	struct fuse_test ft = {
		.mode = FUSE_MODE_KMBUF,
		.mixed = FUSE_MIXED_BOTH,
		.depth = 5,
		.buffers = 1,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
	};
	struct fuse_hold *hold;
	const char *missing;
	pid_t pids[3];
	unsigned int i;

	if (getuid())
		SKIP(return, "needs root");
	ASSERT_TRUE(stay_on_first_cpu());
	hold = fuse_hold_init(&ft);
	ASSERT_NE(NULL, hold);
	missing = mount_held(_metadata, &ft);
	if (missing)
		SKIP(return, "%s", missing);

	hold->hold = true;
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fuse_hold_client(&ft, FUSE_HOLD_READ, LARGE, 1);
		EXPECT_TRUE(fuse_hold_wait(hold, STEP_MS)) {
			TH_LOG("read %u", i);
		}
	}
	EXPECT_EQ(1, fuse_test_counter(&ft, "buffer"));
	hold->release = true;
	EXPECT_EQ(0, fuse_hold_do(&ft, FUSE_HOLD_STAT, 0));
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], STEP_MS));
	EXPECT_EQ(0, fuse_test_umount(&ft));
	fuse_hold_exit(hold);
}

/*
 * One buffer, and entries that differ in what they can serve without it: every
 * other entry has an iovec for its header, and hence no room for small
 * payloads.
 */
FIXTURE(fuse_unlike)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	/* the file, opened before the buffer is taken */
	int fd;
};

FIXTURE_VARIANT(fuse_unlike)
{
	enum fuse_mixed mixed;
	/*
	 * number of large reads that get an entry, and that wait for the buffer
	 */
	unsigned int nr_served;
	unsigned int nr_waiting;
};

/* the other entries have their headers in the region */
FIXTURE_VARIANT_ADD(fuse_unlike, headers) {
	.mixed = FUSE_MIXED_HEADERS,
	.nr_served = 1,
	.nr_waiting = 2,
};

/* the other entries have a payload iovec as well: one of them is idle */
FIXTURE_VARIANT_ADD(fuse_unlike, either) {
	.mixed = FUSE_MIXED_EITHER,
	.nr_served = 3,
};

FIXTURE_SETUP(fuse_unlike)
{
	const char *missing;

	if (getuid())
		SKIP(return, "needs root");
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_KMBUF,
		.mixed = variant->mixed,
		.depth = 6,
		.buffers = 1,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
	};
	ASSERT_TRUE(stay_on_first_cpu());
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	missing = mount_held(_metadata, &self->ft);
	if (missing)
		SKIP(return, "%s", missing);
	self->fd = open(self->ft.file, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(fuse_unlike)
{
	close(self->fd);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	fuse_hold_exit(self->hold);
}

/* A client that sends a single read */
static pid_t read_client(FIXTURE_DATA(fuse_unlike) *self)
{
	pid_t pid = fork();
	unsigned char *buf;
	ssize_t ret;

	if (pid)
		return pid;
	buf = aligned_alloc(sysconf(_SC_PAGESIZE), LARGE);
	ret = pread(self->fd, buf, LARGE, FUSE_HOLD_OFFSET);
	if (ret < 0)
		_exit(errno);
	_exit(ret == LARGE && check_pattern(buf, LARGE, FUSE_HOLD_SEED,
					    FUSE_HOLD_OFFSET) ? 0 : EILSEQ);
}

/* How many times an entry has taken the buffer */
static long long count(FIXTURE_DATA(fuse_unlike) *self)
{
	return fuse_test_counter(&self->ft, "buffer");
}

static int stat_in_time(FIXTURE_DATA(fuse_unlike) *self)
{
	return fuse_hold_end(fuse_hold_client(&self->ft, FUSE_HOLD_STAT, 0, 1),
			     STEP_MS);
}

/*
 * While reads wait for the buffer, requests that fit inline go to an entry with
 * its header in the region, although an entry without was tried first.
 */
TEST_F_TIMEOUT(fuse_unlike, small_requests_pass, TIMEOUT)
{
	const unsigned int nr = variant->nr_served + variant->nr_waiting;
	const long long before = count(self);
	pid_t pids[8];
	unsigned int i;

	self->hold->hold = true;
	for (i = 0; i < nr; i++) {
		pids[i] = read_client(self);
		if (i < variant->nr_served)
			ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	}
	EXPECT_FALSE(fuse_hold_wait(self->hold, 300));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, stat_in_time(self));
	/* while other reads wait for the buffer, only one read has it */
	if (variant->nr_waiting)
		EXPECT_EQ(before + 1, count(self));

	self->hold->release = true;
	EXPECT_EQ(0, stat_in_time(self));
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], STEP_MS));
}

/* All entries together serve all kinds of requests */
TEST_F_TIMEOUT(fuse_unlike, all_is_served, TIMEOUT)
{
	const size_t lens[] = { 100, 4096, LARGE };
	pid_t pids[3 * ARRAY_SIZE(lens)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = fuse_hold_client(&self->ft, FUSE_HOLD_STAT + i % 3,
					   lens[i / 3], 5);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], 3 * STEP_MS));
}

/* Shared with the server, which answers releases on command */
struct turns {
	bool			first;
	bool			rest;
	unsigned long long	first_unique;
	int			event_fd;
	fuse_serve_t		serve;
};

static struct turns *turns;

static int serve_in_turn(const struct fuse_call *call)
{
	if (call->in->opcode != FUSE_RELEASE)
		return turns->serve(call);
	if (!call->again)
		eventfd_write(turns->event_fd, 1);
	if (!turns->first_unique)
		turns->first_unique = call->in->unique;
	if (turns->rest ||
	    (turns->first && turns->first_unique == call->in->unique))
		return 0;
	return FUSE_SERVE_HELD;
}

/* Close files: background requests that ignore the limit */
static pid_t background_client(const struct fuse_test *ft, unsigned int nr)
{
	pid_t pid = fork();
	int fds[16];
	unsigned int i;

	if (pid)
		return pid;
	for (i = 0; i < nr; i++)
		fds[i] = open(ft->file, O_RDONLY);
	for (i = 0; i < nr; i++)
		close(fds[i]);
	_exit(0);
}

static bool next_comes(unsigned int ms)
{
	struct pollfd poll_fd = { .fd = turns->event_fd, .events = POLLIN };
	eventfd_t nr;

	return poll(&poll_fd, 1, ms) == 1 && !eventfd_read(turns->event_fd, &nr);
}

/*
 * Lift the limit of background requests while one is with the server. Its end
 * releases the others, all at once, and later ones pass.
 */
TEST(all_that_may_go_get_an_entry)
{
	const unsigned int nr = 8;
	struct fuse_test ft = {
		.mode = FUSE_MODE_ENTRY,
		.depth = nr + 1,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
	};
	struct fuse_hold *hold;
	const char *missing;
	unsigned int i;

	if (getuid())
		SKIP(return, "needs root");
	turns = shared_alloc(sizeof(*turns));
	ASSERT_NE(NULL, turns);
	ASSERT_TRUE(stay_on_first_cpu());
	hold = fuse_hold_init(&ft);
	ASSERT_NE(NULL, hold);
	turns->event_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	turns->serve = ft.serve;
	ft.serve = serve_in_turn;
	missing = mount_held(_metadata, &ft);
	if (missing)
		SKIP(return, "%s", missing);

	ASSERT_TRUE(fuse_test_set(&ft, "max_background", "1"));
	EXPECT_EQ(0, fuse_hold_end(background_client(&ft, nr), STEP_MS));
	ASSERT_TRUE(next_comes(STEP_MS));
	EXPECT_FALSE(next_comes(300));
	ASSERT_TRUE(fuse_test_set(&ft, "max_background", "10"));
	turns->first = true;
	/* send a request to wake up the server */
	EXPECT_EQ(0, fuse_hold_end(fuse_hold_client(&ft, FUSE_HOLD_STAT, 0, 1),
				   STEP_MS));
	for (i = 1; i < nr; i++)
		EXPECT_TRUE(next_comes(2000));
	turns->rest = true;
	EXPECT_EQ(0, fuse_hold_end(fuse_hold_client(&ft, FUSE_HOLD_STAT, 0, 1),
				   STEP_MS));
	EXPECT_EQ(0, fuse_test_umount(&ft));
	fuse_hold_exit(hold);
	close(turns->event_fd);
	munmap(turns, sizeof(*turns));
}

/*
 * A queue without a server in this process: entries that use two buffers, on a
 * ring that only works when called, and one entry with own memory in each other
 * queue, so that requests are sent.
 */
#define NR_ENTRIES	3

FIXTURE(fuse_closed_ring)
{
	struct fuse_queue fq;
	struct test_ring own;
	struct fuse_uring_req_header head;
	unsigned char payload[8192];
	struct iovec iov[2];
	struct memlock_probe probe;
};

static void register_own(FIXTURE_DATA(fuse_closed_ring) *self, unsigned int qid)
{
	struct io_uring_sqe *sqe;

	self->iov[0] = (struct iovec) { &self->head, sizeof(self->head) };
	self->iov[1] = (struct iovec) { self->payload, sizeof(self->payload) };
	sqe = fuse_uring_sqe(&self->own, self->fq.ft.dev,
			     FUSE_IO_URING_CMD_REGISTER, qid);
	sqe->addr = (unsigned long)self->iov;
	sqe->len = 2;
	test_submit(&self->own);
}

static void register_kmbuf(struct __test_metadata *_metadata,
			   FIXTURE_DATA(fuse_closed_ring) *self)
{
	struct fuse_uring_cmd_req ent = fuse_queue_good_entry();
	unsigned int i;

	ASSERT_TRUE(memlock_enter());
	self->fq.ring_flags = IORING_SETUP_SINGLE_ISSUER |
			      IORING_SETUP_DEFER_TASKRUN;
	ASSERT_EQ(0, fuse_queue_open_ring(&self->fq));
	ASSERT_EQ(0, fuse_queue_add(&self->fq, 0));
	for (i = 0; i < NR_ENTRIES; i++) {
		ent.ent.hdr_offset = i * FUSE_QUEUE_STRIDE;
		fuse_queue_entry(&self->fq, &ent);
		test_submit(&self->fq.tr);
	}
	ASSERT_TRUE(memlock_leave());
	ASSERT_FALSE(test_wait_for(&self->fq.tr, 50));
}

FIXTURE_SETUP(fuse_closed_ring)
{
	unsigned int qid;
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ASSERT_TRUE(stay_on_first_cpu());
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_queue_mount(&self->fq, FUSE_MODE_KMBUF);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, test_ring_init(&self->own, IORING_SETUP_SQE128, 0));
	register_kmbuf(_metadata, self);
	/* these entries never get a request */
	for (qid = 1; qid < fuse_uring_nr_queues(); qid++)
		register_own(self, qid);
}

FIXTURE_TEARDOWN(fuse_closed_ring)
{
	EXPECT_EQ(0, fuse_queue_umount(&self->fq));
	test_ring_exit(&self->own);
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
}

/* A single request of the root directory that needs a buffer */
static pid_t xattr_client(FIXTURE_DATA(fuse_closed_ring) *self)
{
	pid_t pid = fork();
	char value[4096];

	if (pid)
		return pid;
	/* the child would keep the ring open */
	fuse_queue_close_ring(&self->fq);
	_exit(getxattr(self->fq.ft.dir, "user.a", value, sizeof(value)) < 0 ?
	      errno : 0);
}

/* Answer the request of the entry with its own memory */
static void answer_own(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fuse_closed_ring) *self)
{
	const struct fuse_in_header in =
		*(struct fuse_in_header *)self->head.in_out;
	struct io_uring_sqe *sqe;

	EXPECT_EQ(FUSE_GETXATTR, in.opcode);
	*(struct fuse_out_header *)self->head.in_out = (struct fuse_out_header) {
		.len = sizeof(struct fuse_out_header),
		.error = -ENODATA,
		.unique = in.unique,
	};
	self->head.ring_ent_in_out.payload_sz = 0;
	sqe = fuse_uring_sqe(&self->own, self->fq.ft.dev,
			     FUSE_IO_URING_CMD_COMMIT_AND_FETCH, 0);
	fuse_uring_req(sqe)->commit_id = in.unique;
	test_submit(&self->own);
}

/*
 * When the ring is closed, two requests are on their way to it, and one waits
 * for a buffer. The third request does not go to the ring's other entry, which
 * is about to end, but to an entry that is added later. And the buffers are
 * released.
 */
TEST_F_TIMEOUT(fuse_closed_ring, goes_on_elsewhere, TIMEOUT)
{
	pid_t pids[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = xattr_client(self);
		ASSERT_TRUE(fuse_test_wait_requests(&self->fq.ft, i + 1,
						    STEP_MS));
	}
	/* the last request is queued, too */
	EXPECT_EQ(-ETIME, fuse_hold_end(pids[2], 100));
	fuse_queue_close_ring(&self->fq);
	EXPECT_EQ(-ECANCELED, fuse_hold_end(pids[0], STEP_MS));
	EXPECT_EQ(-ECANCELED, fuse_hold_end(pids[1], STEP_MS));
	EXPECT_EQ(-ETIME, fuse_hold_end(pids[2], 300));
	EXPECT_TRUE(memlock_probe_wait(&self->probe));

	register_own(self, 0);
	ASSERT_EQ(0, test_wait(&self->own));
	answer_own(_metadata, self);
	EXPECT_EQ(-ENODATA, fuse_hold_end(pids[2], STEP_MS));
}

TEST_HARNESS_MAIN
