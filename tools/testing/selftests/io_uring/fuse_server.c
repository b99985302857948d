// SPDX-License-Identifier: GPL-2.0
#include "fuse_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARAMETERS	"/sys/module/fuse/parameters"
#define ENABLE_URING	"enable_uring"
/* The smallest that the kernel lets a server read with */
#define MIN_READ	8192
/* Far more than any test answers with */
#define MAX_REPLY	(1024 * 1024)

size_t fuse_arg_size(unsigned int opcode)
{
	switch (opcode) {
	case FUSE_GETATTR:
		return sizeof(struct fuse_getattr_in);
	case FUSE_SETXATTR:
		return FUSE_COMPAT_SETXATTR_IN_SIZE;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		return sizeof(struct fuse_getxattr_in);
	case FUSE_ACCESS:
		return sizeof(struct fuse_access_in);
	}
	return 0;
}

size_t fuse_payload_size(const struct fuse_test *ft)
{
	size_t pages = (size_t)ft->max_pages * sysconf(_SC_PAGESIZE);
	size_t size = pages > ft->max_write ? pages : ft->max_write;

	return size > MIN_READ ? size : MIN_READ;
}

static void fill_attr(struct fuse_attr *attr, unsigned long long node)
{
	*attr = (struct fuse_attr) {
		.ino = node,
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
	fill_attr(&out->attr, FUSE_TEST_NODE);
	return sizeof(*out);
}

static int serve_getattr(const struct fuse_call *call)
{
	struct fuse_attr_out *out = (void *)call->reply;

	*out = (struct fuse_attr_out) { };
	fill_attr(&out->attr, call->in->nodeid);
	return sizeof(*out);
}

int fuse_serve(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_LOOKUP:
		return serve_lookup(call);
	case FUSE_GETATTR:
		return serve_getattr(call);
	}
	return -ENOSYS;
}

int fuse_serve_call(struct fuse_test *ft, const struct fuse_call *call)
{
	int ret = ft->serve ? ft->serve(call) : -ENOSYS;

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

/* The first request, which always comes over /dev/fuse */
static int serve_init(struct fuse_test *ft)
{
	unsigned char in[MIN_READ], buf[256] = { };
	struct fuse_in_header *head = (void *)in;
	struct fuse_init_in *arg = (void *)(head + 1);
	struct fuse_init_out *out = (void *)(buf + sizeof(struct fuse_out_header));

	if (read(ft->dev, in, sizeof(in)) < (ssize_t)sizeof(*head) ||
	    head->opcode != FUSE_INIT)
		return -EIO;
	*out = (struct fuse_init_out) {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = arg->max_readahead,
		.flags = FUSE_INIT_EXT | FUSE_MAX_PAGES,
		.flags2 = ft->uring ? FUSE_OVER_IO_URING >> 32 : 0,
		.max_write = ft->max_write,
		.max_pages = ft->max_pages,
	};
	return dev_reply(ft->dev, head->unique, sizeof(*out), buf);
}

int fuse_serve_dev(struct fuse_test *ft)
{
	const size_t size = fuse_payload_size(ft) + 4096;
	unsigned char *in = malloc(size), *buf = calloc(1, MAX_REPLY);
	struct fuse_in_header *head = (void *)in;
	struct fuse_call call = {
		.in = head,
		.reply = buf + sizeof(struct fuse_out_header),
		.room = MAX_REPLY - sizeof(struct fuse_out_header),
	};
	ssize_t len;

	while ((len = read(ft->dev, in, size)) > 0) {
		size_t arg = fuse_arg_size(head->opcode);

		if (head->opcode == FUSE_FORGET ||
		    head->opcode == FUSE_BATCH_FORGET)
			continue;
		call.arg = head + 1;
		call.payload = in + sizeof(*head) + arg;
		call.payload_len = len - sizeof(*head) - arg;
		dev_reply(ft->dev, head->unique, fuse_serve_call(ft, &call),
			  buf);
	}
	free(in);
	free(buf);
	return errno == ENODEV ? 0 : -errno;
}

static void run_server(struct fuse_test *ft)
{
	int ret = serve_init(ft);

	if (!ret)
		ret = ft->uring ? fuse_serve_uring(ft) : fuse_serve_dev(ft);
	if (ret)
		fprintf(stderr, "FUSE server: %s\n", strerror(-ret));
	_exit(ret ? 1 : 0);
}

static int mount_at(struct fuse_test *ft)
{
	char options[96];

	strcpy(ft->dir, "/tmp/fuse.XXXXXX");
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(ft->dir))
		return -errno;
	snprintf(ft->file, sizeof(ft->file), "%s/" FUSE_TEST_FILE, ft->dir);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", ft->dev);
	return mount("fuse_test", ft->dir, "fuse", MS_NOSUID | MS_NODEV,
		     options) ? -errno : 0;
}

static int enable_uring(struct fuse_test *ft)
{
	if (!test_read_file(PARAMETERS, ENABLE_URING, ft->enabled,
			    sizeof(ft->enabled)))
		return -EOPNOTSUPP;
	return test_write_file(PARAMETERS, ENABLE_URING, "Y") ? 0 : -EPERM;
}

static int restore_uring(struct fuse_test *ft)
{
	return !ft->uring ||
	       test_write_file(PARAMETERS, ENABLE_URING, ft->enabled) ?
	       0 : -EPERM;
}

int fuse_test_mount(struct fuse_test *ft)
{
	int ret = ft->uring ? enable_uring(ft) : 0;

	if (ret)
		return ret;
	ft->dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (ft->dev < 0)
		return -errno;
	ret = mount_at(ft);
	if (ret) {
		close(ft->dev);
		restore_uring(ft);
		return ret;
	}
	ft->server = fork();
	if (!ft->server)
		run_server(ft);
	/* the server's end is the only one: the mount dies with it */
	close(ft->dev);
	return ft->server < 0 ? -errno : 0;
}

const char *fuse_test_missing(int ret)
{
	switch (ret) {
	case -ENOENT:
	case -ENODEV:
		return "needs CONFIG_FUSE_FS";
	case -EOPNOTSUPP:
		return "needs CONFIG_FUSE_IO_URING";
	case -EPERM:
	case -EACCES:
		return "needs root";
	}
	return NULL;
}

int fuse_test_umount(struct fuse_test *ft)
{
	int status;

	if (umount(ft->dir))
		return -errno;
	if (waitpid(ft->server, &status, 0) != ft->server)
		return -errno;
	rmdir(ft->dir);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return -EIO;
	return restore_uring(ft);
}
