/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings of kernel-managed buffers: the interface for subsystems that fill the
 * buffers. See Documentation/userspace-api/io_uring/kmbuf.rst
 */
#ifndef _LINUX_IO_URING_KMBUF_H
#define _LINUX_IO_URING_KMBUF_H

#include <linux/errno.h>
#include <linux/err.h>
#include <linux/types.h>
#include <uapi/linux/io_uring/kmbuf.h>

struct io_kmbuf_ring;
struct io_uring_cmd;

/**
 * struct io_kmbuf - a selected buffer
 * @addr: kernel address of the buffer, which userspace must not see: an address
 *	of the direct map if the buffer is one piece of memory, or else a
 *	vmalloc address
 * @len: size of the buffer in bytes
 * @bid: number of the buffer in the ring, by which userspace identifies it
 */
struct io_kmbuf {
	void	*addr;
	u32	len;
	u16	bid;
};

#if defined(CONFIG_IO_URING)
struct io_kmbuf_ring *io_uring_buf_ring_pin(struct io_uring_cmd *cmd,
					    unsigned int buf_group,
					    unsigned int issue_flags);
struct io_kmbuf_ring *
io_uring_buf_ring_pin_exclusive(struct io_uring_cmd *cmd,
				unsigned int buf_group,
				unsigned int issue_flags);
void io_uring_buf_ring_unpin(struct io_kmbuf_ring *kr);
bool io_uring_is_kmbuf_ring(struct io_uring_cmd *cmd, unsigned int buf_group,
			    unsigned int issue_flags);
bool io_uring_cmd_on_kmbuf_ring(struct io_uring_cmd *cmd,
				unsigned int buf_group,
				const struct io_kmbuf_ring *kr,
				unsigned int issue_flags);
int io_uring_kmbuf_select(struct io_kmbuf_ring *kr, struct io_kmbuf *buf);
int io_uring_kmbuf_recycle(struct io_kmbuf_ring *kr, unsigned int bid);
u32 io_uring_kmbuf_size(const struct io_kmbuf_ring *kr);
u32 io_uring_kmbuf_nr(const struct io_kmbuf_ring *kr);
u16 io_uring_kmbuf_flags(const struct io_kmbuf_ring *kr);
#else
static inline struct io_kmbuf_ring *
io_uring_buf_ring_pin(struct io_uring_cmd *cmd, unsigned int buf_group,
		      unsigned int issue_flags)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline struct io_kmbuf_ring *
io_uring_buf_ring_pin_exclusive(struct io_uring_cmd *cmd,
				unsigned int buf_group,
				unsigned int issue_flags)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void io_uring_buf_ring_unpin(struct io_kmbuf_ring *kr)
{
}

static inline bool io_uring_is_kmbuf_ring(struct io_uring_cmd *cmd,
					  unsigned int buf_group,
					  unsigned int issue_flags)
{
	return false;
}

static inline bool io_uring_cmd_on_kmbuf_ring(struct io_uring_cmd *cmd,
					      unsigned int buf_group,
					      const struct io_kmbuf_ring *kr,
					      unsigned int issue_flags)
{
	return false;
}

static inline int io_uring_kmbuf_select(struct io_kmbuf_ring *kr,
					struct io_kmbuf *buf)
{
	return -EOPNOTSUPP;
}

static inline int io_uring_kmbuf_recycle(struct io_kmbuf_ring *kr,
					 unsigned int bid)
{
	return -EOPNOTSUPP;
}

static inline u32 io_uring_kmbuf_size(const struct io_kmbuf_ring *kr)
{
	return 0;
}

static inline u32 io_uring_kmbuf_nr(const struct io_kmbuf_ring *kr)
{
	return 0;
}

static inline u16 io_uring_kmbuf_flags(const struct io_kmbuf_ring *kr)
{
	return 0;
}
#endif

#endif
