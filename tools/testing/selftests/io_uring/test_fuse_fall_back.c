// SPDX-License-Identifier: GPL-2.0
/*
 * When zero copy fails, a request can exchange its buffer for one of another
 * size. Who waits for the one that it returns gets it.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
#define TINY		512
#define SMALL		4096
#define MEDIUM		32768
#define LARGE		65536

/* Empty: for the timeout */
FIXTURE(fuse_fall_back)
{
};

FIXTURE_SETUP(fuse_fall_back)
{
}

FIXTURE_TEARDOWN(fuse_fall_back)
{
}

/* Shared with the server, which answers nothing of this unless told to */
struct orders {
	fuse_serve_t	serve;
	/* answer reads of that size */
	unsigned int	read_size;
	bool		write;
	/* a request for attributes stops the server until an event */
	bool		pause;
	int		paused_fd;
	int		resume_fd;
};

static struct orders *orders;

/* Clients that end send nothing: it would wake up who waits */
static int serve_open(const struct fuse_call *call)
{
	struct fuse_open_out *out = (void *)call->reply;
	int ret = orders->serve(call);

	out->open_flags |= FOPEN_NOFLUSH;
	return ret;
}

static int serve_order(const struct fuse_call *call)
{
	const struct fuse_read_in *read = call->arg;
	struct fuse_hold *hold = call->ft->data;
	eventfd_t nr;

	switch (call->in->opcode) {
	case FUSE_OPEN:
		return serve_open(call);
	case FUSE_READ:
		hold->hold = read->size != orders->read_size;
		break;
	case FUSE_WRITE:
		hold->hold = !orders->write;
		break;
	case FUSE_GETXATTR:
		return -ENODATA;
	case FUSE_GETATTR:
		if (!orders->pause)
			break;
		orders->pause = false;
		eventfd_write(orders->paused_fd, 1);
		eventfd_read(orders->resume_fd, &nr);
		break;
	}
	return orders->serve(call);
}

/* Clients with a single request each, for the file that is open already */
static pid_t io_client(int fd, bool write, size_t len)
{
	pid_t pid = fork();
	unsigned char *buf;
	ssize_t ret;

	if (pid)
		return pid;
	buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill_pattern(buf, len, FUSE_HOLD_SEED);
	ret = write ? pwrite(fd, buf, len, 0) : pread(fd, buf, len, 0);
	if (ret < 0)
		_exit(errno);
	_exit(ret == (ssize_t)len &&
	      check_pattern(buf, len, FUSE_HOLD_SEED, 0) ? 0 : EILSEQ);
}

static pid_t stat_client(int fd)
{
	pid_t pid = fork();
	struct stat st;

	if (pid)
		return pid;
	_exit(fstat(fd, &st) ? errno : 0);
}

static pid_t xattr_client(int fd)
{
	static char value[LARGE];
	pid_t pid = fork();

	if (pid)
		return pid;
	_exit(fgetxattr(fd, "user.a", value, sizeof(value)) < 0 ? errno : 0);
}

/*
 * One buffer of each size, and the smaller ones are in use. So a write takes the
 * large one for the few bytes of its reply, and an attribute waits for it. When
 * the zero copy of the write fails, its data fits the medium buffer, which is
 * free by then. The write is not answered before the attribute is.
 */
TEST_F_TIMEOUT(fuse_fall_back, returned_buffer_is_used, TIMEOUT)
{
	struct fuse_test ft = {
		.mode = FUSE_MODE_BUFFERS_ZC,
		.slots = FUSE_SLOTS_TAKEN,
		/* the kernel does not ask for attributes before a write */
		.init_flags = FUSE_HANDLE_KILLPRIV_V2,
		.depth = 8,
		.buffers = 1,
		.more_buffers = { { 1, MEDIUM }, { 1, SMALL }, { 1, TINY } },
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		.zero_copy_min = 2 * SMALL,
		.ring_flags = IORING_SETUP_SINGLE_ISSUER |
			      IORING_SETUP_DEFER_TASKRUN,
	};
	pid_t small, medium, pause, write, xattr;
	struct fuse_hold *hold;
	eventfd_t nr;
	int ret, fd;

	if (getuid())
		SKIP(return, "needs root");
	if (sysconf(_SC_PAGESIZE) > SMALL)
		SKIP(return, "needs pages of 4 KiB");
	orders = shared_alloc(sizeof(*orders));
	ASSERT_NE(NULL, orders);
	hold = fuse_hold_init(&ft);
	ASSERT_NE(NULL, hold);
	*orders = (struct orders) {
		.serve = ft.serve,
		.paused_fd = eventfd(0, EFD_CLOEXEC),
		.resume_fd = eventfd(0, EFD_CLOEXEC),
	};
	ft.serve = serve_order;
	ret = fuse_hold_mount(&ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	fd = open(ft.file, O_RDWR);
	ASSERT_GE(fd, 0);

	small = io_client(fd, false, SMALL);
	ASSERT_TRUE(fuse_hold_wait(hold, STEP_MS));
	medium = io_client(fd, false, MEDIUM);
	ASSERT_TRUE(fuse_hold_wait(hold, STEP_MS));
	orders->pause = true;
	pause = stat_client(fd);
	ASSERT_EQ(0, eventfd_read(orders->paused_fd, &nr));

	/* the server gets these two when it calls the kernel the next time */
	write = io_client(fd, true, MEDIUM);
	ASSERT_TRUE(fuse_test_wait_requests(&ft, 4, STEP_MS));
	xattr = xattr_client(fd);
	ASSERT_TRUE(fuse_test_wait_requests(&ft, 5, STEP_MS));
	EXPECT_TRUE(WAIT_FOR(fuse_test_buffer_counts(&ft, LARGE).waits == 1,
			     STEP_MS));

	orders->read_size = MEDIUM;
	eventfd_write(orders->resume_fd, 1);
	EXPECT_EQ(0, fuse_hold_end(pause, STEP_MS));
	EXPECT_EQ(0, fuse_hold_end(medium, STEP_MS));
	EXPECT_TRUE(fuse_hold_wait(hold, STEP_MS));
	EXPECT_EQ(-ENODATA, fuse_hold_end(xattr, 2000));
	EXPECT_EQ(-ETIME, fuse_hold_end(write, 0));

	orders->read_size = SMALL;
	orders->write = true;
	EXPECT_EQ(0, fuse_hold_end(stat_client(fd), STEP_MS));
	EXPECT_EQ(0, fuse_hold_end(small, STEP_MS));
	EXPECT_EQ(0, fuse_hold_end(write, STEP_MS));
	close(fd);
	EXPECT_EQ(0, fuse_test_umount(&ft));
	fuse_hold_exit(hold);
	munmap(orders, sizeof(*orders));
}

TEST_HARNESS_MAIN
