/* SPDX-License-Identifier: GPL-2.0 */
/* What io_uring has charged to RLIMIT_MEMLOCK, to the page. */
#ifndef IOU_MEMLOCK_H
#define IOU_MEMLOCK_H

#include "iou_test.h"

/*
 * Go on as a user who has locked nothing and has no CAP_IPC_LOCK, so that the
 * limit counts; and back as root. The hard limit becomes 1 GiB.
 */
bool memlock_enter(void);
bool memlock_leave(void);

/*
 * How many pages the user has locked, or -1. Finds out with a buffer of one
 * page, which it puts into the last slot of the ring's table and takes out.
 */
long memlock_pages(struct test_ring *tr);
/*
 * Wait for it to be @pages, for some seconds: what a closed ring has charged
 * is given back behind the back of its last close.
 */
bool memlock_wait(struct test_ring *tr, long pages);

/* What has been charged to that user since a point in time, for root to ask */
struct memlock_probe {
	struct test_ring	tr;
	long			before;
};

bool memlock_probe_init(struct memlock_probe *probe);
/* How many pages more they are, negative if that could not be found out */
long memlock_probe_charged(struct memlock_probe *probe);
/* Wait, likewise, until there are none, and whether it came to that */
bool memlock_probe_wait(struct memlock_probe *probe);
/* The same, and end it */
bool memlock_probe_exit(struct memlock_probe *probe);

#endif
