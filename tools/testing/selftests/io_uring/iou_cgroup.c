// SPDX-License-Identifier: GPL-2.0
#include "iou_cgroup.h"
#include "iou_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"

bool test_cgroup_create(struct test_cgroup *cg, const char *name)
{
	char buf[256];

	if (!test_read_file(CGROUP_ROOT, "cgroup.controllers", buf,
			    sizeof(buf)) ||
	    !strstr(buf, "memory"))
		return false;
	if (!test_write_file(CGROUP_ROOT, "cgroup.subtree_control", "+memory"))
		return false;
	snprintf(cg->path, sizeof(cg->path), CGROUP_ROOT "/%s", name);
	return !mkdir(cg->path, 0755) || errno == EEXIST;
}

bool test_cgroup_enter(struct test_cgroup *cg)
{
	return test_write_file(cg->path, "cgroup.procs", "0");
}

bool test_cgroup_destroy(struct test_cgroup *cg)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000000L };
	unsigned int i;

	if (!test_write_file(CGROUP_ROOT, "cgroup.procs", "0"))
		return false;
	/* an exited process may take a moment to leave the group */
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
	return test_write_file(cg->path, "memory.max", value);
}

long test_cgroup_usage(struct test_cgroup *cg)
{
	char buf[32];

	if (!test_read_file(cg->path, "memory.current", buf, sizeof(buf)))
		return -1;
	return atol(buf);
}

long test_cgroup_oom_kills(struct test_cgroup *cg)
{
	char buf[512], *line;

	if (!test_read_file(cg->path, "memory.events", buf, sizeof(buf)))
		return -1;
	line = strstr(buf, "\noom_kill ");
	return line ? atol(line + strlen("\noom_kill ")) : -1;
}
