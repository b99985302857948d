// SPDX-License-Identifier: GPL-2.0
/*
 * The reads and writes that libfuse's fuse_buf_copy() has io_uring do when the data
 * of more than one request is in slots. Here a function in place of fuse_uring_io()
 * does them, with memory for the slots. Linked with the objects of libfuse, see
 * sanitized in libfuse-build.sh.
 *
 *   uring_parts CASE
 */
#define FUSE_USE_VERSION 317
#include "fuse_config.h"
#include "fuse_i.h"
#include "fuse_lowlevel.h"
#include "fuse_uring_serve.h"
#include "fuse_uring_zc.h"
#include "unit.h"

#include <sys/mman.h>

#define PART	4096
#define NR	2

static struct fuse_ring_queue *queues[NR];
static char slots[NR][NR][PART];
static unsigned int nr_calls;

void __wrap_fuse_uring_io(struct fuse_ring_queue *queue, struct fuse_uring_io *io,
			  size_t nr);

void __wrap_fuse_uring_io(struct fuse_ring_queue *queue, struct fuse_uring_io *io,
			  size_t nr)
{
	nr_calls++;
	for (size_t i = 0; i < nr; i++) {
		char *mem = slots[queue->qid][io[i].slot] + io[i].off;

		if (io[i].op == IORING_OP_READ_FIXED)
			io[i].result = pread(io[i].fd, mem, io[i].len, io[i].pos);
		else
			io[i].result = pwrite(io[i].fd, mem, io[i].len, io[i].pos);
	}
}

static void init(void)
{
	for (int qid = 0; qid < NR; qid++) {
		queues[qid] = calloc(1, sizeof(**queues) +
				     NR * sizeof(queues[qid]->ent[0]));
		CHECK(queues[qid]);
		queues[qid]->qid = qid;
		for (int i = 0; i < NR; i++) {
			queues[qid]->ent[i].ring_queue = queues[qid];
			queues[qid]->ent[i].zc.slot = i;
			queues[qid]->ent[i].zc.size = PART;
		}
	}
}

static void end(void)
{
	for (int qid = 0; qid < NR; qid++)
		free(queues[qid]);
}

/* The slots of two requests, one after the other */
static struct fuse_bufvec *two_slots(int qid, int slot)
{
	struct fuse_bufvec *bufv = calloc(1, sizeof(*bufv) + sizeof(bufv->buf[0]));

	CHECK(bufv);
	bufv->count = 2;
	bufv->buf[0] = fuse_uring_zc_buf(&queues[0]->ent[0]);
	bufv->buf[1] = fuse_uring_zc_buf(&queues[qid]->ent[slot]);
	return bufv;
}

static struct fuse_bufvec in_file(void)
{
	struct fuse_bufvec bufv = FUSE_BUFVEC_INIT(2 * PART);

	bufv.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	bufv.buf[0].fd = memfd_create("parts", MFD_CLOEXEC);
	CHECK(bufv.buf[0].fd >= 0);
	return bufv;
}

/* The second request is in the slot of the queue; the other slots are others' */
static void copy_two(int qid, int slot, unsigned int calls)
{
	struct fuse_bufvec file = in_file(), *both;
	char first, second;

	init();
	both = two_slots(qid, slot);
	memset(slots, 'x', sizeof(slots));
	memset(slots[0][0], 'a', PART);
	memset(slots[qid][slot], 'b', PART);
	CHECK(fuse_buf_copy(&file, both, FUSE_BUF_AT_ONCE) == 2 * PART);
	CHECK(pread(file.buf[0].fd, &first, 1, 0) == 1 && first == 'a');
	CHECK(pread(file.buf[0].fd, &second, 1, PART) == 1 && second == 'b');
	CHECK(nr_calls == calls);

	/* and back */
	both->idx = both->off = 0;
	file.idx = file.off = 0;
	memset(slots, 'x', sizeof(slots));
	CHECK(fuse_buf_copy(both, &file, FUSE_BUF_AT_ONCE) == 2 * PART);
	CHECK(slots[0][0][PART - 1] == 'a');
	CHECK(slots[qid][slot][0] == 'b');
	CHECK(slots[!qid][slot][0] == 'x' || !slot);
	CHECK(nr_calls == 2 * calls);
	free(both);
	end();
}

static void two_queues(void)
{
	copy_two(1, 0, 2);
}

static void two_queues_and_slots(void)
{
	copy_two(1, 1, 2);
}

static void one_queue(void)
{
	copy_two(0, 1, 1);
}

static const struct unit_case cases[] = {
	{ "two_queues", two_queues },
	{ "two_queues_and_slots", two_queues_and_slots },
	{ "one_queue", one_queue },
};

int main(int argc, char *argv[])
{
	return unit_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
