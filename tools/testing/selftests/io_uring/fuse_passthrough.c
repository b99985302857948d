// SPDX-License-Identifier: GPL-2.0
/* Shows a directory through a FUSE server, for trying things by hand. */
#include "fuse_dir.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: fuse_passthrough [-m MODE] [-d DEPTH] [-b BUFFERS] [-s NUMBERxSIZE]\n"
	"                        [-q QUEUES] [-z BYTES] [-w] [--takeover FD,FD]\n"
	"                        SOURCE MOUNTPOINT\n"
	"\n"
	"Shows the directory SOURCE at MOUNTPOINT until it is interrupted or\n"
	"unmounted. Needs root.\n"
	"\n"
	"  -m dev     requests over /dev/fuse\n"
	"  -m entry   over io_uring, a buffer of the server's for each entry\n"
	"  -m kmbuf   headers in the memory region, kernel-managed buffers\n"
	"             (default)\n"
	"  -m zc      likewise, reads and writes without a copy\n"
	"  -m headers\n"
	"             headers in the memory region, a buffer of the server's for\n"
	"             each entry\n"
	"  -m buffers headers of the server's, kernel-managed buffers\n"
	"  -m buffers-zc\n"
	"             likewise, reads and writes without a copy\n"
	"  -m pool    Linux 7.3: headers of the server's, for each queue a pool\n"
	"             of its buffers\n"
	"  -m pool-fixed\n"
	"             likewise, the pool is a registered buffer\n"
	"  -m pool-zc likewise, reads and writes without a copy\n"
	"  -m pool-headers, pool-headers-zc\n"
	"             these two with headers in the memory region\n"
	"  -q QUEUES  number of queues, those of the first CPUs; one for each CPU\n"
	"  -d DEPTH   entries a queue; 8\n"
	"  -b BUFFERS kernel-managed buffers a queue, or those of the pool; 4\n"
	"  -s NUMBERxSIZE\n"
	"             as many kernel-managed buffers a queue of another size, such as\n"
	"             32x64K; up to three times\n"
	"  -z BYTES   the smallest read or write to do without a copy; 16384\n"
	"  -w         cache writes\n"
	"  --takeover FD,FD\n"
	"             use this open /dev/fuse and keep files and nodes in that file,\n"
	"             both of another program such as fuse_holder; if a server has\n"
	"             used them before, take over from it\n"
	"\n"
	"With memory of the kernel, prints at the end how many requests went\n"
	"which way.\n";

static int usage(void)
{
	fputs(usage_text, stderr);
	return 2;
}

static bool parse_mode(const char *name, enum fuse_mode *mode)
{
	static const char * const names[] = {
		[FUSE_MODE_DEV]		= "dev",
		[FUSE_MODE_ENTRY]	= "entry",
		[FUSE_MODE_KMBUF]	= "kmbuf",
		[FUSE_MODE_ZC]		= "zc",
		[FUSE_MODE_HEADERS]	= "headers",
		[FUSE_MODE_BUFFERS]	= "buffers",
		[FUSE_MODE_BUFFERS_ZC]	= "buffers-zc",
		[FUSE_MODE_POOL]	= "pool",
		[FUSE_MODE_POOL_FIXED]	= "pool-fixed",
		[FUSE_MODE_POOL_ZC]	= "pool-zc",
		[FUSE_MODE_POOL_HEADERS] = "pool-headers",
		[FUSE_MODE_POOL_HEADERS_ZC] = "pool-headers-zc",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(name, names[i]))
			continue;
		*mode = i;
		return true;
	}
	return false;
}

static bool parse_options(int argc, char **argv, struct fuse_test *ft)
{
	static const struct option options[] = {
		{ "takeover", required_argument, NULL, 't' },
		{ },
	};
	int c;

	while ((c = getopt_long(argc, argv, "m:q:d:b:s:z:w", options, NULL)) != -1) {
		switch (c) {
		case 't':
			if (sscanf(optarg, "%d,%d", &ft->dev, &ft->keep_fd) != 2)
				return false;
			break;
		case 'm':
			if (!parse_mode(optarg, &ft->mode))
				return false;
			break;
		case 'q':
			if (!fuse_dir_set_queues(ft, optarg))
				return false;
			break;
		case 'd':
			ft->depth = atoi(optarg);
			break;
		case 'b':
			ft->buffers = atoi(optarg);
			break;
		case 's':
			if (!fuse_dir_add_buffers(ft, optarg))
				return false;
			break;
		case 'z':
			ft->zero_copy_min = atoi(optarg);
			break;
		case 'w':
			ft->init_flags |= FUSE_WRITEBACK_CACHE;
			break;
		default:
			return false;
		}
	}
	return argc - optind == 2;
}

int main(int argc, char **argv)
{
	struct fuse_test ft = {
		.mode = FUSE_MODE_KMBUF,
		.depth = 8,
		.buffers = 4,
		.zero_copy_min = 16384,
	};
	struct fuse_dir dir = { .valid = 1 };

	if (!parse_options(argc, argv, &ft))
		return usage();
	if (ft.keep_fd)
		return !fuse_dir_take_over(&dir, &ft, argv[optind],
					   argv[optind + 1]);
	return !fuse_dir_show(&dir, &ft, argv[optind], argv[optind + 1]);
}
