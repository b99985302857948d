// SPDX-License-Identifier: GPL-2.0
#include "fuse_hold.h"
#include "iou_memlock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int reply(const struct fuse_call *call, const void *data, size_t len)
{
	if (len > call->room)
		return -ERANGE;
	memcpy(call->reply, data, len);
	return len;
}

/* Record a request that is held, and report it once */
static int hold_call(const struct fuse_call *call)
{
	struct fuse_hold *hold = call->ft->data;

	if (!call->again)
		eventfd_write(hold->event_fd, 1);
	return FUSE_SERVE_HELD;
}

static int serve_open(const struct fuse_call *call)
{
	const struct fuse_hold *hold = call->ft->data;
	struct fuse_open_out out = {
		.open_flags = FOPEN_DIRECT_IO | hold->open_flags,
	};

	if (fuse_mode_zero_copy(call->ft->mode))
		out.open_flags |= FOPEN_IO_URING_ZERO_COPY;
	return reply(call, &out, sizeof(out));
}

/* Zero copy: let the ring do the I/O, with an empty pipe if it must not end */
static int serve_slot(const struct fuse_call *call, long long offset,
		      unsigned int len)
{
	const struct fuse_hold *hold = call->ft->data;
	const bool park = call->in->opcode == FUSE_READ && hold->park_fd;

	*call->io = (struct fuse_io) {
		.fd = park ? hold->park_fd : hold->data_fd,
		.offset = park ? -1 : offset,
		.len = len,
	};
	if (park)
		eventfd_write(hold->event_fd, 1);
	return FUSE_SERVE_IO;
}

static int serve_read(const struct fuse_call *call)
{
	const struct fuse_read_in *arg = call->arg;
	size_t i;

	if (call->slot >= 0)
		return serve_slot(call, arg->offset, arg->size);
	if (arg->size > call->room)
		return -ERANGE;
	for (i = 0; i < arg->size; i++)
		call->reply[i] = pattern_at(FUSE_HOLD_SEED, arg->offset + i);
	return arg->size;
}

static int serve_write(const struct fuse_call *call)
{
	const struct fuse_write_in *arg = call->arg;
	const struct fuse_write_out out = { .size = arg->size };

	if (call->slot >= 0)
		return serve_slot(call, arg->offset, arg->size);
	if (call->payload_len != arg->size || arg->size > call->room ||
	    !check_pattern(call->payload, arg->size, FUSE_HOLD_SEED,
			   arg->offset))
		return -EILSEQ;
	return reply(call, &out, sizeof(out));
}

static int serve_data(const struct fuse_call *call)
{
	const struct fuse_hold *hold = call->ft->data;

	if (hold->hold && !hold->park_fd)
		return hold_call(call);
	return call->in->opcode == FUSE_READ ? serve_read(call) :
					       serve_write(call);
}

static int serve(const struct fuse_call *call)
{
	struct fuse_hold *hold = call->ft->data;

	switch (call->in->opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		if (call->in->opcode == FUSE_INTERRUPT)
			eventfd_write(hold->interrupt_fd, 1);
		/*
		 * the request came from the device, which its reader must not
		 * close
		 */
		return 0;
	}
	if (hold->close_ring)
		return FUSE_SERVE_STOP;
	if (hold->close_dev) {
		close(call->ft->dev);
		return hold_call(call);
	}
	switch (call->in->opcode) {
	case FUSE_OPEN:
		return serve_open(call);
	case FUSE_READ:
	case FUSE_WRITE:
		return serve_data(call);
	case FUSE_GETATTR:
		if (hold->release)
			hold->hold = false;
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return 0;
	}
	return -ENOSYS;
}

/* As much data as clients ask for */
static int make_data(void)
{
	const size_t size = 2 * 1024 * 1024;
	unsigned char *data = malloc(size);
	int fd = memfd_create("fuse_hold", MFD_CLOEXEC);

	fill_pattern(data, size, FUSE_HOLD_SEED);
	if (write(fd, data, size) != (ssize_t)size)
		return -1;
	free(data);
	return fd;
}

/* Requests go to the queue of the client's CPU */
static int stay_on_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

struct fuse_hold *fuse_hold_init(struct fuse_test *ft)
{
	struct fuse_hold *hold = shared_alloc(sizeof(*hold));

	if (!hold || stay_on_cpu())
		return NULL;
	*hold = (struct fuse_hold) {
		.event_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE),
		.interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE),
		.data_fd = make_data(),
	};
	ft->serve = serve;
	ft->data = hold;
	return hold;
}

int fuse_hold_mount(struct fuse_test *ft)
{
	const bool limited = !fuse_mode_zero_copy(ft->mode);
	int ret = fuse_test_open(ft);

	if (ret)
		return ret;
	if (limited && !memlock_enter())
		return -EIO;
	ret = fuse_test_start(ft);
	if (limited && !memlock_leave())
		return -EIO;
	return ret;
}

void fuse_hold_exit(struct fuse_hold *hold)
{
	close(hold->data_fd);
	close(hold->event_fd);
	close(hold->interrupt_fd);
	munmap(hold, sizeof(*hold));
}

static bool wait_readable(int fd, unsigned int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 1;
}

static bool wait_event(int fd, unsigned int ms)
{
	eventfd_t nr;

	return wait_readable(fd, ms) && !eventfd_read(fd, &nr);
}

bool fuse_hold_wait(struct fuse_hold *hold, unsigned int ms)
{
	return wait_event(hold->event_fd, ms);
}

bool fuse_hold_wait_interrupt(struct fuse_hold *hold, unsigned int ms)
{
	return wait_event(hold->interrupt_fd, ms);
}

static int do_read(int fd, unsigned char *buf, size_t len, off_t offset)
{
	ssize_t ret = pread(fd, buf, len, offset);

	if (ret < 0)
		return -errno;
	return ret == (ssize_t)len &&
	       check_pattern(buf, len, FUSE_HOLD_SEED, offset) ? 0 : -EILSEQ;
}

static int do_write(int fd, unsigned char *buf, size_t len)
{
	ssize_t ret;

	fill_pattern(buf, len, FUSE_HOLD_SEED);
	ret = pwrite(fd, buf, len, 0);
	if (ret < 0)
		return -errno;
	return ret == (ssize_t)len ? 0 : -EIO;
}

int fuse_hold_do(const struct fuse_test *ft, enum fuse_hold_op op, size_t len)
{
	unsigned char *buf;
	struct stat st;
	int fd, ret;

	if (op == FUSE_HOLD_STAT)
		return stat(ft->file, &st) ? -errno : 0;
	fd = open(ft->file, O_RDWR);
	if (fd < 0)
		return -errno;
	/* whole pages, so that it is one request */
	buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = op == FUSE_HOLD_READ ? do_read(fd, buf, len, FUSE_HOLD_OFFSET) :
				     do_write(fd, buf, len);
	munmap(buf, len);
	close(fd);
	return ret;
}

pid_t fuse_hold_client(const struct fuse_test *ft, enum fuse_hold_op op,
		       size_t len, unsigned int times)
{
	pid_t pid = fork();
	int ret = 0;

	if (pid)
		return pid;
	/* the mount must not live for as long as its clients */
	if (ft->keep_dev)
		close(ft->dev);
	while (!ret && times--)
		ret = fuse_hold_do(ft, op, len);
	_exit(-ret);
}

int fuse_hold_end(pid_t pid, unsigned int ms)
{
	int fd = syscall(__NR_pidfd_open, pid, 0);
	int status;
	bool ended;

	if (fd < 0)
		return -errno;
	ended = wait_readable(fd, ms);
	close(fd);
	if (!ended)
		return -ETIME;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}
