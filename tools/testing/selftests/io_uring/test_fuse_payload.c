// SPDX-License-Identifier: GPL-2.0
/*
 * Requests and replies that are larger than the server's payload buffer. They
 * end with errors, over io_uring as over /dev/fuse, and the file system still
 * works.
 */
#include "kselftest_harness.h"
#include "fuse_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define NAME		"user.test"
#define LARGE		65536
#define SMALL		1000
#define SEED		8

FIXTURE(fuse_payload)
{
	struct fuse_test ft;
	unsigned char *value;
};

FIXTURE_VARIANT(fuse_payload)
{
	enum fuse_mode mode;
	unsigned int max_pages;
	/*
	 * more room than the kernel requires: for the largest xattr and its
	 * name
	 */
	unsigned int more_room;
};

/* The minimum for a server: 8 KiB of payload */
FIXTURE_VARIANT_ADD(fuse_payload, uring) {
	.mode = FUSE_MODE_ENTRY,
	.max_pages = 1,
};

FIXTURE_VARIANT_ADD(fuse_payload, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
	.max_pages = 1,
};

FIXTURE_VARIANT_ADD(fuse_payload, uring_more_room) {
	.mode = FUSE_MODE_ENTRY,
	.max_pages = 1,
	.more_room = LARGE,
};

FIXTURE_VARIANT_ADD(fuse_payload, kmbuf_more_room) {
	.mode = FUSE_MODE_KMBUF,
	.max_pages = 1,
	.more_room = LARGE,
};

FIXTURE_VARIANT_ADD(fuse_payload, dev) {
	.mode = FUSE_MODE_DEV,
	.max_pages = 1,
};

static bool over_uring(const FIXTURE_VARIANT(fuse_payload) *variant)
{
	return variant->mode != FUSE_MODE_DEV;
}

/* Can a reply of that size exist? Over /dev/fuse it can */
static bool large_fits(const FIXTURE_VARIANT(fuse_payload) *variant)
{
	return !over_uring(variant) || variant->more_room >= LARGE;
}

/* Replies to requests for xattrs; also replies larger than the room */
static int serve(const struct fuse_call *call)
{
	const struct fuse_getxattr_in *get = call->arg;

	switch (call->in->opcode) {
	case FUSE_SETXATTR:
		return check_pattern(call->payload + sizeof(NAME), SMALL, SEED,
				     0) ? 0 : -EILSEQ;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		if (get->size < SMALL)
			return -ERANGE;
		/* part of the reply does not exist */
		if (get->size > SMALL) {
			memset(call->reply, 0, get->size < call->room ?
					       get->size : call->room);
			return get->size;
		}
		fill_pattern(call->reply, SMALL, SEED + 1);
		return SMALL;
	}
	return -ENOSYS;
}

FIXTURE_SETUP(fuse_payload)
{
	int ret;

	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.max_pages = variant->max_pages,
		.more_room = variant->more_room,
		.max_write = 4096,
		.serve = serve,
	};
	self->value = malloc(LARGE);
	fill_pattern(self->value, LARGE, SEED);
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

/* Whatever a test did, requests that fit are still served */
FIXTURE_TEARDOWN(fuse_payload)
{
	struct stat st;

	fill_pattern(self->value, SMALL, SEED);
	EXPECT_EQ(0, stat(self->ft.file, &st));
	EXPECT_EQ(0, setxattr(self->ft.file, NAME, self->value, SMALL, 0));
	EXPECT_EQ(SMALL, getxattr(self->ft.file, NAME, self->value, SMALL));
	EXPECT_TRUE(check_pattern(self->value, SMALL, SEED + 1, 0));
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	free(self->value);
}

TEST_F(fuse_payload, setxattr)
{
	const size_t fits = fuse_payload_size(&self->ft) - sizeof(NAME);
	const size_t sizes[] = { fits + 1, 16384, LARGE };
	unsigned int i;

	if (variant->more_room) {
		EXPECT_EQ(0, setxattr(self->ft.file, NAME, self->value, LARGE,
				      0));
		return;
	}

	/* a read of /dev/fuse has additional room, for the headers */
	for (i = over_uring(variant) ? 0 : 1; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_EQ(-1, setxattr(self->ft.file, NAME, self->value,
				       sizes[i], 0));
		EXPECT_EQ(E2BIG, errno);
	}
	EXPECT_EQ(0, setxattr(self->ft.file, NAME, self->value, fits, 0));
}

/*
 * The server claims a reply as large as the client allows. Over io_uring that
 * is impossible, unless the server has more room than required. Otherwise the
 * reply consists of zeroes.
 */
TEST_F(fuse_payload, getxattr)
{
	ssize_t ret = getxattr(self->ft.file, NAME, self->value, LARGE);

	if (large_fits(variant)) {
		EXPECT_EQ(LARGE, ret);
	} else {
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, ret);
	}
}

TEST_F(fuse_payload, listxattr)
{
	EXPECT_EQ(-1, listxattr(self->ft.file, (char *)self->value, LARGE));
	/* zeroes are not a list of names */
	EXPECT_EQ(large_fits(variant) ? EIO : EINVAL, errno);
}

TEST_HARNESS_MAIN
