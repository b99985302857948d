// SPDX-License-Identifier: GPL-2.0
/* Mounts a FUSE file system, and runs its server. */
#include "fuse_server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARAMETERS	"/sys/module/fuse/parameters"
#define ENABLE_URING	"enable_uring"
#define CONNECTIONS	"/sys/fs/fuse/connections"
/* Far more than any mount is busy for */
#define BUSY_MS		5000

static int enable_uring(struct fuse_test *ft)
{
	if (!test_read_file(PARAMETERS, ENABLE_URING, ft->enabled,
			    sizeof(ft->enabled)))
		return -EOPNOTSUPP;
	return test_write_file(PARAMETERS, ENABLE_URING, "Y") ? 0 : -EPERM;
}

static int restore_uring(struct fuse_test *ft)
{
	return ft->mode == FUSE_MODE_DEV ||
	       test_write_file(PARAMETERS, ENABLE_URING, ft->enabled) ?
	       0 : -EPERM;
}

/* The mount point: a new directory, unless a name is given */
static int make_dir(struct fuse_test *ft)
{
	if (ft->mountpoint) {
		snprintf(ft->dir, sizeof(ft->dir), "%s", ft->mountpoint);
		return 0;
	}
	snprintf(ft->dir, sizeof(ft->dir), "/tmp/fuse.XXXXXX");
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(ft->dir))
		return -errno;
	return 0;
}

/*
 * Find the mount's directory of counters and knobs, without asking the server
 */
static int find_minor(struct fuse_test *ft)
{
	struct statx stx;

	if (syscall(__NR_statx, AT_FDCWD, ft->dir, AT_STATX_DONT_SYNC, 0, &stx))
		return -errno;
	ft->minor = stx.stx_dev_minor;
	/* if this fails, it is mounted already, or the next step fails */
	mount("fusectl", CONNECTIONS, "fusectl", 0, NULL);
	return 0;
}

static int mount_at(struct fuse_test *ft)
{
	char options[128];
	int ret = make_dir(ft);

	if (ret)
		return ret;
	snprintf(ft->file, sizeof(ft->file), "%s/" FUSE_TEST_FILE, ft->dir);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0%s", ft->dev,
		 ft->mountpoint ? ",allow_other,default_permissions" : "");
	if (mount("fuse_test", ft->dir, "fuse", MS_NOSUID | MS_NODEV, options))
		return -errno;
	return find_minor(ft);
}

int fuse_test_cleanup(struct fuse_test *ft)
{
	if (!ft->mountpoint)
		rmdir(ft->dir);
	return restore_uring(ft);
}

/* 0 stands for none: the next fuse_test_open() opens its own */
static void close_dev(struct fuse_test *ft)
{
	close(ft->dev);
	ft->dev = 0;
}

int fuse_test_open(struct fuse_test *ft)
{
	int ret = ft->mode != FUSE_MODE_DEV ? enable_uring(ft) : 0;

	if (ret)
		return ret;
	if (!ft->dev)
		ft->dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (ft->dev < 0) {
		ret = -errno;
		ft->dev = 0;
		restore_uring(ft);
		return ret;
	}
	ret = mount_at(ft);
	if (!ret) {
		ret = fuse_serve_init(ft);
		if (ret)
			umount(ft->dir);
	}
	if (ret) {
		close_dev(ft);
		fuse_test_cleanup(ft);
	}
	return ret;
}

int fuse_test_serve(struct fuse_test *ft)
{
	if (ft->run)
		return ft->run(ft);
	if (ft->mode == FUSE_MODE_DEV)
		return fuse_serve_dev(ft);
	return fuse_serve_uring(ft);
}

static void run_server(struct fuse_test *ft)
{
	int ret = fuse_test_serve(ft);

	if (ret)
		fprintf(stderr, "FUSE server: %s\n", strerror(-ret));
	_exit(ret ? 1 : 0);
}

int fuse_test_start(struct fuse_test *ft)
{
	int ret;

	ft->server = fork();
	if (!ft->server)
		run_server(ft);
	ret = ft->server < 0 ? -errno : 0;
	/*
	 * only the server has the device open now: the mount dies with the
	 * server
	 */
	if (!ft->keep_dev)
		close_dev(ft);
	return ret;
}

void fuse_test_kill(struct fuse_test *ft)
{
	kill(ft->server, SIGKILL);
	fuse_test_reap(ft);
}

int fuse_test_resend(const struct fuse_test *ft)
{
	const struct fuse_out_header notify = {
		.len = sizeof(notify),
		.error = FUSE_NOTIFY_RESEND,
	};

	return write(ft->dev, &notify, sizeof(notify)) == sizeof(notify) ?
	       0 : -errno;
}

int fuse_test_mount(struct fuse_test *ft)
{
	int ret = fuse_test_open(ft);

	return ret ? ret : fuse_test_start(ft);
}

const char *fuse_test_missing(int ret)
{
	switch (ret) {
	case -ENOENT:
	case -ENODEV:
		return "needs CONFIG_FUSE_FS";
	case -EOPNOTSUPP:
		return "needs CONFIG_FUSE_IO_URING";
	case -EPROTONOSUPPORT:
		return "needs FUSE with kernel-managed buffers";
	case -EPERM:
	case -EACCES:
		return "needs root";
	}
	return NULL;
}

int fuse_test_reap(struct fuse_test *ft)
{
	int status;

	if (waitpid(ft->server, &status, 0) != ft->server)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

static void connection(const struct fuse_test *ft, char *dir, size_t size)
{
	snprintf(dir, size, CONNECTIONS "/%u", ft->minor);
}

bool fuse_test_set(struct fuse_test *ft, const char *knob, const char *value)
{
	char dir[64];

	connection(ft, dir, sizeof(dir));
	return test_write_file(dir, knob, value);
}

long long fuse_test_get(const struct fuse_test *ft, const char *knob)
{
	char dir[64], buf[32];

	connection(ft, dir, sizeof(dir));
	return test_read_file(dir, knob, buf, sizeof(buf)) ? atoll(buf) : -1;
}

bool fuse_test_wait_requests(const struct fuse_test *ft, unsigned int nr,
			     unsigned int ms)
{
	return WAIT_FOR(fuse_test_get(ft, "waiting") == nr, ms);
}

bool fuse_test_abort(struct fuse_test *ft)
{
	return fuse_test_set(ft, "abort", "1");
}

/* The mount is busy: make sure that nothing of it is left for later tests */
static int tear_off(struct fuse_test *ft)
{
	int ret = -errno;

	fuse_test_abort(ft);
	umount2(ft->dir, MNT_DETACH);
	fuse_test_kill(ft);
	fuse_test_cleanup(ft);
	return ret;
}

int fuse_test_umount(struct fuse_test *ft)
{
	int ret, cleanup, err;

	/* the io_uring of a client that was killed has its files for a while */
	WAIT_FOR((err = umount(ft->dir) ? errno : 0) != EBUSY, BUSY_MS);
	if (err) {
		errno = err;
		return tear_off(ft);
	}
	ret = fuse_test_reap(ft);
	cleanup = fuse_test_cleanup(ft);
	return ret ? ret : cleanup;
}

bool fuse_test_counters(const struct fuse_test *ft, char *buf, size_t size)
{
	char dir[64];

	connection(ft, dir, sizeof(dir));
	return test_read_file(dir, "io_uring", buf, size);
}

long long fuse_test_counter(const struct fuse_test *ft, const char *name)
{
	const size_t len = strlen(name);
	char buf[512], *line, *state;

	if (!fuse_test_counters(ft, buf, sizeof(buf)))
		return -1;
	for (line = strtok_r(buf, "\n", &state); line;
	     line = strtok_r(NULL, "\n", &state))
		if (!strncmp(line, name, len) && line[len] == ' ')
			return atoll(line + len);
	return -1;
}

struct fuse_buffer_counts fuse_test_buffer_counts(const struct fuse_test *ft,
						  unsigned int size)
{
	struct fuse_buffer_counts counts, sum = { };
	/* a line for each of some thousands of rings */
	const size_t room = 1 << 18;
	char *buf = malloc(room), *line, *state;
	unsigned int line_size;

	if (!buf || !fuse_test_counters(ft, buf, room)) {
		free(buf);
		return sum;
	}
	for (line = strtok_r(buf, "\n", &state); line;
	     line = strtok_r(NULL, "\n", &state)) {
		if (sscanf(line, "queue %*u group %*u size %u sent %lld wait %lld",
			   &line_size, &counts.sent, &counts.waits) != 3 ||
		    line_size != size)
			continue;
		sum.sent += counts.sent;
		sum.waits += counts.waits;
	}
	free(buf);
	return sum;
}
