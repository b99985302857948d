// SPDX-License-Identifier: GPL-2.0
/*
 * The server of a ublk device: one queue, one ring, one request after the
 * other. Requests that arrive while a callback waits for its own I/O are
 * deferred.
 */
#include "ublk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

/* user_data: tag of a command that fetches requests, or one of these */
#define USER_WAITED	0x10000
#define USER_PARKED	0x10001

struct ublk_server {
	struct test_ring		tr;
	const struct ublk_dev		*dev;
	const struct ublk_ops		*ops;
	const struct ublksrv_io_desc	*descs;
	/* without zero copy: UBLK_MAX_IO for each tag; or NULL */
	unsigned char			*bufs;
	int				fd;
	/*
	 * tags with a request to be served, and number of tags that get no more
	 */
	unsigned int			arrived;
	unsigned int			nr_aborted;
};

static void server_die(const char *what)
{
	perror(what);
	_exit(1);
}

/* Handle one completion. True if a callback waits for it. */
static bool server_reap(struct ublk_server *srv, int *res)
{
	struct io_uring_cqe *cqe;
	__u64 user_data;
	int ret;

	do {
		ret = io_uring_wait_cqe(&srv->tr.ring, &cqe);
	} while (ret == -EINTR);
	if (ret)
		server_die("io_uring_wait_cqe");
	user_data = cqe->user_data;
	*res = cqe->res;
	io_uring_cqe_seen(&srv->tr.ring, cqe);

	if (user_data >= UBLK_DEPTH)
		return user_data == USER_WAITED;
	if (*res == UBLK_IO_RES_OK)
		srv->arrived |= 1U << user_data;
	else
		srv->nr_aborted++;
	return false;
}

static int server_submit_wait(struct ublk_server *srv)
{
	int res;

	test_submit(&srv->tr);
	while (!server_reap(srv, &res))
		;
	return res;
}

static struct io_uring_sqe *prep_sqe(struct test_ring *tr, unsigned int opcode,
				     int fd)
{
	struct io_uring_sqe *sqe = test_sqe(tr);

	sqe->opcode = opcode;
	sqe->fd = fd;
	sqe->user_data = USER_WAITED;
	return sqe;
}

static struct io_uring_sqe *server_sqe(struct ublk_server *srv,
				       unsigned int opcode, int fd)
{
	return prep_sqe(&srv->tr, opcode, fd);
}

static struct io_uring_sqe *prep_cmd(struct test_ring *tr, int fd,
				     unsigned int op,
				     struct ublksrv_io_cmd arg)
{
	struct io_uring_sqe *sqe = prep_sqe(tr, IORING_OP_URING_CMD, fd);

	sqe->cmd_op = op;
	*(struct ublksrv_io_cmd *)sqe->cmd = arg;
	return sqe;
}

static struct io_uring_sqe *server_cmd(struct ublk_server *srv,
				       unsigned int op,
				       struct ublksrv_io_cmd arg)
{
	return prep_cmd(&srv->tr, srv->fd, op, arg);
}

void server_prep_register(struct ublk_server *srv, struct test_ring *tr,
			  const struct ublk_io *io, unsigned int slot)
{
	prep_cmd(tr, srv->fd, UBLK_U_IO_REGISTER_IO_BUF,
		 (struct ublksrv_io_cmd) { .tag = io->tag, .addr = slot });
}

int server_register(struct ublk_server *srv, const struct ublk_io *io,
		    unsigned int slot)
{
	server_prep_register(srv, &srv->tr, io, slot);
	return server_submit_wait(srv);
}

int server_unregister(struct ublk_server *srv, unsigned int slot)
{
	server_cmd(srv, UBLK_U_IO_UNREGISTER_IO_BUF,
		   (struct ublksrv_io_cmd) { .addr = slot });
	return server_submit_wait(srv);
}

static bool needs_command(struct ublk_server *srv, const struct ublk_io *io)
{
	if (srv->bufs)
		return false;
	return !(srv->dev->flags & UBLK_F_AUTO_BUF_REG) || io->needs_reg;
}

int server_get_buffer(struct ublk_server *srv, const struct ublk_io *io)
{
	return needs_command(srv, io) ? server_register(srv, io, io->tag) : 0;
}

int server_put_buffer(struct ublk_server *srv, const struct ublk_io *io)
{
	return needs_command(srv, io) ? server_unregister(srv, io->tag) : 0;
}

static unsigned long tag_addr(struct ublk_server *srv, unsigned int tag)
{
	return srv->bufs ? (unsigned long)(srv->bufs + tag * UBLK_MAX_IO) : 0;
}

/* Without zero copy, the slot is the memory of the tag with that number */
static struct io_uring_sqe *server_rw_sqe(struct ublk_server *srv,
					  unsigned int slot, bool write, int fd)
{
	struct io_uring_sqe *sqe;

	if (srv->bufs)
		sqe = server_sqe(srv, write ? IORING_OP_WRITE : IORING_OP_READ,
				 fd);
	else
		sqe = server_sqe(srv, write ? IORING_OP_WRITE_FIXED :
					      IORING_OP_READ_FIXED, fd);
	sqe->addr = tag_addr(srv, slot);
	sqe->buf_index = srv->bufs ? 0 : slot;
	return sqe;
}

int server_rw_fixed(struct ublk_server *srv, const struct ublk_io *io,
		    unsigned int slot, bool write, unsigned long addr,
		    unsigned int len)
{
	struct io_uring_sqe *sqe;

	sqe = server_rw_sqe(srv, slot, write, srv->dev->backing_fd);
	sqe->addr += addr;
	sqe->len = len;
	sqe->off = io->offset + addr;
	return server_submit_wait(srv);
}

int server_rw(struct ublk_server *srv, const struct ublk_io *io,
	      unsigned int slot)
{
	return server_rw_fixed(srv, io, slot, io->write, 0, io->len);
}

int server_transfer(struct ublk_server *srv, const struct ublk_io *io)
{
	int ret, put;

	ret = server_get_buffer(srv, io);
	if (ret)
		return ret;
	ret = server_rw(srv, io, io->tag);
	put = server_put_buffer(srv, io);
	return put ?: ret;
}

static void server_begin(struct ublk_server *srv, const struct ublk_io *io,
			 bool write, int fd, unsigned int offset)
{
	struct io_uring_sqe *sqe = server_rw_sqe(srv, io->tag, write, fd);

	sqe->len = io->len;
	sqe->off = offset;
	sqe->user_data = USER_PARKED;
	test_submit(&srv->tr);
}

void server_park(struct ublk_server *srv, const struct ublk_io *io)
{
	server_begin(srv, io, false, srv->dev->park_fd, 0);
}

void server_begin_rw(struct ublk_server *srv, const struct ublk_io *io, int fd)
{
	server_begin(srv, io, io->write, fd, io->offset);
}

void server_block(struct ublk_server *srv)
{
	char byte;

	if (read(srv->dev->park_fd, &byte, 1) != 1)
		server_die("pipe");
}

void server_tell(struct ublk_server *srv)
{
	unsigned long long nr = 1;

	if (write(srv->dev->event_fd, &nr, sizeof(nr)) != sizeof(nr))
		server_die("eventfd");
}

struct io_uring *server_ring(struct ublk_server *srv)
{
	return &srv->tr.ring;
}

/* Ask for the next request of @tag, and complete the last one with @res */
static void server_fetch(struct ublk_server *srv, unsigned int op,
			 unsigned int tag, int res)
{
	const struct ublk_dev *dev = srv->dev;
	struct ublk_auto_buf_reg reg = {
		.index = dev->auto_slot + tag,
		.flags = dev->auto_flags,
	};
	struct io_uring_sqe *sqe;

	sqe = server_cmd(srv, op, (struct ublksrv_io_cmd) {
			.tag = tag, .result = res,
			.addr = tag_addr(srv, tag) });
	sqe->user_data = tag;
	if (dev->flags & UBLK_F_AUTO_BUF_REG)
		sqe->addr = ublk_auto_buf_reg_to_sqe_addr(&reg);
	test_submit(&srv->tr);
}

void server_commit(struct ublk_server *srv, const struct ublk_io *io, int res)
{
	server_fetch(srv, UBLK_U_IO_COMMIT_AND_FETCH_REQ, io->tag, res);
}

static int server_handle(struct ublk_server *srv, const struct ublk_io *io,
			 unsigned int op)
{
	const struct ublk_ops *ops = srv->ops;

	switch (op) {
	case UBLK_IO_OP_READ:
	case UBLK_IO_OP_WRITE:
		return ops->data ? ops->data(srv, io) : server_transfer(srv, io);
	case UBLK_IO_OP_FLUSH:
		return ops->flush ? ops->flush(srv, io) : 0;
	default:
		return -EOPNOTSUPP;
	}
}

static void server_dispatch(struct ublk_server *srv, unsigned int tag)
{
	const struct ublksrv_io_desc *desc = &srv->descs[tag];
	struct ublk_io io = {
		.tag = tag,
		.write = ublksrv_get_op(desc) == UBLK_IO_OP_WRITE,
		.needs_reg = desc->op_flags & UBLK_IO_F_NEED_REG_BUF,
		.len = desc->nr_sectors << 9,
		.offset = desc->start_sector << 9,
	};
	int res = server_handle(srv, &io, ublksrv_get_op(desc));

	if (res != UBLK_HELD)
		server_commit(srv, &io, res);
}

static size_t descs_size(void)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	size_t size = UBLK_DEPTH * sizeof(struct ublksrv_io_desc);

	return (size + page_size - 1) & ~(page_size - 1);
}

static void server_alloc(struct ublk_server *srv)
{
	if (srv->dev->flags & (UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG))
		return;
	srv->bufs = aligned_alloc(sysconf(_SC_PAGESIZE),
				  UBLK_DEPTH * UBLK_MAX_IO);
	if (!srv->bufs)
		server_die("memory of the server");
}

static void server_open(struct ublk_server *srv)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkc%u", srv->dev->id);
	srv->fd = open(path, O_RDWR | O_CLOEXEC);
	if (srv->fd < 0)
		server_die(path);
	srv->descs = mmap(NULL, descs_size(), PROT_READ, MAP_SHARED, srv->fd,
			  UBLKSRV_CMD_BUF_OFFSET);
	if (srv->descs == MAP_FAILED)
		server_die("mmap of the descriptors");
	if (test_ring_init(&srv->tr, 0, 0))
		server_die("ring of the server");
	server_alloc(srv);
}

void server_close(struct ublk_server *srv)
{
	test_ring_exit(&srv->tr);
	free(srv->bufs);
	munmap((void *)srv->descs, descs_size());
	close(srv->fd);
}

void ublk_serve(struct ublk_dev *dev, const struct ublk_ops *ops)
{
	static const struct ublk_ops transfer;
	static struct ublk_server srv;
	unsigned int tag;
	int res;

	srv.dev = dev;
	srv.ops = ops ?: &transfer;
	server_open(&srv);
	for (tag = 0; tag < UBLK_DEPTH; tag++)
		server_fetch(&srv, UBLK_U_IO_FETCH_REQ, tag, 0);

	while (srv.nr_aborted < UBLK_DEPTH) {
		if (!srv.arrived) {
			server_reap(&srv, &res);
			continue;
		}
		tag = ffs(srv.arrived) - 1;
		srv.arrived &= ~(1U << tag);
		server_dispatch(&srv, tag);
	}
	server_close(&srv);
}
