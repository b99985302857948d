// SPDX-License-Identifier: GPL-2.0
/*
 * A file system with one file, "memo", in the server's memory: the worst case of zero
 * copy, as all data goes through a bounce buffer.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <string.h>

static char data[16 << 20];
static size_t used;

static int memo_getattr(const char *path, struct stat *st, struct fuse_file_info *)
{
	st->st_mode = strcmp(path, "/") ? S_IFREG | 0644 : S_IFDIR | 0755;
	st->st_size = used;
	return strcmp(path, "/") && strcmp(path, "/memo") ? -ENOENT : 0;
}
static int memo_open(const char *path, struct fuse_file_info *fi)
{
	fi->io_uring_zero_copy = 1;
	used = fi->flags & O_TRUNC ? 0 : used;
	return strcmp(path, "/memo") ? -ENOENT : 0;
}
static int memo_read(const char *, char *buf, size_t size, off_t off, struct fuse_file_info *)
{
	size = (size_t)off > used ? 0 : size < used - off ? size : used - off;
	memcpy(buf, data + off, size);
	return size;
}
static int memo_write(const char *, const char *buf, size_t size, off_t off, struct fuse_file_info *)
{
	if ((size_t)off > sizeof(data) || size > sizeof(data) - off)
		return -EFBIG;
	memcpy(data + off, buf, size);
	used = off + size > used ? off + size : used;
	return size;
}
static const struct fuse_operations ops = {
	.getattr = memo_getattr, .open = memo_open, .read = memo_read, .write = memo_write,
};
int main(int argc, char *argv[]) { return fuse_main(argc, argv, &ops, NULL); }
