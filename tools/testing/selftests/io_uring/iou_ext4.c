// SPDX-License-Identifier: GPL-2.0
#include "iou_ext4.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

const char *test_ext4_mount(unsigned int block_size)
{
	char mkfs[64];

	snprintf(mkfs, sizeof(mkfs),
		 "mkfs.ext4 -q -F -b %u /mnt/img >/dev/null 2>&1", block_size);
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("kmbuf", "/mnt", "tmpfs", 0, NULL))
		return NULL;
	if (system("mkdir /mnt/fs") || system("truncate -s 256M /mnt/img") ||
	    system(mkfs) || system("mount -o loop /mnt/img /mnt/fs"))
		return NULL;
	return "/mnt/fs";
}
