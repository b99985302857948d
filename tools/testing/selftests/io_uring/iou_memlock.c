// SPDX-License-Identifier: GPL-2.0
#include "iou_memlock.h"

#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#define FIRST_UID	50000
#define HARD_LIMIT	(1024UL * 1024 * 1024)

/* A user with no other processes; children of the first caller get the same */
static uid_t test_uid(void)
{
	static uid_t uid;

	if (!uid)
		uid = FIRST_UID + getpid();
	return uid;
}

bool memlock_enter(void)
{
	struct rlimit limit = { HARD_LIMIT, HARD_LIMIT };

	return !setrlimit(RLIMIT_MEMLOCK, &limit) &&
	       !setresuid(test_uid(), test_uid(), 0);
}

bool memlock_leave(void)
{
	return !setresuid(0, 0, 0);
}

/* Can the user lock one more page with a limit of @pages? */
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

	/* find the smallest limit that leaves room for a page */
	if (!fits(tr, high))
		return -1;
	while (low < high) {
		unsigned long mid = (low + high) / 2;

		if (fits(tr, mid))
			high = mid;
		else
			low = mid + 1;
	}
	/* and lift the limit for the rest of the test */
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

bool memlock_probe_init(struct memlock_probe *probe)
{
	if (!memlock_enter() || test_ring_init(&probe->tr, 0, 0))
		return false;
	probe->before = memlock_pages(&probe->tr);
	return memlock_leave() && probe->before >= 0;
}

long memlock_probe_charged(struct memlock_probe *probe)
{
	long pages = -1;

	if (memlock_enter())
		pages = memlock_pages(&probe->tr);
	return memlock_leave() && pages >= 0 ? pages - probe->before : LONG_MIN;
}

bool memlock_probe_wait(struct memlock_probe *probe)
{
	bool none = memlock_enter() && memlock_wait(&probe->tr, probe->before);

	return memlock_leave() && none;
}

bool memlock_probe_exit(struct memlock_probe *probe)
{
	bool none = memlock_probe_wait(probe);

	test_ring_exit(&probe->tr);
	return none;
}
