// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps /dev/fuse open, and a file for what a server has to remember, as a service
 * manager does for its services. Starts the server again when it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: fuse_holder SERVER [OPTION]... SOURCE MOUNTPOINT\n"
	"\n"
	"Runs SERVER with --takeover FD,FD in front of its options: /dev/fuse and an\n"
	"empty file. Whenever it is killed by a signal, runs it again, with the same.\n"
	"Exits when it exits.\n";

static int usage(void)
{
	fputs(usage_text, stderr);
	return 2;
}

static int fail(const char *what)
{
	fprintf(stderr, "fuse_holder: %s: %s\n", what, strerror(errno));
	return 1;
}

/* The server's command line, with the option */
static char **command(int argc, char **argv, int dev, int keep)
{
	static char fds[32];
	char **args = calloc(argc + 2, sizeof(*args));

	if (!args)
		return NULL;
	snprintf(fds, sizeof(fds), "%d,%d", dev, keep);
	args[0] = argv[1];
	args[1] = "--takeover";
	args[2] = fds;
	memcpy(args + 3, argv + 2, (argc - 2) * sizeof(*args));
	return args;
}

/* One life of the server: its status, or -1 */
static int run(char **args)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execv(args[0], args);
		_exit(fail(args[0]));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

int main(int argc, char **argv)
{
	unsigned int nr_lives = 0;
	int dev, keep, status;
	char **args;

	if (argc < 4)
		return usage();
	/* both are for the server */
	dev = open("/dev/fuse", O_RDWR);
	if (dev < 0)
		return fail("/dev/fuse");
	keep = memfd_create("fuse_holder", 0);
	args = command(argc, argv, dev, keep);
	if (keep < 0 || !args)
		return fail("memory");
	do {
		nr_lives++;
		status = run(args);
		if (status < 0)
			return fail(args[0]);
	} while (WIFSIGNALED(status));
	printf("fuse_holder: %u servers\n", nr_lives);
	return WEXITSTATUS(status);
}
