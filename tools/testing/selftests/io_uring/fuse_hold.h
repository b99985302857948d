/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE server with one file. It serves reads and writes by itself, and can
 * leave requests unanswered for as long as a test wants. Clients run in
 * processes of their own. All are on one CPU, hence on one queue.
 */
#ifndef FUSE_HOLD_H
#define FUSE_HOLD_H

#include "fuse_server.h"

/* Seed of the file's contents: see pattern_at() */
#define FUSE_HOLD_SEED		6
/* offset that clients read at */
#define FUSE_HOLD_OFFSET	4096

/* Shared by the test and the server */
struct fuse_hold {
	/* leave reads and writes unanswered */
	bool			hold;
	/* until the next request for attributes */
	bool			release;
	/* at the next opportunity: close the ring, or the device */
	bool			close_ring;
	bool			close_dev;
	/* source of zero-copy reads, if not zero: an empty pipe */
	int			park_fd;
	/* FOPEN_*, besides those that the server needs */
	unsigned int		open_flags;
	/*
	 * private: an event for each held request, and one for each interrupt
	 */
	int			event_fd;
	int			interrupt_fd;
	/* source of reads */
	int			data_fd;
};

/*
 * Sets ft->serve and ft->data, and pins this process to one CPU. NULL if out of
 * memory. Call before fuse_test_mount().
 */
struct fuse_hold *fuse_hold_init(struct fuse_test *ft);
void fuse_hold_exit(struct fuse_hold *hold);
/*
 * Mount it, with a server of limited memory unless it needs privilege. Returns
 * as fuse_test_mount(), and -EIO.
 */
int fuse_hold_mount(struct fuse_test *ft);
/* Wait up to @ms milliseconds until the server holds one more request */
bool fuse_hold_wait(struct fuse_hold *hold, unsigned int ms);
/* Likewise, until it gets an interrupt for a request */
bool fuse_hold_wait_interrupt(struct fuse_hold *hold, unsigned int ms);

/* One operation of a client, whose data is checked: 0 or -errno */
enum fuse_hold_op {
	FUSE_HOLD_STAT,
	FUSE_HOLD_READ,
	FUSE_HOLD_WRITE,
};

int fuse_hold_do(const struct fuse_test *ft, enum fuse_hold_op op, size_t len);
/* Start a process that does it @times times */
pid_t fuse_hold_client(const struct fuse_test *ft, enum fuse_hold_op op,
		       size_t len, unsigned int times);
/*
 * Wait for the process: 0, or -errno of the failed operation; -EINTR if it was
 * killed, -ETIME if it has not exited within @ms milliseconds.
 */
int fuse_hold_end(pid_t pid, unsigned int ms);

#endif
