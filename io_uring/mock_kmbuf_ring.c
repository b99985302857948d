// SPDX-License-Identifier: GPL-2.0
/*
 * The mock subsystem's use of rings of kernel-managed buffers: one command for
 * each call. The checks that a caller has to do are left to the test.
 */
#include <linux/err.h>
#include <linux/io_uring/cmd.h>
#include <linux/io_uring/kmbuf.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "mock_kmbuf.h"

void mock_pins_init(struct mock_pins *pins)
{
	spin_lock_init(&pins->lock);
}

static void mock_pin_free(struct mock_pin *pin)
{
	if (!pin->kr)
		return;
	io_uring_buf_ring_unpin(pin->kr);
	kvfree(pin->bufs);
}

void mock_pins_free(struct mock_pins *pins)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pins->pins); i++)
		mock_pin_free(&pins->pins[i]);
}

/* NULL if there is no such pin */
static struct mock_pin *mock_pin_get(struct mock_pins *pins, u32 handle)
{
	struct mock_pin *pin;

	lockdep_assert_held(&pins->lock);

	if (handle >= ARRAY_SIZE(pins->pins))
		return NULL;
	pin = &pins->pins[array_index_nospec(handle, ARRAY_SIZE(pins->pins))];
	return pin->kr ? pin : NULL;
}

static int mock_pin_store(struct mock_pins *pins, const struct mock_pin *pin)
{
	unsigned int i;

	guard(spinlock_irqsave)(&pins->lock);
	for (i = 0; i < ARRAY_SIZE(pins->pins); i++) {
		if (!pins->pins[i].kr) {
			pins->pins[i] = *pin;
			return i;
		}
	}
	return -ENOSPC;
}

static int mock_cmd_pin(struct io_uring_cmd *cmd, struct mock_pins *pins,
			const struct io_uring_mock_kmbuf_ring *arg,
			unsigned int issue_flags)
{
	struct mock_pin pin = { };
	int ret = -ENOMEM;

	pin.kr = io_uring_buf_ring_pin(cmd, arg->bgid, issue_flags);
	if (IS_ERR(pin.kr))
		return PTR_ERR(pin.kr);

	pin.bufs = kvcalloc(io_uring_kmbuf_nr(pin.kr), sizeof(*pin.bufs),
			    GFP_KERNEL_ACCOUNT);
	if (pin.bufs)
		ret = mock_pin_store(pins, &pin);
	if (ret < 0)
		mock_pin_free(&pin);
	return ret;
}

static int mock_cmd_unpin(struct mock_pins *pins, u32 handle)
{
	struct mock_pin *pin, old;

	scoped_guard(spinlock_irqsave, &pins->lock) {
		pin = mock_pin_get(pins, handle);
		if (!pin)
			return -EBADF;
		if (pin->busy)
			return -EBUSY;
		old = *pin;
		*pin = (struct mock_pin) { };
	}
	mock_pin_free(&old);
	return 0;
}

static int mock_cmd_on(struct io_uring_cmd *cmd, struct mock_pins *pins,
		       const struct io_uring_mock_kmbuf_ring *arg,
		       unsigned int issue_flags)
{
	struct io_kmbuf_ring *kr = NULL;
	struct mock_pin *pin;

	scoped_guard(spinlock_irqsave, &pins->lock) {
		pin = mock_pin_get(pins, arg->handle);
		if (pin)
			kr = pin->kr;
	}
	if (!kr)
		return -EBADF;
	/* compared and not dereferenced: it may go away */
	return io_uring_cmd_on_kmbuf_ring(cmd, arg->bgid, kr, issue_flags);
}

static int mock_pin_select(struct mock_pin *pin,
			   struct io_uring_mock_kmbuf_ring *arg)
{
	struct io_kmbuf buf;
	int ret;

	ret = io_uring_kmbuf_select(pin->kr, &buf);
	if (ret)
		return ret;
	/* out of range or handed out before: a bug in the ring */
	if (buf.bid >= io_uring_kmbuf_nr(pin->kr) || pin->bufs[buf.bid].addr)
		return -EBADE;
	pin->bufs[buf.bid] = buf;
	arg->len = buf.len;
	return buf.bid;
}

static int mock_pin_recycle(struct mock_pin *pin, u32 bid)
{
	int ret;

	ret = io_uring_kmbuf_recycle(pin->kr, bid);
	if (!ret)
		pin->bufs[bid].addr = NULL;
	return ret;
}

static int mock_pin_info(struct mock_pin *pin,
			 struct io_uring_mock_kmbuf_ring *arg)
{
	arg->buf_size = io_uring_kmbuf_size(pin->kr);
	arg->nr_bufs = io_uring_kmbuf_nr(pin->kr);
	arg->flags = io_uring_kmbuf_flags(pin->kr);
	return 0;
}

/* The commands that run with the consumer's lock held */
static int mock_pin_cmd(struct mock_pins *pins, u32 op,
			struct io_uring_mock_kmbuf_ring *arg)
{
	struct mock_pin *pin;

	guard(spinlock_irqsave)(&pins->lock);
	pin = mock_pin_get(pins, arg->handle);
	if (!pin)
		return -EBADF;

	switch (op) {
	case IORING_MOCK_KMBUF_CMD_RING_SELECT:
		return mock_pin_select(pin, arg);
	case IORING_MOCK_KMBUF_CMD_RING_RECYCLE:
		return mock_pin_recycle(pin, arg->bid);
	}
	return mock_pin_info(pin, arg);
}

static int mock_cmd_ring(struct io_uring_cmd *cmd, struct mock_pins *pins,
			 unsigned int issue_flags)
{
	struct io_uring_mock_kmbuf_ring arg;
	int ret, err;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.len || arg.buf_size || arg.nr_bufs || arg.flags || arg.resv)
		return -EINVAL;

	switch (cmd->cmd_op) {
	case IORING_MOCK_KMBUF_CMD_RING_PIN:
		return mock_cmd_pin(cmd, pins, &arg, issue_flags);
	case IORING_MOCK_KMBUF_CMD_RING_UNPIN:
		return mock_cmd_unpin(pins, arg.handle);
	case IORING_MOCK_KMBUF_CMD_RING_IS:
		return io_uring_is_kmbuf_ring(cmd, arg.bgid, issue_flags);
	case IORING_MOCK_KMBUF_CMD_RING_ON:
		return mock_cmd_on(cmd, pins, &arg, issue_flags);
	}
	ret = mock_pin_cmd(pins, cmd->cmd_op, &arg);
	err = mock_put_arg(cmd, &arg, sizeof(arg));
	return err ?: ret;
}

static int mock_pin_exchange(struct mock_pins *pins,
			     struct io_uring_mock_kmbuf_exchange *arg)
{
	struct mock_pin *pin;
	struct io_kmbuf *buf;
	u32 bid;

	guard(spinlock_irqsave)(&pins->lock);
	pin = mock_pin_get(pins, arg->handle);
	if (!pin)
		return -EBADF;
	if (arg->bid >= io_uring_kmbuf_nr(pin->kr))
		return -ERANGE;
	bid = array_index_nospec(arg->bid, io_uring_kmbuf_nr(pin->kr));
	buf = &pin->bufs[bid];
	if (!buf->addr)
		return -ERANGE;
	return mock_exchange(buf->addr, buf->len, arg->offset, arg->new,
			     &arg->old);
}

static int mock_cmd_exchange(struct io_uring_cmd *cmd, struct mock_pins *pins)
{
	struct io_uring_mock_kmbuf_exchange arg;
	int ret;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.old)
		return -EINVAL;
	ret = mock_pin_exchange(pins, &arg);
	return ret ?: mock_put_arg(cmd, &arg, sizeof(arg));
}

#define MOCK_INTERRUPT_DELAY	(HZ / 10)

/* State of a command that is to be completed later */
struct mock_done {
	struct delayed_work	work;
	struct io_uring_cmd	*cmd;
	s32			res;
	u16			bid;
	u8			how;
};

/*
 * The command's file may be all that keeps this module loaded. The caller can
 * still return: task work drops the command only after that, and the module's
 * exit waits for mock_wq.
 */
static void mock_done_finish(struct mock_done *done, unsigned int issue_flags)
{
	struct mock_done copy = *done;

	kfree(done);
	io_uring_cmd_done_kmbuf(copy.cmd, copy.res, copy.bid, issue_flags);
}

static void mock_done_tw(struct io_tw_req tw_req, io_tw_token_t tw)
{
	struct io_uring_cmd *cmd = io_uring_cmd_from_tw(tw_req);

	mock_done_finish(*io_uring_cmd_to_pdu(cmd, struct mock_done *),
			 IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);
}

static void mock_done_work(struct work_struct *work)
{
	struct mock_done *done = container_of(to_delayed_work(work),
					      struct mock_done, work);

	if (done->how == IORING_MOCK_KMBUF_DONE_INTERRUPT)
		io_uring_cmd_complete_in_task(done->cmd, mock_done_tw);
	else
		mock_done_finish(done, IO_URING_F_UNLOCKED);
}

static int mock_done_later(struct io_uring_cmd *cmd,
			   const struct io_uring_mock_kmbuf_done *arg)
{
	struct mock_done *done;

	done = kzalloc_obj(*done, GFP_KERNEL_ACCOUNT);
	if (!done)
		return -ENOMEM;
	done->cmd = cmd;
	done->res = arg->res;
	done->bid = arg->bid;
	done->how = arg->how;
	INIT_DELAYED_WORK(&done->work, mock_done_work);
	*io_uring_cmd_to_pdu(cmd, struct mock_done *) = done;

	switch (arg->how) {
	case IORING_MOCK_KMBUF_DONE_TASK_WORK:
		io_uring_cmd_complete_in_task(cmd, mock_done_tw);
		break;
	case IORING_MOCK_KMBUF_DONE_WORKER:
		queue_delayed_work(mock_wq, &done->work, 0);
		break;
	case IORING_MOCK_KMBUF_DONE_INTERRUPT:
		queue_delayed_work(mock_wq, &done->work, MOCK_INTERRUPT_DELAY);
		break;
	}
	return -EIOCBQUEUED;
}

static int mock_done(struct io_uring_cmd *cmd,
		     const struct io_uring_mock_kmbuf_done *arg,
		     unsigned int issue_flags)
{
	if (arg->bid > U16_MAX || arg->handle || arg->nr)
		return -EINVAL;

	switch (arg->how) {
	case IORING_MOCK_KMBUF_DONE_INLINE:
		io_uring_cmd_done_kmbuf(cmd, arg->res, arg->bid, issue_flags);
		return -EIOCBQUEUED;
	case IORING_MOCK_KMBUF_DONE_TASK_WORK:
	case IORING_MOCK_KMBUF_DONE_WORKER:
	case IORING_MOCK_KMBUF_DONE_INTERRUPT:
		return mock_done_later(cmd, arg);
	}
	return -EINVAL;
}

/* Post one completion of a multishot command, with a buffer of its own */
static int mock_mshot_one(struct io_uring_cmd *cmd, struct mock_pins *pins,
			  const struct io_uring_mock_kmbuf_done *arg,
			  unsigned int issue_flags)
{
	struct io_uring_mock_kmbuf_ring one = { .handle = arg->handle };
	int bid;

	bid = mock_pin_cmd(pins, IORING_MOCK_KMBUF_CMD_RING_SELECT, &one);
	if (bid < 0)
		return bid;
	if (io_uring_mshot_cmd_post_cqe_kmbuf(cmd, arg->res, bid, issue_flags))
		return 0;

	one.bid = bid;
	mock_pin_cmd(pins, IORING_MOCK_KMBUF_CMD_RING_RECYCLE, &one);
	return -ENOSPC;
}

static int mock_mshot(struct io_uring_cmd *cmd, struct mock_pins *pins,
		      const struct io_uring_mock_kmbuf_done *arg,
		      unsigned int issue_flags)
{
	unsigned int i;

	if (arg->bid || arg->how)
		return -EINVAL;
	for (i = 0; i < arg->nr; i++)
		if (mock_mshot_one(cmd, pins, arg, issue_flags))
			break;
	return i;
}

static int mock_cmd_done(struct io_uring_cmd *cmd, struct mock_pins *pins,
			 unsigned int issue_flags)
{
	struct io_uring_mock_kmbuf_done arg;
	int ret;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.resv)
		return -EINVAL;
	if (cmd->cmd_op == IORING_MOCK_KMBUF_CMD_RING_MSHOT)
		return mock_mshot(cmd, pins, &arg, issue_flags);
	return mock_done(cmd, &arg, issue_flags);
}

/* Reserve the pinned ring for a long command, without the consumer's lock */
static struct io_kmbuf_ring *mock_pin_borrow(struct mock_pins *pins, u32 handle)
{
	struct mock_pin *pin;

	guard(spinlock_irqsave)(&pins->lock);
	pin = mock_pin_get(pins, handle);
	if (!pin)
		return ERR_PTR(-EBADF);
	if (pin->busy)
		return ERR_PTR(-EBUSY);
	pin->busy = true;
	return pin->kr;
}

static void mock_pin_return(struct mock_pins *pins, u32 handle)
{
	guard(spinlock_irqsave)(&pins->lock);
	mock_pin_get(pins, handle)->busy = false;
}

static int mock_cmd_cycles(struct io_uring_cmd *cmd, struct mock_pins *pins,
			   unsigned int issue_flags)
{
	struct io_uring_mock_kmbuf_cycles arg;
	struct io_kmbuf_ring *kr;
	int ret;

	/* takes long, and must not make others wait for the io_uring */
	if (issue_flags & IO_URING_F_NONBLOCK)
		return -EAGAIN;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.nr_faults || arg.nr_empty || arg.select || arg.recycle)
		return -EINVAL;

	kr = mock_pin_borrow(pins, arg.handle);
	if (IS_ERR(kr))
		return PTR_ERR(kr);
	if (cmd->cmd_op == IORING_MOCK_KMBUF_CMD_RING_STRESS)
		ret = mock_ring_stress(kr, &arg);
	else
		ret = mock_ring_bench(kr, &arg);
	mock_pin_return(pins, arg.handle);
	return ret ?: mock_put_arg(cmd, &arg, sizeof(arg));
}

int mock_pins_cmd(struct io_uring_cmd *cmd, struct mock_pins *pins,
		  unsigned int issue_flags)
{
	switch (cmd->cmd_op) {
	case IORING_MOCK_KMBUF_CMD_RING_PIN:
	case IORING_MOCK_KMBUF_CMD_RING_UNPIN:
	case IORING_MOCK_KMBUF_CMD_RING_IS:
	case IORING_MOCK_KMBUF_CMD_RING_ON:
	case IORING_MOCK_KMBUF_CMD_RING_INFO:
	case IORING_MOCK_KMBUF_CMD_RING_SELECT:
	case IORING_MOCK_KMBUF_CMD_RING_RECYCLE:
		return mock_cmd_ring(cmd, pins, issue_flags);
	case IORING_MOCK_KMBUF_CMD_RING_EXCHANGE:
		return mock_cmd_exchange(cmd, pins);
	case IORING_MOCK_KMBUF_CMD_RING_DONE:
	case IORING_MOCK_KMBUF_CMD_RING_MSHOT:
		return mock_cmd_done(cmd, pins, issue_flags);
	case IORING_MOCK_KMBUF_CMD_RING_STRESS:
	case IORING_MOCK_KMBUF_CMD_RING_BENCH:
		return mock_cmd_cycles(cmd, pins, issue_flags);
	}
	return -EOPNOTSUPP;
}
