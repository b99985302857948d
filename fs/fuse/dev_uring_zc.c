// SPDX-License-Identifier: GPL-2.0
/*
 * Zero copy for FUSE over io_uring: the pages that a READ is to fill, or that
 * have the data of a WRITE, are put into a slot of the server's
 * registered-buffer table. The server reads its file into them or writes it
 * from them.
 *
 * The pages are lent for as long as the request lasts. When it ends, by a reply
 * or because the connection is aborted, no more I/O begins on them, whatever
 * became of the slot. But I/O that the server has started goes on. Until the
 * request ends, it has the pages pinned, or locked in the page cache. Pages
 * that io_uring has not returned by then are held for as long as it takes. A
 * reference is enough: the client no longer cares about the contents of its
 * memory, which only must not be reused by somebody else.
 *
 * A server that replies without having filled the pages of a READ does not
 * disclose anything. The memory of a direct read belongs to the client, which
 * sees its old contents; pages of the page cache are zero before they are
 * handed out.
 *
 * Whenever zero copy is not possible for a request, its data is copied.
 */

#include "args.h"
#include "dev_uring_i.h"

#include <linux/bvec.h>
#include <linux/io_uring/cmd.h>
#include <linux/mm.h>
#include <linux/slab.h>

/* The pages of one request */
struct fuse_uring_zc {
	struct io_buf_lease lease;
	/* one is io_uring's, until it returns the pages, and one the entry's */
	refcount_t refs;
	unsigned int nr_bvecs;
	/* the folio of each bvec is referenced */
	bool held;
	struct bio_vec bvs[] __counted_by(nr_bvecs);
};

/* The size of the data, or 0 if there is none or its pages cannot be held */
static size_t data_size(const struct fuse_args *args)
{
	if (args->odd_pages)
		return 0;
	if (args->opcode == FUSE_READ && args->out_pages)
		return args->out_args[0].size;
	if (args->opcode == FUSE_WRITE && args->in_pages)
		return args->in_args[1].size;
	return 0;
}

/* Can the data of @req be handed out? */
bool fuse_uring_zc_wanted(const struct fuse_ring_ent *ent,
			  const struct fuse_req *req)
{
	const struct fuse_args *args = req->args;
	size_t size;

	if (ent->buf_index == FUSE_URING_NO_BUF_INDEX || !args->zero_copy ||
	    test_bit(FR_NO_ZERO_COPY, &req->flags))
		return false;
	size = data_size(args);
	return size && size >= ent->queue->zero_copy_min;
}

static void zc_free(struct fuse_uring_zc *zc)
{
	unsigned int i;

	for (i = 0; zc->held && i < zc->nr_bvecs; i++)
		folio_put(bvec_folio(&zc->bvs[i]));
	kvfree(zc);
}

static void zc_put(struct fuse_uring_zc *zc)
{
	if (refcount_dec_and_test(&zc->refs))
		zc_free(zc);
}

static void zc_release(struct io_buf_lease *lease)
{
	zc_put(container_of(lease, struct fuse_uring_zc, lease));
}

/* The request is about to end, and with it its hold on the pages */
static void zc_hold(struct fuse_uring_zc *zc)
{
	unsigned int i;

	if (zc->held)
		return;
	for (i = 0; i < zc->nr_bvecs; i++)
		folio_get(bvec_folio(&zc->bvs[i]));
	zc->held = true;
}

/*
 * Memory that the request has not pinned belongs to the kernel, for instance to
 * a loop device, or is a registered buffer of an io_uring. It stays until the
 * request ends, but not all of it can be held for longer. So it is held from
 * the beginning.
 */
static bool zc_try_hold(struct folio *folio)
{
	return !folio_test_slab(folio) && !folio_test_large_kmalloc(folio) &&
	       folio_try_get(folio);
}

/*
 * The pages with the first @size bytes of the data. Adjacent parts of a folio
 * are one entry, with one reference if references are taken. ERR_PTR of
 * -ENOMEM, or -EFAULT if there are pages that cannot be held.
 */
static struct fuse_uring_zc *zc_alloc(const struct fuse_args_pages *ap,
				      u32 size)
{
	const struct fuse_folio_desc *desc = ap->descs;
	struct folio **folios = ap->folios, *last = NULL;
	struct folio **const folios_end = folios + ap->num_folios;
	struct fuse_uring_zc *zc;
	struct bio_vec *bv;
	u32 len, end = 0;

	zc = kvmalloc_flex(*zc, bvs, ap->num_folios, GFP_KERNEL_ACCOUNT);
	if (!zc)
		return ERR_PTR(-ENOMEM);

	io_buf_lease_init(&zc->lease, zc_release);
	refcount_set(&zc->refs, 2);
	zc->held = ap->args.user_pages && !ap->args.is_pinned;
	bv = zc->bvs;
	for (; size && folios != folios_end; size -= len, desc++) {
		struct folio *folio = *folios++;

		len = min(size, desc->length);
		if (folio == last && desc->offset == end) {
			bv[-1].bv_len += len;
		} else {
			if (zc->held && !zc_try_hold(folio))
				break;
			bvec_set_folio(bv++, folio, len, desc->offset);
			last = folio;
		}
		end = desc->offset + len;
	}
	zc->nr_bvecs = bv - zc->bvs;
	if (!size)
		return zc;
	zc_free(zc);
	return ERR_PTR(-EFAULT);
}

/* The client must not see the old contents of the memory */
static void zc_clear(const struct fuse_args_pages *ap)
{
	unsigned int i;

	for (i = 0; i < ap->num_folios; i++)
		folio_zero_range(ap->folios[i], ap->descs[i].offset,
				 ap->descs[i].length);
}

/*
 * Put the pages of @req into the entry's slot. Any error means that the data
 * has to be copied. May sleep.
 */
int fuse_uring_zc_register(struct fuse_ring_ent *ent, struct fuse_req *req,
			   unsigned int issue_flags)
{
	struct fuse_args_pages *ap = container_of(req->args, typeof(*ap), args);
	const bool read = ap->args.opcode == FUSE_READ;
	struct fuse_uring_zc *zc;
	int err;

	zc = zc_alloc(ap, data_size(&ap->args));
	if (IS_ERR(zc))
		return PTR_ERR(zc);

	err = io_buffer_lend_bvec(ent->cmd, &zc->lease, zc->bvs, zc->nr_bvecs,
				  read ? IO_BUF_DEST : IO_BUF_SOURCE,
				  ent->buf_index, issue_flags);
	if (err) {
		zc_free(zc);
		return err;
	}
	/* the pages are in the slot, but nobody can use them yet */
	if (read && ap->args.page_zeroing)
		zc_clear(ap);
	io_buf_grant(&zc->lease);
	ent->zc = zc;
	return 0;
}

/*
 * The server is to have the pages of the entry's request no longer: no I/O may
 * begin on them any more, whatever is in the slot. I/O in flight keeps them, also
 * if the request ends before it.
 */
void fuse_uring_zc_withdraw(struct fuse_ring_ent *ent)
{
	struct fuse_uring_zc *zc = ent->zc;

	if (!zc)
		return;
	io_buf_revoke(&zc->lease);
	/*
	 * no new references are taken: if ours is the last, no I/O is in flight
	 */
	if (refcount_read(&zc->refs) > 1)
		zc_hold(zc);
}

/*
 * Likewise, as the request of the entry is about to end. Called by whoever ends
 * it, which nobody else can do at the same time, while the request has its pages.
 * May sleep.
 */
void fuse_uring_zc_revoke(struct fuse_ring_ent *ent)
{
	struct fuse_uring_zc *zc = ent->zc;

	fuse_uring_zc_withdraw(ent);
	ent->zc = NULL;
	if (zc)
		zc_put(zc);
}

/*
 * Likewise, and remove the pages from the entry's slot. I/O in flight keeps
 * them. The slot belongs to userspace, too: if it has put something else there,
 * that stays, unless it is a kernel buffer as well. May sleep.
 */
void fuse_uring_zc_unregister(struct fuse_ring_ent *ent,
			      unsigned int issue_flags)
{
	/* first, so that io_uring has returned the pages if there is no I/O */
	io_buffer_unregister(ent->cmd, ent->buf_index, issue_flags);
	fuse_uring_zc_revoke(ent);
}

/* May I/O be in flight on pages that were withdrawn? */
bool fuse_uring_zc_in_use(const struct fuse_ring_ent *ent)
{
	const struct fuse_uring_zc *zc = ent->zc;

	if (!zc)
		return false;
	if (refcount_read(&zc->refs) > 1)
		return true;
	/* what the I/O has written comes first */
	smp_acquire__after_ctrl_dep();
	return false;
}
