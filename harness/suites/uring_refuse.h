/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For programs that are linked with the objects of libfuse: makes commands fail before
 * they reach the kernel.
 */
#ifndef URING_REFUSE_H
#define URING_REFUSE_H

#include <stdatomic.h>

/* Counts each command, refused or not */
extern atomic_uint uring_commands[64];

#endif
