#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make deb: packages for Debian in build/<base>/deb: the patched kernel and its headers,
# liburing, libfuse, and kmbuf-tools. docs/install.md says how to install them.
#
#   deb.sh                    as root; deb-kernel.sh has the variables for the kernel
#   DEB_REVISION=N deb.sh     versions end in +kmbufN (default 1)
#
# The first lines tell the time and the disk space that it takes.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/deb/deblib.sh"

[ $# -eq 0 ] || die "usage: [CONFIG=running|FILE] [LOCALMODCONFIG=1] [DEB_REVISION=N] deb.sh"
need_root_user "make deb"
here=$TOP/harness/deb
say "deb: needs 4500 MiB for two checkouts of Linux, 2500 MiB for liburing and libfuse, 5 to 10 minutes for both"
"$here/deb-kernel.sh" --estimate
"$TOP/harness/setup/setup.sh"
"$TOP/harness/queue/tree.sh"
"$here/deb-userspace.sh"
"$here/deb-kernel.sh"
say "deb: the packages are in ${DEB#"$TOP/"}:"
(cd "$DEB" && ls -1 ./*.deb)
echo "install them: apt install ./${DEB#"$TOP/"}/{linux-image,liburing2,libfuse3-4,fuse3,kmbuf-tools}[-_]*.deb"
echo "then boot that kernel and run kmbuf-probe"
