// SPDX-License-Identifier: GPL-2.0
#include "fuse_dir_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct fuse_dir_kept *fuse_dir_keep_map(int fd)
{
	const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE :
				   MAP_SHARED;
	struct fuse_dir_kept *kept;

	if (fd >= 0 && ftruncate(fd, sizeof(*kept)))
		return NULL;
	kept = mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE, flags, fd, 0);
	return kept == MAP_FAILED ? NULL : kept;
}

void fuse_dir_keep_unmap(struct fuse_dir_kept *kept)
{
	munmap(kept, sizeof(*kept));
}

unsigned int fuse_dir_keep_node(struct fuse_dir_kept *kept)
{
	unsigned int i, nr;

	/* 0 is none, and 1 is the root */
	for (i = 0; i < FUSE_DIR_KEEP_NODES; i++) {
		nr = kept->next_node++ % FUSE_DIR_KEEP_NODES;
		if (nr > 1 && !kept->nodes[nr].nr_lookups)
			return nr;
	}
	return 0;
}

unsigned int fuse_dir_keep_file(struct fuse_dir_kept *kept)
{
	unsigned int i, nr;

	for (i = 0; i < FUSE_DIR_KEEP_FILES; i++) {
		nr = kept->next_file++ % FUSE_DIR_KEEP_FILES;
		if (nr && !kept->files[nr].node)
			return nr;
	}
	return 0;
}

int fuse_dir_keep_handle(struct fuse_dir_kept_node *node, int path_fd)
{
	union {
		struct file_handle	handle;
		char			room[sizeof(struct file_handle) +
					     FUSE_DIR_KEEP_HANDLE];
	} u = { .handle.handle_bytes = FUSE_DIR_KEEP_HANDLE };
	int mount_id;

	if (name_to_handle_at(path_fd, "", &u.handle, &mount_id, AT_EMPTY_PATH))
		return -errno;
	node->type = u.handle.handle_type;
	node->size = u.handle.handle_bytes;
	memcpy(node->handle, u.handle.f_handle, node->size);
	return 0;
}

int fuse_dir_keep_open(const struct fuse_dir_kept_node *node, int mount_fd)
{
	union {
		struct file_handle	handle;
		char			room[sizeof(struct file_handle) +
					     FUSE_DIR_KEEP_HANDLE];
	} u = {
		.handle.handle_type = node->type,
		.handle.handle_bytes = node->size,
	};
	int fd;

	memcpy(u.handle.f_handle, node->handle, node->size);
	fd = open_by_handle_at(mount_fd, &u.handle, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
