/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE server with one file, which it reads and writes by itself, and leaves
 * requests unanswered for as long as a test likes; and clients in processes of
 * their own. All on one CPU, hence on one queue.
 */
#ifndef FUSE_HOLD_H
#define FUSE_HOLD_H

#include "fuse_server.h"

/* What the file has at any offset: see pattern_at() */
#define FUSE_HOLD_SEED		6
/* where clients read it */
#define FUSE_HOLD_OFFSET	4096

/* Shared by the test and the server */
struct fuse_hold {
	/* no read or write is answered */
	bool			hold;
	/* until the next time that somebody asks for attributes */
	bool			release;
	/* at the next opportunity: close the ring, or the device */
	bool			close_ring;
	bool			close_dev;
	/* what reads without a copy come from, if it is not zero: an empty pipe */
	int			park_fd;
	/* private: an event for each request that is held, and each interrupt */
	int			event_fd;
	int			interrupt_fd;
	/* what is read */
	int			data_fd;
};

/*
 * Sets ft->serve and ft->data, and keeps this process on one CPU. NULL without
 * memory. Before fuse_test_mount().
 */
struct fuse_hold *fuse_hold_init(struct fuse_test *ft);
void fuse_hold_exit(struct fuse_hold *hold);
/*
 * Mount it, with a server whose memory is limited if it does not need privilege.
 * As fuse_test_mount(), and -EIO.
 */
int fuse_hold_mount(struct fuse_test *ft);
/* Wait for @ms milliseconds at most for the server to hold one more request */
bool fuse_hold_wait(struct fuse_hold *hold, unsigned int ms);
/* Likewise, to be told that the client of one was interrupted */
bool fuse_hold_wait_interrupt(struct fuse_hold *hold, unsigned int ms);

/* One operation of a client, with data that is checked: 0 or -errno */
enum fuse_hold_op {
	FUSE_HOLD_STAT,
	FUSE_HOLD_READ,
	FUSE_HOLD_WRITE,
};

int fuse_hold_do(const struct fuse_test *ft, enum fuse_hold_op op, size_t len);
/* A process that does it @times times */
pid_t fuse_hold_client(const struct fuse_test *ft, enum fuse_hold_op op,
		       size_t len, unsigned int times);
/*
 * Its end: 0, or -errno of what failed; -EINTR if it was killed, -ETIME if it
 * has not ended within @ms milliseconds.
 */
int fuse_hold_end(pid_t pid, unsigned int ms);

#endif
