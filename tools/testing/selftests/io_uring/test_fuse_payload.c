// SPDX-License-Identifier: GPL-2.0
/*
 * Requests and replies that are larger than the server's payload buffer. They
 * are errors, over io_uring as over /dev/fuse, and the file system goes on.
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
	/* more room than the kernel wants: for the largest xattr and its name */
	unsigned int more_room;
};

/* The least that a server can offer: 8 KiB of payload */
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

/* A reply of that many bytes can be there, over /dev/fuse as well */
static bool large_fits(const FIXTURE_VARIANT(fuse_payload) *variant)
{
	return !over_uring(variant) || variant->more_room >= LARGE;
}

/* What the server has to say of xattrs; larger replies than it has room for */
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
		/* not all of it is there */
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

/* Whatever a test did, requests that fit are served as ever */
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

	/* a read of /dev/fuse has some room more, for the headers */
	for (i = over_uring(variant) ? 0 : 1; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_EQ(-1, setxattr(self->ft.file, NAME, self->value,
				       sizes[i], 0));
		EXPECT_EQ(E2BIG, errno);
	}
	EXPECT_EQ(0, setxattr(self->ft.file, NAME, self->value, fits, 0));
}

/*
 * The server claims to have answered with all that the client has room for.
 * Over io_uring it cannot have, unless it has more room than it has to. Else it
 * has, with zeroes.
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
	/* zeroes are no list of names */
	EXPECT_EQ(large_fits(variant) ? EIO : EINVAL, errno);
}

TEST_HARNESS_MAIN
