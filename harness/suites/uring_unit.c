// SPDX-License-Identifier: GPL-2.0
/*
 * Tests how libfuse's io_uring code handles failures, without a FUSE device: the
 * session has no file descriptor, so the kernel refuses each command that reaches it
 * with -EBADF. Linked with the objects of libfuse, see uring_programs in
 * userspace-libfuse.sh.
 *
 *   uring_unit CASE
 */
#define FUSE_USE_VERSION 317
#include "fuse_config.h"
#include "fuse_i.h"
#include "fuse_uring_i.h"
#include "fuse_uring_mem.h"
#include "fuse_lowlevel.h"
#include "fuse_uring_serve.h"
#include "uring_refuse.h"
#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/wait.h>

#define CMD_ADD_QUEUE	3

static atomic_uint nr_logs;
static atomic_int submits_to_fail;
static struct fuse_ring_ent *watched;
static int refs_at_commit;

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned int nr);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int nr);
void __real_fuse_uring_commit(struct fuse_ring_ent *ent);
void __wrap_fuse_uring_commit(struct fuse_ring_ent *ent);

int __wrap_io_uring_submit(struct io_uring *ring)
{
	if (submits_to_fail-- > 0)
		return -EAGAIN;
	return __real_io_uring_submit(ring);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int nr)
{
	if (submits_to_fail-- > 0)
		return -EAGAIN;
	return __real_io_uring_submit_and_wait(ring, nr);
}

void __wrap_fuse_uring_commit(struct fuse_ring_ent *ent)
{
	if (ent == watched)
		refs_at_commit = ent->req.ref_cnt;
	__real_fuse_uring_commit(ent);
}

static void on_log(enum fuse_log_level level, const char *format, va_list args)
{
	(void)level;
	nr_logs++;
	vprintf(format, args);
}

static const struct fuse_lowlevel_ops ops;

static struct fuse_session *try_session(const char *options)
{
	char *argv[] = { "uring_unit", "-o", (char *)options, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_session *se;

	fuse_set_log_func(on_log);
	nr_logs = 0;
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	fuse_opt_free_args(&args);
	return se;
}

static struct fuse_session *new_session(const char *options)
{
	struct fuse_session *se = try_session(options);

	CHECK(se);
	return se;
}

static struct fuse_session *start(const char *options)
{
	struct fuse_session *se = new_session(options);

	CHECK(fuse_uring_start(se) == 0);
	CHECK(se->uring.pool);
	return se;
}

static void stop(struct fuse_session *se)
{
	se->mt_exited = 1;
	fuse_uring_stop(se);
	/* nobody is to look there any more */
	CHECK(!se->uring.pool);
	fuse_session_uring_in_use(se);
	fuse_session_destroy(se);
}

static struct fuse_ring_queue *queue_of(const struct fuse_session *se, size_t qid)
{
	return fuse_uring_get_queue(se->uring.pool, qid);
}

static size_t left_to_submit(const struct fuse_session *se)
{
	size_t left = 0;

	for (size_t qid = 0; qid < se->uring.pool->nr_queues; qid++) {
		struct fuse_ring_queue *queue = queue_of(se, qid);

		pthread_mutex_lock(&queue->lock);
		left += io_uring_sq_ready(&queue->ring);
		pthread_mutex_unlock(&queue->lock);
	}
	return left;
}

static void in_use_after_stop(void)
{
	stop(start("io_uring"));
}

static void no_request(void)
{
	struct fuse_session *se = start("io_uring");

	fuse_uring_wake_ring_threads(se);
	sleep(1);
	CHECK(fuse_session_uring_in_use(se) == 0);
	CHECK(nr_logs == 1);
	CHECK(se->error == 0 && !fuse_session_exited(se));
	stop(se);
}

static void submit_again(void)
{
	struct fuse_session *se = start("io_uring");

	submits_to_fail = 5;
	fuse_uring_wake_ring_threads(se);
	sleep(1);
	CHECK(submits_to_fail < 0);
	CHECK(left_to_submit(se) == 0);
	stop(se);
}

static void command_again(void)
{
	const struct fuse_uring_cmd_req cmd = { .flags = 0 };
	struct fuse_session *se = start("io_uring");

	submits_to_fail = 5;
	CHECK(fuse_uring_do_cmd(queue_of(se, 0), CMD_ADD_QUEUE, &cmd) == -EBADF);
	CHECK(left_to_submit(se) == 0);
	stop(se);
}

static int wake_up[2];
static atomic_int nr_signals;

/* The third one ends what the command waits for */
static void on_signal(int sig)
{
	(void)sig;
	if (++nr_signals == 3 && write(wake_up[1], "x", 1) != 1)
		_exit(1);
}

/* A command takes as long as the request before it, during which signals come */
static void interrupted_wait(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	const struct itimerval soon = { { 0, 20000 }, { 0, 20000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	const struct fuse_uring_cmd_req cmd = { .flags = 0 };
	struct fuse_session *se = start("io_uring");
	struct io_uring_sqe *sqe = io_uring_get_sqe(&queue_of(se, 0)->ring);
	int err;

	CHECK(pipe(wake_up) == 0);
	io_uring_prep_poll_add(sqe, wake_up[0], POLLIN);
	sqe->flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	err = fuse_uring_do_cmd(queue_of(se, 0), CMD_ADD_QUEUE, &cmd);
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK(err == -EBADF && nr_signals >= 3);
	stop(se);
}

static fuse_req_t next_request(void)
{
	watched->req.flags.is_uring = 1;
	watched->req.ref_cnt = 2;
	refs_at_commit = -1;
	return &watched->req;
}

static void free_before_commit(void)
{
	struct fuse_session *se = start("io_uring");
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(4);
	const struct iovec iov = { "data", 4 };

	vec.buf[0].mem = "data";
	watched = &queue_of(se, 0)->ent[0];
	fuse_reply_err(next_request(), 0);
	CHECK(refs_at_commit == 1);
	fuse_reply_none(next_request());
	CHECK(refs_at_commit == 1);
	fuse_reply_data(next_request(), &vec, 0);
	CHECK(refs_at_commit == 1);
	fuse_reply_iov(next_request(), &iov, 1);
	CHECK(refs_at_commit == 1);
	CHECK(watched->req.ref_cnt == 1);
	watched = NULL;
	stop(se);
}

/* A thread may have kept a request */
static void reply_after_stop(void)
{
	struct fuse_session *se = start("io_uring");
	struct fuse_ring_ent *ent = &queue_of(se, 0)->ent[0];
	fuse_req_t req;

	watched = ent;
	req = next_request();
	watched = NULL;
	ent->ring_queue->in_use = true;
	ent->has_request = true;
	fuse_uring_wake_ring_threads(se);
	se->mt_exited = 1;
	fuse_uring_stop(se);
	/* its memory is still there, and goes with the reply */
	memset(ent->op_payload, 1, ent->req_payload_sz);
	fuse_reply_buf(req, "data", 4);
	fuse_session_destroy(se);
}

/* The threads wait for the answer to FUSE_INIT; only destroy stops them */
static void stop_before_start(void)
{
	fuse_session_destroy(start("io_uring"));
}

static atomic_uint nr_looks;
static atomic_bool end_looks;

static void *look_at_stats(void *arg)
{
	struct fuse_uring_stats stats;

	while (!end_looks) {
		memset(&stats, 1, sizeof(stats));
		fuse_session_uring_stats(arg, &stats, sizeof(stats));
		CHECK(stats.requests == 0 && stats.dev_requests == 0);
		nr_looks++;
	}
	return NULL;
}

static void wait_for_look(void)
{
	/* the first may have begun before */
	const unsigned int end = nr_looks + 2;

	while (nr_looks < end)
		sched_yield();
}

/* At any time, from any thread: before there are queues, and when they start */
static void stats_while_starting(void)
{
	struct fuse_session *se = new_session("io_uring");
	pthread_t looker;

	CHECK(pthread_create(&looker, NULL, look_at_stats, se) == 0);
	wait_for_look();
	CHECK(fuse_uring_start(se) == 0);
	wait_for_look();
	end_looks = true;
	pthread_join(looker, NULL);
	stop(se);
}

static void run(struct fuse_session *se)
{
	fuse_uring_wake_ring_threads(se);
	sleep(1);
	CHECK(se->error == 0 && !fuse_session_exited(se));
}

static void quiet_end(void)
{
	/* -ENOTCONN and -ECONNABORTED */
	const char *const ends[] = { "3=107", "3=103" };

	for (int i = 0; i < 2; i++) {
		struct fuse_session *se = start("io_uring_bufpool");

		setenv("REFUSE", ends[i], 1);
		run(se);
		CHECK(nr_logs == 0);
		stop(se);
	}
}

static void give_up(void)
{
	struct fuse_session *se = start("io_uring_bufpool,io_uring_zero_copy");

	setenv("REFUSE", "3=0,4=12", 1);
	run(se);
	CHECK(nr_logs == 1);
	/* the kernel has refused an entry */
	CHECK(uring_commands[FUSE_IO_URING_CMD_REGISTER] > 0);
	stop(se);
}

/* The kernel waits for the last io_uring of a queue, until a signal comes */
static void interrupted_queue(void)
{
	struct fuse_session *se = start("io_uring_bufpool");
	const size_t nr_queues = se->uring.pool->nr_queues;

	/* EINTR, twice for each queue */
	setenv("REFUSE", "3=4x2", 1);
	run(se);
	CHECK(uring_commands[CMD_ADD_QUEUE] == 3 * nr_queues);
	stop(se);
}

/* The kernel's smallest payload buffer */
static void whole_pages(void)
{
	const struct { size_t max_write, payload; } sizes[] = {
		{ 100000, 102400 }, { 4096, FUSE_MIN_READ_BUFFER }, { 65536, 65536 },
	};

	for (int i = 0; i < 3; i++) {
		struct fuse_session *se = new_session("io_uring");

		se->conn.max_write = sizes[i].max_write;
		se->bufsize = sizes[i].max_write + FUSE_BUFFER_HEADER_SIZE;
		CHECK(fuse_uring_start(se) == 0);
		CHECK(queue_of(se, 0)->ent[0].req_payload_sz == sizes[i].payload);
		stop(se);
	}
}

static void max_write_comes_back(void)
{
	struct fuse_session *se = new_session(
		"io_uring_bufpool,io_uring_kmbuf_bufs=32768,io_uring_kmbuf_bufsize=262144");
	const uint32_t max_write = se->conn.max_write;

	CHECK(max_write > 262144);
	CHECK(fuse_uring_start(se) == 0);
	CHECK(!se->uring.bufpool);
	CHECK(se->conn.max_write == max_write);
	CHECK(queue_of(se, 0)->ent[0].req_payload_sz == max_write);
	stop(se);
}

static void all_flags(void)
{
	const uint64_t caps = FUSE_CAP_OVER_IO_URING | FUSE_CAP_IO_URING_KMBUF |
			      FUSE_CAP_IO_URING_BUFPOOL;
	const char *const options[] = { "io_uring_kmbuf", "io_uring_bufpool" };

	for (int i = 0; i < 2; i++) {
		struct fuse_session *se = new_session(options[i]);

		se->conn.capable_ext = caps;
		se->conn.want_ext = caps;
		fuse_uring_negotiate(se);
		CHECK(fuse_uring_init_flags(se) ==
		      (FUSE_HAS_IO_URING_KMBUF | FUSE_HAS_IO_URING_BUFPOOL));
		fuse_session_destroy(se);
	}
}

static void pool_is_explicit(void)
{
	struct fuse_session *se = new_session("io_uring_kmbuf,io_uring_bufpool");

	CHECK(se->uring.bufpool && !se->uring.kmbuf);
	fuse_session_destroy(se);
}

/* Numbers that are out of range must not be truncated to valid ones */
static void numbers(void)
{
	const char *const wrong[] = {
		"io_uring_kmbuf,io_uring_kmbuf_bufs=0",
		"io_uring_kmbuf,io_uring_kmbuf_bufs=-1",
		"io_uring_kmbuf,io_uring_kmbuf_bufs=32769",
		"io_uring_bufpool,io_uring_kmbuf_bufs=4294967297",
		"io_uring_kmbuf,io_uring_kmbuf_bufsize=8191",
		"io_uring_kmbuf,io_uring_kmbuf_bufsize=-5",
		"io_uring_bufpool,io_uring_kmbuf_bufsize=99999999999",
		"io_uring_zero_copy,io_uring_zero_copy_min=-5",
		"io_uring_zero_copy,io_uring_zero_copy_min=99999999999",
		"io_uring_zero_copy,io_uring_q_depth=16384",
		"io_uring,io_uring_queues=0",
		"io_uring,io_uring_queues=-1",
		"io_uring,io_uring_queues=65537",
		"io_uring,io_uring_queues=4294967297",
	};
	struct fuse_session *se;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		puts(wrong[i]);
		CHECK(!try_session(wrong[i]));
		CHECK(nr_logs == 1);
	}
	se = new_session(
		"io_uring_zero_copy,io_uring_kmbuf_bufs=32768,io_uring_kmbuf_bufsize=8192,io_uring_zero_copy_min=0,io_uring_q_depth=16383");
	CHECK(se->uring.kmbuf_bufs == 32768);
	CHECK(se->uring.kmbuf_bufsize == 8192);
	CHECK(se->uring.zero_copy_min == 0);
	CHECK(nr_logs == 0);
	fuse_session_destroy(se);
}

/* Numbers and sizes of buffers in one option */
static void lists(void)
{
	const char *const wrong[] = {
		"2x", "x64K", "2x64k", "0x1M", "0x10", "-1x1M", "2x-64K", "1M", "",
		"2x1M+", "+2x1M", "2x1M++1x64K", "2x1M 1x64K", "4x4K", "32769x64K",
		"1x1025M", "1x99999999999999999999", "1x1M+1x1M+1x1M+1x1M+1x1M",
		"4294967297x1M", "2x1M,io_uring_kmbuf_bufsize=65536",
		"-99999999999999999999", "99999999999999999999",
	};
	char options[128];
	struct fuse_session *se;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(options, sizeof(options),
			 "io_uring_kmbuf,io_uring_kmbuf_bufs=%s", wrong[i]);
		puts(options);
		CHECK(!try_session(options));
		CHECK(nr_logs == 1);
	}

	se = new_session("io_uring_kmbuf,io_uring_kmbuf_bufs=32x64K\\,2x1M");
	CHECK(se->uring.kmbuf_bufs == 2 && se->uring.kmbuf_bufsize == 1048576);
	CHECK(se->uring.nr_more_bufs == 1);
	CHECK(se->uring.more_bufs[0].nr == 32);
	CHECK(se->uring.more_bufs[0].size == 65536);
	CHECK(!fuse_uring_can_shrink(se));
	CHECK(nr_logs == 0);
	fuse_session_destroy(se);

	se = new_session("io_uring_kmbuf,io_uring_kmbuf_bufs=1x512+2x65536+3x1000+4x5K");
	CHECK(se->uring.kmbuf_bufs == 2 && se->uring.kmbuf_bufsize == 65536);
	CHECK(se->uring.nr_more_bufs == 3);
	/* the last took the place of the largest, and sizes are rounded up */
	CHECK(se->uring.more_bufs[0].nr == 1 && se->uring.more_bufs[0].size == 4096);
	CHECK(se->uring.more_bufs[1].nr == 4 && se->uring.more_bufs[1].size == 8192);
	CHECK(se->uring.more_bufs[2].nr == 3 && se->uring.more_bufs[2].size == 4096);
	fuse_session_destroy(se);

	/* the option is good, and a later one is not: ASAN looks for the leak */
	CHECK(!try_session("io_uring_kmbuf_bufs=2x1M,io_uring_kmbuf_bufsize=abc"));

	/* a pool takes the largest ones, and says so */
	se = new_session("io_uring_bufpool,io_uring_kmbuf_bufs=2x1M+4x64K");
	CHECK(se->uring.kmbuf_bufs == 2 && se->uring.kmbuf_bufsize == 1048576);
	CHECK(nr_logs == 1);
	fuse_session_destroy(se);
}

static struct fuse_session *default_session(const char *options,
					    unsigned int max_write)
{
	struct fuse_session *se = new_session(options);

	se->conn.max_write = max_write;
	fuse_uring_default_bufs(se);
	return se;
}

/* What the library takes if no option says it, and how that shrinks */
static void default_sizes(void)
{
	const struct {
		unsigned int nr;
		unsigned int size;
		unsigned int more[2];
	} steps[] = {
		{ 2, 0, { 4, 16 } }, { 1, 0, { 2, 8 } }, { 1, 0, { 1, 4 } },
		{ 1, 0, { 1, 2 } }, { 1, 0, { 1, 1 } }, { 1, 0, { 0 } },
		{ 1, 524288, { 0 } }, { 1, 262144, { 0 } }, { 1, 131072, { 0 } },
	};
	const size_t nr_steps = sizeof(steps) / sizeof(*steps);
	const char *const given[] = {
		"io_uring_kmbuf,io_uring_kmbuf_bufs=4",
		"io_uring_kmbuf,io_uring_kmbuf_bufsize=1048576",
		"io_uring_bufpool",
	};
	struct fuse_session *se = default_session("io_uring_kmbuf", 1048576);
	char text[128];

	fuse_uring_say_bufs(&se->uring, 1048576, text, sizeof(text));
	CHECK(!strcmp(text, "2 buffers of 1024 KiB, 4 of 128 KiB, 16 of 32 KiB"));
	for (size_t i = 0; i < nr_steps; i++) {
		CHECK(se->uring.kmbuf_bufs == steps[i].nr);
		CHECK(se->uring.kmbuf_bufsize == steps[i].size);
		CHECK(se->uring.nr_more_bufs == (steps[i].more[0] ? 2 : 0));
		for (unsigned int j = 0; j < se->uring.nr_more_bufs; j++)
			CHECK(se->uring.more_bufs[j].nr == steps[i].more[j]);
		CHECK(fuse_uring_can_shrink(se) == (i + 1 < nr_steps));
		fuse_uring_shrink(se);
	}
	fuse_session_destroy(se);

	for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++) {
		se = default_session(given[i], 1048576);
		CHECK(se->uring.kmbuf_bufs == 4 && se->uring.nr_more_bufs == 0);
		fuse_session_destroy(se);
	}
	se = default_session("io_uring_kmbuf", 524287);
	CHECK(se->uring.kmbuf_bufs == 4 && se->uring.nr_more_bufs == 0);
	fuse_session_destroy(se);
}

static void without_effect(void)
{
	const char *const options[] = {
		"io_uring_kmbuf_bufs=4",
		"io_uring,io_uring_kmbuf_bufsize=65536",
		"io_uring_kmbuf,io_uring_zero_copy_min=4096",
		"io_uring_queues=1",
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		struct fuse_session *se = new_session(options[i]);

		CHECK(nr_logs == 1);
		fuse_session_destroy(se);
	}
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CHECK(file && fputs(text, file) >= 0 && !fclose(file));
}

/* Quotas of a cgroup and those above, in a directory that looks like them */
static void quota(void)
{
	const struct {
		const char *own;
		const char *above;
		unsigned int cpus;
	} limits[] = {
		{ "max 100000\n", "max 100000\n", UINT_MAX },
		{ "200000 100000\n", "max 100000\n", 2 },
		{ "250000 100000\n", "max 100000\n", 3 },
		{ "1000 100000\n", "max 100000\n", 1 },
		{ "0 100000\n", "max 100000\n", 1 },
		{ "max 100000\n", "150000 50000\n", 3 },
		{ "400000 100000\n", "150000 50000\n", 3 },
		{ "100000 0\n", "max 100000\n", UINT_MAX },
		{ "", "\n", UINT_MAX },
		{ "18446744073709551615 1\n", "max 1\n", UINT_MAX },
	};
	char root[] = "/tmp/uring_unit.XXXXXX";

	CHECK(mkdtemp(root) && !chdir(root));
	CHECK(!mkdir("a", 0700) && !mkdir("a/b", 0700));
	CHECK(fuse_uring_cpu_quota("none", ".") == UINT_MAX);
	write_text("proc", "3:cpu:/x\n0::/a/b\n");
	CHECK(fuse_uring_cpu_quota("proc", ".") == UINT_MAX);
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		printf("%s%s", limits[i].own, limits[i].above);
		write_text("a/b/cpu.max", limits[i].own);
		write_text("a/cpu.max", limits[i].above);
		CHECK(fuse_uring_cpu_quota("proc", ".") == limits[i].cpus);
	}
	/* in a container, the root has limits, too */
	write_text("proc", "0::/\n");
	write_text("cpu.max", "200000 100000\n");
	CHECK(fuse_uring_cpu_quota("proc", ".") == 2);
	/* outside of the root of the process's namespace */
	write_text("proc", "0::/../b\n");
	CHECK(fuse_uring_cpu_quota("proc", "a") == UINT_MAX);
	/* only cgroup v1 */
	write_text("proc", "3:cpu:/a/b\n");
	CHECK(fuse_uring_cpu_quota("proc", ".") == UINT_MAX);
}

static struct fuse_session *queues_session(const char *options, bool fewer)
{
	struct fuse_session *se = new_session(options);

	se->uring.fewer_queues = fewer;
	CHECK(!fuse_uring_choose_queues(se));
	nr_logs = 0;
	fuse_uring_say_queues(se);
	return se;
}

/* The CPU that is the last one of a set */
static unsigned int last_cpu(const cpu_set_t *set)
{
	unsigned int cpu = CPU_SETSIZE - 1;

	while (!CPU_ISSET(cpu, set))
		cpu--;
	return cpu;
}

/* The queues of a process on all CPUs, and on the last one */
static void queues(void)
{
	struct fuse_session *se;
	cpu_set_t all, one;
	unsigned int nr, cpu;

	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	nr = CPU_COUNT(&all);
	cpu = last_cpu(&all);
	CHECK(nr >= 2);
	se = queues_session("io_uring", true);
	CHECK(se->uring.queues.nr == nr && se->uring.queues.bind);
	CHECK(se->uring.queues.qids[nr - 1] == cpu);
	fuse_session_destroy(se);

	/* more than there are CPUs is one for each */
	se = queues_session("io_uring,io_uring_queues=65536", true);
	CHECK((int)se->uring.queues.nr == get_nprocs_conf());
	fuse_session_destroy(se);

	se = queues_session("io_uring,io_uring_queues=1", true);
	CHECK(se->uring.queues.nr == 1 && !se->uring.queues.bind && nr_logs == 1);
	fuse_session_destroy(se);

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK(!sched_setaffinity(0, sizeof(one), &one));
	se = queues_session("io_uring", true);
	CHECK(se->uring.queues.nr == 1 && se->uring.queues.qids[0] == cpu);
	CHECK(se->uring.queues.bind && nr_logs == 1);
	CHECK(fuse_uring_init_flags(se) == FUSE_IO_URING_FEWER_QUEUES);
	fuse_session_destroy(se);

	/* more than it may use */
	se = queues_session("io_uring,io_uring_queues=2", true);
	CHECK(se->uring.queues.nr == 2 && !se->uring.queues.bind);
	CHECK(se->uring.queues.qids[0] == 0 && se->uring.queues.qids[1] != 0);
	fuse_session_destroy(se);

	/* the kernel wants all */
	se = queues_session("io_uring,io_uring_queues=1", false);
	CHECK((int)se->uring.queues.nr == get_nprocs_conf());
	CHECK(se->uring.queues.qids[0] == 0 && se->uring.queues.bind && nr_logs == 1);
	CHECK(fuse_uring_init_flags(se) == 0);
	fuse_session_destroy(se);
}

/* What cannot be taken over is refused at once */
static void state_fd(void)
{
	char *argv[] = { "uring_unit", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	const struct fuse_operations high = { };
	struct fuse_session *se = new_session("io_uring");
	const int fd = memfd_create("state", 0);
	struct fuse *fuse;
	char path[32];
	int other;

	CHECK(fuse_session_takeover(se, fd, NULL) == -EINVAL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(fuse_session_set_state_fd(se, -1) == -EBADF);
	other = open(path, O_RDONLY);
	CHECK(fuse_session_set_state_fd(se, other) == -EBADF);
	other = open(path, O_RDWR | O_APPEND);
	CHECK(fuse_session_set_state_fd(se, other) == -EINVAL);
	CHECK(fuse_session_set_state_fd(se, fd) == 0);
	/* not a state */
	CHECK(write(fd, path, 1) == 1);
	CHECK(fuse_session_takeover(se, fd, NULL) == -EINVAL);
	CHECK(fuse_session_fd(se) == -1);
	/* another process has it */
	if (fork() == 0) {
		CHECK(fuse_session_mount(se, "/nowhere") == -1);
		CHECK(lseek(fd, 0, SEEK_END) == 0);
		_exit(0);
	}
	CHECK(wait(&other) > 0 && other == 0);
	fuse_session_destroy(se);

	se = new_session("io_uring,auto_unmount");
	CHECK(fuse_session_set_state_fd(se, fd) == -EINVAL && nr_logs == 1);
	fuse_session_destroy(se);
	nr_logs = 0;
	fuse = fuse_new(&args, &high, sizeof(high), NULL);
	CHECK(fuse);
	CHECK(fuse_session_set_state_fd(fuse_get_session(fuse), fd) == -EOPNOTSUPP);
	CHECK(nr_logs == 1);
	fuse_destroy(fuse);
	fuse_opt_free_args(&args);
}

static uint64_t capable;

static void take_capable(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	capable = conn->capable_ext;
}

static void want_too_much(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->want_ext |= FUSE_CAP_WRITEBACK_CACHE;
}

static const struct fuse_init_in init_in = {
	.major = FUSE_KERNEL_VERSION,
	.minor = FUSE_KERNEL_MINOR_VERSION,
	.flags = FUSE_INIT_EXT | FUSE_ASYNC_READ | FUSE_WRITEBACK_CACHE | FUSE_MAX_PAGES,
	.flags2 = FUSE_HAS_RESEND >> 32,
};

/* A session that has got FUSE_INIT. @fd gets the reply. */
static struct fuse_session *kept_session(int fd)
{
	struct fuse_session *se = new_session("max_read=0");

	CHECK(fuse_session_set_state_fd(se, memfd_create("state", 0)) == 0);
	se->fd = fd;
	return se;
}

/* The next process has no features that the last one did not use, and can refuse */
static void repeated_init(void)
{
	const int fd = memfd_create("device", 0);
	struct fuse_session *se = kept_session(fd);
	off_t len;

	CHECK(fuse_session_repeat_init(se, 2, &init_in) == 0);
	len = lseek(fd, 0, SEEK_END);
	CHECK(len > 0);
	se->kept.taken_over = true;
	se->kept.pending = true;
	se->op.init = take_capable;
	CHECK(fuse_session_repeat_init(se, 2, &init_in) == 0);
	CHECK(capable & FUSE_CAP_ASYNC_READ && !(capable & FUSE_CAP_WRITEBACK_CACHE));
	CHECK(lseek(fd, 0, SEEK_END) == 2 * len);

	/* the kernel gets no error */
	se->op.init = want_too_much;
	CHECK(fuse_session_repeat_init(se, 2, &init_in) == -EPROTO);
	CHECK(fuse_session_exited(se));
	CHECK(lseek(fd, 0, SEEK_END) == 2 * len);
	close(se->kept.fd);
	fuse_session_destroy(se);
}

/* A signal that ends the session is no error of FUSE_INIT */
static void repeated_init_and_signal(void)
{
	struct fuse_session *se = kept_session(memfd_create("device", 0));

	se->error = SIGTERM;
	CHECK(fuse_session_repeat_init(se, 2, &init_in) == 0);
	close(se->kept.fd);
	fuse_session_destroy(se);
}

/* With -fsanitize=address, which finds a request that is not freed */
static void stray_notify_reply(void)
{
	struct {
		struct fuse_in_header in;
		struct fuse_notify_retrieve_in arg;
	} msg = {
		.in = { sizeof(msg), FUSE_NOTIFY_REPLY, 77, },
	};
	const struct fuse_buf buf = { .mem = &msg, .size = sizeof(msg) };
	struct fuse_session *se = new_session("io_uring");

	se->got_init = 1;
	fuse_session_process_buf(se, &buf);
	se->got_init = 0;
	fuse_session_destroy(se);
}

#define DATA	(3 * 4096)

/*
 * The device is a pipe that the session reads requests from, through a pipe of its own.
 * A reply to the device fails.
 */
static struct fuse_session *spliced_session(int device[2])
{
	struct fuse_session *se = new_session("io_uring");

	CHECK(pipe(device) == 0);
	se->fd = device[0];
	se->got_init = 1;
	se->bufsize = 16 * 4096;
	se->conn.proto_minor = FUSE_KERNEL_MINOR_VERSION;
	se->conn.want_ext |= FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE;
	return se;
}

static void end_spliced(struct fuse_session *se)
{
	se->got_init = 0;
	fuse_session_destroy(se);
}

/* A request with much data that nobody reads, then one that has none */
static void data_stays(uint32_t opcode)
{
	struct {
		struct fuse_in_header in;
		char rest[DATA];
	} large = { .in = { sizeof(large), opcode, 1, } };
	const struct fuse_in_header small = { .len = sizeof(small), .unique = 2 };
	struct fuse_buf buf = { .mem = NULL };
	struct fuse_session *se;
	int device[2];

	se = spliced_session(device);
	CHECK(write(device[1], &large, sizeof(large)) == sizeof(large));
	CHECK(fuse_session_receive_buf(se, &buf) == sizeof(large));
	CHECK(buf.flags & FUSE_BUF_IS_FD);
	fuse_session_process_buf(se, &buf);
	CHECK(write(device[1], &small, sizeof(small)) == sizeof(small));
	CHECK(fuse_session_receive_buf(se, &buf) == sizeof(small));
	CHECK(memcmp(buf.mem, &small, sizeof(small)) == 0);
	free(buf.mem);
	end_spliced(se);
}

static void stray_notify_reply_in_pipe(void)
{
	data_stays(FUSE_NOTIFY_REPLY);
}

static void unknown_request_in_pipe(void)
{
	data_stays(4000);
}

static int file, reply_result;

static void reply_from_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			    struct fuse_file_info *fi)
{
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(size);

	(void)ino;
	(void)fi;
	vec.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	vec.buf[0].fd = file;
	vec.buf[0].pos = off;
	reply_result = fuse_reply_data(req, &vec, 0);
}

static int reply_to_read(struct fuse_session *se, off_t off)
{
	struct {
		struct fuse_in_header in;
		struct fuse_read_in arg;
	} msg = {
		.in = { .len = sizeof(msg), .opcode = FUSE_READ },
		.arg = { .offset = off, .size = DATA },
	};
	const struct fuse_buf buf = { .mem = &msg, .size = sizeof(msg) };

	fuse_session_process_buf(se, &buf);
	return reply_result;
}

/* The data of a reply that fails is not that of the next one */
static void failed_reply_in_pipe(void)
{
	struct {
		struct fuse_out_header out;
		char first;
	} reply;
	struct fuse_session *se;
	int device[2];

	file = memfd_create("file", 0);
	CHECK(ftruncate(file, 2 * DATA) == 0);
	CHECK(pwrite(file, "b", 1, DATA) == 1);
	se = spliced_session(device);
	se->op.read = reply_from_file;
	CHECK(reply_to_read(se, 0) == -EBADF);
	/* like the kernel, it copies at once what is spliced to it */
	se->fd = memfd_create("device", 0);
	CHECK(reply_to_read(se, DATA) == 0);
	CHECK(pread(se->fd, &reply, sizeof(reply), 0) == sizeof(reply));
	CHECK(reply.out.len == sizeof(reply.out) + DATA && reply.first == 'b');
	end_spliced(se);
}

static const struct unit_case cases[] = {
	{ "in_use_after_stop", in_use_after_stop },
	{ "no_request", no_request },
	{ "submit_again", submit_again },
	{ "command_again", command_again },
	{ "interrupted_wait", interrupted_wait },
	{ "free_before_commit", free_before_commit },
	{ "reply_after_stop", reply_after_stop },
	{ "stop_before_start", stop_before_start },
	{ "stats_while_starting", stats_while_starting },
	{ "quiet_end", quiet_end },
	{ "give_up", give_up },
	{ "interrupted_queue", interrupted_queue },
	{ "whole_pages", whole_pages },
	{ "max_write_comes_back", max_write_comes_back },
	{ "all_flags", all_flags },
	{ "pool_is_explicit", pool_is_explicit },
	{ "numbers", numbers },
	{ "lists", lists },
	{ "default_sizes", default_sizes },
	{ "quota", quota },
	{ "queues", queues },
	{ "without_effect", without_effect },
	{ "state_fd", state_fd },
	{ "repeated_init", repeated_init },
	{ "repeated_init_and_signal", repeated_init_and_signal },
	{ "stray_notify_reply", stray_notify_reply },
	{ "stray_notify_reply_in_pipe", stray_notify_reply_in_pipe },
	{ "unknown_request_in_pipe", unknown_request_in_pipe },
	{ "failed_reply_in_pipe", failed_reply_in_pipe },
};

int main(int argc, char *argv[])
{
	return unit_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
