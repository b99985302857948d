// SPDX-License-Identifier: GPL-2.0
/* The server of a FUSE file system over io_uring: a ring, an entry a queue. */
#include "fuse_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct uring_entry {
	struct fuse_uring_req_header	head;
	struct iovec			iov[2];
	unsigned char			*payload;
	unsigned int			qid;
};

static void send_cmd(struct fuse_test *ft, struct test_ring *tr,
		     struct uring_entry *entry, unsigned int op,
		     unsigned long long commit_id)
{
	struct io_uring_sqe *sqe = test_sqe(tr);
	struct fuse_uring_cmd_req *req = (void *)sqe->cmd;

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = ft->dev;
	sqe->cmd_op = op;
	sqe->addr = (unsigned long)entry->iov;
	sqe->len = 2;
	sqe->user_data = entry->qid;
	memset(req, 0, sizeof(*req));
	req->qid = entry->qid;
	req->commit_id = commit_id;
}

static int entry_init(struct fuse_test *ft, struct uring_entry *entry,
		      unsigned int qid)
{
	const size_t size = fuse_payload_size(ft);

	entry->qid = qid;
	entry->payload = malloc(size);
	if (!entry->payload)
		return -ENOMEM;
	entry->iov[0] = (struct iovec) { &entry->head, sizeof(entry->head) };
	entry->iov[1] = (struct iovec) { entry->payload, size };
	return 0;
}

/* Answer the request that an entry has got */
static void serve_entry(struct fuse_test *ft, struct test_ring *tr,
			struct uring_entry *entry)
{
	struct fuse_in_header in = *(struct fuse_in_header *)entry->head.in_out;
	struct fuse_uring_ent_in_out *io = &entry->head.ring_ent_in_out;
	struct fuse_call call = {
		.in = &in,
		.arg = entry->head.op_in,
		.payload = entry->payload,
		.payload_len = io->payload_sz,
		.reply = entry->payload,
		.room = fuse_payload_size(ft),
	};
	int ret = fuse_serve_call(ft, &call);

	*(struct fuse_out_header *)entry->head.in_out =
		(struct fuse_out_header) {
			.len = sizeof(struct fuse_out_header),
			.error = ret < 0 ? ret : 0,
			.unique = in.unique,
		};
	io->payload_sz = ret > 0 ? ret : 0;
	send_cmd(ft, tr, entry, FUSE_IO_URING_CMD_COMMIT_AND_FETCH,
		 io->commit_id);
}

static int serve_all(struct fuse_test *ft, struct test_ring *tr,
		     struct uring_entry *entries, unsigned int nr)
{
	struct io_uring_cqe *cqe;
	int ret;

	while (nr) {
		do {
			ret = io_uring_submit_and_wait(&tr->ring, 1);
		} while (ret == -EINTR);
		if (ret < 0)
			return ret;
		while (!io_uring_peek_cqe(&tr->ring, &cqe)) {
			ret = cqe->res;
			if (!ret)
				serve_entry(ft, tr, &entries[cqe->user_data]);
			else
				nr--;
			io_uring_cqe_seen(&tr->ring, cqe);
			/* what an entry gets when the file system goes */
			if (ret && ret != -ENOTCONN)
				return ret;
		}
	}
	return 0;
}

int fuse_serve_uring(struct fuse_test *ft)
{
	const unsigned int nr = sysconf(_SC_NPROCESSORS_CONF);
	struct uring_entry *entries = calloc(nr, sizeof(*entries));
	struct test_ring tr;
	unsigned int i;
	int ret;

	ret = test_ring_init(&tr, IORING_SETUP_SQE128, 0);
	for (i = 0; !ret && i < nr; i++) {
		ret = entry_init(ft, &entries[i], i);
		if (!ret)
			send_cmd(ft, &tr, &entries[i],
				 FUSE_IO_URING_CMD_REGISTER, 0);
	}
	if (!ret)
		ret = serve_all(ft, &tr, entries, nr);
	test_ring_exit(&tr);
	for (i = 0; i < nr; i++)
		free(entries[i].payload);
	free(entries);
	return ret;
}
