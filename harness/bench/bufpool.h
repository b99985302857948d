/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Linux 7.3's buffer pools for FUSE over io_uring: the part of the interface that a
 * server needs. Not for the kselftests, whose kernel has different buffers.
 */
#ifndef BUFPOOL_H
#define BUFPOOL_H

#include "fuse_uring.h"

/* Features of a queue besides the pool */
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
