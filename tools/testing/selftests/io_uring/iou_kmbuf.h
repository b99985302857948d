/* SPDX-License-Identifier: GPL-2.0 */
/* Rings of kernel-managed buffers, from userspace and from the kernel. */
#ifndef IOU_KMBUF_H
#define IOU_KMBUF_H

#include "iou_test.h"

#include <linux/io_uring/kmbuf.h>

/* The system calls: 0 or -errno */
int kmbuf_register(struct io_uring *ring, struct io_uring_kmbuf_reg *reg);
int kmbuf_unregister(struct io_uring *ring, unsigned int bgid);

/* Register @entries buffers of @pages pages as group @bgid. 0 or -errno. */
int kmbuf_setup(struct io_uring *ring, unsigned int bgid, unsigned int entries,
		unsigned int pages, unsigned int flags);
/* Likewise, of any size */
int kmbuf_setup_bytes(struct io_uring *ring, unsigned int bgid,
		      unsigned int entries, unsigned int bytes,
		      unsigned int flags);
/* The offset that the last registration of group @bgid returned, or 0 */
unsigned long long kmbuf_offset(unsigned int bgid);
/* Map @size bytes of group @bgid, shared. MAP_FAILED with errno set. */
void *kmbuf_mmap(struct io_uring *ring, unsigned int bgid, size_t size,
		 int prot);

/*
 * Commands of the consumer, issued on @tr. They return the result of the call,
 * or -errno. @pin is the result of kmbuf_pin(). IDs and lengths are returned by
 * pointer.
 */
int kmbuf_pin(struct test_ring *tr, int fd, unsigned int bgid);
int kmbuf_unpin(struct test_ring *tr, int fd, int pin);
int kmbuf_is_ring(struct test_ring *tr, int fd, unsigned int bgid);
int kmbuf_on_ring(struct test_ring *tr, int fd, int pin, unsigned int bgid);
int kmbuf_info(struct test_ring *tr, int fd, int pin,
	       struct io_uring_mock_kmbuf_ring *info);
/* The id, or -ENOBUFS */
int kmbuf_select(struct test_ring *tr, int fd, int pin);
int kmbuf_recycle(struct test_ring *tr, int fd, int pin, unsigned int bid);
/* Select and recycle @cycles times, in all contexts at once */
int kmbuf_stress(struct test_ring *tr, int fd, int pin, unsigned int cycles,
		 struct io_uring_mock_kmbuf_cycles *result);
/*
 * Exchange @new for the value that the kernel finds at @offset of a selected
 * buffer
 */
int kmbuf_exchange(struct test_ring *tr, int fd, int pin, unsigned int bid,
		   size_t offset, unsigned long long new,
		   unsigned long long *old);

/* Contents of a ring's fdinfo: 0 or -errno */
int kmbuf_fdinfo(struct io_uring *ring, char *buf, size_t size);
/* A decimal number in the line of group @bgid, or -errno */
long kmbuf_fdinfo_field(struct io_uring *ring, unsigned int bgid,
			const char *field);

#endif
