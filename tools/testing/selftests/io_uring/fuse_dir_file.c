// SPDX-License-Identifier: GPL-2.0
/* Requests for open files and directories. */
#include "fuse_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The client's flags, without those that do not suit the backing file */
static int backing_flags(const struct fuse_call *call, unsigned int flags)
{
	/* the server's buffers may not be aligned for it */
	flags &= ~(O_DIRECT | O_NOFOLLOW | O_NOCTTY);
	if (call->ft->init_flags & FUSE_WRITEBACK_CACHE) {
		/* partially written pages have to be read */
		if ((flags & O_ACCMODE) == O_WRONLY)
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		/* the kernel already knows the end of the file */
		flags &= ~O_APPEND;
	}
	return flags | O_CLOEXEC | fuse_dir_of(call)->backing_flags;
}

static int serve_open(const struct fuse_call *call)
{
	const struct fuse_open_in *arg = call->arg;
	struct fuse_dir_path path = fuse_dir_path(call);
	struct fuse_open_out out = {
		.open_flags = fuse_dir_of(call)->open_flags,
	};
	int fd;

	fd = open(path.name, backing_flags(call, arg->flags) & ~O_CREAT);
	if (fd < 0)
		return -errno;
	out.fh = fd;
	return fuse_dir_reply(call, &out, sizeof(out));
}

static int serve_create(const struct fuse_call *call)
{
	const struct fuse_create_in *arg = call->arg;
	struct fuse_dir *dir = fuse_dir_of(call);
	struct {
		struct fuse_entry_out	entry;
		struct fuse_open_out	open;
	} out = { };
	const char *name = (const char *)call->payload;
	int fd, ret;

	fd = openat(fuse_dir_node(dir, call->in->nodeid)->fd, name,
		    backing_flags(call, arg->flags) | O_CREAT, arg->mode);
	if (fd < 0)
		return -errno;
	ret = fuse_dir_lookup(call, name, &out.entry);
	if (ret) {
		close(fd);
		return ret;
	}
	out.open.fh = fd;
	out.open.open_flags = dir->open_flags;
	return fuse_dir_reply(call, &out, sizeof(out));
}

static size_t io_size(const struct fuse_call *call, size_t size)
{
	const size_t max = fuse_dir_of(call)->max_io;

	return max && size > max ? max : size;
}

static int serve_slot(const struct fuse_call *call, int fd, long long offset,
		      unsigned int size)
{
	*call->io = (struct fuse_io) {
		.fd = fd,
		.offset = offset,
		.len = io_size(call, size),
		.claim = fuse_dir_of(call)->claim,
	};
	return FUSE_SERVE_IO;
}

static int serve_read(const struct fuse_call *call)
{
	const struct fuse_read_in *arg = call->arg;
	ssize_t ret;

	if (call->slot >= 0 && fuse_dir_of(call)->unfilled)
		return arg->size;
	if (call->slot >= 0)
		return serve_slot(call, arg->fh, arg->offset, arg->size);
	if (arg->size > call->room)
		return -EIO;
	ret = pread(arg->fh, call->reply, io_size(call, arg->size),
		    arg->offset);
	return ret < 0 ? -errno : ret;
}

static int serve_write(const struct fuse_call *call)
{
	const struct fuse_write_in *arg = call->arg;
	struct fuse_write_out out = { };
	ssize_t ret;

	if (arg->size != call->payload_len)
		return -EIO;
	if (call->slot >= 0)
		return serve_slot(call, arg->fh, arg->offset, arg->size);
	ret = pwrite(arg->fh, call->payload, io_size(call, arg->size),
		     arg->offset);
	if (ret < 0)
		return -errno;
	out.size = ret;
	return fuse_dir_reply(call, &out, sizeof(out));
}

static int serve_release(const struct fuse_call *call)
{
	const struct fuse_release_in *arg = call->arg;

	return close(arg->fh) ? -errno : 0;
}

static int serve_fsync(const struct fuse_call *call)
{
	const struct fuse_fsync_in *arg = call->arg;
	const bool data = arg->fsync_flags & FUSE_FSYNC_FDATASYNC;

	return (data ? fdatasync(arg->fh) : fsync(arg->fh)) ? -errno : 0;
}

static int serve_fallocate(const struct fuse_call *call)
{
	const struct fuse_fallocate_in *arg = call->arg;

	return fallocate(arg->fh, arg->mode, arg->offset, arg->length) ?
	       -errno : 0;
}

static int serve_lseek(const struct fuse_call *call)
{
	const struct fuse_lseek_in *arg = call->arg;
	struct fuse_lseek_out out;
	off_t offset = lseek(arg->fh, arg->offset, arg->whence);

	if (offset < 0)
		return -errno;
	out.offset = offset;
	return fuse_dir_reply(call, &out, sizeof(out));
}

static void invert(unsigned char *data, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		data[i] = ~data[i];
}

static int serve_ioctl(const struct fuse_call *call)
{
	const struct fuse_ioctl_in *arg = call->arg;
	struct {
		struct fuse_ioctl_out	head;
		/* the largest argument of an ioctl */
		unsigned char		data[1 << _IOC_SIZEBITS];
	} out = { };
	int fd = arg->fh;

	if (arg->in_size != call->payload_len ||
	    arg->in_size > sizeof(out.data) || arg->out_size > sizeof(out.data))
		return -EIO;
	memcpy(out.data, call->payload, arg->in_size);
	if (arg->flags & FUSE_IOCTL_DIR)
		fd = dirfd((DIR *)(unsigned long)arg->fh);
	if (arg->cmd == FUSE_DIR_IOC_INVERT(arg->in_size))
		invert(out.data, arg->in_size);
	else
		out.head.result = ioctl(fd, arg->cmd, out.data);
	if (out.head.result < 0)
		return -errno;
	return fuse_dir_reply(call, &out, sizeof(out.head) + arg->out_size);
}

static int serve_opendir(const struct fuse_call *call)
{
	struct fuse_dir_path path = fuse_dir_path(call);
	struct fuse_open_out out = { };
	DIR *stream = opendir(path.name);

	if (!stream)
		return -errno;
	out.fh = (unsigned long)stream;
	return fuse_dir_reply(call, &out, sizeof(out));
}

/* Append an entry after @used bytes of the reply. 0 if there is no room. */
static size_t add_dirent(const struct fuse_call *call, size_t used,
			 size_t size, const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);
	const size_t aligned = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);
	struct fuse_dirent head = {
		.ino = entry->d_ino,
		.off = entry->d_off,
		.namelen = len,
		.type = entry->d_type,
	};
	unsigned char *at = call->reply + used;

	if (aligned > size - used)
		return 0;
	memset(at, 0, aligned);
	memcpy(at, &head, FUSE_NAME_OFFSET);
	memcpy(at + FUSE_NAME_OFFSET, entry->d_name, len);
	return aligned;
}

static int serve_readdir(const struct fuse_call *call)
{
	const struct fuse_read_in *arg = call->arg;
	const size_t size = arg->size < call->room ? arg->size : call->room;
	DIR *stream = (DIR *)(unsigned long)arg->fh;
	struct dirent *entry;
	size_t used = 0, len;

	seekdir(stream, arg->offset);
	while ((entry = readdir(stream))) {
		len = add_dirent(call, used, size, entry);
		if (!len)
			break;
		used += len;
	}
	return used;
}

static int serve_releasedir(const struct fuse_call *call)
{
	const struct fuse_release_in *arg = call->arg;

	return closedir((DIR *)(unsigned long)arg->fh) ? -errno : 0;
}

static int serve_fsyncdir(const struct fuse_call *call)
{
	const struct fuse_fsync_in *arg = call->arg;

	return fsync(dirfd((DIR *)(unsigned long)arg->fh)) ? -errno : 0;
}

static int serve_stream(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_OPENDIR:
		return serve_opendir(call);
	case FUSE_READDIR:
		return serve_readdir(call);
	case FUSE_RELEASEDIR:
		return serve_releasedir(call);
	case FUSE_FSYNCDIR:
		return serve_fsyncdir(call);
	}
	return -ENOSYS;
}

int fuse_dir_serve_file(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_READ:
		return serve_read(call);
	case FUSE_WRITE:
		return serve_write(call);
	case FUSE_OPEN:
		return serve_open(call);
	case FUSE_CREATE:
		return serve_create(call);
	case FUSE_FLUSH:
		return 0;
	case FUSE_RELEASE:
		return serve_release(call);
	case FUSE_FSYNC:
		return serve_fsync(call);
	case FUSE_FALLOCATE:
		return serve_fallocate(call);
	case FUSE_LSEEK:
		return serve_lseek(call);
	case FUSE_IOCTL:
		return serve_ioctl(call);
	}
	return serve_stream(call);
}
