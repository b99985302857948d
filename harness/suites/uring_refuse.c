// SPDX-License-Identifier: GPL-2.0
/*
 * Linked with the objects of libfuse and -Wl,--wrap=fuse_uring_do_cmd: with
 * REFUSE="32=12,33=12" in the environment, the commands 32 and 33 fail with error
 * 12 and do not reach the kernel. With error 0 they seem to succeed. With "33=12+1"
 * the first command 33 of each thread, and so of each queue, does reach it. With
 * "33=12x2" only the first two fail.
 *
 * The command 1, for each entry, fails only with -Wl,--wrap=fuse_uring_prep. Programs
 * that have that function themselves get theirs.
 */
#define FUSE_USE_VERSION 317
#include "fuse_config.h"
#include "fuse_i.h"
#include "fuse_uring_i.h"
#include "fuse_uring_ring.h"
#include "uring_refuse.h"

#include <limits.h>
#include <stdlib.h>

void __real_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe)
	__attribute__((weak));
void __wrap_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe)
	__attribute__((weak));
int __real_fuse_uring_do_cmd(struct fuse_ring_queue *queue, uint32_t cmd_op,
			     const struct fuse_uring_cmd_req *data);
int __wrap_fuse_uring_do_cmd(struct fuse_ring_queue *queue, uint32_t cmd_op,
			     const struct fuse_uring_cmd_req *data);

atomic_uint uring_commands[64];

/* The error for this command, the thread's @nr-th, or -1 */
static int refused(uint32_t cmd_op, unsigned int nr)
{
	const char *at = getenv("REFUSE");
	char *end;

	while (at && *at) {
		const bool found = strtoul(at, &end, 10) == cmd_op;
		const int err = *end == '=' ? strtol(end + 1, &end, 10) : -1;
		const unsigned int pass = *end == '+' ?
					  strtoul(end + 1, &end, 10) : 0;
		const unsigned int fail = *end == 'x' ?
					  strtoul(end + 1, &end, 10) : UINT_MAX;

		if (found)
			return nr >= pass && nr - pass < fail ? err : -1;
		at = *end == ',' ? end + 1 : NULL;
	}
	return -1;
}

/* The error is the result of a request that does nothing */
void __wrap_fuse_uring_prep(struct fuse_ring_ent *ent, struct io_uring_sqe *sqe)
{
	static __thread unsigned int sent;
	int err = -1;

	if (ent->last_cmd == FUSE_IO_URING_CMD_REGISTER)
		err = refused(ent->last_cmd, sent++);
	if (err < 0) {
		__real_fuse_uring_prep(ent, sqe);
		return;
	}
	io_uring_prep_nop(sqe);
	sqe->nop_flags = IORING_NOP_INJECT_RESULT;
	sqe->len = -err;
	io_uring_sqe_set_data(sqe, ent);
}

int __wrap_fuse_uring_do_cmd(struct fuse_ring_queue *queue, uint32_t cmd_op,
			     const struct fuse_uring_cmd_req *data)
{
	static __thread unsigned int sent[64];
	const int err = refused(cmd_op, sent[cmd_op % 64]++);

	uring_commands[cmd_op % 64]++;
	if (err >= 0)
		return -err;
	return __real_fuse_uring_do_cmd(queue, cmd_op, data);
}
