// SPDX-License-Identifier: GPL-2.0
/*
 * A server with fewer queues than there are CPUs: another queue serves the CPUs
 * that have none, also when a queue goes.
 */
#include "kselftest_harness.h"
#include "fuse_few.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT		300
#define STEP_MS		FUSE_FEW_STEP_MS
/* A request that is not served does not end within this time */
#define WAIT_MS		300
#define LARGE		FUSE_FEW_LARGE

/* One queue */
FIXTURE(fuse_one_queue)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	unsigned int qid;
};

FIXTURE_VARIANT(fuse_one_queue)
{
	enum fuse_mode mode;
	bool last;
	unsigned int ring_flags;
};

FIXTURE_VARIANT_ADD(fuse_one_queue, entry_first) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_one_queue, entry_last) {
	.mode = FUSE_MODE_ENTRY,
	.last = true,
};

FIXTURE_VARIANT_ADD(fuse_one_queue, kmbuf_first) {
	.mode = FUSE_MODE_KMBUF,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(fuse_one_queue, zc_last) {
	.mode = FUSE_MODE_ZC,
	.last = true,
};

FIXTURE_SETUP(fuse_one_queue)
{
	int ret;

	if (fuse_few_unsuitable(false))
		SKIP(return, "%s", fuse_few_unsuitable(false));
	self->qid = variant->last ? fuse_few_last_queue() : 0;
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.queues = 1ULL << self->qid,
		.init_flags = FUSE_IO_URING_FEWER_QUEUES,
		.depth = 2,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		.zero_copy_min = LARGE,
		.ring_flags = variant->ring_flags,
	};
	ASSERT_EQ(0, fuse_few_init(&self->ft, &self->hold));
	ret = fuse_hold_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	/* io_uring is ready: all further requests go to the server */
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	fuse_few->nr_over_dev = 0;
}

FIXTURE_TEARDOWN(fuse_one_queue)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	fuse_few_exit(self->hold);
}

TEST_F_TIMEOUT(fuse_one_queue, serves_all_cpus, TIMEOUT)
{
	const unsigned int nr = fuse_uring_nr_queues();
	unsigned int cpu;

	EXPECT_TRUE(fuse_few_has_all(&self->ft, self->qid));
	for (cpu = 0; cpu < nr; cpu++) {
		fuse_few_use_cpu(cpu);
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, 100));
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_WRITE, LARGE));
	}
	EXPECT_EQ(0, fuse_few->nr_over_dev);
}

static bool set_online(unsigned int cpu, bool online)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "/sys/devices/system/cpu/cpu%u", cpu);
	return test_write_file(dir, "online", online ? "1" : "0");
}

/* Clients move to other CPUs, and the queue serves them there */
TEST_F_TIMEOUT(fuse_one_queue, cpu_goes_offline, TIMEOUT)
{
	const unsigned int cpu = fuse_few_last_queue();
	cpu_set_t set;

	if (!cpu)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	CPU_SET(0, &set);
	CPU_SET(cpu, &set);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
	ASSERT_TRUE(set_online(cpu, false));
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
	EXPECT_TRUE(set_online(cpu, true));
	fuse_few_use_cpu(cpu);
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
	EXPECT_EQ(0, fuse_few->nr_over_dev);
}

/* The first and the last CPU have a queue, each with a server of its own */
FIXTURE(fuse_two_queues)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	pid_t clients[4];
	unsigned int nr_clients;
};

FIXTURE_VARIANT(fuse_two_queues)
{
	enum fuse_mode mode;
	unsigned int ring_flags;
};

FIXTURE_VARIANT_ADD(fuse_two_queues, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_two_queues, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_two_queues, kmbuf_defer) {
	.mode = FUSE_MODE_KMBUF,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(fuse_two_queues)
{
	int ret;

	if (fuse_few_unsuitable(true))
		SKIP(return, "%s", fuse_few_unsuitable(true));
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.ring_flags = variant->ring_flags,
	};
	ret = fuse_few_mount(&self->ft, &self->hold);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_two_queues)
{
	EXPECT_EQ(0, fuse_few_umount(&self->ft, self->hold));
}

/* A client on a CPU of the last queue, or of the first one */
static void start_read(FIXTURE_DATA(fuse_two_queues) *self, bool last)
{
	self->clients[self->nr_clients++] = fuse_few_read(&self->ft, last, LARGE);
}

static int end_read(FIXTURE_DATA(fuse_two_queues) *self, unsigned int nr,
		    unsigned int ms)
{
	return fuse_hold_end(self->clients[nr], ms);
}

TEST_F_TIMEOUT(fuse_two_queues, idle_queue_goes, TIMEOUT)
{
	fuse_few_kill(FUSE_FEW_LAST);
	EXPECT_TRUE(WAIT_FOR(fuse_few_has_all(&self->ft, 0), STEP_MS));
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
	EXPECT_EQ(0, fuse_few->nr_over_dev);
}

/* A descriptor of the io_uring of a server, or -errno */
static int dup_ring(pid_t pid)
{
	char path[32], target[64];
	int fd, pidfd, ret = -ENOENT;
	ssize_t len;

	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	for (fd = 0; fd < 64 && ret < 0; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = 0;
		if (!strcmp(target, "anon_inode:[io_uring]"))
			ret = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	}
	close(pidfd);
	return ret;
}

/*
 * The task that submitted the entries exits, and the io_uring stays open. Nobody
 * sees a request that one of these entries gets, so others have to serve it.
 */
TEST_F_TIMEOUT(fuse_two_queues, task_exits, TIMEOUT)
{
	int ring_fd = dup_ring(fuse_few_pid(FUSE_FEW_LAST));

	ASSERT_GE(ring_fd, 0);
	fuse_few_kill(FUSE_FEW_LAST);
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
	EXPECT_TRUE(fuse_few_has_all(&self->ft, 0));
	EXPECT_EQ(0, fuse_few->nr_over_dev);
	close(ring_fd);
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 1, STEP_MS));
}

/* Likewise, of an entry that has got a request, which the task did not see */
TEST_F_TIMEOUT(fuse_two_queues, task_exits_late, TIMEOUT)
{
	int ring_fd = dup_ring(fuse_few_pid(FUSE_FEW_LAST));

	ASSERT_GE(ring_fd, 0);
	EXPECT_TRUE(test_stop(fuse_few_pid(FUSE_FEW_LAST), STEP_MS));
	start_read(self, true);
	EXPECT_EQ(-ETIME, end_read(self, 0, WAIT_MS));
	fuse_few_kill(FUSE_FEW_LAST);
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
	EXPECT_EQ(0, end_read(self, 1, STEP_MS));
	EXPECT_TRUE(fuse_few_has_all(&self->ft, 0));
	close(ring_fd);
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 2, STEP_MS));
}

/* Likewise, if all that follows are requests that other queues can serve */
TEST_F_TIMEOUT(fuse_two_queues, task_exits_async, TIMEOUT)
{
	int ring_fd = dup_ring(fuse_few_pid(FUSE_FEW_LAST));
	int fd = fuse_few_open(&self->ft);

	ASSERT_GE(ring_fd, 0);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(test_stop(fuse_few_pid(FUSE_FEW_LAST), STEP_MS));
	start_read(self, true);
	EXPECT_EQ(-ETIME, end_read(self, 0, WAIT_MS));
	fuse_few_kill(FUSE_FEW_LAST);
	EXPECT_EQ(0, fuse_few_async_do(fd, true, 1));
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
	close(ring_fd);
	close(fd);
}

/* Likewise, if all that follows are background requests beyond the limit */
TEST_F_TIMEOUT(fuse_two_queues, task_exits_at_limit, TIMEOUT)
{
	int ring_fd = dup_ring(fuse_few_pid(FUSE_FEW_LAST));
	int fd, other_fd;
	pid_t pid;

	ASSERT_GE(ring_fd, 0);
	/* files are closed by a background request only */
	self->hold->open_flags = FOPEN_NOFLUSH;
	fd = fuse_few_open(&self->ft);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(fuse_test_set(&self->ft, "max_background", "1"));
	EXPECT_TRUE(test_stop(fuse_few_pid(FUSE_FEW_LAST), STEP_MS));
	pid = fuse_few_async(fd, true, 1, FUSE_FEW_ASYNC_SIZE);
	EXPECT_EQ(-ETIME, fuse_hold_end(pid, WAIT_MS));
	fuse_few_kill(FUSE_FEW_LAST);
	/* the client has no copy of this one, and it is closed in spite of the limit */
	other_fd = open(self->ft.file, O_RDONLY);
	ASSERT_GE(other_fd, 0);
	fuse_few_use_cpu(fuse_few_last_queue());
	close(other_fd);
	fuse_few_use_cpu(0);
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	close(ring_fd);
	close(fd);
}

/*
 * The only entry of the queue is with the server. The others' requests move, and
 * later ones go elsewhere; what the server had is lost until the end.
 */
TEST_F_TIMEOUT(fuse_two_queues, requests_move, TIMEOUT)
{
	int ret;

	fuse_few->held = 1ULL << fuse_few_last_queue();
	start_read(self, true);
	EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	start_read(self, true);
	start_read(self, true);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 3, STEP_MS));
	fuse_few_kill(FUSE_FEW_LAST);
	EXPECT_EQ(0, end_read(self, 1, STEP_MS));
	EXPECT_EQ(0, end_read(self, 2, STEP_MS));
	EXPECT_TRUE(fuse_few_has_all(&self->ft, 0));
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 3, STEP_MS));
	EXPECT_EQ(-ETIME, end_read(self, 0, 0));
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	ret = end_read(self, 0, STEP_MS);
	EXPECT_TRUE(ret == -ECONNABORTED || ret == -ENOTCONN) {
		TH_LOG("%d", ret);
	}
}

/* The request has an entry, and waits for task work of a server that stopped */
TEST_F_TIMEOUT(fuse_two_queues, assigned_request_moves, TIMEOUT)
{
	EXPECT_TRUE(test_stop(fuse_few_pid(FUSE_FEW_LAST), STEP_MS));
	start_read(self, true);
	EXPECT_EQ(-ETIME, end_read(self, 0, WAIT_MS));
	fuse_few_kill(FUSE_FEW_LAST);
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
}

TEST_F_TIMEOUT(fuse_two_queues, background_requests_move, TIMEOUT)
{
	int fd = fuse_few_open(&self->ft);
	pid_t pid;

	ASSERT_GE(fd, 0);
	EXPECT_TRUE(fuse_test_set(&self->ft, "max_background", "64"));
	fuse_few->held = 1ULL << fuse_few_last_queue();
	start_read(self, true);
	EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	/* its only entry takes one of them, and the others wait */
	EXPECT_TRUE(test_stop(fuse_few_pid(FUSE_FEW_FIRST), STEP_MS));
	pid = fuse_few_async(fd, true, FUSE_FEW_ASYNC, FUSE_FEW_ASYNC_SIZE);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 1 + FUSE_FEW_ASYNC, STEP_MS));
	fuse_few_kill(FUSE_FEW_LAST);
	kill(fuse_few_pid(FUSE_FEW_FIRST), SIGCONT);
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	EXPECT_TRUE(fuse_few_limit_is_free(&self->ft, fd));
	close(fd);
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	EXPECT_NE(-ETIME, end_read(self, 0, STEP_MS));
}

/* A client that waits in the queue that its request moved to can be killed */
TEST_F_TIMEOUT(fuse_two_queues, moved_client_killed, TIMEOUT)
{
	unsigned int i;

	fuse_few->held = 1 | 1ULL << fuse_few_last_queue();
	for (i = 0; i < 2; i++) {
		start_read(self, i);
		EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	}
	start_read(self, true);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 3, STEP_MS));
	fuse_few_kill(FUSE_FEW_LAST);
	EXPECT_TRUE(WAIT_FOR(fuse_few_has_all(&self->ft, 0), STEP_MS));
	kill(self->clients[2], SIGKILL);
	EXPECT_EQ(-EINTR, end_read(self, 2, STEP_MS));
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	for (i = 0; i < 2; i++)
		EXPECT_NE(-ETIME, end_read(self, i, STEP_MS));
}

/* Without any queue requests wait, and a new server gets them */
TEST_F_TIMEOUT(fuse_two_queues, no_queue_is_left, TIMEOUT)
{
	fuse_few_kill(FUSE_FEW_LAST);
	EXPECT_TRUE(WAIT_FOR(fuse_few_has_all(&self->ft, 0), STEP_MS));
	fuse_few_kill(FUSE_FEW_FIRST);
	start_read(self, false);
	start_read(self, true);
	EXPECT_EQ(-ETIME, end_read(self, 0, WAIT_MS));
	kill(self->clients[0], SIGKILL);
	EXPECT_EQ(-EINTR, end_read(self, 0, STEP_MS));
	EXPECT_EQ(-ETIME, end_read(self, 1, 0));
	/* the queue exists, which only a server without its memory can use */
	if (variant->mode != FUSE_MODE_ENTRY) {
		EXPECT_TRUE(fuse_test_abort(&self->ft));
		EXPECT_NE(-ETIME, end_read(self, 1, STEP_MS));
		return;
	}
	EXPECT_EQ(0, eventfd_write(fuse_few_spare_fd, 1));
	EXPECT_EQ(0, end_read(self, 1, STEP_MS));
	EXPECT_TRUE(fuse_few_has_all(&self->ft, fuse_few_last_queue()));
}

/* Two queues, and the last one's server takes a new io_uring again and again */
FIXTURE(fuse_new_rings)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
};

#define PER_RING	5
#define NR_READS	30

static struct uring_server renewed;
static unsigned int nr_in_ring;

/* Answer all, and stop the loop after some requests */
static int serve_some(const struct fuse_call *call)
{
	if (++nr_in_ring > PER_RING)
		renewed.stop = true;
	return fuse_few_serve(call);
}

/* Serve until no request is with this server, and no reply either */
static int serve_ring(struct fuse_test *ft)
{
	int ret = fuse_uring_init(&renewed, ft);

	nr_in_ring = 0;
	while (!ret) {
		ret = fuse_uring_run(&renewed);
		if (ret || !renewed.nr_live)
			break;
		renewed.stop = false;
		if (io_uring_submit(&renewed.tr.ring) < 0)
			ret = -EIO;
		if (!io_uring_cq_ready(&renewed.tr.ring))
			break;
	}
	fuse_uring_exit(&renewed);
	return ret;
}

static int run_new_rings(struct fuse_test *ft)
{
	int ret, status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(fuse_few_run_server(ft, FUSE_FEW_FIRST) ? 1 : 0);
	ft->queues = 1ULL << fuse_few_last_queue();
	ft->serve = serve_some;
	do {
		ret = serve_ring(ft);
		fuse_few->nr_rings++;
	} while (!ret && renewed.nr_live);
	waitpid(pid, &status, 0);
	return ret ? ret : -status;
}

FIXTURE_SETUP(fuse_new_rings)
{
	int ret;

	if (fuse_few_unsuitable(true))
		SKIP(return, "%s", fuse_few_unsuitable(true));
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_ENTRY,
		.init_flags = FUSE_IO_URING_FEWER_QUEUES | FUSE_ASYNC_DIO,
		.file_size = 1 << 20,
		.depth = 2,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		/* no request arrives while the server looks at its last one */
		.ring_flags = IORING_SETUP_SINGLE_ISSUER |
			      IORING_SETUP_DEFER_TASKRUN,
		.run = run_new_rings,
	};
	fuse_few_use_cpu(0);
	ASSERT_EQ(0, fuse_few_init(&self->ft, &self->hold));
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
}

FIXTURE_TEARDOWN(fuse_new_rings)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	fuse_few_exit(self->hold);
}

/* No request is lost, whatever moment the queue goes and comes back at */
TEST_F_TIMEOUT(fuse_new_rings, all_reads_end, TIMEOUT)
{
	pid_t pids[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		fuse_few_use_cpu(i % 2 ? fuse_few_last_queue() : 0);
		pids[i] = fuse_hold_client(&self->ft, FUSE_HOLD_READ, 4096,
					   NR_READS);
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], 5 * STEP_MS));
	/* each read is several requests */
	EXPECT_GE(fuse_few->nr_rings, 2 * NR_READS / PER_RING);
	EXPECT_EQ(0, fuse_few->nr_over_dev);
}

/* Likewise, of those that are background requests and can go to either queue */
TEST_F_TIMEOUT(fuse_new_rings, all_async_reads_end, TIMEOUT)
{
	int fd = fuse_few_open(&self->ft);
	pid_t pids[4];
	unsigned int i, round;

	ASSERT_GE(fd, 0);
	EXPECT_TRUE(fuse_test_set(&self->ft, "max_background", "64"));
	for (round = 0; round < NR_READS; round++) {
		for (i = 0; i < ARRAY_SIZE(pids); i++)
			pids[i] = fuse_few_async(fd, i % 2, FUSE_FEW_ASYNC, FUSE_FEW_ASYNC_SIZE);
		for (i = 0; i < ARRAY_SIZE(pids); i++)
			ASSERT_EQ(0, fuse_hold_end(pids[i], STEP_MS));
	}
	/* the other queue may serve most of them */
	EXPECT_GE(fuse_few->nr_rings, 2);
	EXPECT_EQ(0, fuse_few->nr_over_dev);
	EXPECT_TRUE(fuse_few_limit_is_free(&self->ft, fd));
	close(fd);
}

TEST_F_TIMEOUT(fuse_new_rings, reply_from_another_ring, TIMEOUT)
{
	fuse_few->from_another = true;
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, 4096));
	EXPECT_EQ(-EINVAL, fuse_few->foreign);
}

/*
 * For a server that does not ask for it, one queue is not enough: requests wait
 * for the others, or go over /dev/fuse.
 */
FIXTURE(fuse_without_flag)
{
};

FIXTURE_SETUP(fuse_without_flag)
{
}

FIXTURE_TEARDOWN(fuse_without_flag)
{
}

TEST_F_TIMEOUT(fuse_without_flag, waits_for_all_queues, TIMEOUT)
{
	struct fuse_test ft = {
		.mode = FUSE_MODE_ENTRY,
		.queues = 1,
		.max_pages = 1,
		.max_write = 4096,
	};
	struct fuse_hold *hold;
	pid_t pid;
	int ret;

	if (fuse_few_unsuitable(true))
		SKIP(return, "%s", fuse_few_unsuitable(true));
	ASSERT_EQ(0, fuse_few_init(&ft, &hold));
	ret = fuse_test_mount(&ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	pid = fuse_hold_client(&ft, FUSE_HOLD_STAT, 0, 1);
	ret = fuse_hold_end(pid, WAIT_MS);
	EXPECT_EQ(0, fuse_few->nr_over_ring);
	if (ret) {
		EXPECT_EQ(-ETIME, ret);
		kill(pid, SIGKILL);
		EXPECT_EQ(-EINTR, fuse_hold_end(pid, STEP_MS));
	}
	EXPECT_TRUE(fuse_test_abort(&ft));
	EXPECT_EQ(0, fuse_test_umount(&ft));
	fuse_few_exit(hold);
}

TEST_HARNESS_MAIN
