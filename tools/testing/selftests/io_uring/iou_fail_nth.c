// SPDX-License-Identifier: GPL-2.0
#include "iou_fail_nth.h"
#include "iou_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

int fail_nth_open(void)
{
	return open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

bool fail_nth_arm(int fd, unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	return pwrite(fd, buf, len, 0) == len;
}

bool fail_nth_disarm(int fd)
{
	char buf[16] = "";

	/* what is left of the count: zero if it ran out */
	if (pread(fd, buf, sizeof(buf) - 1, 0) <= 0)
		return false;
	return fail_nth_arm(fd, 0) && !atoi(buf);
}
