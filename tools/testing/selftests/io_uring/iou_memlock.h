/* SPDX-License-Identifier: GPL-2.0 */
/* The amount that io_uring has charged to RLIMIT_MEMLOCK, in pages. */
#ifndef IOU_MEMLOCK_H
#define IOU_MEMLOCK_H

#include "iou_test.h"

/*
 * Continue as a user who has locked nothing and has no CAP_IPC_LOCK, so that
 * the limit applies; and return to root. The hard limit becomes 1 GiB.
 */
bool memlock_enter(void);
bool memlock_leave(void);

/*
 * Number of pages that the user has locked, or -1. Probes with a buffer of one
 * page, in the last slot of the ring's table, and removes it.
 */
long memlock_pages(struct test_ring *tr);
/*
 * Wait some seconds for the number to become @pages: a closed ring returns its
 * charge some time after its last close.
 */
bool memlock_wait(struct test_ring *tr, long pages);

/* Pages charged to that user since a point in time, for root to ask */
struct memlock_probe {
	struct test_ring	tr;
	long			before;
};

bool memlock_probe_init(struct memlock_probe *probe);
/* Number of additional pages, negative if that is unknown */
long memlock_probe_charged(struct memlock_probe *probe);
/* Wait, likewise, until it is zero. False if it does not become zero. */
bool memlock_probe_wait(struct memlock_probe *probe);
/* The same, and end it */
bool memlock_probe_exit(struct memlock_probe *probe);

#endif
