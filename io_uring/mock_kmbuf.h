/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_MOCK_KMBUF_H
#define IOU_MOCK_KMBUF_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include <uapi/linux/io_uring/mock_kmbuf.h>

struct io_kmbuf;
struct io_kmbuf_ring;
struct io_uring_cmd;
struct workqueue_struct;

/* Work that the module's exit waits for */
extern struct workqueue_struct *mock_wq;

/* A ring of buffers that the consumer has pinned */
struct mock_pin {
	struct io_kmbuf_ring	*kr;
	/* selected buffers, by id */
	struct io_kmbuf		*bufs;
	/* in use by a long-running command: must not be unpinned */
	bool			busy;
};

struct mock_pins {
	/* also held around select and recycle, with interrupts off */
	spinlock_t		lock;
	struct mock_pin		pins[IORING_MOCK_KMBUF_MAX_PINS];
};

int mock_get_arg(const struct io_uring_cmd *cmd, void *arg, size_t size);
int mock_put_arg(const struct io_uring_cmd *cmd, const void *arg, size_t size);
int mock_exchange(void *mem, u64 size, u64 offset, u64 new, u64 *old);

void mock_pins_init(struct mock_pins *pins);
void mock_pins_free(struct mock_pins *pins);
int mock_pins_cmd(struct io_uring_cmd *cmd, struct mock_pins *pins,
		  unsigned int issue_flags);

int mock_ring_stress(struct io_kmbuf_ring *kr,
		     struct io_uring_mock_kmbuf_cycles *arg);
int mock_ring_bench(struct io_kmbuf_ring *kr,
		    struct io_uring_mock_kmbuf_cycles *arg);

#endif
