// SPDX-License-Identifier: GPL-2.0
/*
 * Consumers of commands that want to know when an io_uring goes, also while it
 * has no command of theirs that could be cancelled.
 */
#include <linux/io_uring/cmd.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#include "io_uring.h"
#include "watch.h"

/*
 * The watches of an io_uring. It does not go before the last of them, so that
 * its address stands for the io_uring for as long as there is a watch.
 */
struct io_ring_watchers {
	refcount_t		refs;
	/* nests inside of any ->uring_lock; callbacks run with it */
	struct mutex		lock;
	struct list_head	watches;
};

static void io_ring_watchers_put(struct io_ring_watchers *watchers)
{
	if (refcount_dec_and_test(&watchers->refs))
		kfree(watchers);
}

static struct io_ring_watchers *io_ring_watchers_get(struct io_ring_ctx *ctx)
{
	struct io_ring_watchers *watchers = ctx->watchers;

	lockdep_assert_held(&ctx->uring_lock);

	if (!watchers) {
		watchers = kzalloc_obj(*watchers, GFP_KERNEL_ACCOUNT);
		if (!watchers)
			return NULL;
		refcount_set(&watchers->refs, 1);
		mutex_init(&watchers->lock);
		INIT_LIST_HEAD(&watchers->watches);
		WRITE_ONCE(ctx->watchers, watchers);
	}
	refcount_inc(&watchers->refs);
	return watchers;
}

/**
 * io_uring_cmd_watch_ring - ask to be told when the io_uring of a command goes
 * @cmd: a command that its handler has not completed
 * @watch: the caller's, with the callback set and not in use
 * @issue_flags: those that the handler was called with
 *
 * @watch->gone() is called at most once, when the last file of the io_uring is
 * closed. No command is submitted any more then, but some may still be under way,
 * or have yet to be cancelled; io_uring_cmd_dying() is true for them. The
 * callback is in process context, and may sleep. It runs with a lock that is
 * taken inside of ->uring_lock. So it must not complete commands, except in task
 * work, or use buffers and regions of any io_uring; and it must not call
 * io_uring_unwatch_ring().
 *
 * The caller owns @watch, and keeps it and the callback's module until
 * io_uring_unwatch_ring() has returned.
 *
 * Context: Process context, in the handler of a command.
 *
 * Return: 0, -ENOMEM, or -ECANCELED if it is going already.
 */
int io_uring_cmd_watch_ring(struct io_uring_cmd *cmd,
			    struct io_uring_watch *watch,
			    unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = cmd_to_io_kiocb(cmd)->ctx;
	struct io_ring_watchers *watchers;
	int ret = -ECANCELED;

	io_ring_submit_lock(ctx, issue_flags);
	if (percpu_ref_is_dying(&ctx->refs))
		goto unlock;
	ret = -ENOMEM;
	watchers = io_ring_watchers_get(ctx);
	if (!watchers)
		goto unlock;
	watch->watchers = watchers;
	mutex_lock(&watchers->lock);
	list_add_tail(&watch->list, &watchers->watches);
	mutex_unlock(&watchers->lock);
	ret = 0;
unlock:
	io_ring_submit_unlock(ctx, issue_flags);
	return ret;
}
EXPORT_SYMBOL_GPL(io_uring_cmd_watch_ring);

/**
 * io_uring_cmd_watched_by - is this the watch of a command's io_uring?
 * @cmd: a command that its handler has not completed
 * @watch: a watch in use; its io_uring may have gone
 *
 * Context: Any context.
 *
 * Return: %true if it is, else %false.
 */
bool io_uring_cmd_watched_by(struct io_uring_cmd *cmd,
			     const struct io_uring_watch *watch)
{
	return READ_ONCE(cmd_to_io_kiocb(cmd)->ctx->watchers) == watch->watchers;
}
EXPORT_SYMBOL_GPL(io_uring_cmd_watched_by);

/**
 * io_uring_unwatch_ring - end a watch, whether its io_uring has gone or not
 * @watch: what io_uring_cmd_watch_ring() was called with
 *
 * When this has returned, the callback does not run, and will not.
 *
 * Context: Process context, without locks that the callback takes.
 */
void io_uring_unwatch_ring(struct io_uring_watch *watch)
{
	struct io_ring_watchers *watchers = watch->watchers;

	mutex_lock(&watchers->lock);
	list_del_init(&watch->list);
	mutex_unlock(&watchers->lock);
	watch->watchers = NULL;
	io_ring_watchers_put(watchers);
}
EXPORT_SYMBOL_GPL(io_uring_unwatch_ring);

/* The io_uring goes: ->refs is dying, which prevents further watches */
void io_ring_watchers_end(struct io_ring_ctx *ctx)
{
	struct io_ring_watchers *watchers = ctx->watchers;
	struct io_uring_watch *watch, *next;

	if (!watchers)
		return;
	mutex_lock(&watchers->lock);
	list_for_each_entry_safe(watch, next, &watchers->watches, list) {
		list_del_init(&watch->list);
		watch->gone(watch);
	}
	mutex_unlock(&watchers->lock);
}

/* Nothing uses the io_uring any more */
void io_ring_watchers_free(struct io_ring_ctx *ctx)
{
	if (ctx->watchers)
		io_ring_watchers_put(ctx->watchers);
}
