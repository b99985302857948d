/* SPDX-License-Identifier: GPL-2.0 */
/* Memory regions of a ring, for the tests of them. */
#ifndef IOU_REGION_H
#define IOU_REGION_H

#include "iou_test.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/*
 * Register @size bytes as the memory region of a ring, at @addr or, if that is
 * NULL, allocated by the kernel and mapped. Returns the memory, or MAP_FAILED
 * with errno set.
 */
static inline void *region_register(struct io_uring *ring, void *addr,
				    size_t size)
{
	struct io_uring_region_desc rd = {
		.user_addr = (unsigned long)addr,
		.size = size,
		.flags = addr ? IORING_MEM_REGION_TYPE_USER : 0,
	};
	struct io_uring_mem_region_reg reg = {
		.region_uptr = (unsigned long)&rd,
	};

	if (syscall(__NR_io_uring_register, ring->ring_fd,
		    IORING_REGISTER_MEM_REGION, &reg, 1))
		return MAP_FAILED;
	if (addr)
		return addr;
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, ring->ring_fd, rd.mmap_offset);
}

/* Exchange 8 bytes of the region, through the kernel's address */
static inline int region_exchange(struct test_ring *tr, int fd,
				  struct io_uring_mock_kmbuf_region *arg)
{
	return mock_cmd(tr, fd, IORING_MOCK_KMBUF_CMD_REGION, arg,
			sizeof(*arg));
}

#endif
