/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For programs that are linked with the objects of libfuse: commands that do not
 * get to the kernel.
 */
#ifndef URING_REFUSE_H
#define URING_REFUSE_H

#include <stdatomic.h>

/* How often each command was given, whether it was refused or not */
extern atomic_uint uring_commands[64];

#endif
