/* SPDX-License-Identifier: GPL-2.0 */
/* A memory cgroup for the calling process. Needs cgroup v2 and root. */
#ifndef IOU_CGROUP_H
#define IOU_CGROUP_H

#include <stdbool.h>

struct test_cgroup {
	char	path[64];
};

/* Create a group below the root. False if there is no memory controller. */
bool test_cgroup_create(struct test_cgroup *cg, const char *name);
/* Move the calling process in. From then on, its memory is charged there. */
bool test_cgroup_enter(struct test_cgroup *cg);
/* Move it back to the root group, and remove the group */
bool test_cgroup_destroy(struct test_cgroup *cg);
/* Set memory.max in bytes */
bool test_cgroup_limit(struct test_cgroup *cg, long bytes);
/* memory.current in bytes, or -1 */
long test_cgroup_usage(struct test_cgroup *cg);
/* How often the OOM killer was called for the group, or -1 */
long test_cgroup_oom_kills(struct test_cgroup *cg);

#endif
