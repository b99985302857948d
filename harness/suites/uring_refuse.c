// SPDX-License-Identifier: GPL-2.0
/*
 * Linked with the objects of libfuse and -Wl,--wrap=fuse_uring_do_cmd: with
 * REFUSE="32=12,33=12" in the environment, the commands 32 and 33 fail with error
 * 12 and do not reach the kernel. With error 0 they seem to succeed. With "33=12+1"
 * the first command 33 of each thread, and so of each queue, does reach it.
 */
#include "uring_refuse.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct fuse_ring_queue;
struct fuse_uring_cmd_req;

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

		if (found)
			return nr >= pass ? err : -1;
		at = *end == ',' ? end + 1 : NULL;
	}
	return -1;
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
