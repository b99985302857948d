/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE mount without a server, and what it takes to add a queue with
 * kernel-managed buffers to it: for tests that send the commands themselves.
 */
#ifndef FUSE_QUEUE_H
#define FUSE_QUEUE_H

#include "fuse_uring.h"

/* 8 KiB of payload, the least there is: two pages of 4 KiB */
#define FUSE_QUEUE_MAX_PAGES	1
#define FUSE_QUEUE_BUF_PAGES	2
#define FUSE_QUEUE_REGION	8192
#define FUSE_QUEUE_STRIDE	1024
/* the group of its buffers */
#define FUSE_QUEUE_BGID		1

struct fuse_queue {
	struct fuse_test	ft;
	/* IORING_SETUP_* of the ring: none unless set after the mount */
	unsigned int		ring_flags;
	struct test_ring	tr;
	unsigned char		*region;
};

/* Mount it, and answer INIT as a server of that mode does. 0 or -errno. */
int fuse_queue_mount(struct fuse_queue *fq, enum fuse_mode mode);
/* End a mount whose server has not been started. 0 or -errno. */
int fuse_queue_umount(struct fuse_queue *fq);
/* A ring with a memory region and buffers. 0 or -errno. */
int fuse_queue_open_ring(struct fuse_queue *fq);
void fuse_queue_close_ring(struct fuse_queue *fq);

/* A queue and an entry that are accepted */
struct fuse_uring_cmd_req fuse_queue_good(void);
struct fuse_uring_cmd_req fuse_queue_good_entry(void);
/* Add a queue: 0 or -errno */
int fuse_queue_add(struct fuse_queue *fq, const struct fuse_uring_cmd_req *req);
/* The command that registers an entry, filled in but for an iovec */
struct io_uring_sqe *fuse_queue_entry(struct fuse_queue *fq,
				      const struct fuse_uring_cmd_req *ent);

#endif
