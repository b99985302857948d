/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Internals of the FUSE server over io_uring, for its parts and for tests that
 * send commands of their own.
 */
#ifndef FUSE_URING_H
#define FUSE_URING_H

#include "fuse_server.h"

#include <sys/uio.h>

/* user_data of requests that are a callback's own, see fuse_test.completed */
#define FUSE_URING_USER_OWN	0x400000000ULL

struct uring_entry {
	struct fuse_uring_req_header	*head;
	/* is the header in server memory, and is the payload? */
	bool				own_head;
	bool				own_payload;
	/* if so: the payload, and the iovecs */
	unsigned char			*payload;
	struct iovec			iov[2];
	unsigned int			qid;
	unsigned int			index;
	/* the current request, read once: tests change the memory */
	struct fuse_in_header		in;
	unsigned long long		arg[FUSE_URING_OP_IN_OUT_SZ / 8];
	struct fuse_uring_ent_in_out	in_out;
	struct fuse_call		call;
	struct fuse_io			io;
	bool				held;
};

/* One ring, and hence one thread, serves all queues */
struct uring_server {
	struct fuse_test	*ft;
	/* NULL: each entry has server memory */
	const struct fuse_uring_ops *ops;
	struct test_ring	tr;
	struct fuse_dev_reader	*reader;
	struct uring_entry	*entries;
	/* those of the kernel, of which the server can have fewer */
	unsigned int		nr_queues;
	unsigned int		depth;
	unsigned int		nr_entries;
	/* number of entries that may still get requests */
	unsigned int		nr_live;
	/* set by a callback to stop the loop */
	bool			stop;

	/* kernel-managed buffers: those of queue 0 come first in memory */
	unsigned int		stride;
	unsigned char		*region;
	size_t			region_size;
	unsigned char		**bufs;
	size_t			buf_size;
	unsigned int		nr_bufs;
	/* those of fuse_test.more_buffers: FUSE_TEST_MORE_SIZES for each queue */
	unsigned char		**more_bufs;
};

/*
 * Places of headers and payloads, for entries that do not have both in server
 * memory
 */
struct fuse_uring_ops {
	/* memory and queues: before the entries, and after all of them */
	int	(*init)(struct uring_server *srv);
	void	(*exit)(struct uring_server *srv);
	/* fill in the command that registers an entry */
	void	(*prep_entry)(struct uring_server *srv,
			      struct uring_entry *entry,
			      struct io_uring_sqe *sqe);
	/* NULL, or fill in the command that ends the request */
	void	(*prep_commit)(struct uring_server *srv,
			       struct uring_entry *entry,
			       struct io_uring_sqe *sqe);
	/*
	 * find the payload of a request, unless the entry has its own; -EPROTO
	 * if the kernel's flags make no sense
	 */
	int	(*locate)(struct uring_server *srv, struct uring_entry *entry,
			  unsigned int cqe_flags);
};

/* Number of queues in the kernel */
unsigned int fuse_uring_nr_queues(void);
/* Has the server this queue? */
bool fuse_uring_has_queue(const struct fuse_test *ft, unsigned int qid);
/* The command area of a SQE of 128 bytes */
#define FUSE_URING_CMD_SIZE	80
/* Get an SQE with a command to FUSE, to be filled in through sqe->cmd */
struct io_uring_sqe *fuse_uring_sqe(struct test_ring *tr, int dev,
				    unsigned int op, unsigned int qid);
static inline struct fuse_uring_cmd_req *
fuse_uring_req(struct io_uring_sqe *sqe)
{
	return (void *)sqe->cmd;
}

/*
 * Set up the server's ring with all entries registered, in any mode; then serve
 * them until none is left. Both return 0 or -errno.
 */
int fuse_uring_init(struct uring_server *srv, struct fuse_test *ft);
int fuse_uring_run(struct uring_server *srv);
void fuse_uring_exit(struct uring_server *srv);
/* Queue the command that ends the request of an entry and waits for the next */
void fuse_uring_commit(struct uring_server *srv, struct uring_entry *entry);
/* @size rounded up to whole pages */
size_t uring_page_align(size_t size);
/* Set the payload, and the room for a reply, to @at */
void uring_set_payload(struct fuse_call *call, unsigned char *at, size_t room);
/* For callbacks that need more than the call */
static inline struct uring_entry *fuse_uring_entry(const struct fuse_call *call)
{
	return (void *)((char *)call - offsetof(struct uring_entry, call));
}

/* fuse_uring_kmbuf.c: in the memory region, or in kernel-managed buffers, or both */
extern const struct fuse_uring_ops fuse_kmbuf_ops;
/* Send a command that completes at once, with this command area: 0 or -errno */
int fuse_uring_cmd(struct test_ring *tr, int dev, unsigned int op,
		   const struct fuse_uring_cmd_req *req);
/*
 * Add a queue with the memory of the mode: 0 or -errno. @stride is for modes
 * with headers in the region, @bgid for modes with buffers.
 */
int fuse_kmbuf_add_queue(struct test_ring *tr, const struct fuse_test *ft,
			 unsigned int qid, unsigned int stride,
			 unsigned int bgid);

/* fuse_uring_pool.c: a pool of server memory; headers as above */
extern const struct fuse_uring_ops fuse_pool_ops;
/* Give a queue a pool that is not a registered buffer: 0 or -errno */
int fuse_pool_add(struct test_ring *tr, int dev, unsigned int qid,
		  const void *addr, size_t len);
/* The slots of registered pools come after all others */
static inline unsigned int fuse_pool_slot(const struct uring_server *srv,
					  unsigned int qid)
{
	return srv->nr_entries + srv->ft->more_slots + qid;
}

#endif
