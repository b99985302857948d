// SPDX-License-Identifier: GPL-2.0
/*
 * Recovery of FUSE over io_uring: when the io_uring of a queue has gone, but the
 * connection has not, another server can add the queue again, and can ask for the
 * requests that the queue had sent.
 *
 * Those are lost: nobody can reply to them. Each is pending again, so that its
 * client can be killed, but stays with its entry until FUSE_NOTIFY_RESEND, as the
 * old server may have begun to serve it. The entry has returned what it used of
 * the queue. Requests that the old server has not got wait in the queue, as new
 * ones do.
 *
 * A queue belongs to the io_urings that have added it, given it memory or
 * registered an entry. When the last of them has gone, the queue is as good as
 * missing. It becomes vacant as soon as its last entry has returned what it used,
 * and somebody wants to add the queue.
 */

#include "dev.h"
#include "dev_uring_i.h"

#include <linux/io_uring/cmd.h>
#include <linux/mutex.h>
#include <linux/slab.h>

/* How long to wait for I/O that the io_uring of an old server has in flight */
#define RESEND_INTERVAL		msecs_to_jiffies(10)

static void lose_request(struct fuse_req *req)
{
	struct fuse_iqueue *fiq = &req->chan->iq;

	list_del_init(&req->list);
	spin_lock(&fiq->lock);
	/* an interrupt is sent after the request */
	clear_bit(FR_SENT, &req->flags);
	if (test_bit(FR_INTERRUPTED, &req->flags))
		list_del_init(&req->intr_entry);
	spin_unlock(&fiq->lock);
}

/**
 * fuse_uring_wait_again - keep a request whose copying has failed
 * @ent: its entry
 * @req: the request
 * @sent: is this the reply, so that the server has had the request?
 *
 * If the server is being killed, pages that are not there cannot be had, and the
 * copying fails. Another entry or another server can serve the request: it waits
 * for them. One that was sent is marked, and only waits if the server has asked for
 * recovery. I/O on pages that were handed out may still be in flight, so that such
 * a request has to end.
 *
 * The caller releases the entry: the same server would get the request again.
 *
 * Context: Where the entry's command runs. Takes queue->lock.
 *
 * Return: %false if the request has to end.
 */
bool fuse_uring_wait_again(struct fuse_ring_ent *ent, struct fuse_req *req,
			   bool sent)
{
	struct fuse_ring_queue *queue = ent->queue;
	struct fuse_ring *ring = queue->ring;

	if (!fuse_uring_server_dying(ent->cmd))
		return false;
	if (ent->zero_copy ||
	    !(sent ? ring->chan->io_uring_recovery : ring->watched))
		return false;

	guard(spinlock)(&queue->lock);
	if (queue->stopped)
		return false;
	if (sent) {
		lose_request(req);
		req->in.h.unique |= FUSE_UNIQUE_RESEND;
	}
	set_bit(FR_PENDING, &req->flags);
	fuse_uring_requeue(ent);
	/* its client may have been killed meanwhile */
	wake_up(&req->waitq);
	return true;
}

/*
 * The request of a lost entry is pending again, unless I/O of the old server may
 * still write to its pages: these are not to be used for anything else before.
 * False if that is so.
 */
static bool make_pending(struct fuse_ring_ent *ent)
{
	struct fuse_req *req = ent->fuse_req;

	if (fuse_uring_zc_in_use(ent))
		return false;
	if (!test_and_set_bit(FR_PENDING, &req->flags))
		/* a client that was killed need not wait any longer */
		wake_up(&req->waitq);
	return true;
}

/* What is left to do, without queue->lock, after entries were lost */
struct loss {
	unsigned int nr_ents;
	bool unpin;
	/* the delayed work has to look after them */
	bool work;
};

static void lose_ent(struct fuse_ring_ent *ent, bool resend, struct loss *loss)
{
	struct fuse_ring_queue *queue = ent->queue;

	list_move_tail(&ent->list, &queue->ent_lost);
	ent->state = FRRS_LOST;
	ent->resend = resend;
	fuse_uring_put_buffer(ent);
	loss->unpin |= fuse_uring_kmbuf_leave(ent);
	ent->provider = FUSE_PROVIDER_IOVEC;
	fuse_uring_zc_withdraw(ent);
	lose_request(ent->fuse_req);
	loss->work |= !make_pending(ent) || resend;
	loss->nr_ents++;
}

/*
 * Lose all entries of an io_uring that are in userspace. NULL: those that were
 * sent after it had gone.
 */
static void lose_ents(struct fuse_ring_queue *queue, void *io_ring,
		      struct loss *loss)
{
	const bool recovery = queue->ring->chan->io_uring_recovery;
	struct fuse_ring_ent *ent, *next;

	lockdep_assert_held(&queue->lock);

	list_for_each_entry_safe(ent, next, &queue->ent_in_userspace, list) {
		if (ent->io_ring != io_ring)
			continue;
		ent->io_ring = NULL;
		if (recovery)
			lose_ent(ent, !io_ring, loss);
	}
	/* without an entry, nobody else would unpin the buffers */
	if (recovery && io_ring && queue->io_ring == io_ring)
		loss->unpin |= fuse_uring_kmbuf_unused(queue);
}

static void lose_ring(struct fuse_ring_queue *queue, void *io_ring)
{
	struct io_uring_cmd *matched;
	struct loss loss = { };
	bool down;

	spin_lock(&queue->lock);
	lose_ents(queue, io_ring, &loss);
	down = fuse_uring_goes_down(queue);
	/* entries of another io_uring may get the buffers */
	matched = fuse_uring_match(queue);
	spin_unlock(&queue->lock);

	fuse_uring_dispatch(matched);
	if (loss.unpin)
		fuse_uring_kmbuf_unpin(queue);
	while (loss.nr_ents--)
		fuse_uring_leave_queue(queue);
	if (down)
		fuse_uring_map_update(queue);
	if (loss.work)
		schedule_delayed_work(&queue->ring->resend_work, 0);
}

/**
 * fuse_uring_lose_ring - the server will not reply to what it has got
 * @queue: the queue
 * @io_ring: an io_uring that is going
 *
 * Without FUSE_IO_URING_RECOVERY the requests stay where they are, until the
 * connection ends.
 *
 * Context: Process context, without locks of the queues. Takes ring->map_lock.
 */
void fuse_uring_lose_ring(struct fuse_ring_queue *queue, void *io_ring)
{
	lose_ring(queue, io_ring);
}

/*
 * Likewise, after a request was sent to an io_uring that had gone, whose entry has
 * none now. Nobody may ask for that request any more, so it is sent again without.
 */
void fuse_uring_lose_sent(struct fuse_ring_queue *queue)
{
	lose_ring(queue, NULL);
}

/* The request of a lost entry has ended, or waits again. May sleep. */
void fuse_uring_free_lost(struct fuse_ring_ent *ent)
{
	struct fuse_ring *ring = ent->queue->ring;

	fuse_uring_zc_revoke(ent);
	kfree(ent);
	if (atomic_dec_and_test(&ring->queue_refs))
		wake_up_all(&ring->stop_waitq);
}

/*
 * Let lost requests be pending, and wait in the queue again if that was asked for.
 * True if that is not possible yet for some.
 */
static bool resend_requests(struct fuse_ring_queue *queue,
			    struct list_head *ents)
{
	struct fuse_ring_ent *ent, *next;
	bool in_use = false;

	lockdep_assert_held(&queue->lock);

	/* abort ends them */
	if (queue->stopped)
		return false;
	/* from the youngest on, which puts each before the others at once */
	list_for_each_entry_safe_reverse(ent, next, &queue->ent_lost, list) {
		if (!make_pending(ent)) {
			in_use = true;
			continue;
		}
		if (!ent->resend)
			continue;
		ent->fuse_req->in.h.unique |= FUSE_UNIQUE_RESEND;
		fuse_uring_requeue(ent);
		list_move_tail(&ent->list, ents);
	}
	if (!list_empty(ents))
		WRITE_ONCE(queue->moved, false);
	return in_use;
}

static bool resend_queue(struct fuse_ring_queue *queue)
{
	struct fuse_ring_ent *ent, *next;
	struct io_uring_cmd *matched;
	LIST_HEAD(ents);
	bool in_use;

	spin_lock(&queue->lock);
	in_use = resend_requests(queue, &ents);
	matched = fuse_uring_match(queue);
	spin_unlock(&queue->lock);

	fuse_uring_dispatch(matched);
	if (list_empty(&ents))
		return in_use;
	list_for_each_entry_safe(ent, next, &ents, list)
		fuse_uring_free_lost(ent);
	/* another queue may have taken the place of this one */
	fuse_uring_map_update(queue);
	return in_use;
}

static void resend_queues(struct fuse_ring *ring)
{
	struct fuse_ring_queue *queue;
	bool in_use = false;
	unsigned int qid;

	for (qid = 0; qid < ring->nr_queues; qid++) {
		/* pairs with the release in fuse_uring_create_queue() */
		queue = smp_load_acquire(&ring->queues[qid]);
		if (queue)
			in_use |= resend_queue(queue);
	}
	if (in_use)
		schedule_delayed_work(&ring->resend_work, RESEND_INTERVAL);
}

static void resend_work(struct work_struct *work)
{
	resend_queues(container_of(work, struct fuse_ring, resend_work.work));
}

void fuse_uring_recover_init(struct fuse_ring *ring)
{
	INIT_DELAYED_WORK(&ring->resend_work, resend_work);
}

/*
 * FUSE_NOTIFY_RESEND. Requests that a living io_uring has are not sent again, as
 * its server can still reply.
 */
void fuse_uring_resend(struct fuse_chan *fch)
{
	/* pairs with the release in fuse_uring_create() */
	struct fuse_ring *ring = smp_load_acquire(&fch->ring);
	struct fuse_ring_queue *queue;
	struct fuse_ring_ent *ent;
	unsigned int qid;

	if (!ring)
		return;
	for (qid = 0; qid < ring->nr_queues; qid++) {
		/* pairs with the release in fuse_uring_create_queue() */
		queue = smp_load_acquire(&ring->queues[qid]);
		if (!queue)
			continue;
		guard(spinlock)(&queue->lock);
		list_for_each_entry(ent, &queue->ent_lost, list)
			ent->resend = true;
	}
	resend_queues(ring);
}

/*
 * Return a queue whose io_urings have all gone to the state that it had when it
 * was created, except for requests and the counters of the connection. It gets no
 * memory before it is added again. False if entries still use it.
 */
static bool vacate(struct fuse_ring_queue *queue)
{
	unsigned int i;
	LIST_HEAD(reqs);
	void *pool;
	bool unpin;

	lockdep_assert_held(&queue->ring->map_lock);

	scoped_guard(spinlock, &queue->lock) {
		/* abort needs no help, and unpins the buffers */
		if (queue->stopped)
			return true;
		if (atomic_read_acquire(&queue->nr_ents))
			return false;
		unpin = fuse_uring_kmbuf_unused(queue);
	}
	/* from here on it gets no more buffers */
	if (unpin)
		fuse_uring_kmbuf_unpin(queue);

	scoped_guard(spinlock, &queue->lock) {
		if (atomic_read_acquire(&queue->nr_ents))
			return false;
		fuse_uring_unpark(queue, &reqs);
		list_splice(&reqs, &queue->fuse_req_queue);

		pool = fuse_uring_take_pool(queue);
		WRITE_ONCE(queue->provider, FUSE_PROVIDER_IOVEC);
		for (i = 0; i < queue->nr_kmbufs; i++)
			queue->nr_sent[FUSE_PAYLOAD_BUFFER] +=
				queue->kmbufs[i].nr_sent;
		memset(queue->kmbufs, 0, sizeof(queue->kmbufs));
		queue->nr_kmbufs = 0;
		WRITE_ONCE(queue->first_kmbuf, NULL);
		WRITE_ONCE(queue->hdr_stride, 0);
		WRITE_ONCE(queue->io_ring, NULL);
		queue->zero_copy_min = 0;
		queue->zero_copy = false;
		queue->ents_means = 0;
		queue->ents_differ = false;
		queue->had_ents = false;
		queue->vacant = true;
	}
	kfree(pool);
	return true;
}

/* Make the queue vacant if nobody has it. -EAGAIN if entries still use it. */
static int try_vacate(struct fuse_ring_queue *queue)
{
	struct fuse_ring *ring = queue->ring;

	guard(mutex)(&ring->map_lock);
	if (READ_ONCE(queue->vacant) || READ_ONCE(queue->stopped) ||
	    fuse_uring_is_watched(ring, queue->qid))
		return 0;
	return vacate(queue) ? 0 : -EAGAIN;
}

/* Is a command to add a queue, or to use one that was added? */
static bool adds_queue(const struct io_uring_cmd *cmd)
{
	return cmd->cmd_op == FUSE_IO_URING_CMD_ADD_QUEUE ||
	       cmd->cmd_op == FUSE_IO_URING_CMD_REGISTER;
}

/* Has the last entry gone, or has somebody else perhaps claimed the queue? */
static bool has_changed(const struct fuse_ring_queue *queue,
			unsigned int nr_watch_cmds)
{
	return !atomic_read(&queue->nr_ents) ||
	       READ_ONCE(queue->ring->nr_watch_cmds) != nr_watch_cmds;
}

/**
 * fuse_uring_claim_queue - note that a command is about to set up a queue
 * @ring: the queues
 * @qid: the queue, which need not exist yet
 * @cmd: the command
 * @issue_flags: of the command
 *
 * With FUSE_IO_URING_RECOVERY, a queue whose io_urings have all gone becomes
 * vacant. The last commands of these io_urings are on their way, so it is waited
 * for. If @cmd fails after all, fuse_uring_unwatch_cmd() has to be called.
 *
 * Context: Process context, without locks of the queues. Takes ring->map_lock.
 *
 * Return: 0, or
 * -EAGAIN if it has to wait, but @issue_flags do not allow that,
 * -EINTR if it was interrupted,
 * -ESRCH if the queue is vacant, and has to be added first,
 * -ENOMEM if there is no memory,
 * -ECANCELED if the io_uring of @cmd is going.
 */
int fuse_uring_claim_queue(struct fuse_ring *ring, unsigned int qid,
			   struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	/* pairs with the release in fuse_uring_create_queue() */
	struct fuse_ring_queue *queue = smp_load_acquire(&ring->queues[qid]);
	const bool recovery = ring->chan->io_uring_recovery;
	unsigned int nr_watch_cmds;

	while (queue && recovery) {
		nr_watch_cmds = READ_ONCE(ring->nr_watch_cmds);
		if (!try_vacate(queue))
			break;
		if (issue_flags & IO_URING_F_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(ring->stop_waitq,
					     has_changed(queue, nr_watch_cmds)))
			return -EINTR;
	}
	if (queue && READ_ONCE(queue->vacant) && !adds_queue(cmd))
		return -ESRCH;
	return fuse_uring_watch_cmd(ring, qid, cmd, issue_flags);
}

/* A vacant queue is added */
static void occupy(struct fuse_ring_queue *queue)
{
	lockdep_assert_held(&queue->lock);

	queue->kmbufs_unpinned = false;
	WRITE_ONCE(queue->vacant, false);
}

/*
 * Add a queue that exists. -EEXIST if it is not vacant, -ENOTCONN if the connection
 * has been aborted, -ECANCELED if the command's io_uring is going.
 */
int fuse_uring_reopen_queue(struct fuse_ring_queue *queue,
			    struct io_uring_cmd *cmd, bool zero_copy)
{
	guard(spinlock)(&queue->lock);
	if (queue->stopped)
		return -ENOTCONN;
	if (!queue->vacant)
		return -EEXIST;
	/* when it has gone, the queue can be vacated at any time */
	if (io_uring_cmd_dying(cmd))
		return -ECANCELED;
	queue->zero_copy = zero_copy;
	occupy(queue);
	return 0;
}

/*
 * The queue is to have an entry, which keeps it from being vacated. It has been
 * claimed. -ECANCELED if the command's io_uring is going.
 */
int fuse_uring_enter_queue(struct fuse_ring_queue *queue,
			   struct io_uring_cmd *cmd)
{
	guard(spinlock)(&queue->lock);
	if (queue->ring->watched && io_uring_cmd_dying(cmd))
		return -ECANCELED;
	atomic_inc(&queue->nr_ents);
	if (unlikely(queue->vacant))
		occupy(queue);
	return 0;
}

/* The entry has returned what it used of the queue */
void fuse_uring_leave_queue(struct fuse_ring_queue *queue)
{
	if (atomic_dec_and_test(&queue->nr_ents) &&
	    queue->ring->chan->io_uring_recovery)
		wake_up_all(&queue->ring->stop_waitq);
}
