/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Commands of /dev/io_uring_mock_kmbuf, which stands in for a subsystem that
 * shares its memory with a server. For tests only, the ABI may change.
 */
#ifndef _UAPI_LINUX_IO_URING_MOCK_KMBUF_H
#define _UAPI_LINUX_IO_URING_MOCK_KMBUF_H

#include <linux/types.h>

/* Commands of the device */
enum {
	IORING_MOCK_KMBUF_DEV_CMD_CREATE,
};

/*
 * IORING_MOCK_KMBUF_DEV_CMD_CREATE creates a consumer that owns @nr_folios
 * folios of 2^@order pages each. The result is its fd.
 *
 * As for all commands below, sqe->addr points to the argument and sqe->len is
 * its size; reserved fields must be zero.
 */
struct io_uring_mock_kmbuf_create {
	__u32	nr_folios;
	__u32	order;
	/* IORING_MOCK_KMBUF_KMALLOC */
	__u32	flags;
	__u32	resv0;
	__u64	resv[2];
};

/* The memory comes from kmalloc(): nobody can hold a reference on such pages */
#define IORING_MOCK_KMBUF_KMALLOC	(1U << 0)

/* Commands of the consumer */
enum {
	/* register pages as a buffer of the command's ring */
	IORING_MOCK_KMBUF_CMD_REGISTER,
	/* unregister the kernel buffer in a slot of the command's ring */
	IORING_MOCK_KMBUF_CMD_UNREGISTER,
	/* copy between the consumer's pages and user memory */
	IORING_MOCK_KMBUF_CMD_COPY,
	/* how many buffers were registered and released */
	IORING_MOCK_KMBUF_CMD_STATS,
	/* exchange a value with the memory region of the command's ring */
	IORING_MOCK_KMBUF_CMD_REGION,
	/* let I/O start on a buffer that was lent, and no more */
	IORING_MOCK_KMBUF_CMD_GRANT,
	IORING_MOCK_KMBUF_CMD_REVOKE,

	/* rings of kernel-managed buffers: see the structures at the end */
	IORING_MOCK_KMBUF_CMD_RING_PIN,
	IORING_MOCK_KMBUF_CMD_RING_UNPIN,
	IORING_MOCK_KMBUF_CMD_RING_IS,
	IORING_MOCK_KMBUF_CMD_RING_ON,
	IORING_MOCK_KMBUF_CMD_RING_INFO,
	IORING_MOCK_KMBUF_CMD_RING_SELECT,
	IORING_MOCK_KMBUF_CMD_RING_RECYCLE,
	IORING_MOCK_KMBUF_CMD_RING_EXCHANGE,
	IORING_MOCK_KMBUF_CMD_RING_DONE,
	IORING_MOCK_KMBUF_CMD_RING_MSHOT,
	IORING_MOCK_KMBUF_CMD_RING_STRESS,
	IORING_MOCK_KMBUF_CMD_RING_BENCH,
};

/* Stands for an entry without a page */
#define IORING_MOCK_KMBUF_NO_PAGE	(~0U)
#define IORING_MOCK_KMBUF_MAX_BVECS	(1U << 14)

/* @page counts the consumer's pages across folios */
struct io_uring_mock_bvec {
	__u32	page;
	__u32	offset;
	__u32	len;
	__u32	resv;
};

/* Pass NULL for the release callback */
#define IORING_MOCK_KMBUF_NO_RELEASE	(1U << 0)
/* Lend the pages: they cannot be used before they are granted */
#define IORING_MOCK_KMBUF_LEND		(1U << 1)

/* @dir: 1 destination of reads, 2 source of writes; passed on unchecked */
struct io_uring_mock_kmbuf_register {
	__u64	bvecs;
	__u32	nr_bvecs;
	__u32	index;
	__u32	dir;
	__u32	flags;
	__u64	resv;
};

/*
 * GRANT and REVOKE: the consumer's @nr-th registration, counted from 0. GRANT
 * fails with -ESTALE if it has been revoked.
 */
struct io_uring_mock_kmbuf_lease {
	__u32	nr;
	__u32	resv;
};

struct io_uring_mock_kmbuf_unregister {
	__u32	index;
	__u32	resv;
};

/* Direction of a copy: into the consumer's pages instead of out of them */
#define IORING_MOCK_KMBUF_COPY_IN	(1U << 0)

struct io_uring_mock_kmbuf_copy {
	__u64	addr;
	__u64	offset;
	__u64	len;
	__u32	flags;
	__u32	resv;
};

struct io_uring_mock_kmbuf_stats {
	__u64	nr_registered;
	__u64	nr_released;
	/* release callbacks that came for a buffer already released */
	__u64	nr_released_again;
	__u64	resv;
};

/*
 * @nr_pages is the size of the region that the kernel sees. When there is one,
 * the 8 bytes at @offset are returned in @old and replaced by @new.
 */
struct io_uring_mock_kmbuf_region {
	__u64	offset;
	__u64	old;
	__u64	new;
	__u32	nr_pages;
	__u32	resv;
};

/* A consumer holds up to that many pins; @handle below is the number of one */
#define IORING_MOCK_KMBUF_MAX_PINS	4

/*
 * RING_PIN	pins group @bgid of the command's ring. The result is the handle.
 * RING_UNPIN	gives the pin up, selected buffers and all
 * RING_IS	is @bgid of the command's ring a KMBUF ring? 0 or 1
 * RING_ON	is it the one that is pinned? 0 or 1
 * RING_SELECT	selects a buffer, with a spinlock held and interrupts off. The
 *		result is its id, and @len its size.
 * RING_RECYCLE	recycles @bid, which is passed on unchecked, likewise
 * RING_INFO	returns what the ring tells of itself
 */
struct io_uring_mock_kmbuf_ring {
	__u32	handle;
	__u32	bgid;
	__u32	bid;
	__u32	len;
	/* RING_INFO */
	__u32	buf_size;
	__u32	nr_bufs;
	__u32	flags;
	__u32	resv;
};

/*
 * RING_EXCHANGE: the 8 bytes at @offset of a selected buffer are returned in
 * @old and replaced by @new.
 */
struct io_uring_mock_kmbuf_exchange {
	__u32	handle;
	__u32	bid;
	__u64	offset;
	__u64	old;
	__u64	new;
};

enum {
	/* complete the command from its handler, */
	IORING_MOCK_KMBUF_DONE_INLINE,
	/* from task work, */
	IORING_MOCK_KMBUF_DONE_TASK_WORK,
	/* from a kernel thread, */
	IORING_MOCK_KMBUF_DONE_WORKER,
	/*
	 * or as a device that interrupts would: from task work, which comes a
	 * tenth of a second after the handler has returned
	 */
	IORING_MOCK_KMBUF_DONE_INTERRUPT,
};

/*
 * RING_DONE completes with @res and @bid, in the context that @how says.
 * RING_MSHOT, a multishot command, selects @nr buffers, posts one completion
 * with @res for each, and ends with the number of those that were posted. A
 * buffer whose completion could not be posted is recycled.
 */
struct io_uring_mock_kmbuf_done {
	__s32	res;
	__u32	bid;
	__u32	how;
	__u32	handle;
	__u32	nr;
	__u32	resv;
};

/*
 * RING_STRESS: @cycles times select and recycle, shared between a task, a
 * kernel thread that holds a spinlock with interrupts off, and timers in
 * softirq and in hardirq context. @nr_faults counts ids that were out of range
 * or held by two at once, and recycling that failed; @nr_empty attempts that
 * found no buffer.
 *
 * RING_BENCH: the same from one task, one after the other. Returns how many
 * cycles of the time stamp counter all the selects and all the recycles took.
 *
 * Either ends early with -EINTR when the command is cancelled, its task killed
 * or its ring closed.
 */
struct io_uring_mock_kmbuf_cycles {
	__u32	handle;
	__u32	cycles;
	__u32	nr_faults;
	__u32	nr_empty;
	__u64	select;
	__u64	recycle;
};

#endif
