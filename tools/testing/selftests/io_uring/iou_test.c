// SPDX-License-Identifier: GPL-2.0
#include "iou_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MOCK_DEVICE	"/dev/io_uring_mock_kmbuf"
#define RING_ENTRIES	16

static void die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	exit(1);
}

int test_ring_init_sized(struct test_ring *tr, unsigned int entries,
			 unsigned int slots, unsigned int setup_flags,
			 unsigned int sqe_flags)
{
	struct io_uring_params p = { .flags = setup_flags };
	int ret;

	if (setup_flags & IORING_SETUP_SQPOLL)
		p.sq_thread_idle = 100;
	tr->sqe_flags = sqe_flags;
	ret = io_uring_queue_init_params(entries, &tr->ring, &p);
	if (ret)
		return ret;
	if (slots)
		ret = io_uring_register_buffers_sparse(&tr->ring, slots);
	if (ret)
		io_uring_queue_exit(&tr->ring);
	return ret;
}

int test_ring_init(struct test_ring *tr, unsigned int setup_flags,
		   unsigned int sqe_flags)
{
	return test_ring_init_sized(tr, RING_ENTRIES, NR_SLOTS, setup_flags,
				    sqe_flags);
}

void test_ring_exit(struct test_ring *tr)
{
	io_uring_queue_exit(&tr->ring);
}

struct io_uring_sqe *test_sqe(struct test_ring *tr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&tr->ring);

	if (!sqe)
		die("io_uring_get_sqe", -EAGAIN);
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

void test_submit(struct test_ring *tr)
{
	int ret = io_uring_submit(&tr->ring);

	/* nothing was consumed; an injected failure does not repeat */
	if (ret == -EAGAIN)
		ret = io_uring_submit(&tr->ring);
	if (ret < 0)
		die("io_uring_submit", ret);
}

int test_wait(struct test_ring *tr)
{
	struct io_uring_cqe *cqe;
	int ret;

	do {
		ret = io_uring_wait_cqe(&tr->ring, &cqe);
	} while (ret == -EINTR);
	if (ret)
		die("io_uring_wait_cqe", ret);
	ret = cqe->res;
	io_uring_cqe_seen(&tr->ring, cqe);
	return ret;
}

bool test_wait_for(struct test_ring *tr, unsigned int ms)
{
	struct __kernel_timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000LL,
	};
	struct io_uring_cqe *cqe;

	return !io_uring_wait_cqe_timeout(&tr->ring, &cqe, &ts);
}

int test_submit_wait(struct test_ring *tr)
{
	test_submit(tr);
	return test_wait(tr);
}

int test_rw_fixed(struct test_ring *tr, bool write, int fd, unsigned int index,
		  unsigned long addr, unsigned int len, long long offset)
{
	struct io_uring_sqe *sqe = test_sqe(tr);

	sqe->opcode = write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
	sqe->flags = tr->sqe_flags;
	sqe->fd = fd;
	sqe->addr = addr;
	sqe->len = len;
	sqe->off = offset;
	sqe->buf_index = index;
	return test_submit_wait(tr);
}

void mock_prep(struct test_ring *tr, int fd, unsigned int op, void *arg,
	       size_t size)
{
	struct io_uring_sqe *sqe = test_sqe(tr);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = tr->sqe_flags;
	sqe->fd = fd;
	sqe->cmd_op = op;
	sqe->addr = (unsigned long)arg;
	sqe->len = size;
}

int mock_cmd(struct test_ring *tr, int fd, unsigned int op, void *arg,
	     size_t size)
{
	mock_prep(tr, fd, op, arg, size);
	return test_submit_wait(tr);
}

int mock_create_flags(unsigned int nr_folios, unsigned int order,
		      unsigned int flags)
{
	struct io_uring_mock_kmbuf_create arg = {
		.nr_folios = nr_folios,
		.order = order,
		.flags = flags,
	};
	struct test_ring tr;
	int dev, ret;

	dev = open(MOCK_DEVICE, O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return -errno;
	ret = test_ring_init(&tr, 0, 0);
	if (ret)
		die("ring for the mock device", ret);
	ret = mock_cmd(&tr, dev, IORING_MOCK_KMBUF_DEV_CMD_CREATE, &arg,
		       sizeof(arg));
	test_ring_exit(&tr);
	close(dev);
	return ret;
}

int mock_create(unsigned int nr_folios, unsigned int order)
{
	return mock_create_flags(nr_folios, order, 0);
}

const char *mock_missing(int fd)
{
	switch (fd) {
	case -ENOENT:
		return "needs CONFIG_IO_URING_MOCK_FILE";
	case -EPERM:
	case -EACCES:
		return "needs CAP_SYS_ADMIN";
	}
	return NULL;
}

void mock_bvecs_linear(struct io_uring_mock_bvec *bvs, unsigned int nr)
{
	unsigned int i, page_size = sysconf(_SC_PAGESIZE);

	for (i = 0; i < nr; i++)
		bvs[i] = (struct io_uring_mock_bvec) {
			.page = i,
			.len = page_size,
		};
}

static int do_register(struct test_ring *tr, int fd,
		       const struct io_uring_mock_bvec *bvs, unsigned int nr,
		       unsigned int index, unsigned int dir, unsigned int flags)
{
	struct io_uring_mock_kmbuf_register reg = {
		.bvecs = (unsigned long)bvs,
		.nr_bvecs = nr,
		.index = index,
		.dir = dir,
		.flags = flags,
	};

	return mock_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_REGISTER, &reg,
			sizeof(reg));
}

int mock_register(struct test_ring *tr, int fd,
		  const struct io_uring_mock_bvec *bvs, unsigned int nr,
		  unsigned int index, unsigned int dir)
{
	return do_register(tr, fd, bvs, nr, index, dir, 0);
}

int mock_lend(struct test_ring *tr, int fd,
	      const struct io_uring_mock_bvec *bvs, unsigned int nr,
	      unsigned int index, unsigned int dir)
{
	return do_register(tr, fd, bvs, nr, index, dir,
			   IORING_MOCK_KMBUF_LEND);
}

static int do_lease(struct test_ring *tr, int fd, unsigned int nr,
		    unsigned int op)
{
	struct io_uring_mock_kmbuf_lease arg = { .nr = nr };

	return mock_cmd(tr, fd, op, &arg, sizeof(arg));
}

int mock_grant(struct test_ring *tr, int fd, unsigned int nr)
{
	return do_lease(tr, fd, nr, IORING_MOCK_KMBUF_CMD_GRANT);
}

int mock_revoke(struct test_ring *tr, int fd, unsigned int nr)
{
	return do_lease(tr, fd, nr, IORING_MOCK_KMBUF_CMD_REVOKE);
}

int mock_unregister(struct test_ring *tr, int fd, unsigned int index)
{
	struct io_uring_mock_kmbuf_unregister arg = { .index = index };

	return mock_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_UNREGISTER, &arg,
			sizeof(arg));
}

static int mock_copy(struct test_ring *tr, int fd, unsigned long addr,
		     size_t offset, size_t len, unsigned int flags)
{
	struct io_uring_mock_kmbuf_copy arg = {
		.addr = addr,
		.offset = offset,
		.len = len,
		.flags = flags,
	};

	return mock_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_COPY, &arg, sizeof(arg));
}

int mock_copy_in(struct test_ring *tr, int fd, const void *from,
		 size_t offset, size_t len)
{
	return mock_copy(tr, fd, (unsigned long)from, offset, len,
			 IORING_MOCK_KMBUF_COPY_IN);
}

int mock_copy_out(struct test_ring *tr, int fd, void *to, size_t offset,
		  size_t len)
{
	return mock_copy(tr, fd, (unsigned long)to, offset, len, 0);
}

struct io_uring_mock_kmbuf_stats mock_stats(int fd)
{
	struct io_uring_mock_kmbuf_stats stats = { };
	struct test_ring tr;
	int ret;

	ret = test_ring_init(&tr, 0, 0);
	if (ret)
		die("ring for the counters", ret);
	ret = mock_cmd(&tr, fd, IORING_MOCK_KMBUF_CMD_STATS, &stats,
		       sizeof(stats));
	if (ret)
		die("mock counters", ret);
	test_ring_exit(&tr);
	return stats;
}

int mock_page_create(struct mock_page *page)
{
	page->fd = mock_create(1, 0);
	if (page->fd < 0)
		return page->fd;
	page->len = sysconf(_SC_PAGESIZE);
	page->bv = (struct io_uring_mock_bvec) { .len = page->len };
	return pipe(page->pipe) ? -errno : 0;
}

void mock_page_destroy(struct mock_page *page)
{
	close(page->pipe[0]);
	close(page->pipe[1]);
	close(page->fd);
}

int mock_page_lend(struct mock_page *page, struct test_ring *tr,
		   unsigned int slot)
{
	return mock_register(tr, page->fd, &page->bv, 1, slot, BUF_DEST);
}

bool mock_wait_released(int fd, unsigned int nr)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000000L };
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		if (mock_stats(fd).nr_released >= nr)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static int open_file(const char *dir, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags | O_CLOEXEC);
}

bool test_write_file(const char *dir, const char *name, const char *value)
{
	ssize_t len = strlen(value);
	int fd = open_file(dir, name, O_WRONLY);
	bool ok = fd >= 0 && write(fd, value, len) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

bool test_read_file(const char *dir, const char *name, char *buf, size_t size)
{
	int fd = open_file(dir, name, O_RDONLY);
	ssize_t ret = -1, len = 0;

	if (fd < 0)
		return false;
	/* a file in /proc is read in pieces */
	while ((size_t)len < size - 1) {
		ret = read(fd, buf + len, size - 1 - len);
		if (ret <= 0)
			break;
		len += ret;
	}
	close(fd);
	buf[len] = 0;
	return ret >= 0;
}

long long test_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

long long test_now_ms(void)
{
	return test_now_ns() / 1000000;
}

static char state_of(pid_t pid)
{
	char dir[32], stat[256], *name_end;

	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	if (!test_read_file(dir, "stat", stat, sizeof(stat)))
		return 0;
	name_end = strrchr(stat, ')');
	return name_end && name_end[1] ? name_end[2] : 0;
}

bool test_wait_state(pid_t pid, char state, unsigned int ms)
{
	return WAIT_FOR(state_of(pid) == state, ms);
}

bool test_stop(pid_t pid, unsigned int ms)
{
	return !kill(pid, SIGSTOP) && test_wait_state(pid, 'T', ms);
}

unsigned char pattern_at(unsigned int seed, size_t offset)
{
	/* 251 is prime: no page or folio size repeats the pattern in step */
	return (offset % 251 + seed * 17 + offset / 4096) & 0xff;
}

void *shared_alloc(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

void fill_pattern(unsigned char *buf, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = pattern_at(seed, i);
}

bool check_pattern(const unsigned char *buf, size_t len, unsigned int seed,
		   size_t offset)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != pattern_at(seed, offset + i))
			return false;
	return true;
}
