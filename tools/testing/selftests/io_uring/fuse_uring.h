/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of a FUSE server over io_uring, for its parts and for tests that
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
	/* is that memory of the server, and is the payload? */
	bool				own_head;
	bool				own_payload;
	/* if so: the payload, and how to tell the kernel */
	unsigned char			*payload;
	struct iovec			iov[2];
	unsigned int			qid;
	unsigned int			index;
	/* the request that it has got, read once: tests change the memory */
	struct fuse_in_header		in;
	unsigned long long		arg[FUSE_URING_OP_IN_OUT_SZ / 8];
	struct fuse_uring_ent_in_out	in_out;
	struct fuse_call		call;
	struct fuse_io			io;
	bool				held;
};

/* One ring serves all queues, so that one thread does */
struct uring_server {
	struct fuse_test	*ft;
	/* NULL: each entry has memory of the server's */
	const struct fuse_uring_ops *ops;
	struct test_ring	tr;
	struct fuse_dev_reader	*reader;
	struct uring_entry	*entries;
	unsigned int		nr_queues;
	unsigned int		depth;
	unsigned int		nr_entries;
	/* how many may still get requests */
	unsigned int		nr_live;
	/* a callback asked for that */
	bool			stop;

	/* kernel-managed buffers: those of queue 0 come first in memory */
	unsigned int		stride;
	unsigned char		*region;
	size_t			region_size;
	unsigned char		**bufs;
	size_t			buf_size;
	unsigned int		nr_bufs;
};

/* Where headers and payloads of entries are that have no memory of their own for both */
struct fuse_uring_ops {
	/* memory and queues, before the entries; and after all of it */
	int	(*init)(struct uring_server *srv);
	void	(*exit)(struct uring_server *srv);
	/* complete the command that registers an entry */
	void	(*prep_entry)(struct uring_server *srv,
			      struct uring_entry *entry,
			      struct io_uring_sqe *sqe);
	/* NULL, or complete the one that ends its request */
	void	(*prep_commit)(struct uring_server *srv,
			       struct uring_entry *entry,
			       struct io_uring_sqe *sqe);
	/*
	 * find the payload of a request, unless that is the entry's own;
	 * -EPROTO if the kernel makes no sense
	 */
	int	(*locate)(struct uring_server *srv, struct uring_entry *entry,
			  unsigned int cqe_flags);
};

/* How many queues the kernel has */
unsigned int fuse_uring_nr_queues(void);
/* The command area of a SQE of 128 bytes */
#define FUSE_URING_CMD_SIZE	80
/* A command to FUSE, to be completed through sqe->cmd and sent off */
struct io_uring_sqe *fuse_uring_sqe(struct test_ring *tr, int dev,
				    unsigned int op, unsigned int qid);
static inline struct fuse_uring_cmd_req *
fuse_uring_req(struct io_uring_sqe *sqe)
{
	return (void *)sqe->cmd;
}

/*
 * A server's ring with all entries registered, in any mode; then serve them
 * until there are none. Both 0 or -errno.
 */
int fuse_uring_init(struct uring_server *srv, struct fuse_test *ft);
int fuse_uring_run(struct uring_server *srv);
void fuse_uring_exit(struct uring_server *srv);
/* Queue the command that ends the request of an entry and waits for the next */
void fuse_uring_commit(struct uring_server *srv, struct uring_entry *entry);
/* How much memory has room for @size bytes, in whole pages */
size_t uring_page_align(size_t size);
/* Find a payload, and room for a reply, at @at */
void uring_set_payload(struct fuse_call *call, unsigned char *at, size_t room);
/* For callbacks that do something else to it */
static inline struct uring_entry *fuse_uring_entry(const struct fuse_call *call)
{
	return (void *)((char *)call - offsetof(struct uring_entry, call));
}

/* fuse_uring_kmbuf.c: in the memory region, or in kernel-managed buffers, or both */
extern const struct fuse_uring_ops fuse_kmbuf_ops;
/* A command that completes at once, with this command area: 0 or -errno */
int fuse_uring_cmd(struct test_ring *tr, int dev, unsigned int op,
		   const struct fuse_uring_cmd_req *req);
/*
 * A queue with what the mode says: 0 or -errno. @stride and @bgid are for those
 * with headers, and with buffers.
 */
int fuse_kmbuf_add_queue(struct test_ring *tr, const struct fuse_test *ft,
			 unsigned int qid, unsigned int stride,
			 unsigned int bgid);

/* fuse_uring_pool.c: in a pool of the server's; headers as in the above */
extern const struct fuse_uring_ops fuse_pool_ops;
/* Give a queue a pool that is no registered buffer: 0 or -errno */
int fuse_pool_add(struct test_ring *tr, int dev, unsigned int qid,
		  const void *addr, size_t len);
/* The slots of registered pools, behind all others */
static inline unsigned int fuse_pool_slot(const struct uring_server *srv,
					  unsigned int qid)
{
	return srv->nr_entries + srv->ft->more_slots + qid;
}

#endif
