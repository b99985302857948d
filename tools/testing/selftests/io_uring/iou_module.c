// SPDX-License-Identifier: GPL-2.0
#include "iou_module.h"
#include "iou_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS	10000

int module_refs(const char *name)
{
	char dir[64], refs[16];

	snprintf(dir, sizeof(dir), "/sys/module/%s", name);
	if (!test_read_file(dir, "refcnt", refs, sizeof(refs)))
		return -ENOENT;
	return atoi(refs);
}

/* Poll: the exit of a ring notifies nobody */
bool module_wait_refs(const char *name, int max)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS && module_refs(name) > max; ms += 10)
		usleep(10000);
	return module_refs(name) <= max;
}

int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int module_load(const char *name)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execlp("modprobe", "modprobe", name, NULL);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return status ? -ENOENT : 0;
}
