// SPDX-License-Identifier: GPL-2.0
/* Nodes, and requests that look up a name or concern attributes. */
#include "fuse_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAX_IO	(1024 * 1024)

/* What the kernel asks for after it has forgotten it */
static struct fuse_dir_node no_node = { .fd = -1 };

struct fuse_dir_node *fuse_dir_node(struct fuse_dir *dir,
				    unsigned long long id)
{
	struct fuse_dir_node *node;

	if (id == FUSE_ROOT_ID)
		return &dir->root;
	node = id < FUSE_DIR_KEEP_NODES ? dir->nodes[id] : NULL;
	if (!node)
		return &no_node;
	/* an earlier server has looked it up */
	if (node->fd < 0)
		node->fd = fuse_dir_keep_open(&dir->kept->nodes[id],
					      dir->mount_fd);
	return node;
}

static int node_fd(const struct fuse_call *call)
{
	return fuse_dir_node(fuse_dir_of(call), call->in->nodeid)->fd;
}

static struct fuse_dir_path path_of(int fd)
{
	struct fuse_dir_path path;

	snprintf(path.name, sizeof(path.name), "/proc/self/fd/%d", fd);
	return path;
}

struct fuse_dir_path fuse_dir_path_of(struct fuse_dir *dir,
				      unsigned long long id)
{
	return path_of(fuse_dir_node(dir, id)->fd);
}

struct fuse_dir_path fuse_dir_path(const struct fuse_call *call)
{
	return path_of(node_fd(call));
}

int fuse_dir_reply(const struct fuse_call *call, const void *data, size_t len)
{
	if (len > call->room)
		return -ERANGE;
	memcpy(call->reply, data, len);
	return len;
}

static int compare(const void *left, const void *right)
{
	const struct fuse_dir_node *a = left, *b = right;

	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	return a->dev < b->dev ? -1 : a->dev > b->dev;
}

static void fill_attr(struct fuse_attr *attr, const struct stat *st)
{
	*attr = (struct fuse_attr) {
		.ino = st->st_ino,
		.size = st->st_size,
		.blocks = st->st_blocks,
		.atime = st->st_atim.tv_sec,
		.atimensec = st->st_atim.tv_nsec,
		.mtime = st->st_mtim.tv_sec,
		.mtimensec = st->st_mtim.tv_nsec,
		.ctime = st->st_ctim.tv_sec,
		.ctimensec = st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = st->st_rdev,
		.blksize = st->st_blksize,
	};
}

/* Make the attributes of a block device those of a file with its data */
static void disguise_disk(struct fuse_attr *attr, int path_fd)
{
	const struct fuse_dir_path path = path_of(path_fd);
	int fd = open(path.name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	attr->mode = (attr->mode & ~S_IFMT) | S_IFREG;
	attr->rdev = 0;
	attr->size = lseek(fd, 0, SEEK_END);
	close(fd);
}

/* Attributes of the file that @fd is a path to. 0 or -errno. */
static int get_attr(const struct fuse_dir *dir, int fd,
		    struct fuse_attr *attr, struct stat *st)
{
	if (fstatat(fd, "", st, AT_EMPTY_PATH))
		return -errno;
	fill_attr(attr, st);
	if (dir->disks && S_ISBLK(st->st_mode))
		disguise_disk(attr, fd);
	return 0;
}

/* Add a node under its number. NULL if out of memory. */
static struct fuse_dir_node *add_node(struct fuse_dir *dir,
				      const struct fuse_dir_node *from)
{
	struct fuse_dir_node *node = malloc(sizeof(*node));

	if (!node)
		return NULL;
	*node = *from;
	if (!tsearch(node, &dir->tree, compare)) {
		free(node);
		return NULL;
	}
	dir->nodes[node->nr] = node;
	return node;
}

/* Takes over @fd. NULL if out of memory, or of node numbers. */
static struct fuse_dir_node *get_node(struct fuse_dir *dir, int fd,
				      const struct stat *st)
{
	struct fuse_dir_node key = {
		.dev = st->st_dev, .ino = st->st_ino, .fd = fd,
	};
	struct fuse_dir_node *node = NULL, **found;
	struct fuse_dir_kept_node *kept;

	found = tfind(&key, &dir->tree, compare);
	if (found) {
		close(fd);
		return *found;
	}
	key.nr = fuse_dir_keep_node(dir->kept);
	kept = &dir->kept->nodes[key.nr];
	if (key.nr && (dir->mount_fd < 0 || !fuse_dir_keep_handle(kept, fd)))
		node = add_node(dir, &key);
	if (!node) {
		close(fd);
		return NULL;
	}
	kept->dev = key.dev;
	kept->ino = key.ino;
	return node;
}

/* Know the nodes of earlier servers. 0 or -errno. */
static int find_nodes(struct fuse_dir *dir)
{
	struct fuse_dir_node node = { .fd = -1 };
	unsigned int i;

	for (i = 0; i < FUSE_DIR_KEEP_NODES; i++) {
		const struct fuse_dir_kept_node *kept = &dir->kept->nodes[i];

		if (!kept->nr_lookups)
			continue;
		node.nr = i;
		node.dev = kept->dev;
		node.ino = kept->ino;
		if (!add_node(dir, &node))
			return -ENOMEM;
	}
	return 0;
}

int fuse_dir_lookup(const struct fuse_call *call, const char *name,
		    struct fuse_entry_out *out)
{
	struct fuse_dir *dir = fuse_dir_of(call);
	struct fuse_dir_node *node;
	struct fuse_attr attr;
	struct stat st;
	int fd, ret;

	fd = openat(node_fd(call), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = get_attr(dir, fd, &attr, &st);
	if (ret) {
		close(fd);
		return ret;
	}
	node = get_node(dir, fd, &st);
	if (!node)
		return -ENOMEM;
	dir->kept->nodes[node->nr].nr_lookups++;
	*out = (struct fuse_entry_out) {
		.nodeid = node->nr,
		.entry_valid = dir->valid,
		.attr_valid = dir->valid,
		.attr = attr,
	};
	return 0;
}

/* The reply to all requests that create a name, if @ret is no error */
static int reply_entry(const struct fuse_call *call, int ret, const char *name)
{
	struct fuse_entry_out out;

	if (ret && !(errno == EEXIST && fuse_dir_again(call)))
		return -errno;
	ret = fuse_dir_lookup(call, name, &out);
	return ret ? ret : fuse_dir_reply(call, &out, sizeof(out));
}

static void forget(struct fuse_dir *dir, unsigned long long id,
		   unsigned long long nr)
{
	struct fuse_dir_node *node = fuse_dir_node(dir, id);

	if (node == &dir->root || node == &no_node)
		return;
	dir->kept->nodes[id].nr_lookups -= nr;
	if (dir->kept->nodes[id].nr_lookups)
		return;
	tdelete(node, &dir->tree, compare);
	dir->nodes[id] = NULL;
	close(node->fd);
	free(node);
}

static int serve_forget(const struct fuse_call *call)
{
	const struct fuse_forget_in *arg = call->arg;

	forget(fuse_dir_of(call), call->in->nodeid, arg->nlookup);
	return 0;
}

static int serve_batch_forget(const struct fuse_call *call)
{
	const struct fuse_batch_forget_in *arg = call->arg;
	const struct fuse_forget_one *one = (const void *)call->payload;
	unsigned int i;

	for (i = 0; i < arg->count; i++)
		forget(fuse_dir_of(call), one[i].nodeid, one[i].nlookup);
	return 0;
}

static int serve_getattr(const struct fuse_call *call)
{
	const struct fuse_dir *dir = fuse_dir_of(call);
	struct fuse_attr_out out = { .attr_valid = dir->valid };
	struct stat st;
	int ret;

	ret = get_attr(dir, node_fd(call), &out.attr, &st);
	return ret ? ret : fuse_dir_reply(call, &out, sizeof(out));
}

static struct timespec new_time(const struct fuse_setattr_in *arg, bool mtime)
{
	const unsigned int set = mtime ? FATTR_MTIME : FATTR_ATIME;
	const unsigned int now = mtime ? FATTR_MTIME_NOW : FATTR_ATIME_NOW;

	if (!(arg->valid & set))
		return (struct timespec) { .tv_nsec = UTIME_OMIT };
	if (arg->valid & now)
		return (struct timespec) { .tv_nsec = UTIME_NOW };
	return (struct timespec) {
		.tv_sec = mtime ? arg->mtime : arg->atime,
		.tv_nsec = mtime ? arg->mtimensec : arg->atimensec,
	};
}

static int change_size(const struct fuse_call *call,
		       const struct fuse_setattr_in *arg)
{
	struct fuse_dir_path path = fuse_dir_path(call);

	if (arg->valid & FATTR_FH)
		return ftruncate(fuse_dir_fd(call, arg->fh), arg->size);
	return truncate(path.name, arg->size);
}

static int serve_setattr(const struct fuse_call *call)
{
	const struct fuse_setattr_in *arg = call->arg;
	struct fuse_dir_path path = fuse_dir_path(call);
	const struct timespec times[] = {
		new_time(arg, false), new_time(arg, true),
	};
	const uid_t uid = arg->valid & FATTR_UID ? arg->uid : (uid_t)-1;
	const gid_t gid = arg->valid & FATTR_GID ? arg->gid : (gid_t)-1;

	if (arg->valid & FATTR_MODE && chmod(path.name, arg->mode & 07777))
		return -errno;
	if (arg->valid & (FATTR_UID | FATTR_GID) &&
	    fchownat(node_fd(call), "", uid, gid, AT_EMPTY_PATH))
		return -errno;
	if (arg->valid & FATTR_SIZE && change_size(call, arg))
		return -errno;
	if (arg->valid & (FATTR_ATIME | FATTR_MTIME) &&
	    utimensat(AT_FDCWD, path.name, times, 0))
		return -errno;
	return serve_getattr(call);
}

static int serve_lookup(const struct fuse_call *call)
{
	return reply_entry(call, 0, (const char *)call->payload);
}

static int serve_mkdir(const struct fuse_call *call)
{
	const struct fuse_mkdir_in *arg = call->arg;
	const char *name = (const char *)call->payload;

	return reply_entry(call, mkdirat(node_fd(call), name, arg->mode),
			   name);
}

static int serve_mknod(const struct fuse_call *call)
{
	const struct fuse_mknod_in *arg = call->arg;
	const char *name = (const char *)call->payload;

	return reply_entry(call, mknodat(node_fd(call), name, arg->mode,
					 arg->rdev), name);
}

static int serve_symlink(const struct fuse_call *call)
{
	const char *name = (const char *)call->payload;
	const char *target = name + strlen(name) + 1;

	return reply_entry(call, symlinkat(target, node_fd(call), name), name);
}

static int serve_link(const struct fuse_call *call)
{
	const struct fuse_link_in *arg = call->arg;
	const char *name = (const char *)call->payload;
	const struct fuse_dir_path old =
		path_of(fuse_dir_node(fuse_dir_of(call), arg->oldnodeid)->fd);

	return reply_entry(call, linkat(AT_FDCWD, old.name, node_fd(call), name,
					AT_SYMLINK_FOLLOW), name);
}

/* What is to be removed, or to get another name, may have been that already */
static int error_unless_done(const struct fuse_call *call)
{
	return errno == ENOENT && fuse_dir_again(call) ? 0 : -errno;
}

static int remove_name(const struct fuse_call *call, int flags)
{
	return unlinkat(node_fd(call), (const char *)call->payload, flags) ?
	       error_unless_done(call) : 0;
}

static int rename_to(const struct fuse_call *call, unsigned long long newdir,
		     unsigned int flags)
{
	const char *name = (const char *)call->payload;

	return renameat2(node_fd(call), name,
			 fuse_dir_node(fuse_dir_of(call), newdir)->fd,
			 name + strlen(name) + 1, flags) ?
	       error_unless_done(call) : 0;
}

static int serve_rename(const struct fuse_call *call)
{
	const struct fuse_rename_in *arg = call->arg;

	return rename_to(call, arg->newdir, 0);
}

static int serve_rename2(const struct fuse_call *call)
{
	const struct fuse_rename2_in *arg = call->arg;

	return rename_to(call, arg->newdir, arg->flags);
}

static int serve_readlink(const struct fuse_call *call)
{
	int len = readlinkat(node_fd(call), "", (char *)call->reply,
			     call->room);

	return len < 0 ? -errno : len;
}

static int serve_access(const struct fuse_call *call)
{
	const struct fuse_access_in *arg = call->arg;
	struct fuse_dir_path path = fuse_dir_path(call);

	return access(path.name, arg->mask) ? -errno : 0;
}

static int serve_statfs(const struct fuse_call *call)
{
	struct statfs fs;
	struct fuse_statfs_out out;

	if (fstatfs(node_fd(call), &fs))
		return -errno;
	out = (struct fuse_statfs_out) {
		.st = {
			.blocks = fs.f_blocks,
			.bfree = fs.f_bfree,
			.bavail = fs.f_bavail,
			.files = fs.f_files,
			.ffree = fs.f_ffree,
			.bsize = fs.f_bsize,
			.namelen = fs.f_namelen,
			.frsize = fs.f_frsize,
		},
	};
	return fuse_dir_reply(call, &out, sizeof(out));
}

static int serve_name(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_LOOKUP:
		return serve_lookup(call);
	case FUSE_MKDIR:
		return serve_mkdir(call);
	case FUSE_MKNOD:
		return serve_mknod(call);
	case FUSE_SYMLINK:
		return serve_symlink(call);
	case FUSE_LINK:
		return serve_link(call);
	case FUSE_UNLINK:
		return remove_name(call, 0);
	case FUSE_RMDIR:
		return remove_name(call, AT_REMOVEDIR);
	case FUSE_RENAME:
		return serve_rename(call);
	case FUSE_RENAME2:
		return serve_rename2(call);
	}
	return -ENOSYS;
}

static int serve_node(const struct fuse_call *call)
{
	switch (call->in->opcode) {
	case FUSE_GETATTR:
		return serve_getattr(call);
	case FUSE_SETATTR:
		return serve_setattr(call);
	case FUSE_READLINK:
		return serve_readlink(call);
	case FUSE_ACCESS:
		return serve_access(call);
	case FUSE_STATFS:
		return serve_statfs(call);
	case FUSE_FORGET:
		return serve_forget(call);
	case FUSE_BATCH_FORGET:
		return serve_batch_forget(call);
	}
	return -ENOSYS;
}

int fuse_dir_serve(const struct fuse_call *call)
{
	int (*const serve[])(const struct fuse_call *) = {
		fuse_dir_serve_file, serve_name, serve_node,
		fuse_dir_serve_xattr,
	};
	int ret = -ENOSYS;
	unsigned int i;

	for (i = 0; ret == -ENOSYS && i < sizeof(serve) / sizeof(*serve); i++)
		ret = serve[i](call);
	return ret;
}

int fuse_dir_init(struct fuse_dir *dir, struct fuse_test *ft, const char *path)
{
	struct rlimit limit;

	/* each node has a file descriptor */
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	/* the kernel has already applied the client's umask to the mode */
	umask(0);
	dir->root.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir->root.fd < 0)
		return -errno;
	dir->mount_fd = -1;
	if (ft->keep_fd)
		dir->mount_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir->kept = fuse_dir_keep_map(ft->keep_fd ? ft->keep_fd : -1);
	dir->nodes = calloc(FUSE_DIR_KEEP_NODES, sizeof(*dir->nodes));
	dir->files = calloc(FUSE_DIR_KEEP_FILES, sizeof(*dir->files));
	if (!dir->kept || !dir->nodes || !dir->files)
		return -ENOMEM;
	if (dir->kept->used && find_nodes(dir))
		return -ENOMEM;
	ft->serve = fuse_dir_serve;
	ft->data = dir;
	ft->max_write = MAX_IO;
	ft->max_pages = MAX_IO / sysconf(_SC_PAGESIZE);
	ft->init_flags |= FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_BIG_WRITES |
			  FUSE_PARALLEL_DIROPS;
	if (fuse_mode_zero_copy(ft->mode))
		dir->open_flags |= FOPEN_IO_URING_ZERO_COPY;
	return 0;
}

void fuse_dir_exit(struct fuse_dir *dir)
{
	close(dir->root.fd);
	fuse_dir_keep_unmap(dir->kept);
	free(dir->nodes);
	free(dir->files);
	if (dir->mount_fd >= 0)
		close(dir->mount_fd);
}
