/* SPDX-License-Identifier: GPL-2.0 */
/* Fault injection: make the n-th allocation or user copy of a task fail. */
#ifndef IOU_FAIL_NTH_H
#define IOU_FAIL_NTH_H

#include <stdbool.h>

/*
 * Let GFP_KERNEL and order-0 allocations fail too, quietly. Only a task that
 * asks for a failure sees one. False if the kernel has no fault injection.
 */
bool fail_nth_init(void);

/* For the calling thread; open before giving up root. An fd, or -1. */
int fail_nth_open(void);
/* Let the @n-th opportunity from here on fail */
bool fail_nth_arm(int fd, unsigned int n);
/* No failures any more. True if there was one since fail_nth_arm(). */
bool fail_nth_disarm(int fd);

#endif
