// SPDX-License-Identifier: GPL-2.0
/*
 * A server retrieves page cache of a file, as much as the largest write: it
 * gets all of it, with a header, or as much as it has room for.
 */
#include "kselftest_harness.h"
#include "fuse_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#define STEP_MS		20000
/* size of writes and of payloads */
#define LEN		16384
#define OFFSET		4096
#define SEED		9
/* reading that attribute makes the server retrieve */
#define NAME		"user.retrieve"

/* Shared with the server: its requests for data, and the results */
struct retrieve {
	unsigned int		size;
	int			event_fd;
	unsigned int		got;
	unsigned int		len;
	bool			good;
};

FIXTURE(fuse_retrieve)
{
	struct fuse_test ft;
	struct retrieve *retrieve;
};

FIXTURE_VARIANT(fuse_retrieve)
{
	enum fuse_mode mode;
	unsigned int more_room;
};

FIXTURE_VARIANT_ADD(fuse_retrieve, dev) {
	.mode = FUSE_MODE_DEV,
	/* additional room for headers in a read of the device */
	.more_room = 4096,
};

FIXTURE_VARIANT_ADD(fuse_retrieve, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_retrieve, entry_more_room) {
	.mode = FUSE_MODE_ENTRY,
	.more_room = sizeof(struct fuse_notify_retrieve_in),
};

FIXTURE_VARIANT_ADD(fuse_retrieve, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_retrieve, kmbuf_more_room) {
	.mode = FUSE_MODE_KMBUF,
	.more_room = sizeof(struct fuse_notify_retrieve_in),
};

FIXTURE_VARIANT_ADD(fuse_retrieve, zc) {
	.mode = FUSE_MODE_ZC,
};

static int ask(const struct fuse_test *ft, unsigned int size)
{
	struct {
		struct fuse_out_header			head;
		struct fuse_notify_retrieve_out		arg;
	} out = {
		.head = {
			.len = sizeof(out),
			.error = FUSE_NOTIFY_RETRIEVE,
		},
		.arg = {
			/* unlike the uniques of the kernel's requests */
			.notify_unique = 0x12345678,
			.nodeid = FUSE_TEST_NODE,
			.offset = OFFSET,
			.size = size,
		},
	};

	return write(ft->dev, &out, sizeof(out)) == sizeof(out) ? 0 : -errno;
}

static int serve_retrieved(const struct fuse_call *call)
{
	const struct fuse_notify_retrieve_in *arg = (void *)call->payload;
	struct retrieve *retrieve = call->ft->data;

	retrieve->got = arg->size;
	retrieve->len = call->in->len;
	retrieve->good = arg->offset == OFFSET &&
			 call->payload_len == sizeof(*arg) + arg->size &&
			 check_pattern((void *)(arg + 1), arg->size, SEED,
				       OFFSET);
	eventfd_write(retrieve->event_fd, 1);
	return 0;
}

static int serve_read(const struct fuse_call *call)
{
	const struct fuse_read_in *arg = call->arg;
	size_t i;

	if (arg->size > call->room)
		return -EIO;
	for (i = 0; i < arg->size; i++)
		call->reply[i] = pattern_at(SEED, arg->offset + i);
	return arg->size;
}

static int serve(const struct fuse_call *call)
{
	struct retrieve *retrieve = call->ft->data;

	switch (call->in->opcode) {
	case FUSE_READ:
		return serve_read(call);
	case FUSE_GETXATTR:
		return ask(call->ft, retrieve->size) ? -EIO : -ENODATA;
	case FUSE_NOTIFY_REPLY:
		return serve_retrieved(call);
	}
	return -ENOSYS;
}

FIXTURE_SETUP(fuse_retrieve)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	self->retrieve = shared_alloc(sizeof(*self->retrieve));
	ASSERT_NE(NULL, self->retrieve);
	self->retrieve->event_fd = eventfd(0, EFD_CLOEXEC);
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.max_pages = LEN / 4096,
		.max_write = LEN,
		.file_size = 2 * LEN,
		.open_flags = FOPEN_KEEP_CACHE,
		.more_room = variant->more_room,
		.depth = 2,
		.buffers = 2,
		.serve = serve,
		.data = self->retrieve,
	};
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_retrieve)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	munmap(self->retrieve, sizeof(*self->retrieve));
}

static void fill_cache(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fuse_retrieve) *self)
{
	unsigned char *buf = malloc(2 * LEN);
	int fd = open(self->ft.file, O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(2 * LEN, read(fd, buf, 2 * LEN));
	EXPECT_TRUE(check_pattern(buf, 2 * LEN, SEED, 0));
	close(fd);
	free(buf);
}

/* Check that the reply has come, with that many bytes */
static void retrieve(struct __test_metadata *_metadata,
		     FIXTURE_DATA(fuse_retrieve) *self, unsigned int size,
		     unsigned int want)
{
	struct pollfd poll_fd = {
		.fd = self->retrieve->event_fd,
		.events = POLLIN,
	};
	eventfd_t nr;

	self->retrieve->size = size;
	EXPECT_EQ(-1, getxattr(self->ft.file, NAME, NULL, 0));
	EXPECT_EQ(ENODATA, errno);
	ASSERT_EQ(1, poll(&poll_fd, 1, STEP_MS));
	ASSERT_EQ(0, eventfd_read(self->retrieve->event_fd, &nr));
	EXPECT_EQ(want, self->retrieve->got);
	EXPECT_TRUE(self->retrieve->good);
	EXPECT_EQ(sizeof(struct fuse_in_header) +
		  sizeof(struct fuse_notify_retrieve_in) + want,
		  self->retrieve->len);
}

TEST_F_TIMEOUT(fuse_retrieve, sizes, 120)
{
	const unsigned int head = sizeof(struct fuse_notify_retrieve_in);
	const unsigned int most = variant->more_room ? LEN : LEN - head;

	fill_cache(_metadata, self);
	retrieve(_metadata, self, 100, 100);
	retrieve(_metadata, self, 4096, 4096);
	retrieve(_metadata, self, LEN - head, LEN - head);
	retrieve(_metadata, self, LEN - head + 1,
		 variant->more_room ? LEN - head + 1 : most);
	retrieve(_metadata, self, LEN, most);
	retrieve(_metadata, self, 2 * LEN, most);
}

TEST_HARNESS_MAIN
