// SPDX-License-Identifier: GPL-2.0
/*
 * Counters and trace events for the places of payloads of requests over
 * io_uring, for entries that use memory of their queue.
 */

#include "dev.h"
#include "dev_uring_i.h"
#include "fuse_trace.h"

/* Trace the place of the payload, with buffer and slot */
void fuse_uring_payload_trace(const struct fuse_ring_ent *ent)
{
	trace_fuse_uring_payload(ent->fuse_req, ent->place,
				 ent->buf.addr ? ent->buf.bid : -1,
				 ent->zero_copy ? ent->buf_index : -1);
}

/* Count a request that is sent */
void fuse_uring_payload_count(const struct fuse_ring_ent *ent)
{
	lockdep_assert_held(&ent->queue->lock);

	if (ent->zero_copy)
		ent->queue->nr_zero_copy++;
	else
		ent->queue->nr_sent[ent->place]++;
}

/* Print the sums over all queues, one counter per line */
ssize_t fuse_uring_print_stats(struct fuse_chan *fch, char *buf, size_t size)
{
	/* pairs with the release in fuse_uring_create() */
	struct fuse_ring *ring = smp_load_acquire(&fch->ring);
	u64 nr_zero_copy = 0, nr_fallbacks = 0, nr_buf_waits = 0;
	u64 nr_sent[FUSE_PAYLOAD_NR] = { };
	size_t qid, i;

	for (qid = 0; ring && qid < ring->nr_queues; qid++) {
		struct fuse_ring_queue *queue = READ_ONCE(ring->queues[qid]);

		if (!queue)
			continue;
		guard(spinlock)(&queue->lock);
		for (i = 0; i < FUSE_PAYLOAD_NR; i++)
			nr_sent[i] += queue->nr_sent[i];
		nr_zero_copy += queue->nr_zero_copy;
		nr_fallbacks += queue->nr_fallbacks;
		nr_buf_waits += queue->nr_buf_waits;
	}
	return scnprintf(buf, size,
			 "none %llu\ninline %llu\nbuffer %llu\niovec %llu\nzero_copy %llu\nfallback %llu\nbuffer_wait %llu\n",
			 nr_sent[FUSE_PAYLOAD_NONE], nr_sent[FUSE_PAYLOAD_INLINE],
			 nr_sent[FUSE_PAYLOAD_BUFFER],
			 nr_sent[FUSE_PAYLOAD_IOVEC], nr_zero_copy,
			 nr_fallbacks, nr_buf_waits);
}
