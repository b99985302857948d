/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE server that shows a directory: it turns each request back into the
 * system call that caused it.
 */
#ifndef FUSE_DIR_H
#define FUSE_DIR_H

#include "fuse_server.h"

#include <sys/ioctl.h>
#include <sys/stat.h>

/*
 * Private to the server, for open files: all bits of @size bytes are inverted
 */
#define FUSE_DIR_IOC_INVERT(size)	_IOC(_IOC_READ | _IOC_WRITE, 'T', 1, size)

/*
 * A file that the kernel knows. Its node number is this address, or
 * FUSE_ROOT_ID
 */
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
	/* private */
	struct fuse_dir_node	root;
	void			*nodes;
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

/* A path for the node of a request, for use in system calls */
struct fuse_dir_path {
	char	name[32];
};

struct fuse_dir_path fuse_dir_path(const struct fuse_call *call);
/* Reply, perhaps in the same memory as the request: length, or -ERANGE */
int fuse_dir_reply(const struct fuse_call *call, const void *data, size_t len);
/* Look up @name in the node of the request, and reply. 0 or -errno. */
int fuse_dir_lookup(const struct fuse_call *call, const char *name,
		    struct fuse_entry_out *out);
struct fuse_dir_node *fuse_dir_node(struct fuse_dir *dir,
				    unsigned long long id);

#endif
