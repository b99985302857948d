/* SPDX-License-Identifier: GPL-2.0 */
/* A file system with real O_DIRECT, which tmpfs lacks. */
#ifndef IOU_EXT4_H
#define IOU_EXT4_H

/*
 * Mount an empty ext4 with blocks of that size, for this program and its
 * children only: in a private mount namespace, on a loop device over memory. It
 * goes with the last of these processes. Returns the directory, or NULL without
 * root, loop devices, ext4 or mkfs.ext4.
 */
const char *test_ext4_mount(unsigned int block_size);

#endif
