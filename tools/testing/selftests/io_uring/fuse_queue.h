/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE mount without a server, and helpers to add queues with kernel memory:
 * for tests that send the commands themselves.
 */
#ifndef FUSE_QUEUE_H
#define FUSE_QUEUE_H

#include "fuse_uring.h"

/* The minimum of 8 KiB of payload: two pages of 4 KiB */
#define FUSE_QUEUE_MAX_PAGES	1
#define FUSE_QUEUE_BUF_PAGES	2
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

/* Size of the region, with room for an entry of each queue */
size_t fuse_queue_region_size(void);

/* Mount, and answer INIT as a server of the mode does. 0 or -errno. */
int fuse_queue_mount(struct fuse_queue *fq, enum fuse_mode mode);
/* Likewise, with further FUSE_* in the answer */
int fuse_queue_mount_flags(struct fuse_queue *fq, enum fuse_mode mode,
			   unsigned long long init_flags);
/* Unmount if the server has not been started. 0 or -errno. */
int fuse_queue_umount(struct fuse_queue *fq);
/* Create a ring with a memory region and buffers. 0 or -errno. */
int fuse_queue_open_ring(struct fuse_queue *fq);
void fuse_queue_close_ring(struct fuse_queue *fq);

/* Valid commands for queue 0 */
struct fuse_uring_cmd_req fuse_queue_good_headers(void);
struct fuse_uring_cmd_req fuse_queue_good_kmbuf(void);
struct fuse_uring_cmd_req fuse_queue_good_entry(void);
/* Send a command that completes at once: 0 or -errno */
int fuse_queue_cmd(struct fuse_queue *fq, unsigned int op,
		   const struct fuse_uring_cmd_req *req);
/* Add a queue with the memory that the mode of the mount uses: 0 or -errno */
int fuse_queue_add(struct fuse_queue *fq, unsigned int qid);
/* Prepare the command that registers an entry, without iovecs */
struct io_uring_sqe *fuse_queue_entry(struct fuse_queue *fq,
				      const struct fuse_uring_cmd_req *ent);
/* Submit a prepared entry: -errno, or 0 if it waits for requests */
int fuse_queue_register(struct test_ring *tr);
/* Send a command with byte @at of its command area changed: 0 or -errno */
int fuse_queue_bad_byte(struct fuse_queue *fq, unsigned int op,
			const struct fuse_uring_cmd_req *req, unsigned int at);

/* Server memory of an entry, and the iovecs for it */
struct fuse_queue_own {
	struct fuse_uring_req_header	head;
	unsigned char			payload[8192];
	struct iovec			iov[2];
};

/* Set the iovecs of an entry, empty where the mode uses other memory */
void fuse_queue_set_own(const struct fuse_queue *fq, struct fuse_queue_own *own);

/* What queue 0 already has: any combination */
enum fuse_queue_has {
	FUSE_QUEUE_ADDED	= 1,
	FUSE_QUEUE_HEADERS	= 2,
	FUSE_QUEUE_KMBUF	= 4,
};

/*
 * Check that all is still usable: add to queue 0 what the mode uses and is
 * missing, add the other queues, register an entry in each, and serve one
 * request; then unmount, and close the ring. 0 or -errno: -EPROTO if the
 * request is not as expected.
 */
int fuse_queue_use(struct fuse_queue *fq, unsigned int have);

#endif
