// SPDX-License-Identifier: GPL-2.0
/*
 * Select and recycle buffers of a ring very often: in all contexts at once, to
 * check that no buffer is handed out twice, and in one, to measure the cost.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/io_uring/kmbuf.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timex.h>

#include "mock_kmbuf.h"

/* Cycles per timer run or lock section, and period of the timer */
#define MOCK_BATCH	32
#define MOCK_PERIOD_NS	(100 * NSEC_PER_USEC)

struct mock_stress {
	struct io_kmbuf_ring	*kr;
	/* cycles left, for all contexts */
	atomic_t		left;
	atomic_t		nr_faults;
	atomic_t		nr_empty;
	/* ids that a context holds, kept apart from the ring's own records */
	unsigned long		*held;
	/* stands for a consumer's lock, with interrupts off */
	spinlock_t		lock;
	struct hrtimer		hard;
	struct hrtimer		soft;
};

static void mock_stress_one(struct mock_stress *st)
{
	u32 nr = io_uring_kmbuf_nr(st->kr);
	struct io_kmbuf buf;

	if (io_uring_kmbuf_select(st->kr, &buf)) {
		atomic_inc(&st->nr_empty);
		return;
	}
	if (buf.bid >= nr || test_and_set_bit(buf.bid, st->held)) {
		atomic_inc(&st->nr_faults);
		return;
	}
	clear_bit(buf.bid, st->held);
	if (io_uring_kmbuf_recycle(st->kr, buf.bid))
		atomic_inc(&st->nr_faults);
}

/* False when all cycles are done */
static bool mock_stress_batch(struct mock_stress *st)
{
	unsigned int i;

	for (i = 0; i < MOCK_BATCH; i++) {
		if (atomic_dec_if_positive(&st->left) < 0)
			return false;
		mock_stress_one(st);
	}
	return true;
}

static int mock_stress_thread(void *data)
{
	struct mock_stress *st = data;
	unsigned long flags;
	bool more;

	do {
		spin_lock_irqsave(&st->lock, flags);
		more = mock_stress_batch(st);
		spin_unlock_irqrestore(&st->lock, flags);
		cond_resched();
	} while (more);

	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static enum hrtimer_restart mock_stress_timer(struct mock_stress *st,
					      struct hrtimer *timer)
{
	if (!mock_stress_batch(st))
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(MOCK_PERIOD_NS));
	return HRTIMER_RESTART;
}

static enum hrtimer_restart mock_stress_hard(struct hrtimer *timer)
{
	return mock_stress_timer(container_of(timer, struct mock_stress, hard),
				 timer);
}

static enum hrtimer_restart mock_stress_soft(struct hrtimer *timer)
{
	return mock_stress_timer(container_of(timer, struct mock_stress, soft),
				 timer);
}

static int mock_stress_run(struct mock_stress *st)
{
	struct task_struct *thread;
	int ret = 0;

	thread = kthread_run(mock_stress_thread, st, "kmbuf_stress");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	hrtimer_setup(&st->hard, mock_stress_hard, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
	hrtimer_setup(&st->soft, mock_stress_soft, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_SOFT);
	hrtimer_start(&st->hard, ns_to_ktime(MOCK_PERIOD_NS),
		      HRTIMER_MODE_REL_HARD);
	hrtimer_start(&st->soft, ns_to_ktime(MOCK_PERIOD_NS),
		      HRTIMER_MODE_REL_SOFT);

	while (mock_stress_batch(st)) {
		/* all contexts stop when no cycles are left */
		if (signal_pending(current)) {
			atomic_set(&st->left, 0);
			ret = -EINTR;
		}
		cond_resched();
	}

	hrtimer_cancel(&st->hard);
	hrtimer_cancel(&st->soft);
	kthread_stop(thread);
	return ret;
}

int mock_ring_stress(struct io_kmbuf_ring *kr,
		     struct io_uring_mock_kmbuf_cycles *arg)
{
	struct mock_stress *st;
	int ret = -ENOMEM;

	if (arg->cycles > INT_MAX)
		return -EINVAL;
	st = kzalloc_obj(*st, GFP_KERNEL_ACCOUNT);
	if (!st)
		return -ENOMEM;
	st->kr = kr;
	spin_lock_init(&st->lock);
	atomic_set(&st->left, arg->cycles);
	st->held = bitmap_zalloc(io_uring_kmbuf_nr(kr), GFP_KERNEL_ACCOUNT);
	if (st->held)
		ret = mock_stress_run(st);

	arg->nr_faults = atomic_read(&st->nr_faults);
	arg->nr_empty = atomic_read(&st->nr_empty);
	bitmap_free(st->held);
	kfree(st);
	return ret;
}

/* One cycle, with nothing in between that would be counted */
static int mock_bench_one(struct io_kmbuf_ring *kr,
			  struct io_uring_mock_kmbuf_cycles *arg)
{
	cycles_t t[4];
	struct io_kmbuf buf;
	unsigned long flags;
	int ret;

	local_irq_save(flags);
	/* the time to read the clock is not the ring's */
	t[0] = get_cycles();
	t[1] = get_cycles();
	ret = io_uring_kmbuf_select(kr, &buf);
	t[2] = get_cycles();
	if (!ret)
		ret = io_uring_kmbuf_recycle(kr, buf.bid);
	t[3] = get_cycles();
	local_irq_restore(flags);

	arg->select += (t[2] - t[1]) - (t[1] - t[0]);
	arg->recycle += (t[3] - t[2]) - (t[1] - t[0]);
	return ret;
}

int mock_ring_bench(struct io_kmbuf_ring *kr,
		    struct io_uring_mock_kmbuf_cycles *arg)
{
	u32 i;
	int ret;

	for (i = 0; i < arg->cycles; i++) {
		ret = mock_bench_one(kr, arg);
		if (ret)
			return ret;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}
