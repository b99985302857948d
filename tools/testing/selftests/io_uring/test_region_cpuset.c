// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a region comes from the nodes that the task's cpuset allows,
 * and not from others when those are full. Needs two nodes (numa=fake=2).
 */
#include "kselftest_harness.h"
#include "iou_cgroup.h"
#include "iou_region.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define NODE		1
#define SPARE		(128UL << 20)
/* size of the largest single allocation */
#define PIECE		(4UL << 20)

FIXTURE(region_cpuset)
{
	struct test_cgroup cg;
	struct io_uring ring;
};

/* Free bytes of the node, or 0 if it does not exist */
static unsigned long node_free(void)
{
	char buf[4096], *line;

	if (!test_read_file("/sys/devices/system/node/node1", "meminfo", buf,
			    sizeof(buf)))
		return 0;
	line = strstr(buf, "MemFree:");
	return line ? strtoul(line + strlen("MemFree:"), NULL, 10) << 10 : 0;
}

FIXTURE_SETUP(region_cpuset)
{
	if (getuid())
		SKIP(return, "needs root");
	if (!node_free())
		SKIP(return, "needs two nodes with memory");
	if (!test_cgroup_create(&self->cg, "iou_cpuset") ||
	    !test_write_file(CGROUP_ROOT, "cgroup.subtree_control", "+cpuset"))
		SKIP(return, "needs the cpuset controller of cgroup v2");
	ASSERT_TRUE(test_write_file(self->cg.path, "cpuset.mems", "1"));
	ASSERT_TRUE(test_cgroup_enter(&self->cg));
	ASSERT_EQ(0, io_uring_queue_init(4, &self->ring, 0));
}

FIXTURE_TEARDOWN(region_cpuset)
{
	io_uring_queue_exit(&self->ring);
	EXPECT_TRUE(test_cgroup_destroy(&self->cg));
}

/* Node of a page, or -errno */
static int node_of(void *addr)
{
	int status = -1;

	if (syscall(__NR_move_pages, 0, 1UL, &addr, NULL, &status, 0))
		return -errno;
	return status;
}

TEST_F(region_cpuset, small_region_on_node)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	char *mem = region_register(&self->ring, NULL, 16 * page);

	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(NODE, node_of(mem));
	EXPECT_EQ(NODE, node_of(mem + 15 * page));
	munmap(mem, 16 * page);
}

TEST_F_TIMEOUT(region_cpuset, larger_than_node, 300)
{
	size_t size = (node_free() + SPARE) & ~((2UL << 20) - 1);

	EXPECT_EQ(MAP_FAILED, region_register(&self->ring, NULL, size));
	EXPECT_EQ(ENOMEM, errno);
}

/* The memory of a new ring's region, or MAP_FAILED with errno set */
static char *add_region(struct io_uring *ring)
{
	int ret = io_uring_queue_init(4, ring, 0);

	if (!ret)
		return region_register(ring, NULL, PIECE);
	errno = -ret;
	return MAP_FAILED;
}

/* Do regions of @nr new rings exhaust the node, and stay on it? */
static bool stay_on_node(struct io_uring *rings, size_t nr)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	size_t i;

	for (i = 0; i < nr; i++) {
		char *mem = add_region(&rings[i]);

		if (mem == MAP_FAILED)
			return errno == ENOMEM;
		if (node_of(mem) != NODE ||
		    node_of(mem + PIECE - page) != NODE)
			return false;
	}
	return false;
}

/*
 * In a process of its own, with its memory locked: when the node is full, an
 * allocation that cannot fail can get it killed, which also respects the node.
 */
TEST_F_TIMEOUT(region_cpuset, regions_together_larger_than_node, 300)
{
	size_t nr = (node_free() + SPARE) / PIECE;
	struct rlimit files = { nr + 64, nr + 64 };
	struct io_uring *rings;
	int status;
	pid_t pid;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	rings = shared_alloc(nr * sizeof(*rings));
	ASSERT_NE(NULL, rings);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (!test_write_file("/proc/self", "oom_score_adj", "1000") ||
		    mlockall(MCL_CURRENT))
			_exit(2);
		_exit(!stay_on_node(rings, nr));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL :
					  !WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
