// SPDX-License-Identifier: GPL-2.0
#include "iou_kill.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS	3

static bool kill_once(void (*fn)(struct io_uring *ring))
{
	const struct timespec delay = { .tv_nsec = 20 * 1000000L };
	struct pollfd pfd = { .events = POLLIN };
	struct io_uring ring;
	int ready[2], status = 0;
	bool dead;
	pid_t pid;
	char byte;

	if (pipe(ready))
		return false;
	pid = fork();
	if (!pid) {
		if (io_uring_queue_init(4, &ring, 0) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		fn(&ring);
		_exit(0);
	}
	if (pid < 0 || read(ready[0], &byte, 1) != 1)
		return false;
	nanosleep(&delay, NULL);
	pfd.fd = syscall(SYS_pidfd_open, pid, 0);
	kill(pid, SIGKILL);
	dead = poll(&pfd, 1, 1000) == 1;
	/* a child that has already finished proves nothing */
	waitpid(pid, &status, 0);
	dead = dead && WIFSIGNALED(status);
	close(pfd.fd);
	close(ready[0]);
	close(ready[1]);
	return dead;
}

bool test_kill_in(void (*fn)(struct io_uring *ring))
{
	unsigned int i;

	for (i = 0; i < ATTEMPTS; i++)
		if (kill_once(fn))
			return true;
	return false;
}
