// SPDX-License-Identifier: GPL-2.0
/* Shows a directory until it is interrupted or unmounted. */
#include "fuse_dir.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

/* Wait for the server to exit, or for a signal */
static void wait_end(void)
{
	sigset_t signals;
	int signal;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigwait(&signals, &signal);
}

/* These signals must not kill the server before it is unmounted */
static void block_signals(void)
{
	sigset_t signals;

	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int finish(struct fuse_test *ft)
{
	char counters[4096];
	int ret;

	if (fuse_test_counters(ft, counters, sizeof(counters)))
		fputs(counters, stdout);
	/* files may still be open, and somebody else may have unmounted it */
	umount2(ft->dir, MNT_DETACH);
	ret = fuse_test_reap(ft);
	fuse_test_cleanup(ft);
	return ret;
}

bool fuse_dir_add_buffers(struct fuse_test *ft, const char *text)
{
	struct fuse_buffers buffers;
	unsigned int i = 0;
	char unit = 0;

	if (sscanf(text, "%ux%u%c", &buffers.nr, &buffers.size, &unit) < 2)
		return false;
	if (unit == 'K')
		buffers.size *= 1024;
	else if (unit)
		return false;
	while (i < FUSE_TEST_MORE_SIZES && ft->more_buffers[i].nr)
		i++;
	if (!buffers.nr || i == FUSE_TEST_MORE_SIZES)
		return false;
	ft->more_buffers[i] = buffers;
	return true;
}

bool fuse_dir_set_queues(struct fuse_test *ft, const char *text)
{
	const int nr = atoi(text);

	if (nr < 1 || nr > 32)
		return false;
	ft->queues = (1ULL << nr) - 1;
	ft->init_flags |= FUSE_IO_URING_FEWER_QUEUES;
	return true;
}

static bool report(int ret)
{
	if (ret)
		fprintf(stderr, "%s: %s\n", program_invocation_short_name,
			fuse_test_missing(ret) ? fuse_test_missing(ret) :
						 strerror(-ret));
	return !ret;
}

bool fuse_dir_take_over(struct fuse_dir *dir, struct fuse_test *ft,
			const char *source, const char *mountpoint)
{
	int ret;

	ft->mountpoint = mountpoint;
	ft->init_flags |= FUSE_IO_URING_RECOVERY;
	ret = fuse_dir_init(dir, ft, source);
	ft->resend = !ret && dir->kept->used;
	if (!ret && !dir->kept->used)
		ret = fuse_test_open(ft);
	if (!ret) {
		dir->kept->used = true;
		ret = fuse_test_serve(ft);
	}
	return report(ret);
}

bool fuse_dir_show(struct fuse_dir *dir, struct fuse_test *ft,
		   const char *source, const char *mountpoint)
{
	int ret;

	ft->mountpoint = mountpoint;
	block_signals();
	ret = fuse_dir_init(dir, ft, source);
	if (!ret)
		ret = fuse_test_mount(ft);
	if (!ret) {
		wait_end();
		ret = finish(ft);
	}
	return report(ret);
}
