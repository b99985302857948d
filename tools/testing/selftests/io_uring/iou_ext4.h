/* SPDX-License-Identifier: GPL-2.0 */
/* A real file system for O_DIRECT, which tmpfs is not. */
#ifndef IOU_EXT4_H
#define IOU_EXT4_H

/*
 * An empty ext4 with blocks of that size, for this program and its children
 * alone: in a mount namespace of its own, on a loop device over memory, gone
 * with the last of them. The directory, or NULL without root, loop devices, ext4
 * or its mkfs.
 */
const char *test_ext4_mount(unsigned int block_size);

#endif
