// SPDX-License-Identifier: GPL-2.0
/*
 * A server with fewer queues than there are CPUs: another queue serves the CPUs
 * that have none, also when a queue goes.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "fuse_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
/* A request that is not served does not end within this time */
#define WAIT_MS		300
#define LARGE		65536

/* The servers of the tests with a ring for each queue */
enum server {
	FIRST,
	LAST,
	/* starts when it is told to, and also has the last queue */
	SPARE,
	NR_SERVERS,
};

/* By the test and its servers */
struct shared {
	/* bit Q: leave reads over queue Q unanswered */
	unsigned long long held;
	/* requests over io_uring, and over /dev/fuse */
	unsigned int	nr_over_ring;
	unsigned int	nr_over_dev;
	pid_t		pids[NR_SERVERS];
	/* reply to reads from another io_uring as well; and the result of that */
	bool		from_another;
	int		foreign;
	/* those that the last queue has had */
	unsigned int	nr_rings;
};

static struct shared *shared;
static fuse_serve_t serve_all;
/* starts the spare server */
static int spare_fd;

static unsigned int last_queue(void)
{
	return fuse_uring_nr_queues() - 1;
}

/* A reply from an io_uring that has no entry of the queue */
static int serve_from_another(const struct fuse_call *call)
{
	struct uring_entry *entry = fuse_uring_entry(call);
	struct io_uring_sqe *sqe;
	struct test_ring tr;

	if (call->over_dev || call->in->opcode != FUSE_READ)
		return serve_all(call);
	if (test_ring_init(&tr, IORING_SETUP_SQE128, 0))
		return -EIO;
	sqe = fuse_uring_sqe(&tr, call->ft->dev,
			     FUSE_IO_URING_CMD_COMMIT_AND_FETCH, entry->qid);
	fuse_uring_req(sqe)->commit_id = entry->in.unique;
	shared->foreign = test_submit_wait(&tr);
	test_ring_exit(&tr);
	return serve_all(call);
}

static int serve_queue(const struct fuse_call *call)
{
	const struct fuse_hold *hold = call->ft->data;

	if (shared->from_another)
		return serve_from_another(call);

	if (call->over_dev) {
		if (call->in->opcode == FUSE_READ ||
		    call->in->opcode == FUSE_GETATTR)
			__atomic_add_fetch(&shared->nr_over_dev, 1,
					   __ATOMIC_RELAXED);
		return serve_all(call);
	}
	if (call->in->opcode != FUSE_READ ||
	    !(shared->held >> fuse_uring_entry(call)->qid & 1)) {
		__atomic_add_fetch(&shared->nr_over_ring, 1, __ATOMIC_RELAXED);
		return serve_all(call);
	}
	if (!call->again)
		eventfd_write(hold->event_fd, 1);
	return FUSE_SERVE_HELD;
}

static void use_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Does the queue serve the CPUs from @first to @last? */
static bool queue_has_cpus(const struct fuse_test *ft, unsigned int qid,
			   unsigned int first, unsigned int last)
{
	char buf[4096], line[64];

	if (!fuse_test_counters(ft, buf, sizeof(buf)))
		return false;
	snprintf(line, sizeof(line), first == last ? "\nqueue %u cpus %u\n" :
		 "\nqueue %u cpus %u-%u\n", qid, first, last);
	return strstr(buf, line);
}

static bool has_queue(const struct fuse_test *ft, unsigned int qid)
{
	char buf[4096], line[64];

	snprintf(line, sizeof(line), "\nqueue %u cpus ", qid);
	return fuse_test_counters(ft, buf, sizeof(buf)) && strstr(buf, line);
}

/* The reason to skip a test that needs so many CPUs, or NULL */
static const char *unsuitable(unsigned int min_cpus)
{
	if (getuid())
		return "needs root";
	/* struct fuse_test has a bit for each */
	if (fuse_uring_nr_queues() > 64)
		return "needs at most 64 CPUs";
	return fuse_uring_nr_queues() < min_cpus ? "needs two CPUs" : NULL;
}

static int init_test(struct fuse_test *ft, struct fuse_hold **hold)
{
	shared = shared_alloc(sizeof(*shared));
	*hold = fuse_hold_init(ft);
	if (!shared || !*hold)
		return -ENOMEM;
	serve_all = ft->serve;
	ft->serve = serve_queue;
	return 0;
}

static void exit_test(struct fuse_hold *hold)
{
	fuse_hold_exit(hold);
	munmap(shared, sizeof(*shared));
}

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

	if (unsuitable(1))
		SKIP(return, "%s", unsuitable(1));
	self->qid = variant->last ? last_queue() : 0;
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
	ASSERT_EQ(0, init_test(&self->ft, &self->hold));
	ret = fuse_hold_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	/* io_uring is ready: all further requests go to the server */
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	shared->nr_over_dev = 0;
}

FIXTURE_TEARDOWN(fuse_one_queue)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	exit_test(self->hold);
}

TEST_F_TIMEOUT(fuse_one_queue, serves_all_cpus, TIMEOUT)
{
	const unsigned int nr = fuse_uring_nr_queues();
	unsigned int cpu;

	EXPECT_TRUE(queue_has_cpus(&self->ft, self->qid, 0, nr - 1));
	for (cpu = 0; cpu < nr; cpu++) {
		use_cpu(cpu);
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, 100));
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_WRITE, LARGE));
	}
	EXPECT_EQ(0, shared->nr_over_dev);
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
	const unsigned int cpu = last_queue();
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
	use_cpu(cpu);
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
	EXPECT_EQ(0, shared->nr_over_dev);
}

/* The first and the last CPU have a queue, each with a server of its own */
FIXTURE(fuse_two_queues)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	unsigned int nr_cpus;
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

static int run_server(struct fuse_test *ft, enum server server)
{
	eventfd_t go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (server == SPARE && eventfd_read(spare_fd, &go))
		return -errno;
	ft->queues = 1ULL << (server == FIRST ? 0 : last_queue());
	return fuse_serve_uring(ft);
}

/* Only this process keeps the device open when all of its children are gone */
static int run_servers(struct fuse_test *ft)
{
	int i, status, ret = 0;
	pid_t pid;

	for (i = 0; i < NR_SERVERS; i++) {
		pid = fork();
		if (!pid)
			_exit(run_server(ft, i) ? 1 : 0);
		shared->pids[i] = pid;
	}
	while (wait(&status) > 0)
		if (WIFEXITED(status) && WEXITSTATUS(status))
			ret = -EIO;
	return ret;
}

FIXTURE_SETUP(fuse_two_queues)
{
	int ret;

	if (unsuitable(2))
		SKIP(return, "%s", unsuitable(2));
	self->nr_cpus = fuse_uring_nr_queues();
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.init_flags = FUSE_IO_URING_FEWER_QUEUES | FUSE_ASYNC_DIO,
		/* asynchronous reads end there */
		.file_size = 1 << 20,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		.ring_flags = variant->ring_flags,
		.run = run_servers,
	};
	spare_fd = eventfd(0, 0);
	use_cpu(0);
	ASSERT_EQ(0, init_test(&self->ft, &self->hold));
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	EXPECT_TRUE(WAIT_FOR(has_queue(&self->ft, last_queue()), STEP_MS));
}

/* A server can serve before its parent has noted its pid: wait for that */
static pid_t pid_of(enum server server)
{
	while (!__atomic_load_n(&shared->pids[server], __ATOMIC_RELAXED))
		usleep(1000);
	return shared->pids[server];
}

FIXTURE_TEARDOWN(fuse_two_queues)
{
	/* it may not have been started, and waits */
	kill(pid_of(SPARE), SIGKILL);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	exit_test(self->hold);
	close(spare_fd);
}

/* Kill a server, and wait until it has gone: it is no child of this process */
static void kill_server(enum server server)
{
	kill(pid_of(server), SIGKILL);
	WAIT_FOR(kill(pid_of(server), 0), STEP_MS);
}

/* A client on a CPU of the last queue, or of the first one */
static void start_read(FIXTURE_DATA(fuse_two_queues) *self, bool last)
{
	use_cpu(last ? last_queue() : 0);
	self->clients[self->nr_clients++] =
		fuse_hold_client(&self->ft, FUSE_HOLD_READ, LARGE, 1);
	use_cpu(0);
}

static int end_read(FIXTURE_DATA(fuse_two_queues) *self, unsigned int nr,
		    unsigned int ms)
{
	return fuse_hold_end(self->clients[nr], ms);
}

TEST_F_TIMEOUT(fuse_two_queues, idle_queue_goes, TIMEOUT)
{
	kill_server(LAST);
	EXPECT_TRUE(WAIT_FOR(queue_has_cpus(&self->ft, 0, 0,
					    self->nr_cpus - 1), STEP_MS));
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
	EXPECT_EQ(0, shared->nr_over_dev);
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
	int ring_fd = dup_ring(pid_of(LAST));

	ASSERT_GE(ring_fd, 0);
	kill_server(LAST);
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
	EXPECT_TRUE(queue_has_cpus(&self->ft, 0, 0, self->nr_cpus - 1));
	EXPECT_EQ(0, shared->nr_over_dev);
	close(ring_fd);
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 1, STEP_MS));
}

/* Likewise, of an entry that has got a request, which the task did not see */
TEST_F_TIMEOUT(fuse_two_queues, task_exits_late, TIMEOUT)
{
	int ring_fd = dup_ring(pid_of(LAST));

	ASSERT_GE(ring_fd, 0);
	kill(pid_of(LAST), SIGSTOP);
	start_read(self, true);
	EXPECT_EQ(-ETIME, end_read(self, 0, WAIT_MS));
	kill_server(LAST);
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
	EXPECT_EQ(0, end_read(self, 1, STEP_MS));
	EXPECT_TRUE(queue_has_cpus(&self->ft, 0, 0, self->nr_cpus - 1));
	close(ring_fd);
	start_read(self, true);
	EXPECT_EQ(0, end_read(self, 2, STEP_MS));
}

/*
 * The only entry of the queue is with the server. The others' requests move, and
 * later ones go elsewhere; what the server had is lost until the end.
 */
TEST_F_TIMEOUT(fuse_two_queues, requests_move, TIMEOUT)
{
	int ret;

	shared->held = 1ULL << last_queue();
	start_read(self, true);
	EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	start_read(self, true);
	start_read(self, true);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 3, STEP_MS));
	kill_server(LAST);
	EXPECT_EQ(0, end_read(self, 1, STEP_MS));
	EXPECT_EQ(0, end_read(self, 2, STEP_MS));
	EXPECT_TRUE(queue_has_cpus(&self->ft, 0, 0, self->nr_cpus - 1));
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
	kill(pid_of(LAST), SIGSTOP);
	start_read(self, true);
	EXPECT_EQ(-ETIME, end_read(self, 0, WAIT_MS));
	kill_server(LAST);
	EXPECT_EQ(0, end_read(self, 0, STEP_MS));
}

#define NR_ASYNC	20

/* As many asynchronous reads, which are background requests */
static int async_reads(int fd, unsigned int nr)
{
	static unsigned char data[NR_ASYNC][4096];
	struct test_ring tr;
	struct io_uring_sqe *sqe;
	unsigned int i;
	int ret;

	ret = test_ring_init(&tr, 0, 0);
	if (ret)
		return ret;
	for (i = 0; i < nr; i++) {
		sqe = test_sqe(&tr);
		io_uring_prep_read(sqe, fd, data[i], sizeof(data[i]),
				   i * sizeof(data[i]));
		test_submit(&tr);
	}
	for (i = 0; i < nr && ret >= 0; i++)
		ret = test_wait(&tr);
	for (i = 0; i < nr && ret == sizeof(data[0]); i++)
		if (!check_pattern(data[i], sizeof(data[i]), FUSE_HOLD_SEED,
				   i * sizeof(data[i])))
			ret = -EILSEQ;
	return ret < 0 ? ret : 0;
}

static pid_t async_client(int fd, unsigned int nr)
{
	pid_t pid = fork();

	if (!pid)
		_exit(-async_reads(fd, nr));
	return pid;
}

TEST_F_TIMEOUT(fuse_two_queues, background_requests_move, TIMEOUT)
{
	struct pollfd poll_fd = { .events = POLLIN };
	pid_t pid;
	int fd;

	/* io_uring polls, and later this CPU's queue has no entry for requests */
	fd = open(self->ft.file, O_RDONLY);
	ASSERT_GE(fd, 0);
	poll_fd.fd = fd;
	EXPECT_EQ(1, poll(&poll_fd, 1, 0));
	EXPECT_TRUE(fuse_test_set(&self->ft, "max_background", "64"));
	shared->held = 1ULL << last_queue();
	start_read(self, true);
	EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	use_cpu(last_queue());
	pid = async_client(fd, NR_ASYNC);
	use_cpu(0);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 1 + NR_ASYNC, STEP_MS));
	kill_server(LAST);
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	/* the limit counts none that has ended */
	EXPECT_EQ(0, fuse_hold_end(async_client(fd, NR_ASYNC), STEP_MS));
	close(fd);
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	EXPECT_NE(-ETIME, end_read(self, 0, STEP_MS));
}

/* A client that waits in the queue that its request moved to can be killed */
TEST_F_TIMEOUT(fuse_two_queues, moved_client_killed, TIMEOUT)
{
	unsigned int i;

	shared->held = 1 | 1ULL << last_queue();
	for (i = 0; i < 2; i++) {
		start_read(self, i);
		EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
	}
	start_read(self, true);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 3, STEP_MS));
	kill_server(LAST);
	EXPECT_TRUE(WAIT_FOR(queue_has_cpus(&self->ft, 0, 0,
					    self->nr_cpus - 1), STEP_MS));
	kill(self->clients[2], SIGKILL);
	EXPECT_EQ(-EINTR, end_read(self, 2, STEP_MS));
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	for (i = 0; i < 2; i++)
		EXPECT_NE(-ETIME, end_read(self, i, STEP_MS));
}

/* Without any queue requests wait, and a new server gets them */
TEST_F_TIMEOUT(fuse_two_queues, no_queue_is_left, TIMEOUT)
{
	kill_server(LAST);
	EXPECT_TRUE(WAIT_FOR(queue_has_cpus(&self->ft, 0, 0,
					    self->nr_cpus - 1), STEP_MS));
	kill_server(FIRST);
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
	EXPECT_EQ(0, eventfd_write(spare_fd, 1));
	EXPECT_EQ(0, end_read(self, 1, STEP_MS));
	EXPECT_TRUE(queue_has_cpus(&self->ft, last_queue(), 0,
				   self->nr_cpus - 1));
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
	return serve_queue(call);
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
		_exit(run_server(ft, FIRST) ? 1 : 0);
	ft->queues = 1ULL << last_queue();
	ft->serve = serve_some;
	do {
		ret = serve_ring(ft);
		shared->nr_rings++;
	} while (!ret && renewed.nr_live);
	waitpid(pid, &status, 0);
	return ret ? ret : -status;
}

FIXTURE_SETUP(fuse_new_rings)
{
	int ret;

	if (unsuitable(2))
		SKIP(return, "%s", unsuitable(2));
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_ENTRY,
		.init_flags = FUSE_IO_URING_FEWER_QUEUES,
		.depth = 2,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		/* no request arrives while the server looks at its last one */
		.ring_flags = IORING_SETUP_SINGLE_ISSUER |
			      IORING_SETUP_DEFER_TASKRUN,
		.run = run_new_rings,
	};
	use_cpu(0);
	ASSERT_EQ(0, init_test(&self->ft, &self->hold));
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
}

FIXTURE_TEARDOWN(fuse_new_rings)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	exit_test(self->hold);
}

/* No request is lost, whatever moment the queue goes and comes back at */
TEST_F_TIMEOUT(fuse_new_rings, all_reads_end, TIMEOUT)
{
	pid_t pids[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		use_cpu(i % 2 ? last_queue() : 0);
		pids[i] = fuse_hold_client(&self->ft, FUSE_HOLD_READ, 4096,
					   NR_READS);
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], 5 * STEP_MS));
	/* each read is several requests */
	EXPECT_GE(shared->nr_rings, 2 * NR_READS / PER_RING);
	EXPECT_EQ(0, shared->nr_over_dev);
}

TEST_F_TIMEOUT(fuse_new_rings, reply_from_another_ring, TIMEOUT)
{
	shared->from_another = true;
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, 4096));
	EXPECT_EQ(-EINVAL, shared->foreign);
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

	if (unsuitable(2))
		SKIP(return, "%s", unsuitable(2));
	ASSERT_EQ(0, init_test(&ft, &hold));
	ret = fuse_test_mount(&ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	pid = fuse_hold_client(&ft, FUSE_HOLD_STAT, 0, 1);
	ret = fuse_hold_end(pid, WAIT_MS);
	EXPECT_EQ(0, shared->nr_over_ring);
	if (ret) {
		EXPECT_EQ(-ETIME, ret);
		kill(pid, SIGKILL);
		EXPECT_EQ(-EINTR, fuse_hold_end(pid, STEP_MS));
	}
	EXPECT_TRUE(fuse_test_abort(&ft));
	EXPECT_EQ(0, fuse_test_umount(&ft));
	exit_test(hold);
}

TEST_HARNESS_MAIN
