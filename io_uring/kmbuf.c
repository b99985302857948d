// SPDX-License-Identifier: GPL-2.0
/*
 * Rings of kernel-managed buffers: memory that the kernel allocates and owns,
 * that userspace maps, and that subsystems hand out to it buffer by buffer.
 *
 * A ring of buffers is an object of its own. The context that it was registered
 * with holds a reference, and so does every pin, mapping and registered-buffer
 * slot: each user of the memory keeps it, and its charge to RLIMIT_MEMLOCK,
 * whatever becomes of the context.
 *
 * Only the kernel knows which buffers are free. Userspace gets the number of a
 * buffer and never an address; requests that select provided buffers do not see
 * these rings.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/cacheinfo.h>
#include <linux/io_uring.h>
#include <linux/io_uring/cmd.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/refcount.h>
#include <linux/sched/user.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include <trace/events/io_uring.h>
#include <uapi/linux/io_uring.h>

#include "io_uring.h"
#include "kbuf.h"
#include "kmbuf.h"
#include "memmap.h"
#include "rsrc.h"

struct io_kmbuf_ring {
	/*
	 * A leaf that is taken in any context, hence raw. Protects the rest of
	 * this part. The numbers of the free buffers are fifo[head..tail). Both
	 * indices run freely and are masked on use: the size of the fifo is a
	 * power of two, whatever the number of buffers. Without a pin all
	 * buffers are free, even if some are missing from the fifo: see
	 * io_kmbuf_reclaim().
	 */
	raw_spinlock_t		lock;
	u16			head;
	u16			tail;
	unsigned int		pins;
	/* there is one pin, and no other is allowed */
	bool			exclusive;
	u16			*fifo;
	/* selected buffers: recycle accepts no others */
	unsigned long		*in_use;

	/* the fields below do not change while there is a reference */
	u32			fifo_mask;
	u32			nr_bufs;
	u32			buf_size;
	/* the kernel address of each buffer */
	void			**addrs;
	/* number of buffers that are one piece of memory */
	u32			nr_whole;
	u16			flags;
	u16			bgid;
	/* identifies this ring in traces and fdinfo */
	u32			id;
	/* charged for the region; NULL if nobody is */
	struct user_struct	*user;
	struct io_mapped_region	region;

	refcount_t		refs;
};

static atomic_t io_kmbuf_ids = ATOMIC_INIT(0);

static struct io_kmbuf_ring *io_kmbuf_find(struct io_ring_ctx *ctx,
					   unsigned int bgid)
{
	lockdep_assert_held(&ctx->uring_lock);

	return xa_load(&ctx->io_kmbuf_xa, bgid);
}

/* The last put frees memory, and may sleep */
static void io_kmbuf_put(struct io_kmbuf_ring *kr)
{
	might_sleep();

	if (!refcount_dec_and_test(&kr->refs))
		return;
	io_free_region(kr->user, &kr->region);
	free_uid(kr->user);
	kvfree(kr->addrs);
	kvfree(kr->fifo);
	bitmap_free(kr->in_use);
	kfree(kr);
}

/* Mark all buffers free, in the order of their ids */
static void io_kmbuf_reset(struct io_kmbuf_ring *kr)
{
	unsigned int i;

	bitmap_zero(kr->in_use, kr->nr_bufs);
	for (i = 0; i < kr->nr_bufs; i++)
		kr->fifo[i] = i;
	kr->head = 0;
	kr->tail = kr->nr_bufs;
}

static unsigned int io_kmbuf_nr_free(const struct io_kmbuf_ring *kr)
{
	return (u16)(kr->tail - kr->head);
}

static struct io_kmbuf_ring *
io_kmbuf_alloc(struct io_ring_ctx *ctx, const struct io_uring_kmbuf_reg *reg)
{
	struct io_kmbuf_ring *kr;

	kr = kzalloc_obj(*kr, GFP_KERNEL_ACCOUNT);
	if (!kr)
		return NULL;

	refcount_set(&kr->refs, 1);
	raw_spin_lock_init(&kr->lock);
	kr->buf_size = reg->buf_size;
	kr->nr_bufs = reg->ring_entries;
	kr->flags = reg->flags;
	kr->bgid = reg->bgid;
	kr->id = atomic_inc_return(&io_kmbuf_ids);
	if (ctx->user)
		kr->user = get_uid(ctx->user);

	kr->fifo_mask = roundup_pow_of_two(kr->nr_bufs) - 1;
	kr->fifo = kvmalloc_objs(*kr->fifo, kr->fifo_mask + 1,
				 GFP_KERNEL_ACCOUNT);
	kr->addrs = kvmalloc_objs(*kr->addrs, kr->nr_bufs, GFP_KERNEL_ACCOUNT);
	kr->in_use = bitmap_alloc(kr->nr_bufs, GFP_KERNEL_ACCOUNT);
	if (!kr->fifo || !kr->addrs || !kr->in_use) {
		io_kmbuf_put(kr);
		return NULL;
	}

	io_kmbuf_reset(kr);
	return kr;
}

static u64 io_kmbuf_mmap_offset(unsigned int bgid)
{
	return IORING_MAP_OFF_KMBUF_RING | (u64)bgid << IORING_OFF_KMBUF_SHIFT;
}

/*
 * The number of pages after which a buffer ends with a page: the size of a
 * buffer, or of a few that share pages.
 */
static unsigned int io_kmbuf_chunk(const struct io_kmbuf_ring *kr)
{
	return kr->buf_size >> min(__ffs(kr->buf_size), PAGE_SHIFT);
}

/* The kernel address of a buffer that is one piece of memory, or NULL */
static void *io_kmbuf_direct_addr(const struct io_kmbuf_ring *kr,
				  unsigned int bid)
{
	u64 start = (u64)bid * kr->buf_size;
	unsigned int first = start >> PAGE_SHIFT;
	unsigned int end = ((start + kr->buf_size - 1) >> PAGE_SHIFT) + 1;

	if (io_region_piece(&kr->region, first, end) != end - first)
		return NULL;
	return page_address(kr->region.pages[first]) + offset_in_page(start);
}

/*
 * Buffers in one piece are used through the direct map. For the others the
 * region is mapped. Where the data cache aliases, that mapping is used for all
 * buffers: the application's mapping has the same colour.
 */
static int io_kmbuf_init_addrs(struct io_kmbuf_ring *kr)
{
	const bool aliasing = cpu_dcache_is_aliasing();
	unsigned int bid;
	int ret;

	for (bid = 0; bid < kr->nr_bufs; bid++) {
		kr->addrs[bid] = io_kmbuf_direct_addr(kr, bid);
		kr->nr_whole += !!kr->addrs[bid];
		cond_resched();
	}
	if (kr->nr_whole == kr->nr_bufs && !aliasing)
		return 0;

	ret = io_region_init_ptr(&kr->region);
	if (ret)
		return ret;
	for (bid = 0; bid < kr->nr_bufs; bid++)
		if (!kr->addrs[bid] || aliasing)
			kr->addrs[bid] = io_region_get_ptr(&kr->region) +
					 (size_t)bid * kr->buf_size;
	return 0;
}

static int io_kmbuf_alloc_region(struct io_kmbuf_ring *kr)
{
	struct io_uring_region_desc rd = {
		.size = PAGE_ALIGN((u64)kr->nr_bufs * kr->buf_size),
	};
	int ret;

	ret = io_create_region_chunked(kr->user, &kr->region, &rd,
				       io_kmbuf_mmap_offset(kr->bgid),
				       io_kmbuf_chunk(kr));
	return ret ?: io_kmbuf_init_addrs(kr);
}

static int io_kmbuf_check_reg(const struct io_uring_kmbuf_reg *reg)
{
	u64 size;

	if (reg->resv0 || reg->resv1 || reg->resv2 || reg->mmap_offset)
		return -EINVAL;
	if (reg->flags & ~(IOU_KMBUF_RING_RDONLY | IOU_KMBUF_RING_FIXED))
		return -EINVAL;
	if (reg->fixed_index && !(reg->flags & IOU_KMBUF_RING_FIXED))
		return -EINVAL;
	if (reg->bgid >= IORING_KMBUF_MAX_GROUPS)
		return -EINVAL;
	if (!reg->ring_entries || reg->ring_entries > IORING_KMBUF_MAX_ENTRIES)
		return -EINVAL;
	if (!reg->buf_size || !IS_ALIGNED(reg->buf_size, IO_KMBUF_ALIGN))
		return -EINVAL;

	size = PAGE_ALIGN((u64)reg->ring_entries * reg->buf_size);
	if (size >> PAGE_SHIFT > INT_MAX || size > SIZE_MAX)
		return -EOVERFLOW;
	if (reg->flags & ~io_kmbuf_supported_flags())
		return -EOPNOTSUPP;
	return 0;
}

static void io_kmbuf_slot_release(void *priv)
{
	io_kmbuf_put(priv);
}

/*
 * The slot, and its clones in other io_urings, keep the ring until all of them
 * are emptied and no request uses them.
 */
static int io_kmbuf_fill_slot(struct io_ring_ctx *ctx, struct io_kmbuf_ring *kr,
			      unsigned int index)
{
	u8 dir = IO_BUF_DEST;
	int ret;

	if (!(kr->flags & IOU_KMBUF_RING_RDONLY))
		dir |= IO_BUF_SOURCE;

	refcount_inc(&kr->refs);
	ret = io_buffer_register_region(ctx, &kr->region,
					(size_t)kr->nr_bufs * kr->buf_size,
					io_kmbuf_chunk(kr),
					io_kmbuf_slot_release, kr, dir, index);
	if (ret)
		io_kmbuf_put(kr);
	return ret;
}

/*
 * All steps that can fail, with the copy to userspace last. On failure, earlier
 * steps are undone; nobody can have seen them, as ->uring_lock is held.
 */
static int io_kmbuf_prepare(struct io_ring_ctx *ctx, struct io_kmbuf_ring *kr,
			    struct io_uring_kmbuf_reg *reg, void __user *arg)
{
	int ret;

	ret = io_kmbuf_alloc_region(kr);
	if (ret)
		return ret;
	ret = xa_reserve(&ctx->io_kmbuf_xa, kr->bgid, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;

	if (kr->flags & IOU_KMBUF_RING_FIXED) {
		ret = io_kmbuf_fill_slot(ctx, kr, reg->fixed_index);
		if (ret)
			goto out_release;
	}

	reg->mmap_offset = io_kmbuf_mmap_offset(kr->bgid);
	if (!copy_to_user(arg, reg, sizeof(*reg)))
		return 0;

	ret = -EFAULT;
	if (kr->flags & IOU_KMBUF_RING_FIXED)
		io_reset_rsrc_node(ctx, &ctx->buf_table, reg->fixed_index);
out_release:
	xa_release(&ctx->io_kmbuf_xa, kr->bgid);
	return ret;
}

/*
 * IORING_REGISTER_KMBUF_RING: -EFAULT if the argument cannot be read or
 * written; -EINVAL for a bad argument, or a slot that does not exist;
 * -EOVERFLOW for more memory than can be counted; -EEXIST if the group is in
 * use, -EBUSY if the slot is; -ENOMEM if there is no memory or the user may not
 * lock as much; -EOPNOTSUPP without an MMU, and for a flag that the machine
 * does not support.
 */
int io_register_kmbuf_ring(struct io_ring_ctx *ctx, void __user *arg)
{
	struct io_uring_kmbuf_reg reg;
	struct io_kmbuf_ring *kr;
	int ret;

	BUILD_BUG_ON(sizeof(reg) != 40);
	BUILD_BUG_ON(offsetof(struct io_uring_kmbuf_reg, ring_entries) != 8);
	BUILD_BUG_ON(offsetof(struct io_uring_kmbuf_reg, bgid) != 12);
	BUILD_BUG_ON(offsetof(struct io_uring_kmbuf_reg, fixed_index) != 16);
	BUILD_BUG_ON(offsetof(struct io_uring_kmbuf_reg, mmap_offset) != 24);
	/*
	 * a free-running u16 has to distinguish a full fifo from an empty one
	 */
	BUILD_BUG_ON((IORING_KMBUF_MAX_ENTRIES - 1) * 2 > U16_MAX);
	/* no group's offset may reach into the bits of the mapping type */
	BUILD_BUG_ON(((IORING_KMBUF_MAX_GROUPS - 1) << IORING_OFF_KMBUF_SHIFT) &
		     IORING_OFF_MMAP_MASK);
	lockdep_assert_held(&ctx->uring_lock);

	if (!IS_ENABLED(CONFIG_MMU))
		return -EOPNOTSUPP;
	if (copy_from_user(&reg, arg, sizeof(reg)))
		return -EFAULT;
	ret = io_kmbuf_check_reg(&reg);
	if (ret)
		return ret;
	if (io_kmbuf_group_taken(ctx, reg.bgid))
		return -EEXIST;
	ret = io_buffer_group_vacate(ctx, reg.bgid);
	if (ret)
		return ret;

	kr = io_kmbuf_alloc(ctx, &reg);
	if (!kr)
		return -ENOMEM;
	ret = io_kmbuf_prepare(ctx, kr, &reg, arg);
	if (ret) {
		io_kmbuf_put(kr);
		return ret;
	}

	/* the entry is reserved: this cannot fail */
	scoped_guard(mutex, &ctx->mmap_lock)
		xa_store(&ctx->io_kmbuf_xa, kr->bgid, kr, GFP_KERNEL_ACCOUNT);
	return 0;
}

static bool io_kmbuf_is_pinned(struct io_kmbuf_ring *kr)
{
	guard(raw_spinlock_irqsave)(&kr->lock);
	return kr->pins;
}

/* Undo the registration. Mappings, slots and pins keep the memory. */
static void io_kmbuf_remove(struct io_ring_ctx *ctx, struct io_kmbuf_ring *kr)
{
	scoped_guard(mutex, &ctx->mmap_lock)
		xa_erase(&ctx->io_kmbuf_xa, kr->bgid);
	io_kmbuf_put(kr);
}

/*
 * IORING_UNREGISTER_KMBUF_RING: -EFAULT, -EINVAL for a bad argument, -ENOENT if
 * the group is not a KMBUF ring, -EBUSY while a subsystem has it pinned.
 */
int io_unregister_kmbuf_ring(struct io_ring_ctx *ctx, void __user *arg)
{
	struct io_uring_kmbuf_reg reg;
	struct io_kmbuf_ring *kr;
	unsigned int bgid;

	lockdep_assert_held(&ctx->uring_lock);

	if (copy_from_user(&reg, arg, sizeof(reg)))
		return -EFAULT;
	bgid = reg.bgid;
	reg.bgid = 0;
	if (!mem_is_zero(&reg, sizeof(reg)))
		return -EINVAL;

	kr = io_kmbuf_find(ctx, bgid);
	if (!kr)
		return -ENOENT;
	/* pins are taken under ->uring_lock, so none can appear */
	if (io_kmbuf_is_pinned(kr))
		return -EBUSY;

	io_kmbuf_remove(ctx, kr);
	return 0;
}

/* The context goes. Pinned rings stay until the last unpin. */
void io_unregister_kmbuf_rings(struct io_ring_ctx *ctx)
{
	struct io_kmbuf_ring *kr;
	unsigned long bgid;

	lockdep_assert_held(&ctx->uring_lock);

	xa_for_each(&ctx->io_kmbuf_xa, bgid, kr)
		io_kmbuf_remove(ctx, kr);
}

/* Is group @bgid a KMBUF ring? Then it cannot be used for provided buffers. */
bool io_kmbuf_group_taken(struct io_ring_ctx *ctx, unsigned int bgid)
{
	return io_kmbuf_find(ctx, bgid);
}

/* The ring at an offset for mmap(), or NULL */
static struct io_kmbuf_ring *io_kmbuf_at_offset(struct io_ring_ctx *ctx,
						loff_t offset)
{
	unsigned long bgid = (offset & ~IORING_OFF_MMAP_MASK) >>
			     IORING_OFF_KMBUF_SHIFT;

	lockdep_assert_held(&ctx->mmap_lock);

	if (bgid >= IORING_KMBUF_MAX_GROUPS ||
	    offset != io_kmbuf_mmap_offset(bgid))
		return NULL;
	return xa_load(&ctx->io_kmbuf_xa, bgid);
}

struct io_mapped_region *io_kmbuf_get_region(struct io_ring_ctx *ctx,
					     loff_t offset)
{
	struct io_kmbuf_ring *kr = io_kmbuf_at_offset(ctx, offset);

	return kr ? &kr->region : NULL;
}

#ifdef CONFIG_MMU
static void io_kmbuf_vma_open(struct vm_area_struct *vma)
{
	struct io_kmbuf_ring *kr = vma->vm_private_data;

	refcount_inc(&kr->refs);
}

static void io_kmbuf_vma_close(struct vm_area_struct *vma)
{
	io_kmbuf_put(vma->vm_private_data);
}

/* A copied, split or moved mapping has a reference of its own */
static const struct vm_operations_struct io_kmbuf_vm_ops = {
	.open	= io_kmbuf_vma_open,
	.close	= io_kmbuf_vma_close,
};

/*
 * Map a ring, whole and shared. -EINVAL if the request is for anything else,
 * -EACCES for a writable mapping of a read-only ring, -ENOMEM or -EFAULT if
 * there is no memory for page tables.
 */
int io_kmbuf_mmap(struct io_ring_ctx *ctx, struct vm_area_struct *vma)
{
	struct io_kmbuf_ring *kr;
	unsigned long nr_pages;
	int ret;

	kr = io_kmbuf_at_offset(ctx, (loff_t)vma->vm_pgoff << PAGE_SHIFT);
	if (!kr || !(vma->vm_flags & VM_SHARED) ||
	    vma->vm_end - vma->vm_start != io_region_size(&kr->region))
		return -EINVAL;

	if (kr->flags & IOU_KMBUF_RING_RDONLY) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		/*
		 * also forbid it later, by mprotect() or through /proc/self/mem
		 */
		vm_flags_clear(vma, VM_MAYWRITE);
	}

	vm_flags_set(vma, VM_DONTEXPAND);
	nr_pages = kr->region.nr_pages;
	ret = vm_insert_pages(vma, vma->vm_start, kr->region.pages, &nr_pages);
	if (ret)
		return ret;

	refcount_inc(&kr->refs);
	vma->vm_private_data = kr;
	vma->vm_ops = &io_kmbuf_vm_ops;
	return 0;
}
#endif

void io_kmbuf_show_fdinfo(struct io_ring_ctx *ctx, struct seq_file *m)
{
	struct io_kmbuf_ring *kr;
	unsigned long bgid;

	lockdep_assert_held(&ctx->uring_lock);

	seq_puts(m, "KmbufRings:\n");
	xa_for_each(&ctx->io_kmbuf_xa, bgid, kr) {
		unsigned int nr_free, pins;

		scoped_guard(raw_spinlock_irqsave, &kr->lock) {
			pins = kr->pins;
			nr_free = pins ? io_kmbuf_nr_free(kr) : kr->nr_bufs;
		}
		seq_printf(m, "%5lu: id=%u entries=%u size=%u flags=%x free=%u pins=%u whole=%u\n",
			   bgid, kr->id, kr->nr_bufs, kr->buf_size, kr->flags,
			   nr_free, pins, kr->nr_whole);
	}
}

/*
 * A ring without pins has only free buffers, so the first pin puts back those
 * that were never recycled. The last unpin does not, since it has no lock that
 * would keep out a new pin meanwhile. Here nobody selects or recycles, as there
 * is no pin, and nobody pins, as ->uring_lock is held. The slow part is done
 * without kr->lock.
 */
static void io_kmbuf_reclaim(struct io_ring_ctx *ctx, struct io_kmbuf_ring *kr)
{
	lockdep_assert_held(&ctx->uring_lock);

	if (!io_kmbuf_is_pinned(kr) && io_kmbuf_nr_free(kr) != kr->nr_bufs)
		io_kmbuf_reset(kr);
}

static int io_kmbuf_add_pin(struct io_kmbuf_ring *kr, bool exclusive)
{
	guard(raw_spinlock_irqsave)(&kr->lock);
	if (kr->exclusive || (exclusive && kr->pins))
		return -EBUSY;
	kr->exclusive = exclusive;
	kr->pins++;
	refcount_inc(&kr->refs);
	return 0;
}

static struct io_kmbuf_ring *io_kmbuf_pin(struct io_uring_cmd *cmd,
					  unsigned int buf_group,
					  bool exclusive,
					  unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = cmd_to_io_kiocb(cmd)->ctx;
	struct io_kmbuf_ring *kr;
	int ret = -ENOENT;

	io_ring_submit_lock(ctx, issue_flags);
	kr = io_kmbuf_find(ctx, buf_group);
	if (kr) {
		io_kmbuf_reclaim(ctx, kr);
		ret = io_kmbuf_add_pin(kr, exclusive);
	}
	io_ring_submit_unlock(ctx, issue_flags);

	return ret ? ERR_PTR(ret) : kr;
}

/**
 * io_uring_buf_ring_pin - pin a ring of kernel-managed buffers
 * @cmd: command of the io_uring that the ring is registered with
 * @buf_group: buffer group of the ring, often chosen by userspace
 * @issue_flags: as the command was issued with
 *
 * Userspace cannot unregister a pinned ring. The ring and its memory remain
 * valid until io_uring_buf_ring_unpin(), even if the io_uring goes away before.
 *
 * Pins are counted, and their owners share the buffers. A consumer that needs
 * all buffers for itself calls io_uring_buf_ring_pin_exclusive().
 *
 * Context: Process context. Takes the io_uring's ->uring_lock if @issue_flags
 * say that it is not held.
 *
 * Return: the ring, or ERR_PTR() of
 * -ENOENT if the group is not a KMBUF ring,
 * -EBUSY if somebody has pinned it exclusively.
 */
struct io_kmbuf_ring *io_uring_buf_ring_pin(struct io_uring_cmd *cmd,
					    unsigned int buf_group,
					    unsigned int issue_flags)
{
	return io_kmbuf_pin(cmd, buf_group, false, issue_flags);
}
EXPORT_SYMBOL_GPL(io_uring_buf_ring_pin);

/**
 * io_uring_buf_ring_pin_exclusive - pin a ring for one consumer only
 * @cmd: command of the io_uring that the ring is registered with
 * @buf_group: buffer group of the ring, often chosen by userspace
 * @issue_flags: as the command was issued with
 *
 * As io_uring_buf_ring_pin(), but nobody else has pinned the ring, nor can pin
 * it until io_uring_buf_ring_unpin(). So all buffers are free at first, and
 * only the caller selects and recycles buffers.
 *
 * Context: Process context. Takes the io_uring's ->uring_lock if @issue_flags
 * say that it is not held.
 *
 * Return: the ring, or ERR_PTR() of
 * -ENOENT if the group is not a KMBUF ring,
 * -EBUSY if it is pinned.
 */
struct io_kmbuf_ring *
io_uring_buf_ring_pin_exclusive(struct io_uring_cmd *cmd,
				unsigned int buf_group,
				unsigned int issue_flags)
{
	return io_kmbuf_pin(cmd, buf_group, true, issue_flags);
}
EXPORT_SYMBOL_GPL(io_uring_buf_ring_pin_exclusive);

/**
 * io_uring_buf_ring_unpin - drop a pin
 * @kr: the ring, as io_uring_buf_ring_pin() returned it
 *
 * Buffers that the caller has selected and not recycled stay selected for as
 * long as somebody else has the ring pinned: recycle them first. When the last
 * pin ends, all buffers are free again. @kr must not be used after this.
 *
 * Context: Process context, may sleep: this may free the memory. Needs neither
 * a command nor the io_uring, takes none of its locks, and may be called with
 * or without ->uring_lock.
 */
void io_uring_buf_ring_unpin(struct io_kmbuf_ring *kr)
{
	scoped_guard(raw_spinlock_irqsave, &kr->lock) {
		kr->pins--;
		kr->exclusive = false;
	}
	io_kmbuf_put(kr);
}
EXPORT_SYMBOL_GPL(io_uring_buf_ring_unpin);

/**
 * io_uring_is_kmbuf_ring - is a buffer group a ring of kernel-managed buffers?
 * @cmd: command of the io_uring to look at
 * @buf_group: the group
 * @issue_flags: as the command was issued with
 *
 * Context: As io_uring_buf_ring_pin().
 *
 * Return: %true if it is, %false if it is anything else or not in use. Without
 * a pin, that may change as soon as ->uring_lock is dropped.
 */
bool io_uring_is_kmbuf_ring(struct io_uring_cmd *cmd, unsigned int buf_group,
			    unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = cmd_to_io_kiocb(cmd)->ctx;
	bool ret;

	io_ring_submit_lock(ctx, issue_flags);
	ret = io_kmbuf_group_taken(ctx, buf_group);
	io_ring_submit_unlock(ctx, issue_flags);
	return ret;
}
EXPORT_SYMBOL_GPL(io_uring_is_kmbuf_ring);

/**
 * io_uring_cmd_on_kmbuf_ring - do a command and a ring share an io_uring?
 * @cmd: the command
 * @buf_group: buffer group that the ring was pinned by
 * @kr: the pinned ring
 * @issue_flags: as the command was issued with
 *
 * A consumer that reports buffers of @kr in the completion of @cmd uses this to
 * make sure that both belong to one io_uring.
 *
 * Context: As io_uring_buf_ring_pin().
 *
 * Return: %true if @buf_group of the command's io_uring is @kr.
 */
bool io_uring_cmd_on_kmbuf_ring(struct io_uring_cmd *cmd,
				unsigned int buf_group,
				const struct io_kmbuf_ring *kr,
				unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = cmd_to_io_kiocb(cmd)->ctx;
	bool ret;

	io_ring_submit_lock(ctx, issue_flags);
	ret = kr && io_kmbuf_find(ctx, buf_group) == kr;
	io_ring_submit_unlock(ctx, issue_flags);
	return ret;
}
EXPORT_SYMBOL_GPL(io_uring_cmd_on_kmbuf_ring);

/**
 * io_uring_kmbuf_select - take a free buffer out of a ring
 * @kr: a pinned ring
 * @buf: filled in with the buffer
 *
 * The buffer that was free for longest comes first. In a new ring, and in a
 * ring whose last pin ended with buffers missing, buffers come in the order of
 * their ids. The buffer belongs to the caller until io_uring_kmbuf_recycle(),
 * and contains the data of its last user: clear data that userspace must not
 * see.
 *
 * Userspace can read the buffer at any time, and change it unless the ring is
 * %IOU_KMBUF_RING_RDONLY and not %IOU_KMBUF_RING_FIXED: copy data out of it,
 * and check the copy.
 *
 * Context: Any context but NMI. Takes only the ring's own lock, for a few
 * instructions and with interrupts off. Callers on different CPUs, and
 * io_uring_kmbuf_recycle(), need no lock against each other.
 *
 * Return: 0, or -ENOBUFS if no buffer is free; @buf is unchanged then.
 */
int io_uring_kmbuf_select(struct io_kmbuf_ring *kr, struct io_kmbuf *buf)
{
	unsigned long flags;
	u16 bid;

	raw_spin_lock_irqsave(&kr->lock, flags);
	if (kr->head == kr->tail) {
		raw_spin_unlock_irqrestore(&kr->lock, flags);
		trace_io_uring_kmbuf_exhausted(kr->id, kr->bgid);
		return -ENOBUFS;
	}
	bid = kr->fifo[kr->head++ & kr->fifo_mask];
	__set_bit(bid, kr->in_use);
	raw_spin_unlock_irqrestore(&kr->lock, flags);

	buf->addr = kr->addrs[bid];
	buf->len = kr->buf_size;
	buf->bid = bid;
	trace_io_uring_kmbuf_select(kr->id, kr->bgid, bid);
	return 0;
}
EXPORT_SYMBOL_GPL(io_uring_kmbuf_select);

/**
 * io_uring_kmbuf_recycle - put a buffer back into its ring
 * @kr: a pinned ring
 * @bid: number of a selected buffer, perhaps from userspace
 *
 * Numbers out of range, and buffers that are not selected, are refused and
 * change nothing, so @bid may come from userspace. The caller has to check that
 * the buffer is one of its own.
 *
 * Context: Any context but NMI, as io_uring_kmbuf_select().
 *
 * Return: 0, or -EINVAL if @bid is out of range or a free buffer.
 */
int io_uring_kmbuf_recycle(struct io_kmbuf_ring *kr, unsigned int bid)
{
	unsigned long flags;
	bool used;

	if (bid >= kr->nr_bufs)
		return -EINVAL;
	bid = array_index_nospec(bid, kr->nr_bufs);

	raw_spin_lock_irqsave(&kr->lock, flags);
	used = __test_and_clear_bit(bid, kr->in_use);
	if (used)
		kr->fifo[kr->tail++ & kr->fifo_mask] = bid;
	raw_spin_unlock_irqrestore(&kr->lock, flags);

	if (!used)
		return -EINVAL;
	trace_io_uring_kmbuf_recycle(kr->id, kr->bgid, bid);
	return 0;
}
EXPORT_SYMBOL_GPL(io_uring_kmbuf_recycle);

/**
 * io_uring_kmbuf_size - size of each buffer of a ring
 * @kr: a pinned ring
 *
 * Context: Any context.
 *
 * Return: bytes per buffer, a multiple of 512.
 */
u32 io_uring_kmbuf_size(const struct io_kmbuf_ring *kr)
{
	return kr->buf_size;
}
EXPORT_SYMBOL_GPL(io_uring_kmbuf_size);

/**
 * io_uring_kmbuf_nr - number of buffers of a ring
 * @kr: a pinned ring
 *
 * Context: Any context.
 *
 * Return: the number of buffers, free and selected.
 */
u32 io_uring_kmbuf_nr(const struct io_kmbuf_ring *kr)
{
	return kr->nr_bufs;
}
EXPORT_SYMBOL_GPL(io_uring_kmbuf_nr);

/**
 * io_uring_kmbuf_flags - flags that a ring was registered with
 * @kr: a pinned ring
 *
 * A consumer whose server writes into the buffers has to refuse a ring with
 * %IOU_KMBUF_RING_RDONLY. A consumer that relies on buffers which userspace
 * cannot change has to require that flag, and to refuse %IOU_KMBUF_RING_FIXED,
 * which lets userspace read files into the buffers.
 *
 * Context: Any context.
 *
 * Return: IOU_KMBUF_RING_* flags.
 */
u16 io_uring_kmbuf_flags(const struct io_kmbuf_ring *kr)
{
	return kr->flags;
}
EXPORT_SYMBOL_GPL(io_uring_kmbuf_flags);
