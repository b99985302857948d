// SPDX-License-Identifier: GPL-2.0
/*
 * A mock of a subsystem that shares its memory with a userspace server, to test
 * the interfaces that io_uring has for such subsystems. It checks only what it
 * needs for its own safety and passes everything else on, mistakes above all.
 */
#include <linux/anon_inodes.h>
#include <linux/bvec.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <linux/io_uring/cmd.h>

#include "mock_kmbuf.h"

#define MOCK_MAX_SIZE		SZ_64M
#define MOCK_MAX_BUFFERS	65536

struct workqueue_struct *mock_wq;

/* The consumer, private data of its file */
struct mock_kmbuf {
	/* held by the file, and by each buffer that is not released yet */
	struct kref		ref;
	unsigned int		nr_chunks;
	unsigned int		order;
	bool			kmalloc;
	/* first page of each chunk: a folio, unless from kmalloc() */
	struct page		**chunks;
	struct mock_pins	pins;

	/* protects the fields below */
	spinlock_t		lock;
	struct list_head	bufs;
	struct io_uring_mock_kmbuf_stats stats;
};

/*
 * One registration. It holds a reference to the consumer until its release, so
 * that the pages exist for as long as io_uring may use them. It is kept after
 * that, to detect a second release. Once all files are closed, only io_uring
 * keeps the module with the release callback loaded.
 */
struct mock_buf {
	struct io_buf_lease	lease;
	struct mock_kmbuf	*mk;
	struct list_head	node;
	bool			lent;
	bool			released;
};

static void mock_chunk_free(const struct mock_kmbuf *mk, struct page *page)
{
	if (mk->kmalloc)
		kfree(page_address(page));
	else
		folio_put(page_folio(page));
}

static void mock_kmbuf_free(struct mock_kmbuf *mk)
{
	struct mock_buf *buf, *tmp;
	unsigned int i;

	list_for_each_entry_safe(buf, tmp, &mk->bufs, node)
		kfree(buf);
	for (i = 0; i < mk->nr_chunks; i++)
		mock_chunk_free(mk, mk->chunks[i]);
	kvfree(mk->chunks);
	kfree(mk);
}

static void mock_kmbuf_free_ref(struct kref *ref)
{
	mock_kmbuf_free(container_of(ref, struct mock_kmbuf, ref));
}

static size_t mock_kmbuf_size(const struct mock_kmbuf *mk)
{
	return (size_t)mk->nr_chunks << (mk->order + PAGE_SHIFT);
}

/* NULL if there is no such page */
static struct page *mock_kmbuf_page(const struct mock_kmbuf *mk,
				    unsigned int page)
{
	unsigned int nr = page >> mk->order;

	if (nr >= mk->nr_chunks)
		return NULL;
	nr = array_index_nospec(nr, mk->nr_chunks);
	return mk->chunks[nr] + (page & ((1U << mk->order) - 1));
}

/* Number of bytes from the start of a page to the end of its chunk */
static size_t mock_chunk_left(const struct mock_kmbuf *mk, unsigned int page)
{
	const unsigned int nr = 1U << mk->order;

	return (size_t)(nr - (page & (nr - 1))) << PAGE_SHIFT;
}

/* Copy in the argument of the command; each command has one of fixed size */
int mock_get_arg(const struct io_uring_cmd *cmd, void *arg, size_t size)
{
	const struct io_uring_sqe *sqe = cmd->sqe;

	if (READ_ONCE(sqe->ioprio) || READ_ONCE(sqe->addr3) ||
	    READ_ONCE(sqe->file_index) || READ_ONCE(sqe->len) != size)
		return -EINVAL;
	if (copy_from_user(arg, u64_to_user_ptr(READ_ONCE(sqe->addr)), size))
		return -EFAULT;
	return 0;
}

int mock_put_arg(const struct io_uring_cmd *cmd, const void *arg, size_t size)
{
	if (copy_to_user(u64_to_user_ptr(READ_ONCE(cmd->sqe->addr)), arg, size))
		return -EFAULT;
	return 0;
}

static void mock_buf_release(void *priv)
{
	struct mock_buf *buf = priv;
	struct mock_kmbuf *mk = buf->mk;
	bool again;

	spin_lock(&mk->lock);
	again = buf->released;
	buf->released = true;
	mk->stats.nr_released++;
	mk->stats.nr_released_again += again;
	spin_unlock(&mk->lock);

	/* the first release dropped the reference */
	if (!again)
		kref_put(&mk->ref, mock_kmbuf_free_ref);
}

static void mock_lease_release(struct io_buf_lease *lease)
{
	mock_buf_release(container_of(lease, struct mock_buf, lease));
}

static struct mock_buf *mock_buf_add(struct mock_kmbuf *mk, bool lent,
				     bool no_release)
{
	struct mock_buf *buf;

	buf = kzalloc_obj(*buf, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	buf->lent = lent;
	io_buf_lease_init(&buf->lease, no_release ? NULL : mock_lease_release);

	spin_lock(&mk->lock);
	if (mk->stats.nr_registered == MOCK_MAX_BUFFERS) {
		spin_unlock(&mk->lock);
		kfree(buf);
		return ERR_PTR(-ENOSPC);
	}
	mk->stats.nr_registered++;
	list_add_tail(&buf->node, &mk->bufs);
	spin_unlock(&mk->lock);

	kref_get(&mk->ref);
	buf->mk = mk;
	return buf;
}

/* Undo mock_buf_add() for a buffer whose registration failed */
static void mock_buf_del(struct mock_buf *buf)
{
	struct mock_kmbuf *mk = buf->mk;

	spin_lock(&mk->lock);
	mk->stats.nr_registered--;
	list_del(&buf->node);
	spin_unlock(&mk->lock);

	/* the command's file holds a reference, too */
	kref_put(&mk->ref, mock_kmbuf_free_ref);
	kfree(buf);
}

static int mock_get_bvecs(const struct mock_kmbuf *mk, struct bio_vec *bvs,
			  const struct io_uring_mock_bvec __user *ubvs,
			  unsigned int nr)
{
	struct io_uring_mock_bvec ubv;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct page *page = NULL;

		if (copy_from_user(&ubv, &ubvs[i], sizeof(ubv)))
			return -EFAULT;
		if (ubv.resv)
			return -EINVAL;
		if (ubv.page != IORING_MOCK_KMBUF_NO_PAGE) {
			page = mock_kmbuf_page(mk, ubv.page);
			if (!page)
				return -ERANGE;
			/* no entry may reach beyond the chunk of its page */
			if ((u64)ubv.offset + ubv.len >
			    mock_chunk_left(mk, ubv.page))
				return -ERANGE;
		}
		bvs[i].bv_page = page;
		bvs[i].bv_len = ubv.len;
		bvs[i].bv_offset = ubv.offset;
	}
	return 0;
}

static int mock_register_bvecs(struct io_uring_cmd *cmd,
			       const struct io_uring_mock_kmbuf_register *reg,
			       const struct bio_vec *bvs,
			       unsigned int issue_flags)
{
	bool no_release = reg->flags & IORING_MOCK_KMBUF_NO_RELEASE;
	bool lend = reg->flags & IORING_MOCK_KMBUF_LEND;
	struct mock_buf *buf;
	int ret;

	buf = mock_buf_add(cmd->file->private_data, lend, no_release);
	if (IS_ERR(buf))
		return PTR_ERR(buf);

	if (lend)
		ret = io_buffer_lend_bvec(cmd, &buf->lease, bvs, reg->nr_bvecs,
					  reg->dir, reg->index, issue_flags);
	else
		ret = io_buffer_register_bvec(cmd, bvs, reg->nr_bvecs,
					      no_release ? NULL :
					      mock_buf_release, buf, reg->dir,
					      reg->index, issue_flags);
	if (ret)
		mock_buf_del(buf);
	return ret;
}

static int mock_cmd_register(struct io_uring_cmd *cmd, struct mock_kmbuf *mk,
			     unsigned int issue_flags)
{
	struct io_uring_mock_kmbuf_register reg;
	struct bio_vec *bvs;
	int ret;

	ret = mock_get_arg(cmd, &reg, sizeof(reg));
	if (ret)
		return ret;
	if (reg.resv || reg.dir > U8_MAX ||
	    reg.flags & ~(IORING_MOCK_KMBUF_NO_RELEASE | IORING_MOCK_KMBUF_LEND))
		return -EINVAL;
	if (reg.nr_bvecs > IORING_MOCK_KMBUF_MAX_BVECS)
		return -E2BIG;

	/* one more than requested, so that an empty array has an address */
	bvs = kvmalloc_objs(*bvs, reg.nr_bvecs + 1, GFP_KERNEL_ACCOUNT);
	if (!bvs)
		return -ENOMEM;

	ret = mock_get_bvecs(mk, bvs, u64_to_user_ptr(reg.bvecs), reg.nr_bvecs);
	if (!ret)
		ret = mock_register_bvecs(cmd, &reg, bvs, issue_flags);

	/* io_uring must not use the array any more: spoil it */
	memset(bvs, 0xff, sizeof(*bvs) * reg.nr_bvecs);
	kvfree(bvs);
	return ret;
}

static int mock_cmd_unregister(struct io_uring_cmd *cmd,
			       unsigned int issue_flags)
{
	struct io_uring_mock_kmbuf_unregister arg;
	int ret;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.resv)
		return -EINVAL;
	return io_buffer_unregister(cmd, arg.index, issue_flags);
}

/* The consumer's @nr-th buffer, or NULL if it does not exist or was not lent */
static struct mock_buf *mock_lent_buf(struct mock_kmbuf *mk, unsigned int nr)
{
	struct mock_buf *buf;

	lockdep_assert_held(&mk->lock);

	list_for_each_entry(buf, &mk->bufs, node)
		if (!nr--)
			return buf->lent ? buf : NULL;
	return NULL;
}

/* With a spinlock held and interrupts off, as a consumer may do */
static int mock_cmd_lease(struct io_uring_cmd *cmd, struct mock_kmbuf *mk)
{
	struct io_uring_mock_kmbuf_lease arg;
	struct mock_buf *buf;
	int ret;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.resv)
		return -EINVAL;

	guard(spinlock_irq)(&mk->lock);
	buf = mock_lent_buf(mk, arg.nr);
	if (!buf)
		return -ENOENT;
	if (cmd->cmd_op == IORING_MOCK_KMBUF_CMD_GRANT)
		return io_buf_grant(&buf->lease) ? 0 : -ESTALE;
	io_buf_revoke(&buf->lease);
	return 0;
}

static int mock_cmd_copy(struct io_uring_cmd *cmd, struct mock_kmbuf *mk)
{
	struct io_uring_mock_kmbuf_copy arg;
	void __user *uaddr;
	int ret;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.resv || arg.flags & ~IORING_MOCK_KMBUF_COPY_IN)
		return -EINVAL;
	if (arg.len > mock_kmbuf_size(mk) ||
	    arg.offset > mock_kmbuf_size(mk) - arg.len)
		return -ERANGE;

	uaddr = u64_to_user_ptr(arg.addr);
	while (arg.len) {
		size_t off = offset_in_page(arg.offset);
		size_t len = min_t(size_t, arg.len, PAGE_SIZE - off);
		struct page *page;
		void *kaddr;

		page = mock_kmbuf_page(mk, arg.offset >> PAGE_SHIFT);
		kaddr = page_address(page) + off;
		if (arg.flags & IORING_MOCK_KMBUF_COPY_IN)
			ret = copy_from_user(kaddr, uaddr, len);
		else
			ret = copy_to_user(uaddr, kaddr, len);
		if (ret)
			return -EFAULT;
		uaddr += len;
		arg.offset += len;
		arg.len -= len;
	}
	return 0;
}

static int mock_cmd_stats(struct io_uring_cmd *cmd, struct mock_kmbuf *mk)
{
	struct io_uring_mock_kmbuf_stats stats;
	int ret;

	ret = mock_get_arg(cmd, &stats, sizeof(stats));
	if (ret)
		return ret;
	if (!mem_is_zero(&stats, sizeof(stats)))
		return -EINVAL;

	spin_lock(&mk->lock);
	stats = mk->stats;
	spin_unlock(&mk->lock);
	return mock_put_arg(cmd, &stats, sizeof(stats));
}

/* Replace the 8 bytes at @offset of @mem, and return the old ones */
int mock_exchange(void *mem, u64 size, u64 offset, u64 new, u64 *old)
{
	u64 *p = mem + offset;

	if (offset % sizeof(*p) || offset >= size)
		return -ERANGE;
	*old = READ_ONCE(*p);
	WRITE_ONCE(*p, new);
	return 0;
}

static int mock_cmd_region(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct io_uring_mock_kmbuf_region arg;
	struct io_uring_mem_region region;
	int ret;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.resv || arg.nr_pages || arg.old)
		return -EINVAL;

	region = io_uring_registered_mem_region_get(cmd, issue_flags);
	/* only one of the two would be a bug of the lookup */
	if (!region.ptr != !region.nr_pages)
		return -EBADE;

	arg.nr_pages = region.nr_pages;
	if (region.ptr)
		ret = mock_exchange(region.ptr,
				    (u64)region.nr_pages << PAGE_SHIFT,
				    arg.offset, arg.new, &arg.old);
	return ret ?: mock_put_arg(cmd, &arg, sizeof(arg));
}

static int mock_kmbuf_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct mock_kmbuf *mk = cmd->file->private_data;

	switch (cmd->cmd_op) {
	case IORING_MOCK_KMBUF_CMD_REGISTER:
		return mock_cmd_register(cmd, mk, issue_flags);
	case IORING_MOCK_KMBUF_CMD_UNREGISTER:
		return mock_cmd_unregister(cmd, issue_flags);
	case IORING_MOCK_KMBUF_CMD_COPY:
		return mock_cmd_copy(cmd, mk);
	case IORING_MOCK_KMBUF_CMD_STATS:
		return mock_cmd_stats(cmd, mk);
	case IORING_MOCK_KMBUF_CMD_REGION:
		return mock_cmd_region(cmd, issue_flags);
	case IORING_MOCK_KMBUF_CMD_GRANT:
	case IORING_MOCK_KMBUF_CMD_REVOKE:
		return mock_cmd_lease(cmd, mk);
	}
	return mock_pins_cmd(cmd, &mk->pins, issue_flags);
}

/* Polled commands complete without polling */
static int mock_kmbuf_iopoll(struct io_uring_cmd *cmd,
			     struct io_comp_batch *iob,
			     unsigned int poll_flags)
{
	return 0;
}

static int mock_kmbuf_release(struct inode *inode, struct file *file)
{
	struct mock_kmbuf *mk = file->private_data;

	mock_pins_free(&mk->pins);
	kref_put(&mk->ref, mock_kmbuf_free_ref);
	return 0;
}

static const struct file_operations mock_kmbuf_fops = {
	.owner		= THIS_MODULE,
	.release	= mock_kmbuf_release,
	.uring_cmd	= mock_kmbuf_cmd,
	.uring_cmd_iopoll = mock_kmbuf_iopoll,
};

static struct page *mock_chunk_alloc(const struct mock_kmbuf *mk)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN;
	struct folio *folio;
	void *mem;

	if (mk->kmalloc) {
		mem = kmalloc(PAGE_SIZE << mk->order, gfp);
		return mem ? virt_to_page(mem) : NULL;
	}
	folio = folio_alloc(gfp, mk->order);
	return folio ? &folio->page : NULL;
}

static struct mock_kmbuf *
mock_kmbuf_alloc(const struct io_uring_mock_kmbuf_create *arg)
{
	struct mock_kmbuf *mk;

	mk = kzalloc_obj(*mk, GFP_KERNEL_ACCOUNT);
	if (!mk)
		return NULL;
	kref_init(&mk->ref);
	spin_lock_init(&mk->lock);
	mock_pins_init(&mk->pins);
	INIT_LIST_HEAD(&mk->bufs);
	mk->order = arg->order;
	mk->kmalloc = arg->flags & IORING_MOCK_KMBUF_KMALLOC;

	mk->chunks = kvmalloc_objs(*mk->chunks, arg->nr_folios,
				   GFP_KERNEL_ACCOUNT);
	while (mk->chunks && mk->nr_chunks < arg->nr_folios) {
		struct page *page = mock_chunk_alloc(mk);

		if (!page)
			break;
		mk->chunks[mk->nr_chunks++] = page;
	}
	if (mk->nr_chunks == arg->nr_folios)
		return mk;

	mock_kmbuf_free(mk);
	return NULL;
}

static int mock_dev_create(struct io_uring_cmd *cmd)
{
	struct io_uring_mock_kmbuf_create arg;
	struct mock_kmbuf *mk;
	int ret;

	ret = mock_get_arg(cmd, &arg, sizeof(arg));
	if (ret)
		return ret;
	if (!mem_is_zero(arg.resv, sizeof(arg.resv)) || arg.resv0 ||
	    arg.flags & ~IORING_MOCK_KMBUF_KMALLOC)
		return -EINVAL;
	if (!arg.nr_folios || arg.order > MAX_PAGE_ORDER ||
	    arg.nr_folios > MOCK_MAX_SIZE >> (PAGE_SHIFT + arg.order))
		return -EINVAL;

	mk = mock_kmbuf_alloc(&arg);
	if (!mk)
		return -ENOMEM;

	ret = anon_inode_getfd("[io_uring_mock_kmbuf]", &mock_kmbuf_fops, mk,
			       O_RDWR | O_CLOEXEC);
	if (ret < 0)
		mock_kmbuf_free(mk);
	return ret;
}

static int mock_dev_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (cmd->cmd_op != IORING_MOCK_KMBUF_DEV_CMD_CREATE)
		return -EOPNOTSUPP;
	add_taint(TAINT_TEST, LOCKDEP_STILL_OK);
	return mock_dev_create(cmd);
}

static const struct file_operations mock_dev_fops = {
	.owner		= THIS_MODULE,
	.uring_cmd	= mock_dev_cmd,
};

static struct miscdevice mock_miscdev = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "io_uring_mock_kmbuf",
	.fops		= &mock_dev_fops,
};

static int __init mock_init(void)
{
	int ret;

	mock_wq = alloc_workqueue("io_uring_mock_kmbuf", WQ_UNBOUND, 0);
	if (!mock_wq)
		return -ENOMEM;

	ret = misc_register(&mock_miscdev);
	if (ret)
		destroy_workqueue(mock_wq);
	return ret;
}

static void __exit mock_exit(void)
{
	misc_deregister(&mock_miscdev);
	destroy_workqueue(mock_wq);
}

module_init(mock_init)
module_exit(mock_exit)

MODULE_DESCRIPTION("io_uring mock of a subsystem with kernel buffers");
MODULE_LICENSE("GPL");
