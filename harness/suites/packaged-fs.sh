#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs Debian's sshfs, unchanged, with the patched libfuse in place of Debian's: in each
# mode it mounts a directory of an SFTP server, a tree is copied there, and the kernel's
# counters must agree with the mode.
#
#   packaged-fs.sh
#
# Prints TAP. Builds libfuse first if it is not there.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/tests/points.sh"
. "$TOP/harness/vm/vmpoints.sh"

[ $# -eq 0 ] || die "usage: packaged-fs.sh"
name=packaged-fs
package=$TOOLS/sshfs
library=$USERSPACE/libfuse.made/new/lib
# Read by point.
export out=$LOGS/$name.out
: >"$out"

[ -f "$package.stamp" ] || die "no sshfs in $package" "" "make setup"
[ -f "$library/libfuse3.so.4" ] || "$TOP/harness/suites/userspace-libfuse.sh" --build | sed 's/^/# /'

as_packaged() {
	(cd "$package" && md5sum --check --quiet sshfs.md5sums)
}

# fuse_symbols KIND FILE: print libfuse's symbols that FILE defines or leaves undefined,
# with versions.
fuse_symbols() {
	nm -D "--$1-only" --with-symbol-versions "$2" | grep -o '[^ ]*@.*FUSE_.*' |
		sed 's/@@/@/' | sort
}

# has_symbols PROGRAM LIBRARY: true if LIBRARY has every libfuse symbol that PROGRAM uses,
# in the same version.
has_symbols() {
	local wanted missing
	wanted=$(fuse_symbols undefined "$1") && [ -n "$wanted" ] &&
		missing=$(comm -23 <(echo "$wanted") <(fuse_symbols defined "$2")) || return
	echo "wanted: ${wanted//$'\n'/ }"
	echo "missing: ${missing//$'\n'/ }"
	[ -z "$missing" ]
}

echo "TAP version 13"
sed 's/^/# /' "$package/packages"
point "sshfs is as Debian packaged it" as_packaged
point "the library has every symbol of libfuse that it was linked with" \
	has_symbols "$package/usr/bin/sshfs" "$library/libfuse3.so.4"
guest=(bash "$TOP/harness/suites/$name.guest.sh" "$package/usr" "$library" "$TOP/patches")
vm_points "$name" linux "${guest[@]}" plain io_uring io_uring_kmbuf io_uring_zero_copy
! has_pools bare || vm_points "$name-pools" bare "${guest[@]}" io_uring_bufpool \
	io_uring_bufpool,io_uring_zero_copy
echo "1..$n"
[ "$failed" -eq 0 ]
