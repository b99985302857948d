// SPDX-License-Identifier: GPL-2.0
/* How the server handles requests, and gets them over /dev/fuse. */
#include "fuse_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* FUSE_HAS_IO_URING_BUFPOOL, which only Linux 7.3 has */
#define HAS_BUFPOOL	0x80000000000ULL
/* The smallest read buffer that the kernel accepts */
#define MIN_READ	8192
/* Payloads then start at a page boundary, which suits any O_DIRECT */
#define IN_OFFSET	(4096 - sizeof(struct fuse_in_header) - \
			 sizeof(struct fuse_write_in))
#define OUT_OFFSET	(4096 - sizeof(struct fuse_out_header))
/* Far more than the reply of any test */
#define MAX_REPLY	(1024 * 1024)

static const unsigned char arg_sizes[] = {
	[FUSE_FORGET]		= sizeof(struct fuse_forget_in),
	[FUSE_GETATTR]		= sizeof(struct fuse_getattr_in),
	[FUSE_SETATTR]		= sizeof(struct fuse_setattr_in),
	[FUSE_MKNOD]		= sizeof(struct fuse_mknod_in),
	[FUSE_MKDIR]		= sizeof(struct fuse_mkdir_in),
	[FUSE_RENAME]		= sizeof(struct fuse_rename_in),
	[FUSE_LINK]		= sizeof(struct fuse_link_in),
	[FUSE_OPEN]		= sizeof(struct fuse_open_in),
	[FUSE_READ]		= sizeof(struct fuse_read_in),
	[FUSE_WRITE]		= sizeof(struct fuse_write_in),
	[FUSE_RELEASE]		= sizeof(struct fuse_release_in),
	[FUSE_FSYNC]		= sizeof(struct fuse_fsync_in),
	[FUSE_SETXATTR]		= FUSE_COMPAT_SETXATTR_IN_SIZE,
	[FUSE_GETXATTR]		= sizeof(struct fuse_getxattr_in),
	[FUSE_LISTXATTR]	= sizeof(struct fuse_getxattr_in),
	[FUSE_FLUSH]		= sizeof(struct fuse_flush_in),
	[FUSE_OPENDIR]		= sizeof(struct fuse_open_in),
	[FUSE_READDIR]		= sizeof(struct fuse_read_in),
	[FUSE_RELEASEDIR]	= sizeof(struct fuse_release_in),
	[FUSE_FSYNCDIR]		= sizeof(struct fuse_fsync_in),
	[FUSE_ACCESS]		= sizeof(struct fuse_access_in),
	[FUSE_CREATE]		= sizeof(struct fuse_create_in),
	[FUSE_IOCTL]		= sizeof(struct fuse_ioctl_in),
	[FUSE_BATCH_FORGET]	= sizeof(struct fuse_batch_forget_in),
	[FUSE_FALLOCATE]	= sizeof(struct fuse_fallocate_in),
	[FUSE_RENAME2]		= sizeof(struct fuse_rename2_in),
	[FUSE_LSEEK]		= sizeof(struct fuse_lseek_in),
};

size_t fuse_arg_size(unsigned int opcode)
{
	return opcode < sizeof(arg_sizes) ? arg_sizes[opcode] : 0;
}

size_t fuse_payload_size(const struct fuse_test *ft)
{
	size_t pages = (size_t)ft->max_pages * sysconf(_SC_PAGESIZE);
	size_t size = pages > ft->max_write ? pages : ft->max_write;

	return size > MIN_READ ? size : MIN_READ;
}

static void fill_attr(const struct fuse_test *ft, struct fuse_attr *attr,
		      unsigned long long node)
{
	*attr = (struct fuse_attr) {
		.ino = node,
		.size = node == FUSE_ROOT_ID ? 0 : ft->file_size,
		.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
		.nlink = 1,
		.blksize = 4096,
	};
}

static int serve_lookup(const struct fuse_call *call)
{
	struct fuse_entry_out *out = (void *)call->reply;

	if (strcmp((const char *)call->payload, FUSE_TEST_FILE))
		return -ENOENT;
	*out = (struct fuse_entry_out) { .nodeid = FUSE_TEST_NODE };
	fill_attr(call->ft, &out->attr, FUSE_TEST_NODE);
	return sizeof(*out);
}

static int serve_getattr(const struct fuse_call *call)
{
	struct fuse_attr_out *out = (void *)call->reply;

	*out = (struct fuse_attr_out) { };
	fill_attr(call->ft, &out->attr, call->in->nodeid);
	return sizeof(*out);
}

static int serve_open(const struct fuse_call *call)
{
	struct fuse_open_out *out = (void *)call->reply;

	if (!call->ft->open_flags)
		return -ENOSYS;
	*out = (struct fuse_open_out) { .open_flags = call->ft->open_flags };
	return sizeof(*out);
}

int fuse_serve(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_LOOKUP:
		return serve_lookup(call);
	case FUSE_GETATTR:
		return serve_getattr(call);
	case FUSE_OPEN:
		return serve_open(call);
	}
	return -ENOSYS;
}

int fuse_serve_call(const struct fuse_call *call)
{
	int ret = call->ft->serve ? call->ft->serve(call) : -ENOSYS;

	return ret == -ENOSYS ? fuse_serve(call) : ret;
}

static int dev_reply(int dev, unsigned long long unique, int ret,
		     unsigned char *buf)
{
	struct fuse_out_header *out = (void *)buf;

	*out = (struct fuse_out_header) {
		.len = sizeof(*out) + (ret > 0 ? ret : 0),
		.error = ret < 0 ? ret : 0,
		.unique = unique,
	};
	return write(dev, out, out->len) == out->len ? 0 : -errno;
}

static unsigned long long mode_flags(const struct fuse_test *ft)
{
	switch (ft->mode) {
	case FUSE_MODE_DEV:
		return 0;
	case FUSE_MODE_ENTRY:
		return FUSE_OVER_IO_URING;
	case FUSE_MODE_POOL:
	case FUSE_MODE_POOL_FIXED:
	case FUSE_MODE_POOL_ZC:
		return FUSE_OVER_IO_URING | HAS_BUFPOOL;
	case FUSE_MODE_POOL_HEADERS:
	case FUSE_MODE_POOL_HEADERS_ZC:
		return FUSE_OVER_IO_URING | HAS_BUFPOOL |
		       FUSE_HAS_IO_URING_KMBUF;
	default:
		return FUSE_OVER_IO_URING | FUSE_HAS_IO_URING_KMBUF;
	}
}

int fuse_serve_init(struct fuse_test *ft)
{
	unsigned char in[MIN_READ], buf[256] = { };
	struct fuse_in_header *head = (void *)in;
	struct fuse_init_in *arg = (void *)(head + 1);
	struct fuse_init_out *out = (void *)(buf + sizeof(struct fuse_out_header));
	unsigned long long flags = ft->init_flags | mode_flags(ft);

	if (read(ft->dev, in, sizeof(in)) < (ssize_t)sizeof(*head) ||
	    head->opcode != FUSE_INIT)
		return -EIO;
	ft->has_pools = arg->flags2 & (HAS_BUFPOOL >> 32);
	if (flags >> 32 & ~arg->flags2)
		return -EPROTONOSUPPORT;
	*out = (struct fuse_init_out) {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = arg->max_readahead,
		.flags = FUSE_INIT_EXT | FUSE_MAX_PAGES | (unsigned int)flags,
		.flags2 = flags >> 32,
		.max_write = ft->max_write,
		.max_pages = ft->max_pages,
	};
	return dev_reply(ft->dev, head->unique, sizeof(*out), buf);
}

struct fuse_dev_reader {
	struct fuse_test	*ft;
	size_t			size;
	unsigned char		*in;
	unsigned char		*out;
};

struct fuse_dev_reader *fuse_dev_reader_new(struct fuse_test *ft)
{
	struct fuse_dev_reader *reader = malloc(sizeof(*reader));

	reader->ft = ft;
	reader->size = fuse_payload_size(ft) + 4096;
	reader->in = aligned_alloc(4096, 4096 + reader->size);
	reader->out = aligned_alloc(4096, 4096 + MAX_REPLY);
	return reader;
}

void fuse_dev_reader_free(struct fuse_dev_reader *reader)
{
	free(reader->in);
	free(reader->out);
	free(reader);
}

/* Requests without a reply */
static bool is_one_way(unsigned int opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET ||
	       opcode == FUSE_INTERRUPT || opcode == FUSE_NOTIFY_REPLY;
}

int fuse_dev_reader_next(struct fuse_dev_reader *reader)
{
	unsigned char *out = reader->out + OUT_OFFSET;
	unsigned char *in = reader->in + IN_OFFSET;
	struct fuse_in_header *head = (void *)in;
	struct fuse_call call = {
		.ft = reader->ft,
		.in = head,
		.arg = head + 1,
		.reply = out + sizeof(struct fuse_out_header),
		.room = MAX_REPLY,
		.slot = -1,
		.over_dev = true,
	};
	ssize_t len, arg;
	int ret;

	len = read(reader->ft->dev, in, reader->size);
	/* the connection ended while there was a request to read */
	if (len < 0 && errno == ECONNABORTED)
		return -ENODEV;
	if (len < 0)
		/* ignore a request that was withdrawn meanwhile */
		return errno == EINTR || errno == ENOENT ? 0 : -errno;
	arg = fuse_arg_size(head->opcode);
	call.payload = in + sizeof(*head) + arg;
	call.payload_len = len - sizeof(*head) - arg;
	ret = fuse_serve_call(&call);
	if (!is_one_way(head->opcode))
		dev_reply(reader->ft->dev, head->unique, ret, out);
	return 0;
}

int fuse_serve_dev(struct fuse_test *ft)
{
	struct fuse_dev_reader *reader = fuse_dev_reader_new(ft);
	int ret;

	do {
		ret = fuse_dev_reader_next(reader);
	} while (!ret);
	fuse_dev_reader_free(reader);
	return ret == -ENODEV ? 0 : ret;
}
