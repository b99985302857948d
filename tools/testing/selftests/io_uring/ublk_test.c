// SPDX-License-Identifier: GPL-2.0
/* The test's side of a ublk device: control commands and the client. */
#include "ublk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A completion, or -ETIME */
static int wait_limited(struct test_ring *tr)
{
	return test_wait_for(tr, UBLK_TIMEOUT_MS) ? test_wait(tr) : -ETIME;
}

static int poll_limited(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		ret = poll(&pfd, 1, UBLK_TIMEOUT_MS);
	} while (ret < 0 && errno == EINTR);
	return ret == 1 ? 0 : -ETIME;
}

static int ctrl_cmd(struct ublk_dev *dev, unsigned int op, void *arg,
		    unsigned int len, unsigned long long data)
{
	struct io_uring_sqe *sqe = test_sqe(&dev->ctrl);
	struct ublksrv_ctrl_cmd *cmd = (void *)sqe->cmd;
	int ret;

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = dev->ctrl_fd;
	sqe->cmd_op = op;
	*cmd = (struct ublksrv_ctrl_cmd) {
		.dev_id = dev->id,
		.queue_id = -1,
		.len = len,
		.addr = (unsigned long)arg,
		.data = { data },
	};
	test_submit(&dev->ctrl);
	ret = wait_limited(&dev->ctrl);
	if (ret != -ETIME)
		return ret;

	/* cancel it, and complete requests of a device without a server */
	ublk_kill_server(dev);
	test_ring_exit(&dev->ctrl);
	if (test_ring_init(&dev->ctrl, IORING_SETUP_SQE128, 0))
		exit(1);
	return -ETIME;
}

static int set_params(struct ublk_dev *dev)
{
	struct ublk_params params = {
		.len = sizeof(params),
		.types = UBLK_PARAM_TYPE_BASIC,
		.basic = {
			/* so that a flush reaches the server */
			.attrs = UBLK_ATTR_VOLATILE_CACHE,
			.logical_bs_shift = 9,
			.physical_bs_shift = 12,
			.io_opt_shift = 12,
			.io_min_shift = 9,
			.max_sectors = UBLK_MAX_IO >> 9,
			.dev_sectors = UBLK_SIZE >> 9,
		},
	};

	return ctrl_cmd(dev, UBLK_U_CMD_SET_PARAMS, &params, sizeof(params), 0);
}

static int add_dev(struct ublk_dev *dev)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1,
		.queue_depth = UBLK_DEPTH,
		.max_io_buf_bytes = UBLK_MAX_IO,
		.dev_id = -1,
		/* no partitions here: keep the scan out of the tests */
		.flags = dev->flags | UBLK_F_NO_AUTO_PART_SCAN,
	};
	int ret;

	dev->id = -1;
	ret = ctrl_cmd(dev, UBLK_U_CMD_ADD_DEV, &info, sizeof(info), 0);
	if (ret)
		return ret;
	dev->id = info.dev_id;
	if ((info.flags & dev->flags) != dev->flags)
		return -EOPNOTSUPP;
	return set_params(dev);
}

static int make_files(struct ublk_dev *dev)
{
	int pipe_fds[2];

	dev->backing_fd = memfd_create("ublk_test", MFD_CLOEXEC);
	if (dev->backing_fd < 0 || ftruncate(dev->backing_fd, UBLK_SIZE))
		return -errno;
	dev->backing = mmap(NULL, UBLK_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, dev->backing_fd, 0);
	if (dev->backing == MAP_FAILED)
		return -errno;
	dev->event_fd = eventfd(0, EFD_CLOEXEC);
	if (dev->event_fd < 0 || pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	dev->park_fd = pipe_fds[0];
	dev->pipe_fd = pipe_fds[1];
	return 0;
}

int ublk_add(struct ublk_dev *dev, unsigned long long flags)
{
	int ret;

	*dev = (struct ublk_dev) { .flags = flags, .disk_fd = -1 };
	dev->ctrl_fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (dev->ctrl_fd < 0)
		return -errno;
	ret = make_files(dev);
	if (!ret)
		ret = test_ring_init(&dev->ctrl, IORING_SETUP_SQE128, 0);
	if (!ret)
		ret = test_ring_init(&dev->client, 0, 0);
	if (ret)
		return ret;
	ret = add_dev(dev);
	if (ret)
		ublk_del(dev);
	return ret;
}

const char *ublk_missing(int ret)
{
	switch (ret) {
	case -ENOENT:
		return "needs CONFIG_BLK_DEV_UBLK";
	case -EPERM:
	case -EACCES:
		return "needs CAP_SYS_ADMIN";
	}
	return NULL;
}

int ublk_run_server(struct ublk_dev *dev, const struct ublk_ops *ops)
{
	fflush(NULL);
	dev->server = fork();
	if (dev->server < 0)
		return -errno;
	if (!dev->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* a server is not its own client */
		if (dev->disk_fd >= 0)
			close(dev->disk_fd);
		ublk_serve(dev, ops);
		_exit(0);
	}
	dev->server_fd = syscall(SYS_pidfd_open, dev->server, 0);
	return dev->server_fd < 0 ? -errno : 0;
}

int ublk_start(struct ublk_dev *dev, const struct ublk_ops *ops,
	       int open_flags)
{
	char path[32];
	int ret;

	ret = ublk_run_server(dev, ops);
	if (ret)
		return ret;
	ret = ctrl_cmd(dev, UBLK_U_CMD_START_DEV, NULL, 0, dev->server);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/ublkb%u", dev->id);
	dev->disk_fd = open(path, O_RDWR | O_CLOEXEC | open_flags);
	return dev->disk_fd < 0 ? -errno : 0;
}

/* The exit status of a server that ends by itself */
static int reap_server(struct ublk_dev *dev)
{
	int status, ret = poll_limited(dev->server_fd);

	if (ret)
		kill(dev->server, SIGKILL);
	waitpid(dev->server, &status, 0);
	close(dev->server_fd);
	dev->server = 0;
	return ret ?: WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

void ublk_signal_server(struct ublk_dev *dev)
{
	kill(dev->server, SIGKILL);
}

int ublk_kill_server(struct ublk_dev *dev)
{
	if (!dev->server)
		return 0;
	ublk_signal_server(dev);
	return reap_server(dev) == -EINTR ? 0 : -ETIME;
}

int ublk_start_recovery(struct ublk_dev *dev, unsigned int ms)
{
	const unsigned int step = 10;
	unsigned int waited;
	int ret;

	/* nothing tells when the kernel has done with the dead server */
	for (waited = 0; ; waited += step) {
		ret = ctrl_cmd(dev, UBLK_U_CMD_START_USER_RECOVERY, NULL, 0, 0);
		if (ret != -EBUSY || waited >= ms)
			return ret;
		usleep(step * 1000);
	}
}

int ublk_end_recovery(struct ublk_dev *dev)
{
	return ctrl_cmd(dev, UBLK_U_CMD_END_USER_RECOVERY, NULL, 0,
			dev->server);
}

int ublk_recover(struct ublk_dev *dev, const struct ublk_ops *ops)
{
	int ret = ublk_start_recovery(dev, UBLK_TIMEOUT_MS);

	if (!ret)
		ret = ublk_run_server(dev, ops);
	return ret ?: ublk_end_recovery(dev);
}

int ublk_stop(struct ublk_dev *dev)
{
	int ret;

	if (dev->disk_fd >= 0)
		close(dev->disk_fd);
	dev->disk_fd = -1;
	ret = ctrl_cmd(dev, UBLK_U_CMD_STOP_DEV, NULL, 0, 0);
	return dev->server ? ret ?: reap_server(dev) : ret;
}

int ublk_del(struct ublk_dev *dev)
{
	int ret = ctrl_cmd(dev, UBLK_U_CMD_DEL_DEV, NULL, 0, 0);

	test_ring_exit(&dev->client);
	test_ring_exit(&dev->ctrl);
	close(dev->pipe_fd);
	close(dev->park_fd);
	close(dev->event_fd);
	munmap(dev->backing, UBLK_SIZE);
	close(dev->backing_fd);
	close(dev->ctrl_fd);
	return ret;
}

int ublk_wait_told(struct ublk_dev *dev)
{
	unsigned long long nr;
	int ret = poll_limited(dev->event_fd);

	if (ret)
		return ret;
	return read(dev->event_fd, &nr, sizeof(nr)) == sizeof(nr) ? 0 : -errno;
}

void ublk_send(struct ublk_dev *dev, unsigned int opcode, void *buf,
	       unsigned int len, unsigned int offset)
{
	struct io_uring_sqe *sqe = test_sqe(&dev->client);

	sqe->opcode = opcode;
	sqe->fd = dev->disk_fd;
	sqe->addr = (unsigned long)buf;
	sqe->len = len;
	sqe->off = offset;
	test_submit(&dev->client);
}

int ublk_wait(struct ublk_dev *dev)
{
	return wait_limited(&dev->client);
}

int ublk_rw(struct ublk_dev *dev, unsigned int opcode, void *buf,
	    unsigned int len, unsigned int offset)
{
	ublk_send(dev, opcode, buf, len, offset);
	return ublk_wait(dev);
}
