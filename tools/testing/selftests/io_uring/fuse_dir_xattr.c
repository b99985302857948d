// SPDX-License-Identifier: GPL-2.0
/* Requests about extended attributes. */
#include "fuse_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

static int serve_setxattr(const struct fuse_call *call)
{
	const struct fuse_setxattr_in *arg = call->arg;
	struct fuse_dir_path path = fuse_dir_path(call);
	const char *name = (const char *)call->payload;

	return setxattr(path.name, name, name + strlen(name) + 1, arg->size,
			arg->flags) ? -errno : 0;
}

/*
 * Reply with a list of @len bytes, or with its size if the client asked for
 * that
 */
static int reply_list(const struct fuse_call *call, ssize_t len)
{
	const struct fuse_getxattr_in *arg = call->arg;
	const struct fuse_getxattr_out out = { .size = len };

	if (len < 0)
		return -errno;
	return arg->size ? len : fuse_dir_reply(call, &out, sizeof(out));
}

/* Does the reply buffer hold as much as the client's? */
static bool has_room(const struct fuse_call *call)
{
	const struct fuse_getxattr_in *arg = call->arg;

	return arg->size <= call->room;
}

static int serve_getxattr(const struct fuse_call *call)
{
	const struct fuse_getxattr_in *arg = call->arg;
	struct fuse_dir_path path = fuse_dir_path(call);
	char *name;
	ssize_t len;

	if (!has_room(call))
		return -EIO;
	/* the value may overwrite the name */
	name = strdup((const char *)call->payload);
	if (!name)
		return -ENOMEM;
	len = getxattr(path.name, name, call->reply, arg->size);
	free(name);
	return reply_list(call, len);
}

static int serve_listxattr(const struct fuse_call *call)
{
	const struct fuse_getxattr_in *arg = call->arg;
	struct fuse_dir_path path = fuse_dir_path(call);

	if (!has_room(call))
		return -EIO;
	return reply_list(call, listxattr(path.name, (char *)call->reply,
					  arg->size));
}

static int serve_removexattr(const struct fuse_call *call)
{
	struct fuse_dir_path path = fuse_dir_path(call);

	return removexattr(path.name, (const char *)call->payload) ?
	       -errno : 0;
}

int fuse_dir_serve_xattr(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_SETXATTR:
		return serve_setxattr(call);
	case FUSE_GETXATTR:
		return serve_getxattr(call);
	case FUSE_LISTXATTR:
		return serve_listxattr(call);
	case FUSE_REMOVEXATTR:
		return serve_removexattr(call);
	}
	return -ENOSYS;
}
