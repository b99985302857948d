/* SPDX-License-Identifier: GPL-2.0 */
/* Fault injection: make the n-th allocation or user copy of a task fail. */
#ifndef IOU_FAIL_NTH_H
#define IOU_FAIL_NTH_H

#include "iou_test.h"

struct fail_nth {
	int		fd;
	/* the errors seen, by kind: -ENOMEM, -EFAULT, others */
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
void fail_nth_close(struct fail_nth *fail);
/* Let the @n-th opportunity from here on fail */
bool fail_nth_arm(struct fail_nth *fail, unsigned int n);
/* No failures any more. True if there was one since fail_nth_arm(). */
bool fail_nth_disarm(struct fail_nth *fail);
/* Every opportunity at first; of the thousands that big memory has, a sample */
unsigned int fail_nth_next(unsigned int n);
/* Take note of an error that userspace got */
void fail_nth_count(struct fail_nth *fail, int err);

/*
 * Submit what is queued with the @n-th opportunity failing. The result of the
 * request; *@failed tells whether there was an opportunity at all. Not every
 * failure is an error: some allocations have a second plan.
 */
int fail_nth_submit(struct fail_nth *fail, struct test_ring *tr,
		    unsigned int n, bool *failed);

#endif
