// SPDX-License-Identifier: GPL-2.0
/* Requests for open files and directories. */
#include "fuse_dir.h"

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
	/* an append that is repeated is to go to the same place */
	if (call->ft->keep_fd)
		flags &= ~O_APPEND;
	return flags | O_CLOEXEC | fuse_dir_of(call)->backing_flags;
}

/* The handle of a file is its number, and how often that was used */
static unsigned int file_nr(unsigned long long fh)
{
	return (unsigned int)fh % FUSE_DIR_KEEP_FILES;
}

/* Keep an open file of a node: its handle, or 0 */
static unsigned long long add_file(const struct fuse_call *call,
				   unsigned int node, unsigned int flags, int fd,
				   DIR *stream)
{
	struct fuse_dir *dir = fuse_dir_of(call);
	unsigned int nr = fuse_dir_keep_file(dir->kept);
	struct fuse_dir_kept_file *kept = &dir->kept->files[nr];

	if (!nr)
		return 0;
	*kept = (struct fuse_dir_kept_file) {
		.node = node,
		.flags = flags,
		.generation = kept->generation + 1,
	};
	dir->files[nr] = (struct fuse_dir_file) { .fd = fd, .stream = stream };
	return nr | (unsigned long long)kept->generation << 32;
}

/* NULL if the handle is not that of an open file */
static struct fuse_dir_file *get_file(const struct fuse_call *call,
				      unsigned long long fh)
{
	struct fuse_dir *dir = fuse_dir_of(call);
	struct fuse_dir_kept_file *kept = &dir->kept->files[file_nr(fh)];
	struct fuse_dir_file *file = &dir->files[file_nr(fh)];
	struct fuse_dir_path path;

	if (!kept->node || kept->generation != fh >> 32)
		return NULL;
	if (file->fd || file->stream)
		return file;
	/* an earlier server has opened it */
	path = fuse_dir_path_of(dir, kept->node);
	if (kept->flags & O_DIRECTORY)
		file->stream = opendir(path.name);
	else
		file->fd = open(path.name, kept->flags &
				~(O_CREAT | O_EXCL | O_TRUNC));
	return file;
}

int fuse_dir_fd(const struct fuse_call *call, unsigned long long fh)
{
	const struct fuse_dir_file *file = get_file(call, fh);

	if (!file)
		return -1;
	return file->stream ? dirfd(file->stream) : file->fd;
}

static DIR *get_stream(const struct fuse_call *call, unsigned long long fh)
{
	const struct fuse_dir_file *file = get_file(call, fh);

	return file ? file->stream : NULL;
}

static int serve_open(const struct fuse_call *call)
{
	const struct fuse_open_in *arg = call->arg;
	struct fuse_dir_path path = fuse_dir_path(call);
	struct fuse_open_out out = {
		.open_flags = fuse_dir_of(call)->open_flags,
	};
	const int flags = backing_flags(call, arg->flags) & ~O_CREAT;
	int fd;

	fd = open(path.name, flags);
	if (fd < 0)
		return -errno;
	out.fh = add_file(call, call->in->nodeid, flags, fd, NULL);
	if (!out.fh) {
		close(fd);
		return -ENFILE;
	}
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
	int flags = backing_flags(call, arg->flags) | O_CREAT;
	int fd, ret;

	/* it may have created the file already */
	if (fuse_dir_again(call))
		flags &= ~O_EXCL;
	fd = openat(fuse_dir_node(dir, call->in->nodeid)->fd, name, flags,
		    arg->mode);
	if (fd < 0)
		return -errno;
	ret = fuse_dir_lookup(call, name, &out.entry);
	if (!ret) {
		out.open.fh = add_file(call, out.entry.nodeid, flags, fd, NULL);
		ret = out.open.fh ? 0 : -ENFILE;
	}
	if (ret) {
		close(fd);
		return ret;
	}
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
		return serve_slot(call, fuse_dir_fd(call, arg->fh), arg->offset,
				  arg->size);
	if (arg->size > call->room)
		return -EIO;
	ret = pread(fuse_dir_fd(call, arg->fh), call->reply,
		    io_size(call, arg->size), arg->offset);
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
		return serve_slot(call, fuse_dir_fd(call, arg->fh), arg->offset,
				  arg->size);
	ret = pwrite(fuse_dir_fd(call, arg->fh), call->payload,
		     io_size(call, arg->size), arg->offset);
	if (ret < 0)
		return -errno;
	out.size = ret;
	return fuse_dir_reply(call, &out, sizeof(out));
}

static int serve_release(const struct fuse_call *call)
{
	const struct fuse_release_in *arg = call->arg;
	struct fuse_dir *dir = fuse_dir_of(call);
	struct fuse_dir_file *file = get_file(call, arg->fh);
	int ret;

	/* it may have been released already */
	if (!file)
		return fuse_dir_again(call) ? 0 : -EBADF;
	ret = file->stream ? closedir(file->stream) : close(file->fd);
	*file = (struct fuse_dir_file) { };
	dir->kept->files[file_nr(arg->fh)].node = 0;
	return ret ? -errno : 0;
}

static int serve_fsync(const struct fuse_call *call)
{
	const struct fuse_fsync_in *arg = call->arg;
	const bool data = arg->fsync_flags & FUSE_FSYNC_FDATASYNC;
	const int fd = fuse_dir_fd(call, arg->fh);

	return (data ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

static int serve_fallocate(const struct fuse_call *call)
{
	const struct fuse_fallocate_in *arg = call->arg;

	return fallocate(fuse_dir_fd(call, arg->fh), arg->mode, arg->offset,
			 arg->length) ? -errno : 0;
}

static int serve_lseek(const struct fuse_call *call)
{
	const struct fuse_lseek_in *arg = call->arg;
	struct fuse_lseek_out out;
	off_t offset = lseek(fuse_dir_fd(call, arg->fh), arg->offset,
			     arg->whence);

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

	if (arg->in_size != call->payload_len ||
	    arg->in_size > sizeof(out.data) || arg->out_size > sizeof(out.data))
		return -EIO;
	memcpy(out.data, call->payload, arg->in_size);
	if (arg->cmd == FUSE_DIR_IOC_INVERT(arg->in_size))
		invert(out.data, arg->in_size);
	else
		out.head.result = ioctl(fuse_dir_fd(call, arg->fh), arg->cmd,
					out.data);
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
	out.fh = add_file(call, call->in->nodeid, O_DIRECTORY, 0, stream);
	if (!out.fh) {
		closedir(stream);
		return -ENFILE;
	}
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
	DIR *stream = get_stream(call, arg->fh);
	struct dirent *entry;
	size_t used = 0, len;

	if (!stream)
		return -EBADF;
	seekdir(stream, arg->offset);
	while ((entry = readdir(stream))) {
		len = add_dirent(call, used, size, entry);
		if (!len)
			break;
		used += len;
	}
	return used;
}

static int serve_stream(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_OPENDIR:
		return serve_opendir(call);
	case FUSE_READDIR:
		return serve_readdir(call);
	case FUSE_RELEASEDIR:
		return serve_release(call);
	case FUSE_FSYNCDIR:
		return serve_fsync(call);
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
