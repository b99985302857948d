// SPDX-License-Identifier: GPL-2.0
#include "iou_fail_nth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_ROUNDS	20

static bool write_knob(const char *name, const char *value)
{
	return test_write_file("/sys/kernel/debug", name, value);
}

bool fail_nth_init(void)
{
	return write_knob("failslab/ignore-gfp-wait", "N") &&
	       write_knob("failslab/verbose", "0") &&
	       write_knob("fail_page_alloc/ignore-gfp-wait", "N") &&
	       write_knob("fail_page_alloc/min-order", "0") &&
	       write_knob("fail_page_alloc/verbose", "0") &&
	       write_knob("fail_usercopy/verbose", "0");
}

bool fail_nth_open(struct fail_nth *fail)
{
	fail->fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return fail->fd >= 0;
}

bool fail_nth_open_pid(struct fail_nth *fail, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fail-nth", pid, pid);
	fail->fd = open(path, O_RDWR | O_CLOEXEC);
	return fail->fd >= 0;
}

void fail_nth_close(struct fail_nth *fail)
{
	close(fail->fd);
}

bool fail_nth_next(struct fail_nth *fail, unsigned int nr_fault,
		   unsigned int nr_nomem)
{
	if (fail->n && !fail->failed) {
		if (fail->nr_fault >= nr_fault && fail->nr_nomem >= nr_nomem)
			return false;
		if (++fail->round == MAX_ROUNDS)
			return false;
		fail->n = 0;
	}
	fail->n += fail->n < 60 ? 1 : 73;
	return true;
}

static bool write_nth(struct fail_nth *fail, unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	return pwrite(fail->fd, buf, len, 0) == len;
}

bool fail_nth_arm(struct fail_nth *fail)
{
	return write_nth(fail, fail->n);
}

void fail_nth_disarm(struct fail_nth *fail)
{
	char buf[16] = "";

	/* the rest of the count: zero if the failure was injected */
	fail->failed = pread(fail->fd, buf, sizeof(buf) - 1, 0) > 0 &&
		       write_nth(fail, 0) && !atoi(buf);
}

void fail_nth_count(struct fail_nth *fail, int err)
{
	if (err == -ENOMEM)
		fail->nr_nomem++;
	else if (err == -EFAULT)
		fail->nr_fault++;
	else
		fail->nr_others++;
}

int fail_nth_submit(struct fail_nth *fail, struct test_ring *tr)
{
	int ret;

	if (!fail_nth_arm(fail))
		return -EIO;
	ret = io_uring_submit(&tr->ring);
	fail_nth_disarm(fail);

	/* submit an entry that was not consumed, for an orderly end */
	if (ret < 0)
		test_submit(tr);
	ret = test_wait(tr);
	if (ret < 0)
		fail_nth_count(fail, ret);
	return ret;
}
