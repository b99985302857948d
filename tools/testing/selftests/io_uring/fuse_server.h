/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE file system whose server talks to the kernel itself, without a
 * library: over /dev/fuse or over io_uring, in a process of its own. What the
 * server answers is up to the test.
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

/* How requests get to the server, and their data */
enum fuse_mode {
	/* read from and written to /dev/fuse */
	FUSE_MODE_DEV,
	/* over io_uring, each entry with a buffer of the server's */
	FUSE_MODE_ENTRY,
	/* headers in the memory region, data in kernel-managed buffers */
	FUSE_MODE_KMBUF,
	/* likewise, but for data that can be left where it is */
	FUSE_MODE_ZC,
	/* headers in the memory region, a buffer of the server's for each entry */
	FUSE_MODE_HEADERS,
	/* headers of the server's, data in kernel-managed buffers */
	FUSE_MODE_BUFFERS,
	/* likewise, but for data that can be left where it is */
	FUSE_MODE_BUFFERS_ZC,
	/* headers of the server's, and for each queue a pool of its for data */
	FUSE_MODE_POOL,
	/* likewise, and the pool is a registered buffer */
	FUSE_MODE_POOL_FIXED,
	/* likewise, but for data that can be left where it is */
	FUSE_MODE_POOL_ZC,
	/* these two with headers in the memory region */
	FUSE_MODE_POOL_HEADERS,
	FUSE_MODE_POOL_HEADERS_ZC,
};

/* What the queues of a mode have been given by the kernel */
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

/* Does the kernel reach for memory of the server's? */
static inline bool fuse_mode_own(enum fuse_mode mode)
{
	return !fuse_mode_headers(mode) || !fuse_mode_buffers(mode);
}

/* Modes with zero copy: what is wrong with the slots that entries name */
enum fuse_slots {
	FUSE_SLOTS_GOOD,
	/* the ring has no table */
	FUSE_SLOTS_NO_TABLE,
	/* they are outside of it */
	FUSE_SLOTS_OUTSIDE,
	/* they have memory of the server in them */
	FUSE_SLOTS_TAKEN,
	/* entries name none */
	FUSE_SLOTS_UNNAMED,
};

/* Memory of the server that every other entry has where the mode has none */
enum fuse_mixed {
	FUSE_MIXED_NONE,
	/* the second, fourth, ... have both headers and payloads */
	FUSE_MIXED_BOTH,
	/* the first, third, ... have headers */
	FUSE_MIXED_HEADERS,
	/* likewise, and the others have payloads */
	FUSE_MIXED_EITHER,
};

/* What is to be done with the data of a request that is in a slot */
struct fuse_io {
	int		fd;
	long long	offset;
	unsigned int	len;
	/* 0, or how little of it the reply owns up to */
	unsigned int	claim;
};

struct fuse_test;
struct fuse_uring_ops;

/* A request as the server sees it, and where its reply goes */
struct fuse_call {
	struct fuse_test		*ft;
	const struct fuse_in_header	*in;
	/* the header of this kind of request, NULL if it has none */
	const void			*arg;
	/* what follows it */
	const unsigned char		*payload;
	size_t				payload_len;
	/* up to that many bytes of a reply */
	unsigned char			*reply;
	size_t				room;
	/* zero copy: where the data is in the ring's table, or -1 */
	int				slot;
	/* it was held, and this is not the first time */
	bool				again;
	/* to be filled in by who returns FUSE_SERVE_IO */
	struct fuse_io			*io;
};

/*
 * Serves a request: bytes of the reply, or -errno, or one of FUSE_SERVE_*. Runs
 * in the server.
 */
typedef int (*fuse_serve_t)(const struct fuse_call *call);

/* No answer yet: to be called again after every request that comes */
#define FUSE_SERVE_HELD		INT_MIN
/* A read or write of the slot is the answer */
#define FUSE_SERVE_IO		(INT_MIN + 1)
/* No answer at all: close the ring, but not the device */
#define FUSE_SERVE_STOP		(INT_MIN + 2)
/* The callback has sent off an answer by itself */
#define FUSE_SERVE_DONE		(INT_MIN + 3)

struct fuse_test {
	/* to be set before fuse_test_mount(); what INIT is answered with */
	enum fuse_mode	mode;
	unsigned int	max_pages;
	unsigned int	max_write;
	/* FUSE_*, besides those that the mode takes */
	unsigned long long init_flags;
	/* bytes of the file, and FOPEN_*; 0: the server does not know OPEN */
	unsigned long long file_size;
	unsigned int	open_flags;
	/* NULL or the server's answer to what fuse_serve() does not do */
	fuse_serve_t	serve;
	void		*data;
	/* what becomes of requests that the callback has put into the ring */
	void		(*completed)(struct fuse_test *ft, int res);
	/* NULL or what the server does in place of all that */
	int		(*run)(struct fuse_test *ft);
	/* NULL: a directory of its own, that nobody else sees */
	const char	*mountpoint;
	/* NULL: entries have the memory that the mode says */
	const struct fuse_uring_ops *ops;

	/* for io_uring, 0 stands for 1: entries and buffers a queue */
	unsigned int	depth;
	unsigned int	buffers;
	/* bytes that a payload has beyond those that the kernel insists on */
	unsigned int	more_room;
	/* pools begin there, one behind the other */
	bool		pools_at_zero;
	/* bytes a header; 0 stands for FUSE_TEST_STRIDE */
	unsigned int	hdr_stride;
	unsigned int	zero_copy_min;
	enum fuse_slots	slots;
	/* of the ring's table, besides one for each entry */
	unsigned int	more_slots;
	enum fuse_mixed	mixed;
	/* IORING_SETUP_*, and IOSQE_* of the commands to FUSE */
	unsigned int	ring_flags;
	unsigned int	sqe_flags;

	char		dir[256];
	char		file[300];
	int		dev;
	pid_t		server;
	/* the kernel has Linux 7.3's pools of the server's memory */
	bool		has_pools;
	/* the rest is private */
	unsigned int	minor;
	/* the module's parameter, as it was before */
	char		enabled[4];
};

/* Room for all headers, and for names and attributes behind them */
#define FUSE_TEST_STRIDE	1024

/*
 * Mount it on a new directory, in a mount namespace of this process, and start
 * the server. 0 or -errno; -ENOENT without FUSE, -EPERM without root,
 * -EOPNOTSUPP without FUSE over io_uring, -EPROTONOSUPPORT without buffers, if
 * the mode needs them.
 */
int fuse_test_mount(struct fuse_test *ft);
/*
 * The two halves of it: until INIT is answered, with the device in ft->dev, and
 * the server, which has the only one then.
 */
int fuse_test_open(struct fuse_test *ft);
int fuse_test_start(struct fuse_test *ft);
/* Why a test has to be skipped if that is what it returned, or NULL */
const char *fuse_test_missing(int ret);
/* Unmount and end the server. 0 if it has ended well. */
int fuse_test_umount(struct fuse_test *ft);
/* Undo what is left when mount and server are gone */
int fuse_test_cleanup(struct fuse_test *ft);
/* Did the server end well? 0 or -EIO. Waits for it. */
int fuse_test_reap(struct fuse_test *ft);
bool fuse_test_abort(struct fuse_test *ft);
/* Write to one of the connection's knobs, and read one, -1 if that fails */
bool fuse_test_set(struct fuse_test *ft, const char *knob, const char *value);
long long fuse_test_get(const struct fuse_test *ft, const char *knob);
/* Wait for @nr requests to be there, and not served. Nothing tells of that. */
bool fuse_test_wait_requests(const struct fuse_test *ft, unsigned int nr,
			     unsigned int ms);
/* One of the counters of a mount with kernel-managed buffers, or -1 */
long long fuse_test_counter(const struct fuse_test *ft, const char *name);
/* All of them as text */
bool fuse_test_counters(const struct fuse_test *ft, char *buf, size_t size);

/* All that it takes to look the file up and stat it; -ENOSYS for the rest */
int fuse_serve(const struct fuse_call *call);

/* The server's two ways to get requests; they return when it is unmounted */
int fuse_serve_dev(struct fuse_test *ft);
int fuse_serve_uring(struct fuse_test *ft);
/* Answer the first request, which always comes over /dev/fuse */
int fuse_serve_init(struct fuse_test *ft);
/* What a server does with any request: ft->serve, then fuse_serve() */
int fuse_serve_call(const struct fuse_call *call);
/* Takes from /dev/fuse what there is, one request at a time */
struct fuse_dev_reader;
struct fuse_dev_reader *fuse_dev_reader_new(struct fuse_test *ft);
void fuse_dev_reader_free(struct fuse_dev_reader *reader);
/* 0 or -errno: -ENODEV when unmounted */
int fuse_dev_reader_next(struct fuse_dev_reader *reader);
/* How long the header of a request of this kind is */
size_t fuse_arg_size(unsigned int opcode);
/* Room for a payload that the kernel insists on */
size_t fuse_payload_size(const struct fuse_test *ft);
/* Room that an entry has, or a buffer */
static inline size_t fuse_entry_room(const struct fuse_test *ft)
{
	return fuse_payload_size(ft) + ft->more_room;
}

#endif
