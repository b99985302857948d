/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a FUSE server answers that shows a directory: each request becomes the
 * system call that it came from.
 */
#ifndef FUSE_DIR_H
#define FUSE_DIR_H

#include "fuse_server.h"

#include <sys/ioctl.h>
#include <sys/stat.h>

/* Of the server's own, for open files: all bits of @size bytes are inverted */
#define FUSE_DIR_IOC_INVERT(size)	_IOC(_IOC_READ | _IOC_WRITE, 'T', 1, size)

/* A file that the kernel knows: its number is this address, or FUSE_ROOT_ID */
struct fuse_dir_node {
	dev_t			dev;
	ino_t			ino;
	/* of O_PATH */
	int			fd;
	unsigned long long	nr_lookups;
};

struct fuse_dir {
	/* FOPEN_* for files */
	unsigned int		open_flags;
	/* for how many seconds the kernel may believe what it was told */
	unsigned int		valid;
	/* 0 or as much as is read or written at a time */
	unsigned int		max_io;
	/* claim to have read what is to be read without a copy */
	bool			unfilled;
	/* 0, or what the reply to a read of a slot says, though more is read */
	unsigned int		claim;
	/* O_*, for files besides what the client has */
	int			backing_flags;
	/* block devices are shown as the files that they could be */
	bool			disks;
	/* private */
	struct fuse_dir_node	root;
	void			*nodes;
};

/*
 * Serve the directory at @path: sets ft->serve and ft->data, and ft's sizes to
 * the most that the kernel has. Before fuse_test_mount(). 0 or -errno.
 */
int fuse_dir_init(struct fuse_dir *dir, struct fuse_test *ft, const char *path);
void fuse_dir_exit(struct fuse_dir *dir);
/*
 * Show @source at @mountpoint until somebody interrupts this or unmounts it.
 * Says what goes wrong, and at the end how many requests went which way. True if
 * all went well.
 */
bool fuse_dir_show(struct fuse_dir *dir, struct fuse_test *ft,
		   const char *source, const char *mountpoint);
int fuse_dir_serve(const struct fuse_call *call);

/* fuse_dir_file.c: requests about open files, -ENOSYS for others */
int fuse_dir_serve_file(const struct fuse_call *call);
/* fuse_dir_xattr.c: likewise, extended attributes */
int fuse_dir_serve_xattr(const struct fuse_call *call);

/* For both */
static inline struct fuse_dir *fuse_dir_of(const struct fuse_call *call)
{
	return call->ft->data;
}

/* A name of the node that its request is about, good for system calls */
struct fuse_dir_path {
	char	name[32];
};

struct fuse_dir_path fuse_dir_path(const struct fuse_call *call);
/* Reply, which may be where the request is: length, or -ERANGE */
int fuse_dir_reply(const struct fuse_call *call, const void *data, size_t len);
/* Look up @name, or what the request's node has of that name. 0 or -errno. */
int fuse_dir_lookup(const struct fuse_call *call, const char *name,
		    struct fuse_entry_out *out);
struct fuse_dir_node *fuse_dir_node(struct fuse_dir *dir,
				    unsigned long long id);

#endif
