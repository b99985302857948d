/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file on tmpfs, seen through a FUSE server, and reads and writes of all sizes
 * at all kinds of places, compared with what it has.
 */
#ifndef FUSE_DATA_H
#define FUSE_DATA_H

#include "fuse_dir.h"

#define DATA_SEED		5
#define DATA_PAGE		4096
#define DATA_MAX_IO		(1024 * 1024)
/* neither ends with a page, nor with what is read at a time */
#define DATA_SIZE		(2 * DATA_MAX_IO + 1234)
/* from here on without a copy */
#define DATA_ZC_MIN		8192
/* what was in memory before */
#define DATA_OLD		0xa5

struct fuse_data {
	struct fuse_test	ft;
	/* what the server serves; shared with it */
	struct fuse_dir		*dir;
	char			back[32];
	int			back_fd;
	/* the client's memory, and what the backing file should hold */
	unsigned char		*buf;
	unsigned char		*want;
	unsigned char		*have;
};

/* Serve it as @ft says: 0, -errno or what fuse_test_missing() knows */
int fuse_data_init(struct fuse_data *data, const struct fuse_test *ft);
/* 0 if the server has ended well */
int fuse_data_exit(struct fuse_data *data);

/*
 * Every @step-th combination of a length and an offset, through a file that is
 * opened with @flags. False, and a line that says which, if one went wrong.
 */
bool fuse_data_reads(struct fuse_data *data, int flags, unsigned int step);
bool fuse_data_writes(struct fuse_data *data, int flags, unsigned int step);

/* Is @size, and all in it, what the backing file has? */
bool fuse_data_backing_is(struct fuse_data *data, size_t size);
bool bytes_are(const unsigned char *buf, size_t len, unsigned char byte);

#endif
