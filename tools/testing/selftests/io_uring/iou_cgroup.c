// SPDX-License-Identifier: GPL-2.0
#include "iou_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"

static bool write_file(const char *dir, const char *name, const char *value)
{
	char path[128];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return ok;
}

static bool read_file(const char *dir, const char *name, char *buf, size_t size)
{
	char path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return false;
	buf[len] = 0;
	return true;
}

bool test_cgroup_create(struct test_cgroup *cg, const char *name)
{
	char buf[256];

	if (!read_file(CGROUP_ROOT, "cgroup.controllers", buf, sizeof(buf)) ||
	    !strstr(buf, "memory"))
		return false;
	if (!write_file(CGROUP_ROOT, "cgroup.subtree_control", "+memory"))
		return false;
	snprintf(cg->path, sizeof(cg->path), CGROUP_ROOT "/%s", name);
	return !mkdir(cg->path, 0755) || errno == EEXIST;
}

bool test_cgroup_enter(struct test_cgroup *cg)
{
	return write_file(cg->path, "cgroup.procs", "0");
}

bool test_cgroup_destroy(struct test_cgroup *cg)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000000L };
	unsigned int i;

	if (!write_file(CGROUP_ROOT, "cgroup.procs", "0"))
		return false;
	/* a process that is gone may take a moment to leave */
	for (i = 0; i < 500; i++) {
		if (!rmdir(cg->path))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

bool test_cgroup_limit(struct test_cgroup *cg, long bytes)
{
	char value[32];

	snprintf(value, sizeof(value), "%ld", bytes);
	return write_file(cg->path, "memory.max", value);
}

long test_cgroup_usage(struct test_cgroup *cg)
{
	char buf[32];

	if (!read_file(cg->path, "memory.current", buf, sizeof(buf)))
		return -1;
	return atol(buf);
}

long test_cgroup_oom_kills(struct test_cgroup *cg)
{
	char buf[512], *line;

	if (!read_file(cg->path, "memory.events", buf, sizeof(buf)))
		return -1;
	line = strstr(buf, "\noom_kill ");
	return line ? atol(line + strlen("\noom_kill ")) : -1;
}
