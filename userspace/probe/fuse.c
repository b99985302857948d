// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE over io_uring: the first request of a mount has the features that the
 * kernel offers. A child with its own mount namespace mounts, reads that
 * request, and exits without a reply.
 */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* linux/fuse.h */
#define OP_INIT			26
#define INIT_EXT		(1ULL << 30)
#define OVER_IO_URING		(1ULL << 41)
#define HAS_IO_URING_BUFPOOL	(1ULL << 43)
#define HAS_IO_URING_KMBUF	(1ULL << 60)
#define IO_URING_FEWER_QUEUES	(1ULL << 61)
#define IO_URING_RECOVERY	(1ULL << 62)

#define CAP_SYS_ADMIN		21

struct init_request {
	struct {
		uint32_t len, opcode;
		uint64_t unique, nodeid;
		uint32_t uid, gid, pid, ext;
	} header;
	uint32_t major, minor, max_readahead, flags, flags2;
	/* the kernel wants room for any request */
	char rest[65536];
};

struct offer {
	int error;
	uint32_t minor;
	uint64_t flags;
};

#define PARAMETER	"/sys/module/fuse/parameters/enable_uring"
#define ENABLE		"echo Y > " PARAMETER "; for good: install kmbuf-tools, or boot with fuse.enable_uring=1"

static bool write_line(const char *path, const char *format, unsigned int id)
{
	FILE *file = fopen(path, "we");
	bool written;

	if (!file)
		return false;
	written = fprintf(file, format, id) > 0;
	return !fclose(file) && written;
}

/* In a user namespace, a mount does not need root. */
static bool own_users(void)
{
	unsigned int uid = getuid(), gid = getgid();

	return !unshare(CLONE_NEWUSER | CLONE_NEWNS) &&
	       write_line("/proc/self/setgroups", "deny", 0) &&
	       write_line("/proc/self/uid_map", "0 %u 1", uid) &&
	       write_line("/proc/self/gid_map", "0 %u 1", gid);
}

static int mount_fuse(void)
{
	char options[80];
	int dev;

	if ((unshare(CLONE_NEWNS) && !own_users()) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	/* device and mount must be in the same user namespace */
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return -1;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	/* any directory will do; only this process sees the mount */
	if (mount("kmbuf-probe", "/tmp", "fuse", MS_NOSUID | MS_NODEV, options)) {
		close(dev);
		return -1;
	}
	return dev;
}

static void read_offer(struct offer *offer)
{
	static struct init_request request;
	struct pollfd pollfd = { .events = POLLIN };
	ssize_t size;

	pollfd.fd = mount_fuse();
	if (pollfd.fd < 0) {
		offer->error = errno;
		return;
	}
	size = poll(&pollfd, 1, 5000) == 1 ?
		read(pollfd.fd, &request, sizeof(request)) : -1;
	if (size < (ssize_t)offsetof(struct init_request, flags2) ||
	    request.header.opcode != OP_INIT) {
		offer->error = EPROTO;
		return;
	}
	offer->minor = request.minor;
	offer->flags = request.flags;
	if (request.flags & INIT_EXT)
		offer->flags |= (uint64_t)request.flags2 << 32;
}

static void get_offer(struct offer *offer)
{
	int pipes[2], status;
	pid_t child;

	offer->error = EIO;
	if (pipe(pipes))
		return;
	child = fork();
	if (!child) {
		offer->error = 0;
		read_offer(offer);
		status = write(pipes[1], offer, sizeof(*offer)) !=
			 sizeof(*offer);
		_exit(status);
	}
	close(pipes[1]);
	if (child < 0 || read(pipes[0], offer, sizeof(*offer)) !=
	    sizeof(*offer))
		offer->error = EIO;
	close(pipes[0]);
	if (child > 0)
		waitpid(child, &status, 0);
}

static bool parameter_on(void)
{
	char value[8];

	if (!probe_read_line(PARAMETER, value, sizeof(value))) {
		probe_say(PROBE_NO, "FUSE parameter enable_uring",
			  "modprobe fuse, or boot a kernel with CONFIG_FUSE_IO_URING=y",
			  "missing: fuse is not loaded, or built without io_uring");
		return false;
	}
	if (*value == 'Y') {
		probe_say(PROBE_YES, "FUSE parameter enable_uring", NULL, "on");
		return true;
	}
	probe_say(PROBE_NO, "FUSE parameter enable_uring", ENABLE,
		  "off: new mounts do not use io_uring");
	return false;
}

/* What this series adds to FUSE over io_uring. */
static const struct feature {
	uint64_t flag;
	const char *what;
} features[] = {
	{ HAS_IO_URING_KMBUF, "FUSE: kernel-managed buffers" },
	{ IO_URING_FEWER_QUEUES, "FUSE: fewer queues than CPUs" },
	{ IO_URING_RECOVERY, "FUSE: recovery over io_uring" },
};

static void say_feature(const struct offer *offer,
			const struct feature *feature, const char *kernel)
{
	if (offer->flags & feature->flag)
		probe_say(PROBE_YES, feature->what, NULL, "offered");
	else
		probe_say(PROBE_NO, feature->what,
			  offer->flags & OVER_IO_URING ?
			  "boot a kernel with this series" : kernel,
			  "not offered");
}

static void say_offer(const struct offer *offer, bool on)
{
	const char *kernel = on ? "boot a kernel with CONFIG_FUSE_IO_URING=y" :
				  "turn enable_uring on, see above";
	size_t i;

	if (offer->flags & OVER_IO_URING)
		probe_say(PROBE_YES, "FUSE over io_uring", NULL,
			  "offered, protocol 7.%u", offer->minor);
	else
		probe_say(PROBE_NO, "FUSE over io_uring", kernel,
			  "not offered, protocol 7.%u", offer->minor);
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		say_feature(offer, &features[i], kernel);
	if (offer->flags & HAS_IO_URING_BUFPOOL)
		probe_say(PROBE_YES, "FUSE: buffer pools", NULL, "offered");
	else
		probe_say(PROBE_NO_MATTER, "FUSE: buffer pools",
			  "not needed: libfuse uses kernel-managed buffers",
			  "not offered (Linux 7.3 has them)");
	if (probe_has_cap(CAP_SYS_ADMIN))
		probe_say(PROBE_YES, "FUSE: zero copy", NULL,
			  "allowed (CAP_SYS_ADMIN)");
	else
		probe_say(PROBE_NO_MATTER, "FUSE: zero copy",
			  "run the server as root; kernel-managed buffers need no privilege",
			  "not allowed: needs CAP_SYS_ADMIN");
}

void probe_fuse(void)
{
	struct offer offer = { };
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	bool on;

	if (dev < 0) {
		probe_say(PROBE_NO, "FUSE device",
			  errno == EACCES ? "chmod 666 /dev/fuse" :
			  "modprobe fuse; in a container: --device /dev/fuse",
			  "/dev/fuse: %s", strerror(errno));
		return;
	}
	close(dev);
	probe_say(PROBE_YES, "FUSE device", NULL, "/dev/fuse");
	on = parameter_on();
	get_offer(&offer);
	if (offer.error)
		probe_say(PROBE_UNKNOWN, "FUSE over io_uring",
			  "run kmbuf-probe as root", "cannot mount FUSE: %s",
			  strerror(offer.error));
	else
		say_offer(&offer, on);
}
