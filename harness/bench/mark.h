/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks of the begin and the end of a measured stretch: no-operations with an address
 * that no compiler generates. The client executes them, the plugin looks for them.
 */
#ifndef MARK_H
#define MARK_H

/* nopl ADDRESS(%rax,%rax,1), without the address */
#define MARK_NOP	0x0f, 0x1f, 0x84, 0x00
#define MARK_NOP_LEN	8
#define MARK_BEGIN	0x6b6d0b01
#define MARK_END	0x6b6d0e02

#define MARK_STRING_(x)	#x
#define MARK_STRING(x)	MARK_STRING_(x)
/* Nothing in the stretch may move past the mark */
#define mark(address)							\
	asm volatile("nopl " MARK_STRING(address) "(%%rax,%%rax,1)"	\
		     ::: "memory")

#endif
