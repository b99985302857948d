/* SPDX-License-Identifier: GPL-2.0 */
/* Kill a process during a long system call. */
#ifndef IOU_KILL_H
#define IOU_KILL_H

#include <liburing.h>
#include <stdbool.h>

/*
 * Let a child call @fn with a ring of its own, which must take very long, kill
 * it after 20 ms, and check that it is dead a second later. Makes three
 * attempts, since a second may be too short on a busy machine.
 */
bool test_kill_in(void (*fn)(struct io_uring *ring));

#endif
