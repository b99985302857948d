#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests the tutorials, docs/tutorial-*.md: extracts their programs, and builds them with
# the commands in the text, with warnings as errors. Then the commands of the terminals
# in the text run in a virtual machine, and have to print what the text says. The
# example in the kernel's documentation is built as well.
#
#   tutorials.sh
#
# Prints TAP. Builds liburing and libfuse first if they are not there.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/userspace.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/kernel/kconfig.sh"
. "$TOP/harness/tests/points.sh"
. "$TOP/harness/vm/vmpoints.sh"

[ $# -eq 0 ] || die "usage: tutorials.sh"
name=tutorials
made=$BUILD/tutorials
libfuse=$USERSPACE/libfuse.made/new
liburing=$USERSPACE/liburing.made/install
KERNEL=$(kernel_dir linux base)
# Read by point.
export out=$LOGS/$name.out
: >"$out"

if [ ! -f "$libfuse/meson-uninstalled/fuse3-uninstalled.pc" ] ||
	[ ! -f "$liburing/lib/liburing.so" ]; then
	"$TOP/harness/suites/userspace-libfuse.sh" --build | sed 's/^/# /'
fi
mkdir -p "$made"
exec 8>"$made/.lock"
flock -n 8 || die "another $name.sh is running" "" "wait for it to end"
exec 9>"$KERNEL/.lock"
flock -n 9 || die "another build is writing $KERNEL" "" "wait for it to end"

# A kernel from the cache has no files for building modules.
prepare_modules() {
	kbuild_make "$LINUX" "$(basename "$KERNEL")" modules_prepare
}

# programs TEXT DIR: extract the programs as printed.
programs() {
	local program
	rm -rf "$2" && mkdir -p "$2" || return
	for program in $(userspace_programs "$1"); do
		userspace_program "$1" "$program" >"$2/$program" || return
		wc -l "$2/$program"
	done
	userspace_commands "$1" >"$2/commands" && [ -s "$2/commands" ]
}

# The harness's kernels have no Module.symvers, so a missing symbol only makes insmod
# fail.
make() {
	command make CC="$TOP/harness/kernel/cc.sh" HOSTCC='ccache gcc' W=1 KCFLAGS=-Werror \
		KBUILD_MODPOST_WARN=1 "$@" 8>&- 9>&-
}

cc() {
	gcc -O2 -Wall -Wextra -Werror "$@"
}

# build DIR: build with the libraries that the text asks for.
build() (
	cd "$1" || exit
	export -f cc make
	export KERNEL PKG_CONFIG_PATH=$libfuse/meson-uninstalled:$liburing/lib/pkgconfig
	bash -eux commands
)

# lines_of FILE MOST: true if FILE has at most MOST lines of code.
lines_of() {
	local lines
	lines=$(grep -v -c -E '^\s*(/\*.*\*/)?$' "$1")
	echo "$1: $lines lines of code"
	[ "$lines" -le "$2" ]
}

# example: build the example in the kernel's documentation, with declarations of the
# functions that it leaves to the server.
example() {
	{
		cat <<-'END'
			#include <stddef.h>
			#include <linux/fuse.h>
			#include <linux/io_uring.h>
			struct io_uring;
			struct io_uring_sqe *get_sqe(struct io_uring *ring);
			int submit_and_wait(struct io_uring *ring);
			int answer(const struct fuse_in_header *in, const void *op_in, char *payload,
				   size_t size, size_t room);
		END
		awk '
			/^Example$/ { example = 1 }
			example && /^[.][.] code-block:: c$/ { code = 1; next }
			code && /^[^ ]/ { exit }
			code { print }' "$LINUX/Documentation/filesystems/fuse/fuse-io-uring.rst"
	} >"$made/example.c"
	grep -q FUSE_IO_URING_CMD_COMMIT_AND_FETCH "$made/example.c" &&
		cc -Wno-unused-function -I "$KERNEL/usr/include" -c -o "$made/example.o" "$made/example.c"
}

echo "TAP version 13"
kbuild_env
point "the kernel is ready for modules" prepare_modules
texts=("$TOP"/docs/tutorial-*.md)
for text in "${texts[@]}"; do
	dir=$made/$(basename "$text" .md)
	point "$(basename "$text") has programs and how to build them" programs "$text" "$dir"
	point "its programs build" build "$dir"
done
exec 9>&-
point "the example of fuse-io-uring.rst builds" example
point "the kernel's tutorial has no more code than it says" \
	lines_of "$made/tutorial-kernel/toy.c" 150
vm_points "$name" linux bash "$TOP/harness/suites/$name.guest.sh" "$made" \
	"$libfuse/lib:$liburing/lib" "${texts[@]}"
echo "1..$n"
[ "$failed" -eq 0 ]
