/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Commands of the io_uring mock device that stand in for a subsystem which
 * shares its memory with a server. For tests only, the ABI may change.
 */
#ifndef _UAPI_LINUX_IO_URING_MOCK_KMBUF_H
#define _UAPI_LINUX_IO_URING_MOCK_KMBUF_H

#include <linux/types.h>

/*
 * IORING_MOCK_MGR_CMD_CREATE_KMBUF on the mock device creates a consumer that
 * owns @nr_folios folios of 2^@order pages each. The result is its fd.
 *
 * As for all commands below, sqe->addr points to the argument and sqe->len is
 * its size; reserved fields must be zero.
 */
struct io_uring_mock_kmbuf_create {
	__u32	nr_folios;
	__u32	order;
	__u64	resv[3];
};

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

/* @dir: 1 destination of reads, 2 source of writes; passed on unchecked */
struct io_uring_mock_kmbuf_register {
	__u64	bvecs;
	__u32	nr_bvecs;
	__u32	index;
	__u32	dir;
	__u32	flags;
	__u64	resv;
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

#endif
