// SPDX-License-Identifier: GPL-2.0
/*
 * Which queue of io_uring serves the requests of a CPU, for servers that need
 * not have one for each.
 */

#include "dev.h"
#include "dev_uring_i.h"

#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/io_uring/cmd.h>
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

/* An io_uring that a queue has entries of, or has had */
struct fuse_uring_watch {
	struct io_uring_watch watch;
	struct fuse_ring *ring;
	unsigned int qid;
	bool gone;

	/* to be compared only */
	void *io_ring;

	/* in ring->watches, under ring->map_lock */
	struct list_head list;
};

/* Entries of the io_uring that are in userspace do not come back */
static void fuse_uring_watch_gone(struct io_uring_watch *io_watch)
{
	struct fuse_uring_watch *watch =
		container_of(io_watch, struct fuse_uring_watch, watch);
	struct fuse_ring *ring = watch->ring;
	struct fuse_ring_queue *queue;

	/* pairs with the release in fuse_uring_create_queue() */
	queue = smp_load_acquire(&ring->queues[watch->qid]);
	if (queue && fuse_uring_lose_ring(queue, watch->io_ring))
		fuse_uring_map_update(queue);
	WRITE_ONCE(watch->gone, true);
}

static void fuse_uring_free_watches(struct list_head *watches)
{
	struct fuse_uring_watch *watch, *next;

	list_for_each_entry_safe(watch, next, watches, list) {
		io_uring_unwatch_ring(&watch->watch);
		kfree(watch);
	}
}

/*
 * Is there a watch already? The latest is the likeliest. Those of io_urings that
 * have gone move to @gone.
 */
static bool fuse_uring_has_watch(struct fuse_ring *ring, unsigned int qid,
				 struct io_uring_cmd *cmd,
				 struct list_head *gone)
{
	struct fuse_uring_watch *watch, *next;

	lockdep_assert_held(&ring->map_lock);

	list_for_each_entry_safe(watch, next, &ring->watches, list) {
		if (watch->qid == qid &&
		    io_uring_cmd_watched_by(cmd, &watch->watch))
			return true;
		if (READ_ONCE(watch->gone))
			list_move(&watch->list, gone);
	}
	return false;
}

/**
 * fuse_uring_map_watch - note that a queue is to have an entry
 * @ring: the queues
 * @qid: the queue, which need not exist yet
 * @cmd: the command that registers the entry
 * @issue_flags: of the command
 *
 * When the io_uring of the command goes, the queue does as well, unless it has
 * commands of another one.
 *
 * Context: Process context, without locks of the queues. Takes ring->map_lock.
 *
 * Return: 0, also if each CPU has its own queue, -ENOMEM, or -ECANCELED if the
 * io_uring is going.
 */
int fuse_uring_map_watch(struct fuse_ring *ring, unsigned int qid,
			 struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct fuse_uring_watch *watch;
	LIST_HEAD(unused);
	bool found;
	int err;

	if (!ring->map)
		return 0;

	scoped_guard(mutex, &ring->map_lock)
		found = fuse_uring_has_watch(ring, qid, cmd, &unused);
	fuse_uring_free_watches(&unused);
	if (found)
		return 0;

	watch = kzalloc_obj(*watch, GFP_KERNEL_ACCOUNT);
	if (!watch)
		return -ENOMEM;
	watch->watch.gone = fuse_uring_watch_gone;
	watch->ring = ring;
	watch->qid = qid;
	watch->io_ring = io_uring_cmd_ctx_handle(cmd);
	/* takes the io_uring's lock, which goes outside of ring->map_lock */
	err = io_uring_cmd_watch_ring(cmd, &watch->watch, issue_flags);
	if (err) {
		kfree(watch);
		return err;
	}
	/* of two for the same, both tell of the same */
	scoped_guard(mutex, &ring->map_lock)
		list_add(&watch->list, &ring->watches);
	return 0;
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

/*
 * The connection goes, and no command can come any more. io_urings that outlive
 * it say nothing from here on.
 */
void fuse_uring_unwatch(struct fuse_chan *fch)
{
	if (fch->ring)
		fuse_uring_free_watches(&fch->ring->watches);
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
