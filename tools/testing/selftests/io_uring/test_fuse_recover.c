// SPDX-License-Identifier: GPL-2.0
/*
 * A FUSE server over io_uring dies, and another one takes over: with the same
 * kind of queues, or another kind.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "fuse_uring.h"
#include "iou_memlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
/* What does not end within this time waits */
#define WAIT_MS		300
#define LARGE		65536
#define NR_CLIENTS	4
#define NR_SERVED	64

/* Reads that servers have begun, by all servers of a test */
struct served {
	unsigned long long unique;
	unsigned int server;
};

struct shared {
	/* number of the present server */
	unsigned int	server;
	struct served	served[NR_SERVED];
	unsigned int	nr_served;
	/* the first server does not return from a read */
	bool		block;
	/*
	 * the server gives pages of its payloads away, now or before it replies to a
	 * read: 1 if it has done so
	 */
	bool		take_pages;
	bool		take_reply;
	int		pages_taken;
	/* the server without a ring may reply now; and what came of it */
	bool		late;
	int		late_commit;
};

static struct shared *shared;
/* /dev/userfaultfd, for servers without privilege */
static int userfaultfd;
static fuse_serve_t serve_hold;
/* The last read of a server over io_uring */
static struct {
	unsigned long long	unique;
	unsigned int		qid;
} last_read;

/* A reply by a server that has closed its io_uring, through another one */
static int commit_late(const struct fuse_test *ft)
{
	struct io_uring_sqe *sqe;
	struct test_ring tr;
	int ret;

	ret = test_ring_init(&tr, IORING_SETUP_SQE128, 0);
	if (ret)
		return ret;
	sqe = fuse_uring_sqe(&tr, ft->dev, FUSE_IO_URING_CMD_COMMIT_AND_FETCH,
			     last_read.qid);
	fuse_uring_req(sqe)->commit_id = last_read.unique;
	ret = test_submit_wait(&tr);
	test_ring_exit(&tr);
	return ret;
}

/*
 * Whoever touches the payload now, except for its first page, waits until the
 * process is killed. 1, 0 if the payload is not in memory of the server, or -errno.
 */
static int take_pages(const struct uring_entry *entry)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range.start = (unsigned long)entry->payload + page,
		.range.len = LARGE - page,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd;

	if (!entry->own_payload)
		return 0;
	if (madvise(entry->payload + page, LARGE - page, MADV_DONTNEED))
		return -errno;
	fd = ioctl(userfaultfd, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 1;
}

static int take_all_pages(const struct fuse_call *call)
{
	const struct uring_entry *entry = fuse_uring_entry(call);
	const struct uring_entry *first = entry - entry->index;
	unsigned int i, nr = fuse_uring_nr_queues() * call->ft->depth;
	int ret = 0;

	for (i = 0; i < nr && ret >= 0; i++)
		ret = take_pages(&first[i]);
	return ret;
}

static int serve(const struct fuse_call *call)
{
	unsigned int i;
	int ret;

	if (shared->take_pages && !call->over_dev) {
		shared->take_pages = false;
		shared->pages_taken = take_all_pages(call);
	}
	if (call->in->opcode == FUSE_READ && !call->over_dev && !call->again) {
		last_read.unique = call->in->unique;
		last_read.qid = fuse_uring_entry(call)->qid;
		i = __atomic_fetch_add(&shared->nr_served, 1, __ATOMIC_RELAXED);
		if (i < NR_SERVED)
			shared->served[i] = (struct served) {
				call->in->unique, shared->server,
			};
		if (shared->block) {
			eventfd_write(((struct fuse_hold *)call->ft->data)->event_fd, 1);
			for (;;)
				pause();
		}
	}
	ret = serve_hold(call);
	if (call->in->opcode == FUSE_READ && shared->take_reply) {
		shared->take_reply = false;
		shared->pages_taken = take_pages(fuse_uring_entry(call));
		/* the next server can read more */
		if (shared->pages_taken > 0)
			ret /= 2;
	}
	return ret;
}

FIXTURE(fuse_recover)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	struct memlock_probe probe;
	int pipe[2];
	pid_t clients[NR_CLIENTS];
	unsigned int nr_clients;
};

FIXTURE_VARIANT(fuse_recover)
{
	enum fuse_mode mode;
	/* of the servers that follow */
	enum fuse_mode next;
	unsigned int ring_flags;
	bool fewer_queues;
};

FIXTURE_VARIANT_ADD(fuse_recover, entry) {
	.mode = FUSE_MODE_ENTRY,
	.next = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_recover, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
	.next = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_recover, kmbuf_defer_fewer) {
	.mode = FUSE_MODE_KMBUF,
	.next = FUSE_MODE_KMBUF,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	.fewer_queues = true,
};

FIXTURE_VARIANT_ADD(fuse_recover, zc) {
	.mode = FUSE_MODE_ZC,
	.next = FUSE_MODE_ZC,
};

FIXTURE_VARIANT_ADD(fuse_recover, entry_kmbuf) {
	.mode = FUSE_MODE_ENTRY,
	.next = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_recover, kmbuf_entry) {
	.mode = FUSE_MODE_KMBUF,
	.next = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_recover, zc_buffers) {
	.mode = FUSE_MODE_ZC,
	.next = FUSE_MODE_BUFFERS,
};

FIXTURE_VARIANT_ADD(fuse_recover, headers_zc) {
	.mode = FUSE_MODE_HEADERS,
	.next = FUSE_MODE_ZC,
};

/* Zero copy needs privilege; other servers are those of a user with a limit */
static int start_server(FIXTURE_DATA(fuse_recover) *self)
{
	const bool limited = !fuse_mode_zero_copy(self->ft.mode);
	int ret;

	shared->server++;
	if (limited && !memlock_enter())
		return -EIO;
	ret = fuse_test_start(&self->ft);
	if (limited && !memlock_leave())
		return -EIO;
	return ret;
}

FIXTURE_SETUP(fuse_recover)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.init_flags = FUSE_IO_URING_RECOVERY | FUSE_HAS_IO_URING_KMBUF |
			      (variant->fewer_queues ?
			       FUSE_IO_URING_FEWER_QUEUES : 0),
		.queues = variant->fewer_queues,
		.depth = 2,
		.buffers = 2,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		.ring_flags = variant->ring_flags,
		.keep_dev = true,
	};
	shared = shared_alloc(sizeof(*shared));
	ASSERT_NE(NULL, shared);
	userfaultfd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (userfaultfd < 0)
		SKIP(return, "needs CONFIG_USERFAULTFD");
	ASSERT_EQ(0, pipe(self->pipe));
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	/* a flush is not killable, whoever serves it */
	self->hold->open_flags = FOPEN_NOFLUSH;
	serve_hold = self->ft.serve;
	self->ft.serve = serve;
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_test_open(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, start_server(self));
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	self->ft.mode = variant->next;
}

FIXTURE_TEARDOWN(fuse_recover)
{
	unsigned int i;

	/* the mount has no user unless something has failed */
	for (i = 0; i < self->nr_clients; i++)
		if (self->clients[i])
			kill(self->clients[i], SIGKILL);
	if (umount2(self->ft.dir, MNT_DETACH) == 0)
		fuse_test_abort(&self->ft);
	close(self->ft.dev);
	fuse_test_kill(&self->ft);
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
	EXPECT_EQ(0, fuse_test_cleanup(&self->ft));
	fuse_hold_exit(self->hold);
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(userfaultfd);
	munmap(shared, sizeof(*shared));
}

static void add_client(FIXTURE_DATA(fuse_recover) *self, enum fuse_hold_op op)
{
	self->clients[self->nr_clients++] =
		fuse_hold_client(&self->ft, op, LARGE, 1);
}

/* Wait for the oldest client that has not ended */
static int end_client(FIXTURE_DATA(fuse_recover) *self, unsigned int nr,
		      unsigned int ms)
{
	int ret = fuse_hold_end(self->clients[nr], ms);

	if (ret != -ETIME)
		self->clients[nr] = 0;
	return ret;
}

/* One more request that the server does not answer */
static void hold_one(struct __test_metadata *_metadata,
		     FIXTURE_DATA(fuse_recover) *self, enum fuse_hold_op op)
{
	add_client(self, op);
	ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
}

/* Kill the server, with requests that it has, and one that waits for an entry */
static void busy_gap(struct __test_metadata *_metadata,
		     FIXTURE_DATA(fuse_recover) *self)
{
	self->hold->hold = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	hold_one(_metadata, self, FUSE_HOLD_WRITE);
	add_client(self, FUSE_HOLD_READ);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 3, STEP_MS));
	fuse_test_kill(&self->ft);
}

/* A server that serves all requests takes over from one that has died */
static void take_over(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_recover) *self, bool resend)
{
	self->hold->hold = false;
	self->ft.resend = resend;
	ASSERT_EQ(0, start_server(self));
}

static bool io_works(FIXTURE_DATA(fuse_recover) *self)
{
	return !fuse_hold_do(&self->ft, FUSE_HOLD_READ, 100) &&
	       !fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE) &&
	       !fuse_hold_do(&self->ft, FUSE_HOLD_WRITE, LARGE);
}

TEST_F_TIMEOUT(fuse_recover, idle, TIMEOUT)
{
	fuse_test_kill(&self->ft);
	/* nothing is held by the dead */
	EXPECT_TRUE(memlock_probe_wait(&self->probe));
	take_over(_metadata, self, true);
	EXPECT_TRUE(io_works(self));
}

TEST_F_TIMEOUT(fuse_recover, requests_of_the_gap, TIMEOUT)
{
	fuse_test_kill(&self->ft);
	add_client(self, FUSE_HOLD_READ);
	add_client(self, FUSE_HOLD_WRITE);
	EXPECT_EQ(-ETIME, end_client(self, 0, WAIT_MS));
	take_over(_metadata, self, false);
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	EXPECT_EQ(0, end_client(self, 1, STEP_MS));
	EXPECT_TRUE(io_works(self));
}

/* Reads and writes that the server had, and one that waited for an entry */
TEST_F_TIMEOUT(fuse_recover, requests_in_userspace, TIMEOUT)
{
	busy_gap(_metadata, self);
	EXPECT_TRUE(memlock_probe_wait(&self->probe));
	take_over(_metadata, self, true);
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	EXPECT_EQ(0, end_client(self, 1, STEP_MS));
	EXPECT_EQ(0, end_client(self, 2, STEP_MS));
	EXPECT_TRUE(io_works(self));
}

/*
 * The server is killed while data is copied to or from its memory, whose pages
 * cannot be had. That is no error of the client. It does not wait if the memory is
 * the kernel's.
 */
static void half_copied(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_recover) *self, enum fuse_hold_op op)
{
	int waits;

	add_client(self, op);
	waits = end_client(self, 0, WAIT_MS);
	if (waits && !shared->pages_taken)
		waits = end_client(self, 0, STEP_MS);
	EXPECT_EQ(shared->pages_taken ? -ETIME : 0, waits);
	EXPECT_GE(shared->pages_taken, 0);
	fuse_test_kill(&self->ft);
	if (waits)
		EXPECT_EQ(-ETIME, end_client(self, 0, WAIT_MS));
	take_over(_metadata, self, false);
	if (waits)
		EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	EXPECT_TRUE(io_works(self));
}

TEST_F_TIMEOUT(fuse_recover, request_half_copied, TIMEOUT)
{
	shared->take_pages = true;
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	half_copied(_metadata, self, FUSE_HOLD_WRITE);
}

TEST_F_TIMEOUT(fuse_recover, reply_half_copied, TIMEOUT)
{
	shared->take_reply = true;
	half_copied(_metadata, self, FUSE_HOLD_READ);
}

static void swap(struct served *a, struct served *b)
{
	struct served tmp = *a;

	*a = *b;
	*b = tmp;
}

/*
 * Marked, and in order; what was not sent comes last, and is not marked. Only
 * requests with lent pages may be late, as these may be in use for a while.
 */
TEST_F_TIMEOUT(fuse_recover, order_and_marks, TIMEOUT)
{
	struct served *served = shared->served;

	self->hold->hold = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	hold_one(_metadata, self, FUSE_HOLD_READ);
	add_client(self, FUSE_HOLD_READ);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 3, STEP_MS));
	fuse_test_kill(&self->ft);
	ASSERT_EQ(2, shared->nr_served);
	/* one entry, so that there is an order */
	self->ft.depth = 1;
	take_over(_metadata, self, true);
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	EXPECT_EQ(0, end_client(self, 1, STEP_MS));
	EXPECT_EQ(0, end_client(self, 2, STEP_MS));
	ASSERT_EQ(5, shared->nr_served);
	if (fuse_mode_zero_copy(variant->mode)) {
		if (!(served[2].unique & FUSE_UNIQUE_RESEND))
			swap(served + 2, served + 4);
		if (!(served[3].unique & FUSE_UNIQUE_RESEND))
			swap(served + 3, served + 4);
		if (served[2].unique > served[3].unique)
			swap(served + 2, served + 3);
	}
	EXPECT_EQ(served[0].unique | FUSE_UNIQUE_RESEND, served[2].unique);
	EXPECT_EQ(served[1].unique | FUSE_UNIQUE_RESEND, served[3].unique);
	EXPECT_FALSE(served[4].unique & FUSE_UNIQUE_RESEND);
	EXPECT_LT(served[1].unique, served[4].unique);
}

/* The notification can come before the queues, after them, and again */
TEST_F_TIMEOUT(fuse_recover, resend_any_time, TIMEOUT)
{
	/* nothing to send */
	EXPECT_EQ(0, fuse_test_resend(&self->ft));
	self->hold->hold = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	hold_one(_metadata, self, FUSE_HOLD_READ);
	/* the server can still reply */
	EXPECT_EQ(0, fuse_test_resend(&self->ft));
	EXPECT_EQ(2, shared->nr_served);
	fuse_test_kill(&self->ft);
	EXPECT_EQ(0, fuse_test_resend(&self->ft));
	EXPECT_EQ(0, fuse_test_resend(&self->ft));
	EXPECT_EQ(-ETIME, end_client(self, 0, WAIT_MS));
	take_over(_metadata, self, true);
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	EXPECT_EQ(0, end_client(self, 1, STEP_MS));
	EXPECT_EQ(4, shared->nr_served);
	EXPECT_EQ(0, fuse_test_resend(&self->ft));
	EXPECT_TRUE(io_works(self));
}

/*
 * The server is busy with a request, and does not look for others. With
 * DEFER_TASKRUN it gets none; in other modes the kernel may have sent it one.
 */
TEST_F_TIMEOUT(fuse_recover, busy_server, TIMEOUT)
{
	shared->block = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	add_client(self, FUSE_HOLD_READ);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 2, STEP_MS));
	usleep(WAIT_MS * 1000);
	fuse_test_kill(&self->ft);
	shared->block = false;
	take_over(_metadata, self, false);
	if (variant->ring_flags & IORING_SETUP_DEFER_TASKRUN)
		EXPECT_EQ(0, end_client(self, 1, STEP_MS));
	EXPECT_TRUE(io_works(self));
	EXPECT_EQ(-ETIME, end_client(self, 0, WAIT_MS));
	EXPECT_EQ(0, fuse_test_resend(&self->ft));
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	if (self->clients[1])
		EXPECT_EQ(0, end_client(self, 1, STEP_MS));
}

/* A server that does not ask does not get what it may not be able to repeat */
TEST_F_TIMEOUT(fuse_recover, without_resend, TIMEOUT)
{
	self->hold->hold = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	hold_one(_metadata, self, FUSE_HOLD_READ);
	fuse_test_kill(&self->ft);
	take_over(_metadata, self, false);
	EXPECT_TRUE(io_works(self));
	EXPECT_EQ(-ETIME, end_client(self, 0, WAIT_MS));
	/* such clients can be killed */
	kill(self->clients[0], SIGKILL);
	EXPECT_EQ(-EINTR, end_client(self, 0, STEP_MS));
	EXPECT_EQ(-ETIME, end_client(self, 1, WAIT_MS));
	EXPECT_EQ(0, fuse_test_resend(&self->ft));
	EXPECT_EQ(0, end_client(self, 1, STEP_MS));
}

/* Killed before the server is: its reply would have been needed until then */
TEST_F_TIMEOUT(fuse_recover, killed_client, TIMEOUT)
{
	self->hold->hold = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	kill(self->clients[0], SIGKILL);
	EXPECT_EQ(-ETIME, end_client(self, 0, WAIT_MS));
	fuse_test_kill(&self->ft);
	EXPECT_EQ(-EINTR, end_client(self, 0, STEP_MS));
	/* the file that it had open waits to be released */
	take_over(_metadata, self, true);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 0, STEP_MS));
	EXPECT_TRUE(io_works(self));
}

/* In the gap clients can be killed, whether the server had their requests */
TEST_F_TIMEOUT(fuse_recover, clients_killed_in_the_gap, TIMEOUT)
{
	unsigned int i;

	busy_gap(_metadata, self);
	add_client(self, FUSE_HOLD_STAT);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 4, STEP_MS));
	for (i = 0; i < 4; i++) {
		kill(self->clients[i], SIGKILL);
		EXPECT_EQ(-EINTR, end_client(self, i, STEP_MS));
	}
	take_over(_metadata, self, true);
	EXPECT_TRUE(io_works(self));
}

static bool is_abort(int ret)
{
	return ret == -ECONNABORTED || ret == -ENOTCONN;
}

TEST_F_TIMEOUT(fuse_recover, abort_in_the_gap, TIMEOUT)
{
	unsigned int i;

	busy_gap(_metadata, self);
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(is_abort(end_client(self, i, STEP_MS)));
}

TEST_F_TIMEOUT(fuse_recover, umount_in_the_gap, TIMEOUT)
{
	unsigned int i;

	busy_gap(_metadata, self);
	EXPECT_EQ(0, umount2(self->ft.dir, MNT_FORCE | MNT_DETACH));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(is_abort(end_client(self, i, STEP_MS)));
}

TEST_F_TIMEOUT(fuse_recover, holder_goes_in_the_gap, TIMEOUT)
{
	unsigned int i;

	busy_gap(_metadata, self);
	EXPECT_EQ(0, close(self->ft.dev));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(is_abort(end_client(self, i, STEP_MS)));
	self->ft.dev = -1;
}

/* The second server dies, too, with requests that it has got a second time */
TEST_F_TIMEOUT(fuse_recover, twice, TIMEOUT)
{
	self->hold->hold = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	hold_one(_metadata, self, FUSE_HOLD_WRITE);
	fuse_test_kill(&self->ft);
	self->ft.resend = true;
	ASSERT_EQ(0, start_server(self));
	ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	fuse_test_kill(&self->ft);
	EXPECT_TRUE(memlock_probe_wait(&self->probe));
	take_over(_metadata, self, true);
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	EXPECT_EQ(0, end_client(self, 1, STEP_MS));
	EXPECT_TRUE(io_works(self));
}

/* Two of the three requests wait for a buffer, which the dead server has */
TEST_F_TIMEOUT(fuse_recover, parked_requests, TIMEOUT)
{
	unsigned int i;

	/* take a first turn, with one buffer for several entries */
	fuse_test_kill(&self->ft);
	self->ft.mode = variant->mode;
	self->ft.buffers = 1;
	self->ft.depth = 3;
	self->hold->hold = true;
	ASSERT_EQ(0, start_server(self));
	hold_one(_metadata, self, FUSE_HOLD_READ);
	add_client(self, FUSE_HOLD_READ);
	add_client(self, FUSE_HOLD_WRITE);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 3, STEP_MS));
	usleep(WAIT_MS * 1000);
	fuse_test_kill(&self->ft);
	self->ft.mode = variant->next;
	take_over(_metadata, self, true);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, end_client(self, i, STEP_MS));
	EXPECT_TRUE(io_works(self));
}

static void ignore(int signal)
{
}

/* The interrupt follows the request to the next server */
TEST_F_TIMEOUT(fuse_recover, interrupt, TIMEOUT)
{
	struct sigaction action = { .sa_handler = ignore };

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	self->hold->hold = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	kill(self->clients[0], SIGUSR1);
	ASSERT_TRUE(fuse_hold_wait_interrupt(self->hold, STEP_MS));
	fuse_test_kill(&self->ft);
	self->ft.resend = true;
	ASSERT_EQ(0, start_server(self));
	ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	EXPECT_TRUE(fuse_hold_wait_interrupt(self->hold, STEP_MS));
	/* nobody else will answer */
	fuse_test_kill(&self->ft);
	take_over(_metadata, self, true);
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
}

/*
 * Zero copy: the dead server's read of the slot is under way, and ends before the
 * next one begins
 */
TEST_F_TIMEOUT(fuse_recover, io_under_way, TIMEOUT)
{
	const unsigned char canary[4096] = { };

	self->hold->hold = true;
	if (fuse_mode_zero_copy(variant->mode))
		self->hold->park_fd = self->pipe[0];
	hold_one(_metadata, self, FUSE_HOLD_READ);
	fuse_test_kill(&self->ft);
	self->hold->park_fd = 0;
	take_over(_metadata, self, true);
	EXPECT_EQ(sizeof(canary), write(self->pipe[1], canary, sizeof(canary)));
	/* the client compares all bytes */
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	EXPECT_TRUE(io_works(self));
}

/* Commands of another server for a queue of a living io_uring */
TEST_F_TIMEOUT(fuse_recover, living_server_stays, TIMEOUT)
{
	const struct fuse_uring_cmd_req req = { .qid = 0 };
	struct test_ring tr;

	ASSERT_EQ(0, test_ring_init(&tr, IORING_SETUP_SQE128, 0));
	EXPECT_EQ(-EEXIST, fuse_uring_cmd(&tr, self->ft.dev,
					  FUSE_IO_URING_CMD_ADD_QUEUE, &req));
	EXPECT_TRUE(io_works(self));
	fuse_test_kill(&self->ft);
	EXPECT_EQ(0, fuse_uring_cmd(&tr, self->ft.dev,
				    FUSE_IO_URING_CMD_ADD_QUEUE, &req));
	/* and that is alive now */
	EXPECT_EQ(-EEXIST, fuse_uring_cmd(&tr, self->ft.dev,
					  FUSE_IO_URING_CMD_ADD_QUEUE, &req));
	test_ring_exit(&tr);
	take_over(_metadata, self, true);
	EXPECT_TRUE(io_works(self));
}

/* A queue that was added, but has no entry */
TEST_F_TIMEOUT(fuse_recover, half_a_queue, TIMEOUT)
{
	const struct fuse_uring_cmd_req req = { .qid = 0 };
	struct test_ring tr;

	fuse_test_kill(&self->ft);
	ASSERT_EQ(0, test_ring_init(&tr, IORING_SETUP_SQE128, 0));
	/* it is vacant, so it has to be added first */
	EXPECT_EQ(0, fuse_uring_cmd(&tr, self->ft.dev,
				    FUSE_IO_URING_CMD_ADD_QUEUE, &req));
	test_ring_exit(&tr);
	ASSERT_EQ(0, test_ring_init(&tr, IORING_SETUP_SQE128, 0));
	EXPECT_EQ(0, fuse_uring_cmd(&tr, self->ft.dev,
				    FUSE_IO_URING_CMD_ADD_QUEUE, &req));
	test_ring_exit(&tr);
	take_over(_metadata, self, true);
	EXPECT_TRUE(io_works(self));
}

/* The server lives on, without its io_uring, and replies to what it had */
static int run_closing(struct fuse_test *ft)
{
	static struct uring_server srv;
	struct fuse_hold *hold = ft->data;
	int ret;

	ret = fuse_uring_init(&srv, ft);
	if (!ret)
		ret = fuse_uring_run(&srv);
	if (!srv.stop)
		return ret;
	/* mapped memory of the ring would keep it */
	fuse_uring_exit(&srv);
	/* let the test go on, and wait for it */
	eventfd_write(hold->event_fd, 1);
	while (!__atomic_load_n(&shared->late, __ATOMIC_RELAXED))
		usleep(1000);
	shared->late_commit = commit_late(ft);
	eventfd_write(hold->event_fd, 1);
	pause();
	return 0;
}

TEST_F_TIMEOUT(fuse_recover, late_commit, TIMEOUT)
{
	pid_t first;

	fuse_test_kill(&self->ft);
	self->ft.mode = variant->mode;
	self->ft.run = run_closing;
	ASSERT_EQ(0, start_server(self));
	self->hold->hold = true;
	hold_one(_metadata, self, FUSE_HOLD_READ);
	self->hold->close_ring = true;
	/* makes the server look */
	add_client(self, FUSE_HOLD_STAT);
	ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	first = self->ft.server;

	self->hold->close_ring = false;
	self->ft.mode = variant->next;
	self->ft.run = NULL;
	self->ft.resend = true;
	ASSERT_EQ(0, start_server(self));
	ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	/* the next server has the request, under the same ID but for the mark */
	__atomic_store_n(&shared->late, true, __ATOMIC_RELAXED);
	ASSERT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	EXPECT_EQ(-ENOENT, shared->late_commit);
	EXPECT_EQ(-ETIME, end_client(self, 0, WAIT_MS));
	self->hold->release = true;
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	EXPECT_EQ(0, end_client(self, 1, STEP_MS));
	kill(first, SIGKILL);
	EXPECT_EQ(-EINTR, fuse_hold_end(first, STEP_MS));
}

/* A refused command does not turn io_uring off: nothing goes over the device */
TEST_F_TIMEOUT(fuse_recover, refused_commands, TIMEOUT)
{
	const struct fuse_uring_cmd_req req = { .qid = 9999 };
	struct test_ring tr;

	fuse_test_kill(&self->ft);
	ASSERT_EQ(0, test_ring_init(&tr, IORING_SETUP_SQE128, 0));
	EXPECT_EQ(-EINVAL, fuse_uring_cmd(&tr, self->ft.dev,
					  FUSE_IO_URING_CMD_REGISTER, &req));
	EXPECT_EQ(-EINVAL, fuse_uring_cmd(&tr, self->ft.dev,
					  FUSE_IO_URING_CMD_ADD_QUEUE, &req));
	test_ring_exit(&tr);
	add_client(self, FUSE_HOLD_READ);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 1, STEP_MS));
	take_over(_metadata, self, true);
	EXPECT_EQ(0, end_client(self, 0, STEP_MS));
	/* over io_uring */
	EXPECT_EQ(1, shared->nr_served);
}

TEST_HARNESS_MAIN
