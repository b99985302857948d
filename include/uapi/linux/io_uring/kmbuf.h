/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Rings of buffers that the kernel allocates and owns. See
 * Documentation/userspace-api/io_uring/kmbuf.rst
 */
#ifndef _UAPI_LINUX_IO_URING_KMBUF_H
#define _UAPI_LINUX_IO_URING_KMBUF_H

#include <linux/types.h>

/* Bounds of struct io_uring_kmbuf_reg */
#define IORING_KMBUF_MAX_ENTRIES	32768
#define IORING_KMBUF_MAX_GROUPS		2048

enum io_uring_kmbuf_ring_flags {
	/* userspace can map the buffers for reading only; but see below */
	IOU_KMBUF_RING_RDONLY	= 1,
	/*
	 * The buffers fill slot @fixed_index of the registered buffers as well.
	 * Fixed reads fill buffers of a read-only ring, too.
	 */
	IOU_KMBUF_RING_FIXED	= 2,
};

/*
 * Argument of IORING_REGISTER_KMBUF_RING, and of IORING_UNREGISTER_KMBUF_RING,
 * which wants everything but @bgid to be zero.
 */
struct io_uring_kmbuf_reg {
	/* bytes a buffer, a multiple of 512 */
	__u32	buf_size;
	__u32	resv0;
	/* number of buffers, from 1 to IORING_KMBUF_MAX_ENTRIES */
	__u32	ring_entries;
	/* buffer group, below IORING_KMBUF_MAX_GROUPS */
	__u16	bgid;
	/* IOU_KMBUF_RING_* */
	__u16	flags;
	/* with IOU_KMBUF_RING_FIXED, a free slot; buffer n is at n * buf_size */
	__u32	fixed_index;
	__u32	resv1;
	/* out: where to mmap() the buffers, all of them and in whole pages */
	__u64	mmap_offset;
	__u64	resv2;
};

#endif
