#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds liburing and libfuse with the patches of userspace/, for the demo.
#
#   demo-userspace.sh
#
# Exit status: 0 built; 3 Debian has a newer version than the patches are for, and the
# patches do not apply to it, or it does not build with them: one line on stdout names
# the version; any other status is a failure, explained on stderr.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# newer STAMP VERSION: print the version in STAMP's file if it is not VERSION.
newer() {
	local have
	have=$(<"$TOOLS/$1.stamp")
	[ "${have%-*}" = "$2" ] || echo "$have"
}

# library NAME STAMP VERSION: build NAME, whose patches are for VERSION.
library() {
	local name=$1 have status=0
	have=$(newer "$2" "$3")
	[ -z "$have" ] || say "demo: notice: trying the patches for $name $3 on $name $have" >&2
	run_logged "demo-$name" "$TOP/harness/suites/userspace-$name.sh" --build >&2 || status=$?
	[ "$status" -ne 0 ] || return 0
	[ -n "$have" ] || exit 1
	echo "the patches for $name $3 do not fit $name $have, Debian's present version" \
		"(${LOGS#"$TOP/"}/demo-$name.log)"
	exit 3
}

library liburing liburing-2.15 2.15
library libfuse libfuse-3.18.3 3.18.3
