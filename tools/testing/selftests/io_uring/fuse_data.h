/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file on tmpfs, seen through a FUSE server: reads and writes of all sizes at
 * all kinds of offsets are compared with the backing file.
 */
#ifndef FUSE_DATA_H
#define FUSE_DATA_H

#include "fuse_dir.h"

#define DATA_SEED		5
#define DATA_PAGE		4096
#define DATA_MAX_IO		(1024 * 1024)
/* a multiple neither of the page size nor of the largest I/O */
#define DATA_SIZE		(2 * DATA_MAX_IO + 1234)
/* smallest I/O for zero copy */
#define DATA_ZC_MIN		8192
/* initial contents of the client's memory */
#define DATA_OLD		0xa5

struct fuse_data {
	struct fuse_test	ft;
	/* state of the server, shared with it */
	struct fuse_dir		*dir;
	char			back[32];
	int			back_fd;
	/* the client's memory, and the expected contents of the backing file */
	unsigned char		*buf;
	unsigned char		*want;
	unsigned char		*have;
};

/* Serve it as @ft says: 0, -errno or an error for fuse_test_missing() */
int fuse_data_init(struct fuse_data *data, const struct fuse_test *ft);
/* 0 if the server has exited without an error */
int fuse_data_exit(struct fuse_data *data);

/*
 * Try every @step-th combination of length and offset, through a file that is
 * opened with @flags. If one fails, print it and return false.
 */
bool fuse_data_reads(struct fuse_data *data, int flags, unsigned int step);
bool fuse_data_writes(struct fuse_data *data, int flags, unsigned int step);

/* Does the backing file have this size and the expected contents? */
bool fuse_data_backing_is(struct fuse_data *data, size_t size);
bool bytes_are(const unsigned char *buf, size_t len, unsigned char byte);

#endif
