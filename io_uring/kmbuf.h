/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_KMBUF_H
#define IOU_KMBUF_H

#include <linux/cacheinfo.h>
#include <linux/io_uring_types.h>
#include <linux/io_uring/kmbuf.h>

/* The size of a buffer is a multiple of this: the size of a sector */
#define IO_KMBUF_ALIGN	512U

struct seq_file;

/*
 * Supported flags. Requests on a registered buffer use it through the kernel's
 * own mapping. Where the data cache aliases, nothing keeps that coherent with
 * the application's mapping.
 */
static inline u16 io_kmbuf_supported_flags(void)
{
	u16 flags = IOU_KMBUF_RING_RDONLY;

	if (!cpu_dcache_is_aliasing())
		flags |= IOU_KMBUF_RING_FIXED;
	return flags;
}

int io_register_kmbuf_ring(struct io_ring_ctx *ctx, void __user *arg);
int io_unregister_kmbuf_ring(struct io_ring_ctx *ctx, void __user *arg);
void io_unregister_kmbuf_rings(struct io_ring_ctx *ctx);

bool io_kmbuf_group_taken(struct io_ring_ctx *ctx, unsigned int bgid);
struct io_mapped_region *io_kmbuf_get_region(struct io_ring_ctx *ctx,
					     loff_t offset);
int io_kmbuf_mmap(struct io_ring_ctx *ctx, struct vm_area_struct *vma);
void io_kmbuf_show_fdinfo(struct io_ring_ctx *ctx, struct seq_file *m);

#endif
