// SPDX-License-Identifier: GPL-2.0
/*
 * LD_PRELOAD: the process is killed when it has renamed or created a file, before it can
 * do anything else.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

int renameat2(int olddir, const char *old, int newdir, const char *new, unsigned int flags)
{
	int (*real)(int, const char *, int, const char *, unsigned int) =
		dlsym(RTLD_NEXT, "renameat2");
	const int res = real(olddir, old, newdir, new, flags);

	if (res == 0)
		kill(getpid(), SIGKILL);
	return res;
}

int openat64(int dir, const char *path, int flags, ...)
{
	int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat64");
	va_list args;
	mode_t mode;
	int fd;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	fd = real(dir, path, flags, mode);
	if (fd >= 0 && flags & O_CREAT)
		kill(getpid(), SIGKILL);
	return fd;
}
