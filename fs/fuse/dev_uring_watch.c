// SPDX-License-Identifier: GPL-2.0
/*
 * Watches of the io_urings that queues have entries of. When one goes, all of its
 * entries can be in userspace: then there is no command that could be cancelled,
 * and nothing else would tell.
 */

#include "dev.h"
#include "dev_uring_i.h"

#include <linux/io_uring/cmd.h>
#include <linux/mutex.h>
#include <linux/slab.h>

/* An io_uring that a queue has, or had, to do with */
struct fuse_uring_watch {
	struct io_uring_watch watch;
	struct fuse_ring *ring;
	unsigned int qid;
	bool gone;

	/* to be compared only */
	void *io_ring;

	/* under ring->map_lock: commands that were not refused, or not yet */
	unsigned int nr_cmds;

	/* in ring->watches, likewise */
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
	if (queue)
		fuse_uring_lose_ring(queue, watch->io_ring);
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
 * The watch of the command's io_uring, or NULL. The latest is the likeliest. Those
 * of io_urings that have gone move to @gone.
 */
static struct fuse_uring_watch *
fuse_uring_find_watch(struct fuse_ring *ring, unsigned int qid,
		      struct io_uring_cmd *cmd, struct list_head *gone)
{
	struct fuse_uring_watch *watch, *next;

	lockdep_assert_held(&ring->map_lock);

	list_for_each_entry_safe(watch, next, &ring->watches, list) {
		if (watch->qid == qid &&
		    io_uring_cmd_watched_by(cmd, &watch->watch))
			return watch;
		if (READ_ONCE(watch->gone))
			list_move(&watch->list, gone);
	}
	return NULL;
}

/*
 * One more command of its io_uring. Of two watches for the same, @watch is the
 * one that is not needed, and moves to @unused. It can be NULL if there must be
 * one. False if there is none.
 */
static bool fuse_uring_add_watch(struct fuse_ring *ring, unsigned int qid,
				 struct io_uring_cmd *cmd,
				 struct fuse_uring_watch *watch,
				 struct list_head *unused)
{
	struct fuse_uring_watch *present;

	guard(mutex)(&ring->map_lock);
	present = fuse_uring_find_watch(ring, qid, cmd, unused);
	if (!present && !watch)
		return false;
	if (!present)
		list_add(&watch->list, &ring->watches);
	else if (watch)
		list_add(&watch->list, unused);
	(present ?: watch)->nr_cmds++;
	/* who waits for the queue may have to think again */
	WRITE_ONCE(ring->nr_watch_cmds, ring->nr_watch_cmds + 1);
	wake_up_all(&ring->stop_waitq);
	return true;
}

/* Has an io_uring that still exists used the queue? Under ring->map_lock. */
bool fuse_uring_is_watched(struct fuse_ring *ring, unsigned int qid)
{
	struct fuse_uring_watch *watch;

	lockdep_assert_held(&ring->map_lock);

	list_for_each_entry(watch, &ring->watches, list)
		if (watch->qid == qid && watch->nr_cmds &&
		    !READ_ONCE(watch->gone))
			return true;
	return false;
}

/**
 * fuse_uring_watch_cmd - note that a command is about to use a queue
 * @ring: the queues
 * @qid: the queue, which need not exist yet
 * @cmd: the command, for instance one that registers an entry
 * @issue_flags: of the command
 *
 * When the io_uring of the command goes, the queue does as well, unless it has
 * commands of another one.
 *
 * Context: Process context, without locks of the queues. Takes ring->map_lock.
 *
 * Return: 0, also if nobody wants to know, -ENOMEM, or -ECANCELED if the io_uring
 * is going.
 */
int fuse_uring_watch_cmd(struct fuse_ring *ring, unsigned int qid,
			 struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct fuse_uring_watch *watch;
	LIST_HEAD(unused);
	int err = 0;

	if (!ring->watched ||
	    fuse_uring_add_watch(ring, qid, cmd, NULL, &unused))
		goto out;

	err = -ENOMEM;
	watch = kzalloc_obj(*watch, GFP_KERNEL_ACCOUNT);
	if (!watch)
		goto out;
	watch->watch.gone = fuse_uring_watch_gone;
	watch->ring = ring;
	watch->qid = qid;
	watch->io_ring = io_uring_cmd_ctx_handle(cmd);
	/* takes the io_uring's lock, which goes outside of ring->map_lock */
	err = io_uring_cmd_watch_ring(cmd, &watch->watch, issue_flags);
	if (err)
		kfree(watch);
	else
		fuse_uring_add_watch(ring, qid, cmd, watch, &unused);
out:
	fuse_uring_free_watches(&unused);
	return err;
}

/* The command that fuse_uring_watch_cmd() was called for is refused */
void fuse_uring_unwatch_cmd(struct fuse_ring *ring, unsigned int qid,
			    struct io_uring_cmd *cmd)
{
	struct fuse_uring_watch *watch;
	LIST_HEAD(unused);

	if (!ring->watched)
		return;
	scoped_guard(mutex, &ring->map_lock) {
		watch = fuse_uring_find_watch(ring, qid, cmd, &unused);
		if (watch)
			watch->nr_cmds--;
	}
	fuse_uring_free_watches(&unused);
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
