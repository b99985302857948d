// SPDX-License-Identifier: GPL-2.0
/*
 * A request has ended, because the server has replied or the connection is
 * aborted, and the server continues to use its slot. I/O that it starts then,
 * or that has waited for its file until then, does not access the client's
 * memory or the page cache. I/O in flight continues, in pages that nobody else
 * gets until it ends, whatever the client does.
 */
#include "kselftest_harness.h"
#include "fuse_data.h"
#include "fuse_hold.h"
#include "fuse_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP_MS		20000
/* capacity of the pipe */
#define LEN		4096
/* contents of memory that must be neither written nor disclosed */
#define CANARY		0xc5
#define SERVER_DATA	0x5e
/* pages of a client that exits */
#define NR_FREED	64
/* part of a pagemap entry: the number of the page */
#define PAGE_FRAME	((1ULL << 55) - 1)

/* Shared with the server: what it does with reads and writes */
struct orders {
	/* the file of the I/O on the slot */
	int	io_fd;
	/* start it before the request ends, or afterwards */
	bool	park;
	/* and wait until the server of the slow file has it */
	bool	under_way;
	/* reply at once, or never */
	bool	reply;
	/* events: a request has come, its I/O may start, its I/O has ended */
	int	come_fd;
	int	go_fd;
	int	done_fd;
	/* events: the slow file is being read, and the read may end */
	int	slow_come_fd;
	int	slow_go_fd;
	/* the slot, and the result of its I/O */
	int	slot;
	bool	write;
	int	res;
	/* number of the page with the client's data */
	unsigned long long page;
};

static struct orders *orders;
/* Only used in the server */
static struct uring_server server;
static bool io_ended;

FIXTURE(fuse_revoke)
{
	struct fuse_test ft;
	/* another file system, with a slow server */
	struct fuse_test slow;
	int slow_fd;
	/* the client's memory, and its mapping of the file */
	unsigned char *mem;
	unsigned char *map;
	int direct_fd;
	int fd;
	int pipe[2];
};

static void completed(struct fuse_test *ft, int res)
{
	io_ended = true;
	orders->res = res;
	eventfd_write(orders->done_fd, 1);
}

static void start_io(void)
{
	struct io_uring_sqe *sqe = test_sqe(&server.tr);

	sqe->opcode = orders->write ? IORING_OP_WRITE_FIXED :
				      IORING_OP_READ_FIXED;
	sqe->fd = orders->io_fd;
	sqe->len = LEN;
	/* use the file's own position, if it has one */
	sqe->off = -1ULL;
	sqe->buf_index = orders->slot;
	sqe->user_data = FUSE_URING_USER_OWN;
	/* this task waits for the I/O to begin */
	if (orders->under_way)
		sqe->flags |= IOSQE_ASYNC;
	test_submit(&server.tr);
}

static int serve_data(const struct fuse_call *call)
{
	struct fuse_write_out *out = (void *)call->reply;
	eventfd_t come;

	if (call->slot < 0)
		return -EIO;
	if (!call->again) {
		orders->slot = call->slot;
		orders->write = call->in->opcode == FUSE_WRITE;
		if (orders->park)
			start_io();
		if (orders->under_way)
			eventfd_read(orders->slow_come_fd, &come);
		eventfd_write(orders->come_fd, 1);
	}
	if (!orders->reply)
		return FUSE_SERVE_HELD;
	if (!orders->write)
		return LEN;
	*out = (struct fuse_write_out) { .size = LEN };
	return sizeof(*out);
}

static int serve(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_READ:
	case FUSE_WRITE:
		return serve_data(call);
	}
	return -ENOSYS;
}

static int serve_slowly(const struct fuse_call *call)
{
	eventfd_t go;

	if (call->in->opcode != FUSE_READ)
		return -ENOSYS;
	eventfd_write(orders->slow_come_fd, 1);
	eventfd_read(orders->slow_go_fd, &go);
	memset(call->reply, SERVER_DATA, LEN);
	return LEN;
}

/*
 * After the connection has ended, the ring still exists. The I/O may have ended
 * before the server notices.
 */
static int run(struct fuse_test *ft)
{
	struct io_uring_cqe *cqe;
	eventfd_t go;
	int ret;

	ret = fuse_uring_init(&server, ft);
	if (!ret)
		ret = fuse_uring_run(&server);
	if (!ret && !orders->reply && !eventfd_read(orders->go_fd, &go)) {
		if (!orders->park)
			start_io();
		while (!io_ended) {
			ret = io_uring_wait_cqe(&server.tr.ring, &cqe);
			if (ret)
				break;
			if (cqe->user_data == FUSE_URING_USER_OWN)
				completed(ft, cqe->res);
			io_uring_cqe_seen(&server.tr.ring, cqe);
		}
	}
	fuse_uring_exit(&server);
	return ret;
}

static void make_pipe(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_revoke) *self)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(LEN, fcntl(self->pipe[0], F_SETPIPE_SZ, LEN));
	orders = shared_alloc(sizeof(*orders));
	ASSERT_NE(NULL, orders);
	orders->come_fd = eventfd(0, EFD_CLOEXEC);
	orders->go_fd = eventfd(0, EFD_CLOEXEC);
	orders->done_fd = eventfd(0, EFD_CLOEXEC);
	orders->slow_come_fd = eventfd(0, EFD_CLOEXEC);
	orders->slow_go_fd = eventfd(0, EFD_CLOEXEC);
	self->mem = shared_alloc(LEN);
	ASSERT_NE(NULL, self->mem);
}

static void mount_slow(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fuse_revoke) *self)
{
	int ret;

	self->slow = (struct fuse_test) {
		.mode = FUSE_MODE_DEV,
		.max_write = LEN,
		.max_pages = 1,
		.file_size = LEN,
		/* the exit of a process sends no request */
		.open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH,
		.serve = serve_slowly,
	};
	ret = fuse_test_mount(&self->slow);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	self->slow_fd = open(self->slow.file, O_RDONLY);
	ASSERT_LE(0, self->slow_fd);
}

FIXTURE_SETUP(fuse_revoke)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	make_pipe(_metadata, self);
	mount_slow(_metadata, self);
	self->ft = (struct fuse_test) {
		.mode = FUSE_MODE_ZC,
		.depth = 2,
		.buffers = 2,
		.max_write = LEN,
		.max_pages = 1,
		.file_size = LEN,
		.open_flags = FOPEN_IO_URING_ZERO_COPY,
		.serve = serve,
		.completed = completed,
		.run = run,
	};
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	self->fd = open(self->ft.file, O_RDWR);
	ASSERT_LE(0, self->fd);
	self->direct_fd = open(self->ft.file, O_RDWR | O_DIRECT);
	ASSERT_LE(0, self->direct_fd);
	self->map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(fuse_revoke)
{
	munmap(self->map, LEN);
	close(self->direct_fd);
	close(self->fd);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	close(self->slow_fd);
	/*
	 * its server is in an older mount namespace, and would wait for itself
	 */
	EXPECT_TRUE(fuse_test_abort(&self->slow));
	EXPECT_EQ(0, fuse_test_umount(&self->slow));
	munmap(self->mem, LEN);
	munmap(orders, sizeof(*orders));
}

/* Fill the pipe */
static void fill_pipe(struct __test_metadata *_metadata,
		      FIXTURE_DATA(fuse_revoke) *self)
{
	unsigned char data[LEN];

	memset(data, SERVER_DATA, LEN);
	ASSERT_EQ(LEN, write(self->pipe[1], data, LEN));
}

static void drain_pipe(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fuse_revoke) *self)
{
	unsigned char data[LEN];

	ASSERT_EQ(LEN, read(self->pipe[0], data, LEN));
	ASSERT_TRUE(bytes_are(data, LEN, SERVER_DATA));
}

static int pipe_has(const FIXTURE_DATA(fuse_revoke) *self)
{
	int nr = -1;

	ioctl(self->pipe[0], FIONREAD, &nr);
	return nr;
}

static void wait_for(struct __test_metadata *_metadata, int fd)
{
	eventfd_t nr;

	ASSERT_EQ(0, eventfd_read(fd, &nr));
}

/* The I/O on the slot has ended, with an error */
static void expect_refused(struct __test_metadata *_metadata)
{
	wait_for(_metadata, orders->done_fd);
	EXPECT_EQ(-EFAULT, orders->res);
}

/* The reply comes while a read into the slot waits for data */
TEST_F_TIMEOUT(fuse_revoke, read_of_client_after_reply, 60)
{
	orders->park = true;
	orders->reply = true;
	orders->io_fd = self->pipe[0];
	ASSERT_EQ(LEN, pread(self->direct_fd, self->mem, LEN, 0));
	memset(self->mem, CANARY, LEN);
	fill_pipe(_metadata, self);
	expect_refused(_metadata);
	EXPECT_TRUE(bytes_are(self->mem, LEN, CANARY));
}

TEST_F_TIMEOUT(fuse_revoke, read_of_cache_after_reply, 60)
{
	orders->park = true;
	orders->reply = true;
	orders->io_fd = self->pipe[0];
	/* the slot was not filled */
	ASSERT_EQ(LEN, pread(self->fd, self->mem, LEN, 0));
	ASSERT_TRUE(bytes_are(self->map, LEN, 0));
	fill_pipe(_metadata, self);
	expect_refused(_metadata);
	EXPECT_TRUE(bytes_are(self->map, LEN, 0));
}

/* Likewise, while a write from the slot waits for room */
TEST_F_TIMEOUT(fuse_revoke, write_of_client_after_reply, 60)
{
	fill_pipe(_metadata, self);
	orders->park = true;
	orders->reply = true;
	orders->io_fd = self->pipe[1];
	ASSERT_EQ(LEN, pwrite(self->direct_fd, self->mem, LEN, 0));
	memset(self->mem, CANARY, LEN);
	drain_pipe(_metadata, self);
	expect_refused(_metadata);
	EXPECT_EQ(0, pipe_has(self));
}

TEST_F_TIMEOUT(fuse_revoke, write_of_cache_after_reply, 60)
{
	fill_pipe(_metadata, self);
	orders->park = true;
	orders->reply = true;
	orders->io_fd = self->pipe[1];
	ASSERT_EQ(LEN, pwrite(self->fd, self->mem, LEN, 0));
	memset(self->map, CANARY, LEN);
	drain_pipe(_metadata, self);
	expect_refused(_metadata);
	EXPECT_EQ(0, pipe_has(self));
}

enum client_op {
	READ_DIRECT,
	WRITE_DIRECT,
	SYNC_MAPPED,
};

/* In a process of its own: the I/O has to fail */
static pid_t start_client(const FIXTURE_DATA(fuse_revoke) *self,
			  enum client_op op)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	switch (op) {
	case READ_DIRECT:
		_exit(pread(self->direct_fd, self->mem, LEN, 0) != -1);
	case WRITE_DIRECT:
		_exit(pwrite(self->direct_fd, self->mem, LEN, 0) != -1);
	case SYNC_MAPPED:
		_exit(msync(self->map, LEN, MS_SYNC) != -1);
	}
	_exit(1);
}

/* A request without a reply; after its end, @mem has other contents */
static void abort_io(struct __test_metadata *_metadata,
		     FIXTURE_DATA(fuse_revoke) *self, enum client_op op,
		     unsigned char *mem)
{
	pid_t pid = start_client(self, op);

	ASSERT_LT(0, pid);
	wait_for(_metadata, orders->come_fd);
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	memset(mem, CANARY, LEN);
}

TEST_F_TIMEOUT(fuse_revoke, read_of_client_after_abort, 60)
{
	fill_pipe(_metadata, self);
	orders->io_fd = self->pipe[0];
	abort_io(_metadata, self, READ_DIRECT, self->mem);
	eventfd_write(orders->go_fd, 1);
	expect_refused(_metadata);
	EXPECT_TRUE(bytes_are(self->mem, LEN, CANARY));
	EXPECT_EQ(LEN, pipe_has(self));
}

TEST_F_TIMEOUT(fuse_revoke, parked_read_of_client_after_abort, 60)
{
	orders->park = true;
	orders->io_fd = self->pipe[0];
	abort_io(_metadata, self, READ_DIRECT, self->mem);
	fill_pipe(_metadata, self);
	eventfd_write(orders->go_fd, 1);
	expect_refused(_metadata);
	EXPECT_TRUE(bytes_are(self->mem, LEN, CANARY));
}

TEST_F_TIMEOUT(fuse_revoke, write_of_client_after_abort, 60)
{
	orders->io_fd = self->pipe[1];
	abort_io(_metadata, self, WRITE_DIRECT, self->mem);
	eventfd_write(orders->go_fd, 1);
	expect_refused(_metadata);
	EXPECT_EQ(0, pipe_has(self));
}

TEST_F_TIMEOUT(fuse_revoke, write_of_cache_after_abort, 60)
{
	orders->io_fd = self->pipe[1];
	/* read a page, and then write to it without asking the server */
	orders->reply = true;
	ASSERT_TRUE(bytes_are(self->map, LEN, 0));
	wait_for(_metadata, orders->come_fd);
	orders->reply = false;
	self->map[0] = 1;
	abort_io(_metadata, self, SYNC_MAPPED, self->map);
	eventfd_write(orders->go_fd, 1);
	expect_refused(_metadata);
	EXPECT_EQ(0, pipe_has(self));
}

static unsigned long long read_entry(const char *file, unsigned long long nr)
{
	unsigned long long entry = 0;
	int fd = open(file, O_RDONLY);

	if (pread(fd, &entry, sizeof(entry), nr * sizeof(entry)) < 0)
		entry = 0;
	close(fd);
	return entry;
}

static unsigned long long page_of(unsigned char *mem)
{
	if (madvise(mem, LEN, MADV_POPULATE_READ))
		return 0;
	return read_entry("/proc/self/pagemap",
			  (unsigned long)mem / sysconf(_SC_PAGESIZE)) &
	       PAGE_FRAME;
}

/*
 * A process that exits, and frees its memory, with the page that was read or
 * written. That page is freed first, so that it is not the next to be reused.
 */
static pid_t start_leaving(const FIXTURE_DATA(fuse_revoke) *self)
{
	pid_t pid = fork();
	unsigned char *mem;

	if (pid)
		return pid;
	mem = mmap(NULL, NR_FREED * LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(mem, CANARY, NR_FREED * LEN);
	orders->page = page_of(mem);
	_exit(pread(self->direct_fd, mem, LEN, 0) != LEN);
}

/* Only the I/O still uses the page. A free page is not up to date. */
static void expect_kept(struct __test_metadata *_metadata)
{
	ASSERT_NE(0, orders->page);
	EXPECT_TRUE(read_entry("/proc/kpageflags", orders->page) >>
		    KPF_UPTODATE & 1);
	eventfd_write(orders->slow_go_fd, 1);
	wait_for(_metadata, orders->done_fd);
	EXPECT_EQ(LEN, orders->res);
}

static void order_slow_io(FIXTURE_DATA(fuse_revoke) *self, bool reply)
{
	orders->park = true;
	orders->under_way = true;
	orders->reply = reply;
	orders->io_fd = self->slow_fd;
}

TEST_F_TIMEOUT(fuse_revoke, memory_gone_after_reply, 60)
{
	order_slow_io(self, true);
	EXPECT_EQ(0, fuse_hold_end(start_leaving(self), STEP_MS));
	expect_kept(_metadata);
}

TEST_F_TIMEOUT(fuse_revoke, memory_gone_after_abort, 60)
{
	pid_t pid;

	order_slow_io(self, false);
	pid = start_leaving(self);
	wait_for(_metadata, orders->come_fd);
	EXPECT_TRUE(fuse_test_abort(&self->ft));
	EXPECT_EQ(-1, fuse_hold_end(pid, STEP_MS));
	eventfd_write(orders->go_fd, 1);
	expect_kept(_metadata);
}

TEST_F_TIMEOUT(fuse_revoke, cache_gone_after_reply, 60)
{
	order_slow_io(self, true);
	ASSERT_EQ(LEN, pread(self->fd, self->mem, LEN, 0));
	orders->page = page_of(self->map);
	munmap(self->map, LEN);
	EXPECT_EQ(0, posix_fadvise(self->fd, 0, LEN, POSIX_FADV_DONTNEED));
	expect_kept(_metadata);
}

TEST_HARNESS_MAIN
