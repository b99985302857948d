// SPDX-License-Identifier: GPL-2.0
/* ublk: ask the control device for the driver's features. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CONTROL		"/dev/ublk-control"

/* linux/ublk_cmd.h */
struct control_command {
	uint32_t dev_id;
	uint16_t queue_id, len;
	uint64_t addr, data;
	uint16_t path_len, pad;
	uint32_t reserved;
};

#define GET_FEATURES		_IOR('u', 0x13, struct control_command)
#define SUPPORT_ZERO_COPY	(1ULL << 0)
#define AUTO_BUF_REG		(1ULL << 11)

static void say_features(uint64_t features)
{
	const char *newer = "boot a kernel with this series";

	probe_say(PROBE_YES, "ublk", NULL, "features 0x%llx",
		  (unsigned long long)features);
	if (features & SUPPORT_ZERO_COPY)
		probe_say(PROBE_YES, "ublk: zero copy", NULL, "%s",
			  features & AUTO_BUF_REG ?
			  "with automatic registration" : "by command");
	else
		probe_say(PROBE_NO, "ublk: zero copy", newer, "not offered");
}

void probe_ublk(void)
{
	struct control_command command = { .queue_id = -1, .dev_id = -1 };
	int dev = open(CONTROL, O_RDWR | O_CLOEXEC), ret;
	struct probe_ring ring;
	uint64_t features = 0;

	if (dev < 0) {
		probe_say(errno == EACCES || errno == EPERM ? PROBE_UNKNOWN :
							      PROBE_NO, "ublk",
			  errno == EACCES || errno == EPERM ?
			  "run kmbuf-probe as root" :
			  "modprobe ublk_drv (CONFIG_BLK_DEV_UBLK)",
			  CONTROL ": %s", strerror(errno));
		return;
	}
	command.addr = (uintptr_t)&features;
	command.len = sizeof(features);
	ret = probe_ring_open(&ring);
	if (ret >= 0) {
		ret = probe_ring_command(&ring, dev, GET_FEATURES, &command,
					 sizeof(command));
		probe_ring_close(&ring);
	}
	close(dev);
	if (ret < 0)
		probe_say(PROBE_NO, "ublk",
			  "boot Linux 6.5 or newer, and enable io_uring (see above)",
			  "cannot read its features: %s", strerror(-ret));
	else
		say_features(features);
}
