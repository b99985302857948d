/* SPDX-License-Identifier: GPL-2.0 */
/* Fault injection: make the n-th allocation or user copy of a task fail. */
#ifndef IOU_FAIL_NTH_H
#define IOU_FAIL_NTH_H

#include "iou_test.h"

struct fail_nth {
	int		fd;
	/* which opportunity fails, in which round; was it reached? */
	unsigned int	n;
	unsigned int	round;
	bool		failed;
	/* number of errors, by kind: -ENOMEM, -EFAULT, others */
	unsigned int	nr_nomem;
	unsigned int	nr_fault;
	unsigned int	nr_others;
};

/*
 * Let GFP_KERNEL and order-0 allocations fail too, quietly. Only a task that
 * asks for a failure sees one. False if the kernel has no fault injection.
 */
bool fail_nth_init(void);

/* For the calling thread; open before giving up root */
bool fail_nth_open(struct fail_nth *fail);
/* For another process with a single thread */
bool fail_nth_open_pid(struct fail_nth *fail, pid_t pid);
void fail_nth_close(struct fail_nth *fail);
/*
 * Go on to the next opportunity: every one at first, of the thousands that big
 * memory has a sample. A round ends with the first that does not come. An
 * allocation that is not made each time, such as a new slab, moves the ones
 * behind it, and so can hide one. There are rounds until -EFAULT has been seen
 * @nr_fault times and -ENOMEM @nr_nomem times, or clearly will not be.
 */
bool fail_nth_next(struct fail_nth *fail, unsigned int nr_fault,
		   unsigned int nr_nomem);
/* Make the n-th opportunity from now fail */
bool fail_nth_arm(struct fail_nth *fail);
/* Stop injecting failures; records whether there was one */
void fail_nth_disarm(struct fail_nth *fail);
/* Record an error that userspace got */
void fail_nth_count(struct fail_nth *fail, int err);

/*
 * Submit what is queued with the n-th opportunity failing. The result of the
 * request. Not every failure is an error: some allocations have a second plan.
 */
int fail_nth_submit(struct fail_nth *fail, struct test_ring *tr);

#endif
