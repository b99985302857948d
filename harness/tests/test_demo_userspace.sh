#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of harness/demo/demo-userspace.sh: Debian has other versions of liburing and
# libfuse than the patches are for. The build scripts are stubs. Prints TAP.
# shellcheck disable=SC2317 # commands as arguments
set -uo pipefail

src=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
out=$dir/out
export KMBUF_CACHE=$dir/cache
unset BASE
repo=$dir/repo/harness
mkdir -p "$repo/demo" "$repo/suites" "$dir/cache/tools"
cp -r "$src"/{lib.sh,bases} "$repo/"
cp "$src/demo/demo-userspace.sh" "$repo/demo/"
# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"

# archive LIBURING LIBFUSE: set the versions that Debian has.
archive() {
	echo "$1" >"$dir/cache/tools/liburing-2.15.stamp"
	echo "$2" >"$dir/cache/tools/libfuse-3.18.3.stamp"
}
# builds NAME STATUS: set the exit status of its build.
builds() {
	printf '#!/bin/bash\necho "built $*"\nexit %d\n' "$2" >"$repo/suites/userspace-$1.sh"
	chmod +x "$repo/suites/userspace-$1.sh"
}
# ends STATUS [PATTERN]: true if the script exits with STATUS, and stdout matches PATTERN or
# is empty.
ends() {
	local status=0
	bash "$repo/demo/demo-userspace.sh" >"$out" 2>"$dir/err" || status=$?
	[ "$status" -eq "$1" ] || { echo "status $status"; cat "$dir/err"; return 1; }
	if [ $# -gt 1 ]; then
		grep -q -- "$2" "$out"
	else
		[ ! -s "$out" ]
	fi
}

builds liburing 0
builds libfuse 0
archive 2.15-1 3.18.3-1
point "the versions that the patches are for" ends 0
archive 2.15-2 3.18.3-1.1
point "another packaging of these versions" ends 0
archive 2.16-1 3.18.3-1
point "newer liburing, and the patches fit" ends 0
point "... with a notice" grep -q 'notice: trying the patches for liburing 2.15 on liburing 2.16-1' "$dir/err"
builds liburing 1
point "newer liburing, and the patches do not fit" ends 3 'for liburing 2.15 do not fit liburing 2.16-1'
builds liburing 0
builds libfuse 1
archive 2.15-1 3.19.0-1
point "newer libfuse, and the patches do not fit" ends 3 'for libfuse 3.18.3 do not fit libfuse 3.19.0-1'
archive 2.15-1 3.18.3-1
point "a failure with the right version is a failure" ends 1
builds liburing 1
archive 2.15-1 3.19.0-1
point "... also if another one is newer" ends 1
echo "1..$n"
exit "$failed"
