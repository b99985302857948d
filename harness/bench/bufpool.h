/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The buffer pools that Linux 7.3 has for FUSE over io_uring: its interface as
 * far as a server needs it. Not for the kselftests, whose kernel has other ones.
 */
#ifndef BUFPOOL_H
#define BUFPOOL_H

#include "fuse_uring.h"

/* What a queue can have besides the pool */
struct bufpool_options {
	/* the pool is in the ring's table, so that it is pinned once */
	bool	registered;
	/* pages of files with FOPEN_IO_URING_ZERO_COPY go into the table */
	bool	zero_copy;
};

/* Set before the server starts */
extern struct bufpool_options bufpool_options;
/*
 * For struct fuse_test. With zero copy or a registered pool the test needs
 * more_slots: one for each queue.
 */
extern const struct fuse_uring_ops bufpool_ops;

#endif
