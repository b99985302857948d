/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a server that shows a directory has to remember for the kernel: nodes and
 * open files. It is in one piece of memory, which can outlive the server. Another
 * server that maps it finds the files again by their handles.
 */
#ifndef FUSE_DIR_KEEP_H
#define FUSE_DIR_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Powers of two */
#define FUSE_DIR_KEEP_NODES	1048576
#define FUSE_DIR_KEEP_FILES	65536
/* Enough for ext4, tmpfs, XFS and btrfs */
#define FUSE_DIR_KEEP_HANDLE	48

/* Free if the kernel does not know it */
struct fuse_dir_kept_node {
	unsigned long long	nr_lookups;
	dev_t			dev;
	ino_t			ino;
	/* the file's handle, if nodes are to outlive the server */
	int			type;
	unsigned int		size;
	unsigned char		handle[FUSE_DIR_KEEP_HANDLE];
};

struct fuse_dir_kept_file {
	/* 0: free */
	unsigned int		node;
	/* of open(); O_DIRECTORY for directories */
	unsigned int		flags;
	/* changes with each use, and is in the high half of the handle */
	unsigned int		generation;
};

struct fuse_dir_kept {
	/* a server has been there before */
	bool				used;
	/* where to look for a free one */
	unsigned int			next_node;
	unsigned int			next_file;
	struct fuse_dir_kept_node	nodes[FUSE_DIR_KEEP_NODES];
	struct fuse_dir_kept_file	files[FUSE_DIR_KEEP_FILES];
};

/* Map it; @fd is a file of any size that outlives the server, or -1 */
struct fuse_dir_kept *fuse_dir_keep_map(int fd);
void fuse_dir_keep_unmap(struct fuse_dir_kept *kept);

/* Take a free node, or a free file: its number, or 0 if there is none */
unsigned int fuse_dir_keep_node(struct fuse_dir_kept *kept);
unsigned int fuse_dir_keep_file(struct fuse_dir_kept *kept);

/* Keep the handle of a file, and open it again with O_PATH. 0 or an fd, or -errno. */
int fuse_dir_keep_handle(struct fuse_dir_kept_node *node, int path_fd);
int fuse_dir_keep_open(const struct fuse_dir_kept_node *node, int mount_fd);

#endif
