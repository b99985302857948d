/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE file system whose server talks to the kernel itself, without a
 * library: over /dev/fuse or over io_uring, in a process of its own. What the
 * server answers is up to the test.
 */
#ifndef FUSE_SERVER_H
#define FUSE_SERVER_H

#include "iou_test.h"

#include <linux/fuse.h>
#include <sys/types.h>

/* The root directory has one file */
#define FUSE_TEST_FILE		"file"
#define FUSE_TEST_NODE		2

/* A request as the server sees it, and where its reply goes */
struct fuse_call {
	const struct fuse_in_header	*in;
	/* the header of this kind of request, NULL if it has none */
	const void			*arg;
	/* what follows it */
	const unsigned char		*payload;
	size_t				payload_len;
	/* up to that many bytes of a reply */
	unsigned char			*reply;
	size_t				room;
};

/* Serves a request: bytes of the reply, or -errno. Runs in the server. */
typedef int (*fuse_serve_t)(const struct fuse_call *call);

struct fuse_test {
	/* to be set before fuse_test_mount(): what INIT is answered with */
	bool		uring;
	unsigned int	max_pages;
	unsigned int	max_write;
	/* NULL or the server's answer to what fuse_serve() does not do */
	fuse_serve_t	serve;

	char		dir[32];
	char		file[64];
	/* the rest is private */
	int		dev;
	pid_t		server;
	/* the module's parameter, as it was before */
	char		enabled[4];
};

/*
 * Mount it on a new directory, in a mount namespace of this process, and start
 * the server. 0 or -errno; -ENOENT without FUSE, -EPERM without root,
 * -EOPNOTSUPP without FUSE over io_uring if @uring is set.
 */
int fuse_test_mount(struct fuse_test *ft);
/* Why a test has to be skipped if that is what it returned, or NULL */
const char *fuse_test_missing(int ret);
/* Unmount and end the server. 0 if it has ended well. */
int fuse_test_umount(struct fuse_test *ft);

/* All that it takes to look the file up and stat it; -ENOSYS for the rest */
int fuse_serve(const struct fuse_call *call);

/* The server's two ways to get requests; they return when it is unmounted */
int fuse_serve_dev(struct fuse_test *ft);
int fuse_serve_uring(struct fuse_test *ft);
/* What a server does with any request: ft->serve, then fuse_serve() */
int fuse_serve_call(struct fuse_test *ft, const struct fuse_call *call);
/* How long the header of a request of this kind is */
size_t fuse_arg_size(unsigned int opcode);
/* Room for a payload that the kernel insists on */
size_t fuse_payload_size(const struct fuse_test *ft);

#endif
