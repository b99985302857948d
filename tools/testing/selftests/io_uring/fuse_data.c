// SPDX-License-Identifier: GPL-2.0
#include "fuse_data.h"
#include "kselftest.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

/* A private tmpfs with one file */
static int make_backing(struct fuse_data *data)
{
	char path[64];

	snprintf(data->back, sizeof(data->back), "/tmp/back.XXXXXX");
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(data->back) || mount("back", data->back, "tmpfs", 0, NULL))
		return -errno;
	snprintf(path, sizeof(path), "%s/" FUSE_TEST_FILE, data->back);
	data->back_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	fill_pattern(data->want, DATA_SIZE, DATA_SEED);
	return pwrite(data->back_fd, data->want, DATA_SIZE, 0) == DATA_SIZE ?
	       0 : -EIO;
}

static int alloc_memory(struct fuse_data *data)
{
	data->buf = aligned_alloc(DATA_PAGE, DATA_SIZE + DATA_PAGE -
				  DATA_SIZE % DATA_PAGE);
	data->want = calloc(1, 2 * DATA_SIZE);
	data->have = malloc(2 * DATA_SIZE);
	data->dir = shared_alloc(sizeof(*data->dir));
	return data->buf && data->want && data->have && data->dir ?
	       0 : -ENOMEM;
}

int fuse_data_init(struct fuse_data *data, const struct fuse_test *ft)
{
	struct stat st;
	int ret;

	ret = alloc_memory(data);
	if (!ret)
		ret = make_backing(data);
	if (ret)
		return ret;
	data->ft = *ft;
	data->ft.depth = 4;
	data->ft.buffers = 2;
	data->ft.zero_copy_min = DATA_ZC_MIN;
	ret = fuse_dir_init(data->dir, &data->ft, data->back);
	if (!ret)
		ret = fuse_test_mount(&data->ft);
	/* wait for the server, even if the test does not send it a request */
	if (!ret && stat(data->ft.file, &st))
		ret = -errno;
	return ret;
}

int fuse_data_exit(struct fuse_data *data)
{
	int ret;

	close(data->back_fd);
	fuse_dir_exit(data->dir);
	ret = fuse_test_umount(&data->ft);
	if (umount(data->back))
		ret = -errno;
	rmdir(data->back);
	munmap(data->dir, sizeof(*data->dir));
	free(data->have);
	free(data->want);
	free(data->buf);
	return ret;
}

bool fuse_data_backing_is(struct fuse_data *data, size_t size)
{
	ssize_t len = pread(data->back_fd, data->have, 2 * DATA_SIZE, 0);

	return len == (ssize_t)size && !memcmp(data->have, data->want, size);
}

bool bytes_are(const unsigned char *buf, size_t len, unsigned char byte)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != byte)
			return false;
	return true;
}

/* Each length with each offset: both ends of the file, and odd places */
static bool nth_io(unsigned int n, size_t *len, size_t *offset)
{
	const size_t lens[] = {
		1, 4096, 4097, DATA_ZC_MIN - 1, DATA_ZC_MIN, 65536, DATA_MAX_IO,
	};
	const unsigned int nr_offsets = 5;

	if (n / nr_offsets >= ARRAY_SIZE(lens))
		return false;
	*len = lens[n / nr_offsets];
	*offset = ((const size_t[]) {
		0, DATA_PAGE - 1, 12345, DATA_SIZE - *len, DATA_SIZE - *len / 2,
	})[n % nr_offsets];
	return true;
}

/* @buf is in data->buf */
static bool read_one(struct fuse_data *data, int flags, unsigned char *buf,
		     size_t len, size_t offset)
{
	const size_t got = offset + len > DATA_SIZE ? DATA_SIZE - offset : len;
	ssize_t ret;
	int fd;

	memset(data->buf, DATA_OLD, len + DATA_PAGE);
	/* nothing of a file is cached before it is opened */
	fd = open(data->ft.file, O_RDONLY | flags);
	if (fd < 0)
		return false;
	ret = pread(fd, buf, len, offset);
	close(fd);
	/* bytes that were not read are unchanged or zero */
	return ret == (ssize_t)got && !memcmp(buf, data->want + offset, got) &&
	       (bytes_are(buf + got, len - got, DATA_OLD) ||
		bytes_are(buf + got, len - got, 0)) &&
	       bytes_are(buf + len, 512, DATA_OLD);
}

static bool write_one(struct fuse_data *data, int flags, unsigned char *buf,
		      size_t len, size_t offset)
{
	ssize_t ret;
	int fd;

	memcpy(data->want + offset, buf, len);
	fd = open(data->ft.file, O_WRONLY | flags);
	if (fd < 0)
		return false;
	ret = pwrite(fd, buf, len, offset);
	return !close(fd) && ret == (ssize_t)len;
}

static bool went_wrong(const char *what, size_t len, size_t offset)
{
	printf("# %s of %zu bytes at %zu went wrong\n", what, len, offset);
	return false;
}

/* Every other I/O starts in the middle of a page */
static unsigned char *nth_buf(struct fuse_data *data, unsigned int n)
{
	return data->buf + n % 2 * 512;
}

bool fuse_data_reads(struct fuse_data *data, int flags, unsigned int step)
{
	size_t len, offset;
	unsigned int n;

	for (n = 0; nth_io(n, &len, &offset); n += step)
		if (!read_one(data, flags, nth_buf(data, n), len, offset))
			return went_wrong("a read", len, offset);
	return true;
}

bool fuse_data_writes(struct fuse_data *data, int flags, unsigned int step)
{
	size_t len, offset, size = DATA_SIZE;
	unsigned int n;

	for (n = 0; nth_io(n, &len, &offset); n += step) {
		unsigned char *buf = nth_buf(data, n);

		fill_pattern(buf, len, DATA_SEED + n + 1);
		if (offset + len > size)
			size = offset + len;
		if (!write_one(data, flags, buf, len, offset) ||
		    !fuse_data_backing_is(data, size))
			return went_wrong("a write", len, offset);
	}
	return true;
}
