// SPDX-License-Identifier: GPL-2.0
/* The program whose operations on names and attributes are measured; see client.c. */
#include "mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <x86intrin.h>

#define XATTR_NAME	"user.bench"

static const char usage_text[] =
	"usage: names DIR list|create|xattr NUMBER\n"
	"\n"
	"  list     read the directory and stat each of its files, of which there\n"
	"           have to be NUMBER\n"
	"  create   create, close and unlink a file, NUMBER times\n"
	"  xattr    set and get an attribute of 64 KiB, NUMBER times\n"
	"\n"
	"Prints what time it took by the CPU's counter.\n";

static char value[65536];

static void die(const char *what)
{
	fprintf(stderr, "names: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void list(unsigned int number)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	unsigned int n = 0;
	struct stat st;

	if (!dir)
		die("opendir");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0))
			die(entry->d_name);
		n++;
	}
	closedir(dir);
	if (n == number)
		return;
	errno = EINVAL;
	die("another number of files");
}

static void create(unsigned int number)
{
	int fd;

	while (number--) {
		fd = open("new", O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0 || close(fd) || unlink("new"))
			die("new");
	}
}

static void xattr(unsigned int number)
{
	while (number--) {
		memset(value, number, sizeof(value));
		if (setxattr("attributes", XATTR_NAME, value, sizeof(value),
			     0) ||
		    getxattr("attributes", XATTR_NAME, value,
			     sizeof(value)) != sizeof(value))
			die("attributes");
	}
}

int main(int argc, char **argv)
{
	void (*run)(unsigned int number);
	uint64_t start, end;

	if (argc != 4) {
		fputs(usage_text, stderr);
		return 2;
	}
	run = !strcmp(argv[2], "list") ? list :
	      !strcmp(argv[2], "create") ? create : xattr;
	if (chdir(argv[1]))
		die(argv[1]);
	/* the first time everything takes longer */
	run(run == list ? atoi(argv[3]) : 1);

	mark(MARK_BEGIN);
	start = __rdtsc();
	run(atoi(argv[3]));
	end = __rdtsc();
	mark(MARK_END);

	printf("%llu\n", (unsigned long long)(end - start));
	return 0;
}
