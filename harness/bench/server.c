// SPDX-License-Identifier: GPL-2.0
/*
 * The bench's FUSE server: the kselftests' server for a directory, with one loop for all
 * modes, those of the patched kernel and those of the kernels it is compared with.
 */
#include "bufpool.h"
#include "fuse_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: server -m MODE [-d DEPTH] [-b BUFFERS] [-k NUMBERxSIZE] [-q QUEUES]\n"
	"              [-s SLOTS] [-z BYTES] [-t] [-D] [-n] SOURCE MOUNTPOINT\n"
	"\n"
	"Shows SOURCE at MOUNTPOINT until it is interrupted or unmounted.\n"
	"\n"
	"  -m dev         requests over /dev/fuse\n"
	"  -m entry       over io_uring, a buffer of the server's for each entry\n"
	"  -m pool        Linux 7.3: a pool of buffers\n"
	"  -m registered  Linux 7.3: a pool that is registered with io_uring\n"
	"  -m pool-zc     Linux 7.3: a registered pool, zero copy\n"
	"  -m kmbuf       kernel-managed buffers\n"
	"  -m zc          kernel-managed buffers, zero copy\n"
	"  -d DEPTH       entries of a queue; 8\n"
	"  -b BUFFERS     of a queue, a power of two; 8\n"
	"  -k NUMBERxSIZE as many kernel-managed buffers of another size, such as\n"
	"                 32x64K; up to three times\n"
	"  -q QUEUES      number of queues, those of the first CPUs; one for each CPU\n"
	"  -s SLOTS       more slots of the ring's table than it needs; 0\n"
	"  -z BYTES       -m zc: the smallest data that is not copied; 16384\n"
	"  -t             the ring's completions wait until they are asked for\n"
	"                 (DEFER_TASKRUN)\n"
	"  -D             files of SOURCE are opened with O_DIRECT\n"
	"  -n             the kernel is to ask for names and attributes each time\n"
	"\n"
	"Block devices in SOURCE are shown as files.\n";

struct mode {
	const char		*name;
	enum fuse_mode		mode;
	bool			pool;
	struct bufpool_options	options;
};

static const struct mode modes[] = {
	{ .name = "dev", .mode = FUSE_MODE_DEV },
	{ .name = "entry", .mode = FUSE_MODE_ENTRY },
	{ .name = "pool", .mode = FUSE_MODE_ENTRY, .pool = true },
	{ .name = "registered", .mode = FUSE_MODE_ENTRY, .pool = true,
	  .options = { .registered = true } },
	{ .name = "pool-zc", .mode = FUSE_MODE_ENTRY, .pool = true,
	  .options = { .registered = true, .zero_copy = true } },
	{ .name = "kmbuf", .mode = FUSE_MODE_KMBUF },
	{ .name = "zc", .mode = FUSE_MODE_ZC },
};

static const struct mode *find_mode(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}

static void use_pool(const struct mode *mode, struct fuse_test *ft,
		     struct fuse_dir *dir)
{
	bufpool_options = mode->options;
	ft->ops = &bufpool_ops;
	ft->more_slots += fuse_uring_nr_queues();
	if (mode->options.zero_copy)
		dir->open_flags |= FOPEN_IO_URING_ZERO_COPY;
}

static bool parse_options(int argc, char **argv, struct fuse_test *ft,
			  struct fuse_dir *dir)
{
	const struct mode *mode = NULL;
	int c;

	while ((c = getopt(argc, argv, "m:d:b:k:q:s:z:tDn")) != -1) {
		switch (c) {
		case 'm':
			mode = find_mode(optarg);
			break;
		case 'd':
			ft->depth = atoi(optarg);
			break;
		case 'b':
			ft->buffers = atoi(optarg);
			break;
		case 'k':
			if (!fuse_dir_add_buffers(ft, optarg))
				return false;
			break;
		case 'q':
			if (!fuse_dir_set_queues(ft, optarg))
				return false;
			break;
		case 's':
			ft->more_slots = atoi(optarg);
			break;
		case 'z':
			ft->zero_copy_min = atoi(optarg);
			break;
		case 't':
			ft->ring_flags |= IORING_SETUP_SINGLE_ISSUER |
					  IORING_SETUP_DEFER_TASKRUN;
			break;
		case 'D':
			dir->backing_flags |= O_DIRECT;
			break;
		case 'n':
			dir->valid = 0;
			break;
		default:
			return false;
		}
	}
	if (!mode || argc - optind != 2)
		return false;
	ft->mode = mode->mode;
	if (mode->pool)
		use_pool(mode, ft, dir);
	return true;
}

int main(int argc, char **argv)
{
	struct fuse_test ft = {
		.depth = 8,
		.buffers = 8,
		.zero_copy_min = 16384,
		/*
		 * Otherwise the kernel asks for an attribute before each write,
		 * to find privileges to drop. The bench's files have none.
		 */
		.init_flags = FUSE_HANDLE_KILLPRIV_V2,
	};
	struct fuse_dir dir = { .valid = 1, .disks = true };

	if (!parse_options(argc, argv, &ft, &dir)) {
		fputs(usage_text, stderr);
		return 2;
	}
	return !fuse_dir_show(&dir, &ft, argv[optind], argv[optind + 1]);
}
