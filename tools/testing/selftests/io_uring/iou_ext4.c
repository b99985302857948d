// SPDX-License-Identifier: GPL-2.0
#include "iou_ext4.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

const char *test_ext4_mount(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("kmbuf", "/mnt", "tmpfs", 0, NULL))
		return NULL;
	if (system("mkdir /mnt/fs") || system("truncate -s 256M /mnt/img") ||
	    system("mkfs.ext4 -q -F /mnt/img >/dev/null 2>&1") ||
	    system("mount -o loop /mnt/img /mnt/fs"))
		return NULL;
	return "/mnt/fs";
}
