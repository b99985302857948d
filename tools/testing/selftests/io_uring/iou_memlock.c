// SPDX-License-Identifier: GPL-2.0
#include "iou_memlock.h"

#include <sys/resource.h>
#include <unistd.h>

#define TEST_UID	54321
#define HARD_LIMIT	(1024UL * 1024 * 1024)

bool memlock_enter(void)
{
	struct rlimit limit = { HARD_LIMIT, HARD_LIMIT };

	return !setrlimit(RLIMIT_MEMLOCK, &limit) &&
	       !setresuid(TEST_UID, TEST_UID, 0);
}

bool memlock_leave(void)
{
	return !setresuid(0, 0, 0);
}

/* Can the user lock a page more with a limit of @pages? */
static bool fits(struct test_ring *tr, unsigned long pages)
{
	char byte;
	struct rlimit limit = { pages * sysconf(_SC_PAGESIZE), HARD_LIMIT };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	__u64 tag = 0;

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		return false;
	if (io_uring_register_buffers_update_tag(&tr->ring, NR_SLOTS - 1, &iov,
						 &tag, 1) != 1)
		return false;
	iov = (struct iovec) { };
	return io_uring_register_buffers_update_tag(&tr->ring, NR_SLOTS - 1,
						    &iov, &tag, 1) == 1;
}

long memlock_pages(struct test_ring *tr)
{
	unsigned long low = 0, high = HARD_LIMIT / sysconf(_SC_PAGESIZE);

	/* the smallest limit that leaves room for a page */
	if (!fits(tr, high))
		return -1;
	while (low < high) {
		unsigned long mid = (low + high) / 2;

		if (fits(tr, mid))
			high = mid;
		else
			low = mid + 1;
	}
	/* and no limit for what the test does next */
	return fits(tr, HARD_LIMIT / sysconf(_SC_PAGESIZE)) ?
	       (long)low - 1 : -1;
}

bool memlock_wait(struct test_ring *tr, long pages)
{
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		if (memlock_pages(tr) == pages)
			return true;
		usleep(5000);
	}
	return false;
}
