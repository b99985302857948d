/* SPDX-License-Identifier: GPL-2.0 */
/*
 * layout.sh includes this into a file of io_uring: it adds the offsets of the fields that
 * requests use to the assembly, as lines ".ascii ...".
 */
#include <linux/io_uring_types.h>
#include <linux/stddef.h>

#define TELL(what, value) \
	asm volatile("\n.ascii \"layout " what " %c0\"" : : "i" (value))
#define TELL_SIZE(type)		TELL(#type, sizeof(struct type))
#define TELL_CTX(field)		TELL(#field, offsetof(struct io_ring_ctx, field))

static void __used layout(void)
{
	TELL_SIZE(io_ring_ctx);
	TELL_SIZE(io_kiocb);
	/* read-mostly */
	TELL_CTX(flags);
	TELL_CTX(rings);
	TELL_CTX(refs);
	/* submission */
	TELL_CTX(uring_lock);
	TELL_CTX(sq_sqes);
	TELL_CTX(cached_sq_head);
	TELL_CTX(iopoll_list);
	TELL_CTX(work_head);
	TELL_CTX(file_table);
	TELL_CTX(buf_table);
	TELL_CTX(node_cache);
	TELL_CTX(imu_cache);
	TELL_CTX(submit_state);
	TELL_CTX(io_bl_xa);
	TELL_CTX(cancel_table);
	TELL_CTX(rw_cache);
	TELL_CTX(cmd_cache);
	TELL_CTX(cancelable_uring_cmd);
	/* completion */
	TELL_CTX(cqe_cached);
	TELL_CTX(cqe_sentinel);
	TELL_CTX(cached_cq_tail);
	/* task work */
	TELL_CTX(rings_rcu);
	TELL_CTX(work_list);
	TELL_CTX(check_cq);
	TELL_CTX(cq_wait);
	/* timeouts, and the rest as far as it is locked */
	TELL_CTX(timeout_lock);
	TELL_CTX(completion_lock);
}
