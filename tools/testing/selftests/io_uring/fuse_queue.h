/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE mount without a server, and what it takes to add queues with memory of
 * the kernel to it: for tests that send the commands themselves.
 */
#ifndef FUSE_QUEUE_H
#define FUSE_QUEUE_H

#include "fuse_uring.h"

/* 8 KiB of payload, the least there is: two pages of 4 KiB */
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

/* Bytes of the region, with room for an entry of each queue */
size_t fuse_queue_region_size(void);

/* Mount it, and answer INIT as a server of that mode does. 0 or -errno. */
int fuse_queue_mount(struct fuse_queue *fq, enum fuse_mode mode);
/* End a mount whose server has not been started. 0 or -errno. */
int fuse_queue_umount(struct fuse_queue *fq);
/* A ring with a memory region and buffers. 0 or -errno. */
int fuse_queue_open_ring(struct fuse_queue *fq);
void fuse_queue_close_ring(struct fuse_queue *fq);

/* Commands for queue 0 that are accepted */
struct fuse_uring_cmd_req fuse_queue_good_headers(void);
struct fuse_uring_cmd_req fuse_queue_good_kmbuf(void);
struct fuse_uring_cmd_req fuse_queue_good_entry(void);
/* One of them, which completes at once: 0 or -errno */
int fuse_queue_cmd(struct fuse_queue *fq, unsigned int op,
		   const struct fuse_uring_cmd_req *req);
/* Add a queue with all that the mode of the mount says: 0 or -errno */
int fuse_queue_add(struct fuse_queue *fq, unsigned int qid);
/* The command that registers an entry, filled in but for an iovec */
struct io_uring_sqe *fuse_queue_entry(struct fuse_queue *fq,
				      const struct fuse_uring_cmd_req *ent);
/* Send an entry off that is filled in: -errno, or 0 if it waits for requests */
int fuse_queue_register(struct test_ring *tr);
/* Send a command with byte @at of its command area changed: 0 or -errno */
int fuse_queue_bad_byte(struct fuse_queue *fq, unsigned int op,
			const struct fuse_uring_cmd_req *req, unsigned int at);

/* Memory of the server for an entry, and how to tell the kernel */
struct fuse_queue_own {
	struct fuse_uring_req_header	head;
	unsigned char			payload[8192];
	struct iovec			iov[2];
};

/* The iovecs of an entry, empty where the mode of the mount has other memory */
void fuse_queue_set_own(const struct fuse_queue *fq, struct fuse_queue_own *own);

/* What queue 0 has already: any of them */
enum fuse_queue_has {
	FUSE_QUEUE_ADDED	= 1,
	FUSE_QUEUE_HEADERS	= 2,
	FUSE_QUEUE_KMBUF	= 4,
};

/*
 * Does all that still work? Add to queue 0 what the mode says and it does not
 * have, add the other queues, register an entry each, and serve one request; then
 * unmount, and close the ring. 0 or -errno: -EPROTO if the request is not as it
 * should be.
 */
int fuse_queue_use(struct fuse_queue *fq, unsigned int have);

#endif
