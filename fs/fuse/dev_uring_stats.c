// SPDX-License-Identifier: GPL-2.0
/*
 * Counters and trace events for the places of payloads of requests over
 * io_uring, for entries that use memory of their queue.
 */

#include "dev.h"
#include "dev_uring_i.h"
#include "fuse_trace.h"

#include <linux/seq_file.h>

/* Trace the place of the payload, with buffer group, buffer and slot */
void fuse_uring_payload_trace(const struct fuse_ring_ent *ent)
{
	const struct fuse_kmbufs *kmbufs = &ent->queue->kmbufs[ent->buf_ring];

	trace_fuse_uring_payload(ent->fuse_req, ent->place,
				 ent->buf.addr ? kmbufs->buf_group : -1,
				 ent->buf.addr ? ent->buf.bid : -1,
				 ent->zero_copy ? ent->buf_index : -1);
}

/* Count a request that is sent */
void fuse_uring_payload_count(const struct fuse_ring_ent *ent)
{
	lockdep_assert_held(&ent->queue->lock);

	if (ent->zero_copy)
		ent->queue->nr_zero_copy++;
	else if (ent->place == FUSE_PAYLOAD_BUFFER)
		ent->queue->kmbufs[ent->buf_ring].nr_sent++;
	else
		ent->queue->nr_sent[ent->place]++;
}

/* A request waits for a buffer, of kmbufs[@size_class] at least */
void fuse_uring_buffer_wait_count(struct fuse_ring_queue *queue,
				  unsigned int size_class)
{
	lockdep_assert_held(&queue->lock);

	queue->nr_buf_waits++;
	queue->kmbufs[size_class].nr_waits++;
}

/* What the counters of a connection add up to */
struct sums {
	u64 nr_sent[FUSE_PAYLOAD_NR];
	u64 nr_zero_copy;
	u64 nr_fallbacks;
	u64 nr_buf_waits;
};

static void add_queue(struct sums *sums, struct fuse_ring_queue *queue)
{
	unsigned int i;

	guard(spinlock)(&queue->lock);
	for (i = 0; i < FUSE_PAYLOAD_NR; i++)
		sums->nr_sent[i] += queue->nr_sent[i];
	for (i = 0; i < queue->nr_kmbufs; i++)
		sums->nr_sent[FUSE_PAYLOAD_BUFFER] += queue->kmbufs[i].nr_sent;
	sums->nr_zero_copy += queue->nr_zero_copy;
	sums->nr_fallbacks += queue->nr_fallbacks;
	sums->nr_buf_waits += queue->nr_buf_waits;
}

static void show_kmbufs(struct seq_file *m, struct fuse_ring_queue *queue)
{
	unsigned int i;

	guard(spinlock)(&queue->lock);
	for (i = 0; i < queue->nr_kmbufs; i++)
		seq_printf(m, "queue %u group %u size %u sent %llu wait %llu\n",
			   queue->qid, queue->kmbufs[i].buf_group,
			   queue->kmbufs[i].size, queue->kmbufs[i].nr_sent,
			   queue->kmbufs[i].nr_waits);
}

/*
 * Print the sums over all queues, one counter per line, and then a line for
 * each ring of buffers
 */
void fuse_uring_show_stats(struct fuse_chan *fch, struct seq_file *m)
{
	/* pairs with the release in fuse_uring_create() */
	struct fuse_ring *ring = smp_load_acquire(&fch->ring);
	struct fuse_ring_queue *queue;
	struct sums sums = { };
	size_t qid;

	for (qid = 0; ring && qid < ring->nr_queues; qid++) {
		/* pairs with the release in fuse_uring_create_queue() */
		queue = smp_load_acquire(&ring->queues[qid]);
		if (queue)
			add_queue(&sums, queue);
	}
	seq_printf(m, "none %llu\n", sums.nr_sent[FUSE_PAYLOAD_NONE]);
	seq_printf(m, "inline %llu\n", sums.nr_sent[FUSE_PAYLOAD_INLINE]);
	seq_printf(m, "buffer %llu\n", sums.nr_sent[FUSE_PAYLOAD_BUFFER]);
	seq_printf(m, "iovec %llu\n", sums.nr_sent[FUSE_PAYLOAD_IOVEC]);
	seq_printf(m, "zero_copy %llu\n", sums.nr_zero_copy);
	seq_printf(m, "fallback %llu\n", sums.nr_fallbacks);
	seq_printf(m, "buffer_wait %llu\n", sums.nr_buf_waits);

	for (qid = 0; ring && qid < ring->nr_queues; qid++) {
		/* likewise */
		queue = smp_load_acquire(&ring->queues[qid]);
		if (queue)
			show_kmbufs(m, queue);
	}
}
