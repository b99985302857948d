/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ublk device of one queue, backed by a memfd, with a server in a process of
 * its own, which can be killed. All waits have a timeout.
 */
#ifndef UBLK_TEST_H
#define UBLK_TEST_H

#include "iou_test.h"

#include <limits.h>
#include <linux/ublk_cmd.h>
#include <sys/types.h>

#define UBLK_DEPTH	4
#define UBLK_SIZE	(4U * 1024 * 1024)
#define UBLK_MAX_IO	(1024U * 1024)

/* Far more than any step takes, also on a slow machine */
#define UBLK_TIMEOUT_MS	20000

/* The server's table has NR_SLOTS: one per tag, and some more */
#define UBLK_SPARE_SLOT	UBLK_DEPTH

/* Result of a callback for a request that is completed later */
#define UBLK_HELD	INT_MIN

/* A request as the server sees it */
struct ublk_io {
	unsigned int	tag;
	bool		write;
	/* automatic registration failed, and the server asked to be notified */
	bool		needs_reg;
	unsigned int	len;
	unsigned int	offset;
};

struct ublk_server;

/*
 * How the server handles requests: the callbacks run in the server's process
 * and return the result of the request. NULL stands for server_transfer() and
 * for a flush that succeeds.
 */
struct ublk_ops {
	int (*data)(struct ublk_server *srv, const struct ublk_io *io);
	int (*flush)(struct ublk_server *srv, const struct ublk_io *io);
};

struct ublk_dev {
	/* UBLK_F_*, then first slot and flags of automatic registration */
	unsigned long long	flags;
	unsigned int		auto_slot;
	unsigned int		auto_flags;

	unsigned char		*backing;
	int			backing_fd;
	/* the data for server_park() is written here */
	int			pipe_fd;

	/* the client's ring, and its disk while that is started */
	struct test_ring	client;
	int			disk_fd;

	/* the fields below are private */
	struct test_ring	ctrl;
	int			ctrl_fd;
	int			park_fd;
	int			event_fd;
	int			server_fd;
	pid_t			server;
	unsigned int		id;
};

/*
 * Functions for the test. All return 0 or a length, or -errno; -ETIME is too
 * late.
 */

/* Add the device: -ENOENT without ublk, -EPERM or -EACCES without privilege */
int ublk_add(struct ublk_dev *dev, unsigned long long flags);
/* The reason to skip a test if ublk_add() returned @ret, or NULL */
const char *ublk_missing(int ret);
/* Start the server and then the disk, and open the disk; @open_flags as open() */
int ublk_start(struct ublk_dev *dev, const struct ublk_ops *ops,
	       int open_flags);
/* Stop the disk. That ends a running server, which must exit with 0. */
int ublk_stop(struct ublk_dev *dev);
int ublk_kill_server(struct ublk_dev *dev);
/* Likewise, but leave it to ublk_kill_server() to wait for its end */
void ublk_signal_server(struct ublk_dev *dev);
/*
 * With UBLK_F_USER_RECOVERY, another server takes over from a killed one, in
 * three steps or in one. The first step is -EBUSY if the dead server still has
 * the device after @ms.
 */
int ublk_start_recovery(struct ublk_dev *dev, unsigned int ms);
int ublk_run_server(struct ublk_dev *dev, const struct ublk_ops *ops);
int ublk_end_recovery(struct ublk_dev *dev);
int ublk_recover(struct ublk_dev *dev, const struct ublk_ops *ops);
/* Delete the device and free everything */
int ublk_del(struct ublk_dev *dev);
/* Wait for a server_tell() */
int ublk_wait_told(struct ublk_dev *dev);

/* Let the client submit one request, wait for one, or both */
void ublk_send(struct ublk_dev *dev, unsigned int opcode, void *buf,
	       unsigned int len, unsigned int offset);
int ublk_wait(struct ublk_dev *dev);
int ublk_rw(struct ublk_dev *dev, unsigned int opcode, void *buf,
	    unsigned int len, unsigned int offset);

/* Functions for the server */

void ublk_serve(struct ublk_dev *dev, const struct ublk_ops *ops);

/* UBLK_U_IO_REGISTER_IO_BUF and UBLK_U_IO_UNREGISTER_IO_BUF */
int server_register(struct ublk_server *srv, const struct ublk_io *io,
		    unsigned int slot);
int server_unregister(struct ublk_server *srv, unsigned int slot);

/* Prepare a registration in the table of another ring of the server */
void server_prep_register(struct ublk_server *srv, struct test_ring *tr,
			  const struct ublk_io *io, unsigned int slot);

/* Put the buffer into slot io->tag, and remove it, by command if necessary */
int server_get_buffer(struct ublk_server *srv, const struct ublk_io *io);
int server_put_buffer(struct ublk_server *srv, const struct ublk_io *io);

/*
 * Transfer @len bytes between @slot, from byte @addr on, and the backing file
 */
int server_rw_fixed(struct ublk_server *srv, const struct ublk_io *io,
		    unsigned int slot, bool write, unsigned long addr,
		    unsigned int len);
/* The whole request through @slot, the right way */
int server_rw(struct ublk_server *srv, const struct ublk_io *io,
	      unsigned int slot);
/* Everything needed to serve a request in this device's mode */
int server_transfer(struct ublk_server *srv, const struct ublk_io *io);

/* Complete a held request */
void server_commit(struct ublk_server *srv, const struct ublk_io *io, int res);
/* Start a read of an empty pipe into slot io->tag, and do not wait for it */
void server_park(struct ublk_server *srv, const struct ublk_io *io);
/* Likewise transfer the whole request from or to @fd, the right way */
void server_begin_rw(struct ublk_server *srv, const struct ublk_io *io, int fd);
/* Do nothing until the test writes a byte to pipe_fd */
void server_block(struct ublk_server *srv);
/* Notify the test */
void server_tell(struct ublk_server *srv);
/* Close the ring and the device; the server must not be used any more */
void server_close(struct ublk_server *srv);
struct io_uring *server_ring(struct ublk_server *srv);

#endif
