// SPDX-License-Identifier: GPL-2.0
/*
 * Which queue of io_uring serves the requests of a CPU, for servers that need
 * not have one for each.
 */

#include "dev.h"
#include "dev_uring_i.h"

#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/mutex.h>
#include <linux/sched/topology.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/topology.h>

/* How near is the CPU of a queue? The smaller the nearer. */
enum fuse_cpu_distance {
	FUSE_CPU_SHARES_CACHE,
	FUSE_CPU_SAME_NODE,
	FUSE_CPU_FAR,
};

/* CPUs that have never been online seem to share a cache, so look at nodes */
static enum fuse_cpu_distance
fuse_cpu_distance(unsigned int cpu, const struct fuse_ring_queue *queue)
{
	if (!cpu_possible(queue->qid) ||
	    cpu_to_node(cpu) != cpu_to_node(queue->qid))
		return FUSE_CPU_FAR;
	return cpus_share_cache(cpu, queue->qid) ? FUSE_CPU_SHARES_CACHE :
						   FUSE_CPU_SAME_NODE;
}

static void fuse_uring_map_set(struct fuse_ring *ring, unsigned int cpu,
			       struct fuse_ring_queue *queue)
{
	if (ring->map[cpu])
		ring->map[cpu]->map_nr_cpus--;
	queue->map_nr_cpus++;
	WRITE_ONCE(ring->map[cpu], queue);
}

/*
 * Should the queue serve the CPU, in place of the present one? It is nearer, or
 * as near and serves fewer CPUs.
 */
static bool fuse_uring_map_better(const struct fuse_ring *ring,
				  unsigned int cpu,
				  const struct fuse_ring_queue *queue)
{
	const struct fuse_ring_queue *present = ring->map[cpu];
	enum fuse_cpu_distance its, new;

	if (!present || !present->map_up || cpu == queue->qid)
		return true;
	if (cpu == present->qid)
		return false;
	its = fuse_cpu_distance(cpu, present);
	new = fuse_cpu_distance(cpu, queue);
	return new < its || (new == its && queue->map_nr_cpus + 1 <
					   present->map_nr_cpus);
}

/* The queue gets its own CPU, and its share of the others, the next ones first */
static void fuse_uring_map_add(struct fuse_ring *ring,
			       struct fuse_ring_queue *queue)
{
	unsigned int cpu;

	list_add_tail(&queue->map_list, &ring->map_queues);
	for_each_cpu_wrap(cpu, cpu_possible_mask, queue->qid)
		if (fuse_uring_map_better(ring, cpu, queue))
			fuse_uring_map_set(ring, cpu, queue);
}

/* Each of its CPUs gets the nearest of the others, unless there is none */
static void fuse_uring_map_remove(struct fuse_ring *ring,
				  struct fuse_ring_queue *queue)
{
	struct fuse_ring_queue *other;
	unsigned int cpu;

	list_del(&queue->map_list);
	for_each_possible_cpu(cpu) {
		if (ring->map[cpu] != queue)
			continue;
		list_for_each_entry(other, &ring->map_queues, map_list)
			if (fuse_uring_map_better(ring, cpu, other))
				fuse_uring_map_set(ring, cpu, other);
	}
}

/* While there is a queue that is up, no request waits in the others */
static void fuse_uring_map_move(struct fuse_ring *ring)
{
	struct fuse_ring_queue *queue, *to;
	unsigned int qid;

	for (qid = 0; qid < ring->nr_queues; qid++) {
		queue = READ_ONCE(ring->queues[qid]);
		if (!queue || queue->map_up || READ_ONCE(queue->moved))
			continue;
		to = list_first_entry(&ring->map_queues, struct fuse_ring_queue,
				      map_list);
		if (cpu_possible(qid))
			to = ring->map[qid];
		fuse_uring_move_requests(queue, to);
	}
}

/**
 * fuse_uring_map_update - a queue has got its first entry, or lost its last one
 * @queue: the queue, whose @up has changed, perhaps several times
 *
 * CPUs without a queue of their own get one that is near. If the queue is down,
 * others take its CPUs and the requests that wait in it. If there are none, they
 * wait for the next queue, this one or another.
 *
 * Changes of a queue cost time in proportion to the number of CPUs.
 *
 * Context: Process context, without locks of the queues. Takes ring->map_lock.
 *
 * Return: %true if each CPU has a queue that is up, else %false.
 */
bool fuse_uring_map_update(struct fuse_ring_queue *queue)
{
	struct fuse_ring *ring = queue->ring;
	bool up;

	if (!ring->map)
		return false;

	guard(mutex)(&ring->map_lock);
	/* whoever changes it afterwards calls this again */
	up = READ_ONCE(queue->up);
	if (up != queue->map_up) {
		queue->map_up = up;
		if (up)
			fuse_uring_map_add(ring, queue);
		else
			fuse_uring_map_remove(ring, queue);
	}
	if (list_empty(&ring->map_queues))
		return false;
	fuse_uring_map_move(ring);
	return true;
}

/* Have a map in place of a queue for each CPU: 0, or -ENOMEM */
int fuse_uring_map_create(struct fuse_ring *ring)
{
	ring->map = kzalloc_objs(struct fuse_ring_queue *, nr_cpu_ids,
				 GFP_KERNEL_ACCOUNT);
	if (!ring->map)
		return -ENOMEM;
	ring->queue_of_cpu = ring->map;
	ring->nr_cpus = nr_cpu_ids;
	return 0;
}

/* If there need not be a queue for each CPU, print which queue serves which */
void fuse_uring_show_map(struct fuse_chan *fch, struct seq_file *m)
{
	/* pairs with the release in fuse_uring_create() */
	const struct fuse_ring *ring = smp_load_acquire(&fch->ring);
	struct fuse_ring_queue *queue;
	unsigned int qid, cpu;
	unsigned long *cpus;

	if (!ring || !ring->map)
		return;
	cpus = bitmap_alloc(nr_cpu_ids, GFP_KERNEL);
	for (qid = 0; cpus && qid < ring->nr_queues; qid++) {
		queue = READ_ONCE(ring->queues[qid]);
		if (!queue || !READ_ONCE(queue->up))
			continue;
		bitmap_zero(cpus, nr_cpu_ids);
		for_each_possible_cpu(cpu)
			if (READ_ONCE(ring->map[cpu]) == queue)
				__set_bit(cpu, cpus);
		if (!bitmap_empty(cpus, nr_cpu_ids))
			seq_printf(m, "queue %u cpus %*pbl\n", qid,
				   nr_cpu_ids, cpus);
		cond_resched();
	}
	bitmap_free(cpus);
}
