// SPDX-License-Identifier: GPL-2.0
/* Servers with fewer queues than there are CPUs, and clients that choose a queue. */
#include "fuse_few.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct fuse_few *fuse_few;
int fuse_few_spare_fd;
static fuse_serve_t serve_all;

unsigned int fuse_few_last_queue(void)
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
	fuse_few->foreign = test_submit_wait(&tr);
	test_ring_exit(&tr);
	return serve_all(call);
}

int fuse_few_serve(const struct fuse_call *call)
{
	const struct fuse_hold *hold = call->ft->data;

	if (fuse_few->from_another)
		return serve_from_another(call);

	if (call->over_dev) {
		if (call->in->opcode == FUSE_READ ||
		    call->in->opcode == FUSE_GETATTR)
			__atomic_add_fetch(&fuse_few->nr_over_dev, 1,
					   __ATOMIC_RELAXED);
		return serve_all(call);
	}
	if (call->in->opcode == FUSE_RELEASE)
		fuse_few->nr_released[!!fuse_uring_entry(call)->qid]++;
	if (call->in->opcode != FUSE_READ ||
	    !(fuse_few->held >> fuse_uring_entry(call)->qid & 1)) {
		__atomic_add_fetch(&fuse_few->nr_over_ring, 1, __ATOMIC_RELAXED);
		return serve_all(call);
	}
	if (!call->again)
		eventfd_write(hold->event_fd, 1);
	return FUSE_SERVE_HELD;
}

bool fuse_few_use_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* The node of a CPU, or -1 if it is not online */
static int node_of(unsigned int cpu)
{
	unsigned int node;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) || !fuse_few_use_cpu(cpu) ||
	    getcpu(NULL, &node))
		return -1;
	sched_setaffinity(0, sizeof(set), &set);
	return node;
}

bool fuse_few_has_all(const struct fuse_test *ft, unsigned int qid)
{
	const unsigned int last = fuse_few_last_queue();
	char buf[4096], line[64];

	if (!fuse_test_counters(ft, buf, sizeof(buf)))
		return false;
	snprintf(line, sizeof(line), last ? "\nqueue %u cpus 0-%u\n" :
		 "\nqueue %u cpus 0\n", qid, last);
	return strstr(buf, line);
}

bool fuse_few_has_queue(const struct fuse_test *ft, unsigned int qid)
{
	char buf[4096], line[64];

	snprintf(line, sizeof(line), "\nqueue %u cpus ", qid);
	return fuse_test_counters(ft, buf, sizeof(buf)) && strstr(buf, line);
}

const char *fuse_few_unsuitable(bool two_cpus)
{
	if (getuid())
		return "needs root";
	/* struct fuse_test has a bit for each */
	if (fuse_uring_nr_queues() > 64)
		return "needs at most 64 CPUs";
	if (two_cpus && fuse_uring_nr_queues() < 2)
		return "needs two CPUs";
	return node_of(fuse_few_last_queue()) < 0 ?
	       "needs the last CPU online" : NULL;
}

bool fuse_few_one_node(void)
{
	return node_of(0) == node_of(fuse_few_last_queue());
}

int fuse_few_init(struct fuse_test *ft, struct fuse_hold **hold)
{
	fuse_few = shared_alloc(sizeof(*fuse_few));
	*hold = fuse_hold_init(ft);
	if (!fuse_few || !*hold)
		return -ENOMEM;
	serve_all = ft->serve;
	ft->serve = fuse_few_serve;
	return 0;
}

void fuse_few_exit(struct fuse_hold *hold)
{
	fuse_hold_exit(hold);
	munmap(fuse_few, sizeof(*fuse_few));
}

int fuse_few_run_server(struct fuse_test *ft, unsigned int server)
{
	eventfd_t go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (server == FUSE_FEW_SPARE && eventfd_read(fuse_few_spare_fd, &go))
		return -errno;
	ft->queues = server == FUSE_FEW_FIRST ? 1 : 1ULL << fuse_few_last_queue();
	return fuse_serve_uring(ft);
}

int fuse_few_run_all(struct fuse_test *ft, unsigned int nr_servers,
		     int (*run)(struct fuse_test *ft, unsigned int server),
		     pid_t *pids)
{
	unsigned int i;
	int status, ret = 0;
	pid_t pid;

	for (i = 0; i < nr_servers; i++) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(run(ft, i) ? 1 : 0);
		}
		if (pids)
			pids[i] = pid;
	}
	/* only this process keeps the device open when all of them are gone */
	while (wait(&status) > 0)
		if (WIFEXITED(status) && WEXITSTATUS(status))
			ret = -EIO;
	return ret;
}

static int run_servers(struct fuse_test *ft)
{
	return fuse_few_run_all(ft, FUSE_FEW_NR_SERVERS, fuse_few_run_server,
				fuse_few->pids);
}

int fuse_few_mount(struct fuse_test *ft, struct fuse_hold **hold)
{
	int ret;

	ft->init_flags = FUSE_IO_URING_FEWER_QUEUES | FUSE_ASYNC_DIO;
	/* asynchronous reads end there */
	ft->file_size = 1 << 20;
	ft->max_write = FUSE_FEW_LARGE;
	ft->max_pages = FUSE_FEW_LARGE / sysconf(_SC_PAGESIZE);
	ft->run = run_servers;
	fuse_few_spare_fd = eventfd(0, 0);
	fuse_few_use_cpu(0);
	ret = fuse_few_init(ft, hold);
	if (ret)
		goto close;
	ret = fuse_test_mount(ft);
	if (ret)
		goto exit;
	ret = fuse_hold_do(ft, FUSE_HOLD_STAT, 0);
	if (!ret && !WAIT_FOR(fuse_few_has_queue(ft, 0) &&
			      fuse_few_has_queue(ft, fuse_few_last_queue()),
			      FUSE_FEW_STEP_MS))
		ret = -ETIME;
	if (ret)
		fuse_few_umount(ft, *hold);
	return ret;

exit:
	fuse_few_exit(*hold);
close:
	close(fuse_few_spare_fd);
	return ret;
}

/* A server can serve before its parent has noted its pid: wait for that */
pid_t fuse_few_pid(enum fuse_few_server server)
{
	while (!__atomic_load_n(&fuse_few->pids[server], __ATOMIC_RELAXED))
		usleep(1000);
	return fuse_few->pids[server];
}

int fuse_few_umount(struct fuse_test *ft, struct fuse_hold *hold)
{
	int ret;

	/* it may not have been started, and waits */
	kill(fuse_few_pid(FUSE_FEW_SPARE), SIGKILL);
	ret = fuse_test_umount(ft);
	fuse_few_exit(hold);
	close(fuse_few_spare_fd);
	return ret;
}

/* It is no child of this process */
void fuse_few_kill(enum fuse_few_server server)
{
	kill(fuse_few_pid(server), SIGKILL);
	WAIT_FOR(kill(fuse_few_pid(server), 0), FUSE_FEW_STEP_MS);
}

pid_t fuse_few_read(const struct fuse_test *ft, bool last, size_t len)
{
	pid_t pid;

	fuse_few_use_cpu(last ? fuse_few_last_queue() : 0);
	pid = fuse_hold_client(ft, FUSE_HOLD_READ, len, 1);
	fuse_few_use_cpu(0);
	return pid;
}

int fuse_few_open(const struct fuse_test *ft)
{
	struct pollfd poll_fd = { .events = POLLIN };

	poll_fd.fd = open(ft->file, O_RDONLY);
	/* io_uring polls it later, when the CPU's queue has no entry for that */
	return poll(&poll_fd, 1, 0) == 1 ? poll_fd.fd : -1;
}

static int async_reads(int fd, unsigned int nr, size_t len)
{
	static unsigned char data[FUSE_FEW_ASYNC][FUSE_FEW_ASYNC_SIZE];
	struct test_ring tr;
	struct io_uring_sqe *sqe;
	unsigned int i;
	int ret;

	ret = test_ring_init(&tr, 0, 0);
	if (ret)
		return ret;
	for (i = 0; i < nr; i++) {
		sqe = test_sqe(&tr);
		io_uring_prep_read(sqe, fd, data[i], len, i * len);
		test_submit(&tr);
	}
	for (i = 0; i < nr; i++) {
		ret = test_wait(&tr);
		if (ret != (int)len)
			return ret < 0 ? ret : -EIO;
	}
	for (i = 0; i < nr; i++)
		if (!check_pattern(data[i], len, FUSE_HOLD_SEED, i * len))
			return -EILSEQ;
	return 0;
}

pid_t fuse_few_async(int fd, bool last, unsigned int nr, size_t len)
{
	pid_t pid = fork();
	int ret;

	if (pid)
		return pid;
	fuse_few_use_cpu(last ? fuse_few_last_queue() : 0);
	ret = async_reads(fd, nr, len);
	/* the file is closed by a request that waits for its reply */
	fuse_few_use_cpu(fuse_few->held & 1 ? fuse_few_last_queue() : 0);
	_exit(-ret);
}

int fuse_few_async_do(int fd, bool last, unsigned int nr)
{
	pid_t pid = fuse_few_async(fd, last, nr, FUSE_FEW_ASYNC_SIZE);

	return fuse_hold_end(pid, FUSE_FEW_STEP_MS);
}

bool fuse_few_limit_is_free(struct fuse_test *ft, int fd)
{
	return fuse_test_set(ft, "max_background", "1") &&
	       !fuse_few_async_do(fd, false, FUSE_FEW_ASYNC) &&
	       !fuse_few_async_do(fd, true, FUSE_FEW_ASYNC);
}
