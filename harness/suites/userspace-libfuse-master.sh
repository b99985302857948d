#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests libfuse's master branch with the patches of userspace/libfuse-master: applies
# them exactly, builds the library, its examples and its tests after each patch, compares
# the exported symbols, and runs the tests that need no FUSE device.
#
#   userspace-libfuse-master.sh [--tree] REPOSITORY
#
#   REPOSITORY  a git repository of libfuse that has the commit below
#   --tree      only make build/userspace/libfuse-master, a git tree with a commit a patch
#
# Prints TAP. Not part of make test, because no package has that commit. Needs liburing,
# built by userspace-liburing.sh, and a machine that allows io_uring.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"
. "$TOP/harness/suites/libfuse-build.sh"
. "$TOP/harness/suites/libfuse-units.sh"
. "$TOP/harness/tests/points.sh"

master=e8d407ce93bf0d87efe7bbfafdfbd3c471597a02
only_tree=0
if [ "${1:-}" = --tree ]; then
	only_tree=1
	shift
fi
[ $# -eq 1 ] || die "usage: userspace-libfuse-master.sh [--tree] REPOSITORY"
repository=$(realpath "$1")
qgit -C "$repository" cat-file -e "$master^{commit}" 2>/dev/null ||
	die "$repository does not have commit ${master:0:12}" "" "clone or fetch libfuse's master branch"

name=userspace-libfuse-master
tree=$USERSPACE/libfuse-master
made=$USERSPACE/libfuse-master.made
uring=$USERSPACE/liburing.made/install
libraries=(-luring)
# Read by point.
export out=$LOGS/$name.out
mkdir -p "$made"
: >"$out"

master_pristine() {
	qgit -C "$repository" archive "$master" | tar -x -C "$1"
}

exec 8>"$made/.lock"
flock -n 8 || die "another $name.sh is running" "" "wait for it to end"
queue_tmp
userspace_import libfuse-master "$master" master_pristine
[ "$only_tree" -eq 0 ] || exit 0
[ -f "$uring/lib/liburing.so" ] ||
	die "no liburing in $uring" "it has not been built" "harness/suites/userspace-liburing.sh"

compile_old() {
	userspace_checkout libfuse-master refs/tags/base "$made/old.source" &&
		compile "$made/old.source" "$made/old" "$uring"
}

compile_new() {
	compile "$tree" "$made/new" "$uring" &&
		grep -q '^#define HAVE_URING_KMBUF$' "$made/new/fuse_config.h"
}

unit_programs() {
	local sanitizer=''
	unit_program new uring_unit
}

echo "TAP version 13"
say "$name: build"
point "master builds without the patches" compile_old
point "it builds after each patch" userspace_each libfuse-master "$uring"
point "it builds with all patches" compile_new
point "it exports the same symbols and six new ones" same_symbols
point "the test programs build" unit_programs
for sanitizer in address thread; do
	point "they build with -fsanitize=$sanitizer" sanitized "$sanitizer"
done
units
echo "1..$n"
[ "$failed" -eq 0 ]
