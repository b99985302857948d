/* SPDX-License-Identifier: GPL-2.0 */
/* Kill a process in the middle of a system call that takes long. */
#ifndef IOU_KILL_H
#define IOU_KILL_H

#include <liburing.h>
#include <stdbool.h>

/*
 * Have a child call @fn with a ring of its own, which is to take longer than
 * anybody waits, kill it after 20 ms, and see whether it is dead a second later.
 * On a busy machine a second may be short: it has three attempts.
 */
bool test_kill_in(void (*fn)(struct io_uring *ring));

#endif
