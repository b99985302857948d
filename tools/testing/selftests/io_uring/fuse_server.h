/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE file system whose server talks to the kernel without a library, over
 * /dev/fuse or over io_uring, in a process of its own. The test determines the
 * server's replies.
 */
#ifndef FUSE_SERVER_H
#define FUSE_SERVER_H

#include "iou_test.h"

#include <limits.h>
#include <linux/fuse.h>
#include <sys/types.h>

/* The root directory has one file */
#define FUSE_TEST_FILE		"file"
#define FUSE_TEST_NODE		2

/* How requests and their data get to the server */
enum fuse_mode {
	/* read from and written to /dev/fuse */
	FUSE_MODE_DEV,
	/* over io_uring, each entry with a buffer in server memory */
	FUSE_MODE_ENTRY,
	/* headers in the memory region, data in kernel-managed buffers */
	FUSE_MODE_KMBUF,
	/* likewise, but with zero copy where possible */
	FUSE_MODE_ZC,
	/* headers in the memory region, a server buffer for each entry */
	FUSE_MODE_HEADERS,
	/* headers in server memory, data in kernel-managed buffers */
	FUSE_MODE_BUFFERS,
	/* likewise, but with zero copy where possible */
	FUSE_MODE_BUFFERS_ZC,
	/*
	 * headers in server memory, and a pool of server buffers for each queue
	 */
	FUSE_MODE_POOL,
	/* likewise, and the pool is a registered buffer */
	FUSE_MODE_POOL_FIXED,
	/* likewise, but with zero copy where possible */
	FUSE_MODE_POOL_ZC,
	/* the last two with headers in the memory region */
	FUSE_MODE_POOL_HEADERS,
	FUSE_MODE_POOL_HEADERS_ZC,
};

/* What the queues of a mode get from the kernel */
static inline bool fuse_mode_headers(enum fuse_mode mode)
{
	return mode == FUSE_MODE_KMBUF || mode == FUSE_MODE_ZC ||
	       mode == FUSE_MODE_HEADERS || mode >= FUSE_MODE_POOL_HEADERS;
}

static inline bool fuse_mode_buffers(enum fuse_mode mode)
{
	return mode == FUSE_MODE_KMBUF || mode == FUSE_MODE_ZC ||
	       mode == FUSE_MODE_BUFFERS || mode == FUSE_MODE_BUFFERS_ZC;
}

static inline bool fuse_mode_zero_copy(enum fuse_mode mode)
{
	return mode == FUSE_MODE_ZC || mode == FUSE_MODE_BUFFERS_ZC ||
	       mode == FUSE_MODE_POOL_ZC || mode == FUSE_MODE_POOL_HEADERS_ZC;
}

/* Is there a pool, and is it a registered buffer? */
static inline bool fuse_mode_pool(enum fuse_mode mode)
{
	return mode >= FUSE_MODE_POOL;
}

static inline bool fuse_mode_pool_fixed(enum fuse_mode mode)
{
	return mode > FUSE_MODE_POOL;
}

/* Does the kernel access server memory? */
static inline bool fuse_mode_own(enum fuse_mode mode)
{
	return !fuse_mode_headers(mode) || !fuse_mode_buffers(mode);
}

/* Modes with zero copy: what is wrong with the slots of entries */
enum fuse_slots {
	FUSE_SLOTS_GOOD,
	/* the ring has no table */
	FUSE_SLOTS_NO_TABLE,
	/* the slots are outside of the table */
	FUSE_SLOTS_OUTSIDE,
	/* the slots contain server memory */
	FUSE_SLOTS_TAKEN,
	/* entries have no slot */
	FUSE_SLOTS_UNNAMED,
};

/*
 * Server memory of some entries, for headers or payloads that the mode keeps
 * elsewhere
 */
enum fuse_mixed {
	FUSE_MIXED_NONE,
	/* the second, fourth, ... have both headers and payloads */
	FUSE_MIXED_BOTH,
	/* the first, third, ... have headers */
	FUSE_MIXED_HEADERS,
	/* likewise, and the others have payloads */
	FUSE_MIXED_EITHER,
};

/* I/O between a slot with the data of a request and a file */
struct fuse_io {
	int		fd;
	long long	offset;
	unsigned int	len;
	/* 0, or the number of bytes that the reply claims */
	unsigned int	claim;
};

/* Kernel-managed buffers of one size */
struct fuse_buffers {
	unsigned int	nr;
	unsigned int	size;
};

/* A queue can have buffers of so many sizes besides the largest */
#define FUSE_TEST_MORE_SIZES	3

struct fuse_test;
struct fuse_uring_ops;

/* A request as the server sees it, and the place for its reply */
struct fuse_call {
	struct fuse_test		*ft;
	const struct fuse_in_header	*in;
	/* the header of this kind of request, NULL if it has none */
	const void			*arg;
	/* the data after that header */
	const unsigned char		*payload;
	size_t				payload_len;
	/* size of the room for a reply */
	unsigned char			*reply;
	size_t				room;
	/* zero copy: slot of the data in the ring's table, or -1 */
	int				slot;
	/* the request was held, and this is not the first call for it */
	bool				again;
	/* the request came over /dev/fuse */
	bool				over_dev;
	/* filled in by a callback that returns FUSE_SERVE_IO */
	struct fuse_io			*io;
};

/*
 * Serves a request: size of the reply, or -errno, or one of FUSE_SERVE_*. Runs
 * in the server.
 */
typedef int (*fuse_serve_t)(const struct fuse_call *call);

/* No reply yet: call again after each further request */
#define FUSE_SERVE_HELD		INT_MIN
/* The reply is a read or write of the slot */
#define FUSE_SERVE_IO		(INT_MIN + 1)
/* No reply at all: close the ring, but not the device */
#define FUSE_SERVE_STOP		(INT_MIN + 2)
/* The callback has already replied */
#define FUSE_SERVE_DONE		(INT_MIN + 3)

struct fuse_test {
	/* set before fuse_test_mount(); determines the reply to INIT */
	enum fuse_mode	mode;
	unsigned int	max_pages;
	unsigned int	max_write;
	/* FUSE_*, besides those of the mode */
	unsigned long long init_flags;
	/* size of the file, and FOPEN_*; 0: the server does not support OPEN */
	unsigned long long file_size;
	unsigned int	open_flags;
	/* NULL, or handles requests that fuse_serve() does not */
	fuse_serve_t	serve;
	void		*data;
	/* NULL, or gets the result of requests that the callback queued */
	void		(*completed)(struct fuse_test *ft, int res);
	/* NULL, or replaces the server's loop */
	int		(*run)(struct fuse_test *ft);
	/* 0: /dev/fuse is opened; changes as below, and back if it is closed */
	int		dev;
	/* NULL: a new directory, in a private mount namespace */
	const char	*mountpoint;
	/* NULL: entries have the memory of the mode */
	const struct fuse_uring_ops *ops;

	/*
	 * for io_uring: bit Q for queue Q, 0 for a queue for each CPU. If some
	 * are missing, init_flags needs FUSE_IO_URING_FEWER_QUEUES
	 */
	unsigned long long queues;
	/* entries and buffers per queue, 0 stands for 1 */
	unsigned int	depth;
	unsigned int	buffers;
	/*
	 * with kernel-managed buffers: others per queue, until the first of which
	 * there are none
	 */
	struct fuse_buffers more_buffers[FUSE_TEST_MORE_SIZES];
	/* additional room for payloads, beyond the kernel's minimum */
	unsigned int	more_room;
	/* pools begin at address 0, one after the other */
	bool		pools_at_zero;
	/* bytes per header; 0 stands for FUSE_TEST_STRIDE */
	unsigned int	hdr_stride;
	unsigned int	zero_copy_min;
	enum fuse_slots	slots;
	/* slots of the ring's table, in addition to one per entry */
	unsigned int	more_slots;
	enum fuse_mixed	mixed;
	/* IORING_SETUP_*, and IOSQE_* for the commands to FUSE */
	unsigned int	ring_flags;
	unsigned int	sqe_flags;
	/*
	 * this process keeps the device open, so that the mount survives its
	 * server: fuse_test_start() can start another one
	 */
	bool		keep_dev;
	/*
	 * for a server that shows a directory: 0, or a file that outlives it, for
	 * what the next one needs
	 */
	int		keep_fd;
	/* when the server has its queues: get what the last one had not answered */
	bool		resend;

	char		dir[256];
	char		file[300];
	pid_t		server;
	/* the kernel supports pools of server memory, as Linux 7.3 does */
	bool		has_pools;
	/* the fields below are private */
	unsigned int	minor;
	/* previous value of the module parameter */
	char		enabled[4];
};

/* Room for all headers, and for names and attributes behind them */
#define FUSE_TEST_STRIDE	1024

/*
 * Mount on a new directory, in a mount namespace of this process, and start the
 * server. 0 or -errno; -ENOENT without FUSE, -EPERM without root, -EOPNOTSUPP
 * without FUSE over io_uring, -EPROTONOSUPPORT if the mode needs buffers that
 * the kernel does not support.
 */
int fuse_test_mount(struct fuse_test *ft);
/*
 * The two halves of fuse_test_mount(): until INIT is answered, with the device
 * in ft->dev; and the start of the server, which then has the only file of the
 * device.
 */
int fuse_test_open(struct fuse_test *ft);
int fuse_test_start(struct fuse_test *ft);
/* Be the server: 0 when unmounted, or -errno */
int fuse_test_serve(struct fuse_test *ft);
/* Unless the server has exited: kill it, and wait until it has */
void fuse_test_kill(struct fuse_test *ft);
/* Send FUSE_NOTIFY_RESEND: 0 or -errno */
int fuse_test_resend(const struct fuse_test *ft);
/* The reason to skip a test if mounting returned @ret, or NULL */
const char *fuse_test_missing(int ret);
/* Unmount and end the server. 0 if it has exited without an error. */
int fuse_test_umount(struct fuse_test *ft);
/* Undo the rest when mount and server are gone */
int fuse_test_cleanup(struct fuse_test *ft);
/* Wait for the server to exit: 0, or -EIO if it failed */
int fuse_test_reap(struct fuse_test *ft);
bool fuse_test_abort(struct fuse_test *ft);
/* Write to a knob of the connection, or read one (-1 if that fails) */
bool fuse_test_set(struct fuse_test *ft, const char *knob, const char *value);
long long fuse_test_get(const struct fuse_test *ft, const char *knob);
/* Wait until @nr requests are unserved, by polling */
bool fuse_test_wait_requests(const struct fuse_test *ft, unsigned int nr,
			     unsigned int ms);
/* A counter of a mount with kernel-managed buffers, or -1 */
long long fuse_test_counter(const struct fuse_test *ft, const char *name);
/*
 * What the kernel-managed buffers of a size have served, and how many requests
 * have waited for one; over all queues
 */
struct fuse_buffer_counts {
	long long	sent;
	long long	waits;
};

struct fuse_buffer_counts fuse_test_buffer_counts(const struct fuse_test *ft,
						  unsigned int size);
/* All counters as text */
bool fuse_test_counters(const struct fuse_test *ft, char *buf, size_t size);

/* Serve lookups and stats of the file; -ENOSYS for other requests */
int fuse_serve(const struct fuse_call *call);

/* The server's loops over /dev/fuse and io_uring, until unmounted */
int fuse_serve_dev(struct fuse_test *ft);
int fuse_serve_uring(struct fuse_test *ft);
/* Answer INIT, which always comes over /dev/fuse */
int fuse_serve_init(struct fuse_test *ft);
/* How a server handles any request: ft->serve, then fuse_serve() */
int fuse_serve_call(const struct fuse_call *call);
/* Reads requests from /dev/fuse, one at a time */
struct fuse_dev_reader;
struct fuse_dev_reader *fuse_dev_reader_new(struct fuse_test *ft);
void fuse_dev_reader_free(struct fuse_dev_reader *reader);
/* 0 or -errno: -ENODEV when unmounted */
int fuse_dev_reader_next(struct fuse_dev_reader *reader);
/* Size of the header of this kind of request */
size_t fuse_arg_size(unsigned int opcode);
/* The minimum room for a payload that the kernel accepts */
size_t fuse_payload_size(const struct fuse_test *ft);
/* Room for a payload of an entry or a buffer */
static inline size_t fuse_entry_room(const struct fuse_test *ft)
{
	return fuse_payload_size(ft) + ft->more_room;
}

#endif
