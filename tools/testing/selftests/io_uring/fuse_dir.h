/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE server that shows a directory: it turns each request back into the
 * system call that caused it.
 */
#ifndef FUSE_DIR_H
#define FUSE_DIR_H

#include "fuse_dir_keep.h"
#include "fuse_server.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/*
 * Private to the server, for open files: all bits of @size bytes are inverted
 */
#define FUSE_DIR_IOC_INVERT(size)	_IOC(_IOC_READ | _IOC_WRITE, 'T', 1, size)

/* A file that the kernel knows */
struct fuse_dir_node {
	dev_t			dev;
	ino_t			ino;
	/* the node number, in fuse_dir.kept as well */
	unsigned int		nr;
	/* of O_PATH, or -1 as long as the file was not needed */
	int			fd;
};

/* An open file or directory, with the same number in fuse_dir.kept */
struct fuse_dir_file {
	/* 0 if it is a directory, or was not needed so far */
	int			fd;
	DIR			*stream;
};

struct fuse_dir {
	/* FOPEN_* for files */
	unsigned int		open_flags;
	/* seconds for which the kernel may cache attributes and names */
	unsigned int		valid;
	/* 0 or the limit for a read or write */
	unsigned int		max_io;
	/* claim to have read the data of zero-copy reads */
	bool			unfilled;
	/* 0, or the size claimed for a read of a slot, though more is read */
	unsigned int		claim;
	/* O_* to open files with, besides the client's flags */
	int			backing_flags;
	/* show block devices as files with their data */
	bool			disks;
	/* private; nodes by number, and a tree of them by inode */
	struct fuse_dir_node	root;
	struct fuse_dir_node	**nodes;
	void			*tree;
	struct fuse_dir_file	*files;
	struct fuse_dir_kept	*kept;
	/* of the file system, to open files by their handles; -1 if not needed */
	int			mount_fd;
};

/*
 * Serve the directory at @path: sets ft->serve and ft->data, and sets ft's
 * sizes to the kernel's maxima. Call before fuse_test_mount(). 0 or -errno.
 */
int fuse_dir_init(struct fuse_dir *dir, struct fuse_test *ft, const char *path);
void fuse_dir_exit(struct fuse_dir *dir);
/*
 * Add kernel-managed buffers of another size, for options: NUMBERxSIZE, with a
 * size in bytes, or in KiB if a K follows. False if it is not that, or the
 * fourth.
 */
bool fuse_dir_add_buffers(struct fuse_test *ft, const char *text);
/*
 * Have queues for the first CPUs only, for options: their number, up to 32. False
 * if it is not that.
 */
bool fuse_dir_set_queues(struct fuse_test *ft, const char *text);
/*
 * Show @source at @mountpoint until interrupted or unmounted. Prints errors,
 * and at the end the counters of requests. True on success.
 */
bool fuse_dir_show(struct fuse_dir *dir, struct fuse_test *ft,
		   const char *source, const char *mountpoint);
/*
 * Likewise, with ft->dev and ft->keep_fd, which outlive this process. The first
 * one to call this mounts, and those that follow take over. Until unmounted.
 */
bool fuse_dir_take_over(struct fuse_dir *dir, struct fuse_test *ft,
			const char *source, const char *mountpoint);
int fuse_dir_serve(const struct fuse_call *call);

/* fuse_dir_file.c: requests about open files, -ENOSYS for others */
int fuse_dir_serve_file(const struct fuse_call *call);
/* The fd of an open file, or -1 */
int fuse_dir_fd(const struct fuse_call *call, unsigned long long fh);
/* fuse_dir_xattr.c: likewise, extended attributes */
int fuse_dir_serve_xattr(const struct fuse_call *call);

/* For both */
static inline struct fuse_dir *fuse_dir_of(const struct fuse_call *call)
{
	return call->ft->data;
}

/* A path for the node of a request, for use in system calls */
struct fuse_dir_path {
	char	name[32];
};

struct fuse_dir_path fuse_dir_path(const struct fuse_call *call);
struct fuse_dir_path fuse_dir_path_of(struct fuse_dir *dir,
				      unsigned long long id);
/* Reply, perhaps in the same memory as the request: length, or -ERANGE */
int fuse_dir_reply(const struct fuse_call *call, const void *data, size_t len);
/* Look up @name in the node of the request, and reply. 0 or -errno. */
int fuse_dir_lookup(const struct fuse_call *call, const char *name,
		    struct fuse_entry_out *out);
struct fuse_dir_node *fuse_dir_node(struct fuse_dir *dir,
				    unsigned long long id);
/* The server may have done that before, and have died before its reply */
static inline bool fuse_dir_again(const struct fuse_call *call)
{
	return call->in->unique & FUSE_UNIQUE_RESEND;
}

#endif
