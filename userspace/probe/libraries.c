// SPDX-License-Identifier: GPL-2.0
/* The libraries that programs on this machine load. */
#define _GNU_SOURCE
#include "probe.h"

#include <dlfcn.h>

#define URING	"liburing.so.2"
#define FUSE	"libfuse3.so.4"

static bool has(void *library, const char *symbol, const char *version)
{
	return library && dlvsym(library, symbol, version);
}

/* Debian's own libfuse is built without liburing, and has no io_uring at all. */
static void say_fuse(void *library, bool with_uring)
{
	const char *install =
		"install libfuse3-4 and liburing2 made by \"make deb\" (+kmbuf in their versions)";

	if (!library)
		probe_say(PROBE_NO, "libfuse", install, FUSE " not found");
	else if (!has(library, "fuse_session_uring_in_use", "FUSE_KMBUF_1.0"))
		probe_say(PROBE_NO, "libfuse", install,
			  FUSE " lacks symbol version FUSE_KMBUF_1.0");
	else if (!with_uring)
		probe_say(PROBE_NO, "libfuse",
			  "rebuild it with liburing and libnuma installed",
			  FUSE " is built without liburing");
	else
		probe_say(PROBE_YES, "libfuse", NULL,
			  FUSE ": FUSE_KMBUF_1.0, with liburing");
}

void probe_libraries(void)
{
	void *fuse = dlopen(FUSE, RTLD_LAZY | RTLD_LOCAL);
	bool with_uring = fuse && dlopen(URING, RTLD_LAZY | RTLD_NOLOAD);
	void *uring = dlopen(URING, RTLD_LAZY | RTLD_LOCAL);

	if (has(uring, "io_uring_setup_kmbuf_ring", "LIBURING_KMBUF_1.0"))
		probe_say(PROBE_YES, "liburing", NULL,
			  URING ": LIBURING_KMBUF_1.0");
	else
		probe_say(PROBE_NO, "liburing",
			  "install liburing2 made by \"make deb\" (+kmbuf in its version)",
			  uring ? URING " lacks symbol version LIBURING_KMBUF_1.0" :
				  URING " not found");
	say_fuse(fuse, with_uring);
}
