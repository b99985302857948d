/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_KMBUF_H
#define IOU_KMBUF_H

#include <linux/io_uring_types.h>
#include <linux/io_uring/kmbuf.h>

#define IORING_OFF_KMBUF_SHIFT		16

#define IO_KMBUF_FLAGS	(IOU_KMBUF_RING_RDONLY | IOU_KMBUF_RING_FIXED)

struct seq_file;

int io_register_kmbuf_ring(struct io_ring_ctx *ctx, void __user *arg);
int io_unregister_kmbuf_ring(struct io_ring_ctx *ctx, void __user *arg);
void io_unregister_kmbuf_rings(struct io_ring_ctx *ctx);

bool io_kmbuf_group_taken(struct io_ring_ctx *ctx, unsigned int bgid);
struct io_mapped_region *io_kmbuf_get_region(struct io_ring_ctx *ctx,
					     loff_t offset);
int io_kmbuf_mmap(struct io_ring_ctx *ctx, struct vm_area_struct *vma);
void io_kmbuf_show_fdinfo(struct io_ring_ctx *ctx, struct seq_file *m);

#endif
