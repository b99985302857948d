// SPDX-License-Identifier: GPL-2.0
/* The server of a FUSE file system over io_uring. */
#include "fuse_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* user_data: an entry's index, with USER_IO for I/O on its slot; or USER_DEV */
#define USER_IO		0x100000000ULL
#define USER_DEV	0x200000000ULL

unsigned int fuse_uring_nr_queues(void)
{
	return sysconf(_SC_NPROCESSORS_CONF);
}

bool fuse_uring_has_queue(const struct fuse_test *ft, unsigned int qid)
{
	return !ft->queues ||
	       (qid < 8 * sizeof(ft->queues) && ft->queues >> qid & 1);
}

/* Number of queues that the server has */
static unsigned int nr_used(const struct uring_server *srv)
{
	unsigned int qid, nr = 0;

	for (qid = 0; qid < srv->nr_queues; qid++)
		nr += fuse_uring_has_queue(srv->ft, qid);
	return nr;
}

struct io_uring_sqe *fuse_uring_sqe(struct test_ring *tr, int dev,
				    unsigned int op, unsigned int qid)
{
	struct io_uring_sqe *sqe = test_sqe(tr);
	struct fuse_uring_cmd_req *req = fuse_uring_req(sqe);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = tr->sqe_flags;
	sqe->fd = dev;
	sqe->cmd_op = op;
	/* all 128 bytes of the SQE */
	memset(req, 0, FUSE_URING_CMD_SIZE);
	req->qid = qid;
	return sqe;
}

int fuse_uring_cmd(struct test_ring *tr, int dev, unsigned int op,
		   const struct fuse_uring_cmd_req *req)
{
	struct io_uring_sqe *sqe = fuse_uring_sqe(tr, dev, op, req->qid);

	*fuse_uring_req(sqe) = *req;
	return test_submit_wait(tr);
}

size_t uring_page_align(size_t size)
{
	const size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

void uring_set_payload(struct fuse_call *call, unsigned char *at, size_t room)
{
	call->payload = at;
	call->reply = at;
	call->room = room;
}

static const struct fuse_uring_ops *mode_ops(const struct fuse_test *ft)
{
	if (ft->ops)
		return ft->ops;
	if (fuse_mode_pool(ft->mode))
		return &fuse_pool_ops;
	return ft->mode >= FUSE_MODE_KMBUF ? &fuse_kmbuf_ops : NULL;
}

/* Page aligned, in case the server reads a disk into it */
static bool make_own(struct uring_entry *entry, size_t size)
{
	if (entry->own_head) {
		entry->head = malloc(sizeof(*entry->head));
		entry->iov[0] = (struct iovec) {
			entry->head, sizeof(*entry->head)
		};
	}
	if (entry->own_payload) {
		entry->payload = aligned_alloc(sysconf(_SC_PAGESIZE),
					       uring_page_align(size));
		entry->iov[1] = (struct iovec) { entry->payload, size };
	}
	return (!entry->own_head || entry->head) &&
	       (!entry->own_payload || entry->payload);
}

static int register_entry(struct uring_server *srv, struct uring_entry *entry)
{
	struct io_uring_sqe *sqe;

	if (!make_own(entry, fuse_entry_room(srv->ft)))
		return -ENOMEM;
	sqe = fuse_uring_sqe(&srv->tr, srv->ft->dev,
			     FUSE_IO_URING_CMD_REGISTER, entry->qid);
	sqe->user_data = entry->index;
	/*
	 * an empty iovec stands for memory of the queue, no iovecs for two of
	 * them
	 */
	if (entry->own_head || entry->own_payload) {
		sqe->addr = (unsigned long)entry->iov;
		sqe->len = 2;
	}
	if (!entry->own_head || !entry->own_payload)
		srv->ops->prep_entry(srv, entry, sqe);
	else if (srv->ops)
		fuse_uring_req(sqe)->ent.zero_copy_buf_index =
			FUSE_URING_NO_BUF_INDEX;
	return 0;
}

/*
 * Requests that come over /dev/fuse in any mode: forgets, and those before
 * io_uring is ready
 */
static void watch_dev(struct uring_server *srv)
{
	struct io_uring_sqe *sqe = test_sqe(&srv->tr);

	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = srv->ft->dev;
	sqe->poll32_events = POLLIN;
	sqe->user_data = USER_DEV;
}

/* A ring with room for one I/O and one commit of each entry at a time */
static int init_ring(struct uring_server *srv)
{
	const struct fuse_test *ft = srv->ft;
	const unsigned int nr_pools = fuse_mode_pool_fixed(ft->mode) ?
				      srv->nr_queues : 0;

	return test_ring_init_sized(&srv->tr, 2 * srv->nr_entries + 2,
				    ft->slots == FUSE_SLOTS_NO_TABLE ?
				    0 : fuse_pool_slot(srv, nr_pools),
				    IORING_SETUP_SQE128 | ft->ring_flags,
				    ft->sqe_flags);
}

/* Set who owns the memory: not the server if the ops, or the mode, say so */
static void set_owner(const struct uring_server *srv, struct uring_entry *entry)
{
	const struct fuse_test *ft = srv->ft;
	const bool odd = entry->index % 2;

	entry->own_head = !ft->ops && !fuse_mode_headers(ft->mode);
	entry->own_payload = !ft->ops && !fuse_mode_buffers(ft->mode) &&
			     !fuse_mode_pool(ft->mode);
	if (!srv->ops || (ft->mixed == FUSE_MIXED_BOTH && odd)) {
		entry->own_head = true;
		entry->own_payload = true;
	}
	if (ft->mixed >= FUSE_MIXED_HEADERS && !odd)
		entry->own_head = true;
	if (ft->mixed == FUSE_MIXED_EITHER && odd)
		entry->own_payload = true;
}

static int init_entries(struct uring_server *srv)
{
	unsigned int i, qid = 0;
	int ret;

	for (i = 0; i < srv->nr_entries; i++) {
		struct uring_entry *entry = &srv->entries[i];

		if (i && i % srv->depth == 0)
			qid++;
		while (!fuse_uring_has_queue(srv->ft, qid))
			qid++;
		entry->index = i;
		entry->qid = qid;
		set_owner(srv, entry);
		ret = register_entry(srv, entry);
		if (ret)
			return ret;
	}
	srv->nr_live = srv->nr_entries;
	return 0;
}

int fuse_uring_init(struct uring_server *srv, struct fuse_test *ft)
{
	int ret;

	*srv = (struct uring_server) {
		.ft = ft,
		.ops = mode_ops(ft),
		.nr_queues = fuse_uring_nr_queues(),
		.depth = ft->depth ? ft->depth : 1,
	};
	srv->nr_entries = nr_used(srv) * srv->depth;
	srv->entries = calloc(srv->nr_entries, sizeof(*srv->entries));
	if (fcntl(ft->dev, F_SETFL, O_NONBLOCK))
		return -errno;
	ret = init_ring(srv);
	if (ret)
		return ret;
	srv->reader = fuse_dev_reader_new(ft);
	if (srv->ops)
		ret = srv->ops->init(srv);
	if (!ret)
		ret = init_entries(srv);
	watch_dev(srv);
	return ret;
}

void fuse_uring_exit(struct uring_server *srv)
{
	unsigned int i;

	test_ring_exit(&srv->tr);
	if (srv->ops)
		srv->ops->exit(srv);
	for (i = 0; i < srv->nr_entries; i++) {
		if (srv->entries[i].own_head)
			free(srv->entries[i].head);
		if (srv->entries[i].own_payload)
			free(srv->entries[i].payload);
	}
	free(srv->entries);
	fuse_dev_reader_free(srv->reader);
}

/* The header of a reply of @ret bytes, or of an error */
static void set_reply(struct uring_entry *entry, int ret)
{
	*(struct fuse_out_header *)entry->head->in_out =
		(struct fuse_out_header) {
			.len = sizeof(struct fuse_out_header),
			.error = ret < 0 ? ret : 0,
			.unique = entry->in.unique,
		};
	entry->head->ring_ent_in_out.payload_sz = ret > 0 ? ret : 0;
}

void fuse_uring_commit(struct uring_server *srv, struct uring_entry *entry)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(&srv->tr, srv->ft->dev,
			     FUSE_IO_URING_CMD_COMMIT_AND_FETCH, entry->qid);
	sqe->user_data = entry->index;
	/*
	 * the unique of a request is its commit ID; the server has no say in it
	 */
	fuse_uring_req(sqe)->commit_id = entry->in.unique;
	if (srv->ops && srv->ops->prep_commit)
		srv->ops->prep_commit(srv, entry, sqe);
}

/* Likewise, after I/O of @len bytes on the slot */
static void set_io_reply(struct uring_entry *entry, int len)
{
	struct fuse_write_out *out = (void *)entry->call.reply;

	if (len >= 0 && entry->in.opcode == FUSE_WRITE) {
		*out = (struct fuse_write_out) { .size = len };
		len = sizeof(*out);
	}
	set_reply(entry, len);
}

/*
 * The commit is linked to the I/O, in case all of it is done. If not, there is
 * a completion of the I/O, and none of the commit, which was not sent.
 */
static void send_io(struct uring_server *srv, struct uring_entry *entry)
{
	const bool write = entry->in.opcode == FUSE_WRITE;
	struct io_uring_sqe *sqe = test_sqe(&srv->tr);

	sqe->opcode = write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
	sqe->flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS |
		     srv->ft->sqe_flags;
	sqe->fd = entry->io.fd;
	sqe->len = entry->io.len;
	sqe->off = entry->io.offset;
	sqe->buf_index = entry->call.slot;
	sqe->user_data = entry->index | USER_IO;
	set_io_reply(entry, entry->io.claim ? entry->io.claim : entry->io.len);
	fuse_uring_commit(srv, entry);
}

/* Answer the request of an entry, or hold it, as the callback says */
static void answer(struct uring_server *srv, struct uring_entry *entry)
{
	int ret = fuse_serve_call(&entry->call);

	entry->held = ret == FUSE_SERVE_HELD;
	entry->call.again = entry->held;
	switch (ret) {
	case FUSE_SERVE_HELD:
	case FUSE_SERVE_DONE:
		return;
	case FUSE_SERVE_STOP:
		srv->stop = true;
		return;
	case FUSE_SERVE_IO:
		send_io(srv, entry);
		return;
	}
	set_reply(entry, ret);
	fuse_uring_commit(srv, entry);
}

static int serve_entry(struct uring_server *srv, struct uring_entry *entry,
		       unsigned int cqe_flags)
{
	int ret = 0;

	entry->in = *(struct fuse_in_header *)entry->head->in_out;
	entry->in_out = entry->head->ring_ent_in_out;
	memcpy(entry->arg, entry->head->op_in, sizeof(entry->arg));
	entry->call = (struct fuse_call) {
		.ft = srv->ft,
		.in = &entry->in,
		.arg = entry->arg,
		.payload = entry->payload,
		.payload_len = entry->in_out.payload_sz,
		.reply = entry->payload,
		.room = fuse_entry_room(srv->ft),
		.slot = -1,
		.io = &entry->io,
	};
	if (!entry->own_head || !entry->own_payload)
		ret = srv->ops->locate(srv, entry, cqe_flags);
	else if (entry->in_out.flags)
		ret = -EPROTO;
	if (!ret)
		answer(srv, entry);
	return ret;
}

/* After unmounting it is too late to answer: let the kernel end the requests */
static void give_up_held(struct uring_server *srv)
{
	unsigned int i;

	for (i = 0; i < srv->nr_entries; i++) {
		if (!srv->entries[i].held)
			continue;
		srv->entries[i].held = false;
		fuse_uring_commit(srv, &srv->entries[i]);
	}
}

static int serve_dev(struct uring_server *srv)
{
	int ret;

	do {
		ret = fuse_dev_reader_next(srv->reader);
	} while (!ret);
	if (ret == -ENODEV) {
		give_up_held(srv);
		return 0;
	}
	/* a callback has closed the ring, and wants to see the effect */
	if (ret == -EBADF)
		return 0;
	if (ret != -EAGAIN)
		return ret;
	watch_dev(srv);
	return 0;
}

static int handle_cqe(struct uring_server *srv,
		      const struct io_uring_cqe *cqe)
{
	struct uring_entry *entry;

	if (cqe->user_data == USER_DEV)
		return serve_dev(srv);
	if (cqe->user_data == FUSE_URING_USER_OWN) {
		srv->ft->completed(srv->ft, cqe->res);
		return 0;
	}
	entry = &srv->entries[(unsigned int)cqe->user_data];
	if (cqe->user_data & USER_IO) {
		set_io_reply(entry, cqe->res);
		fuse_uring_commit(srv, entry);
		return 0;
	}
	if (!cqe->res)
		return serve_entry(srv, entry, cqe->flags);
	/*
	 * the kernel had no memory to read the commit: the request is still
	 * there
	 */
	if (cqe->res == -ENOMEM && entry->in.unique) {
		fuse_uring_commit(srv, entry);
		return 0;
	}
	/* the result of an entry when the file system goes */
	srv->nr_live--;
	return cqe->res == -ENOTCONN ? 0 : cqe->res;
}

static void ask_held(struct uring_server *srv)
{
	unsigned int i;

	for (i = 0; i < srv->nr_entries; i++)
		if (srv->entries[i].held)
			answer(srv, &srv->entries[i]);
}

/* Handle all completions. A callback may wait for further ones of its own. */
static int handle_cqes(struct uring_server *srv)
{
	struct io_uring_cqe *at, cqe;
	int ret;

	while (!io_uring_peek_cqe(&srv->tr.ring, &at)) {
		cqe = *at;
		io_uring_cqe_seen(&srv->tr.ring, at);
		ret = handle_cqe(srv, &cqe);
		if (ret)
			return ret;
	}
	return 0;
}

int fuse_uring_run(struct uring_server *srv)
{
	int ret;

	while (srv->nr_live && !srv->stop) {
		ret = io_uring_submit_and_wait(&srv->tr.ring, 1);
		/*
		 * commands that the kernel had no memory for are still queued
		 */
		if (ret < 0 && ret != -EINTR && ret != -EAGAIN)
			return ret;
		ret = handle_cqes(srv);
		if (ret)
			return ret;
		ask_held(srv);
	}
	return 0;
}

int fuse_serve_uring(struct fuse_test *ft)
{
	struct uring_server srv;
	int ret;

	ret = fuse_uring_init(&srv, ft);
	if (!ret && ft->resend)
		ret = fuse_test_resend(ft);
	if (!ret)
		ret = fuse_uring_run(&srv);
	fuse_uring_exit(&srv);
	/* wait to be killed or unmounted */
	if (srv.stop)
		pause();
	return ret;
}
