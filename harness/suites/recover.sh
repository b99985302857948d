#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Kills FUSE servers over io_uring while they serve, and lets others take over, in each
# mode: no request may fail or hang, and all data has to be right.
#
#   recover.sh [ROUNDS]     default 10, in each mode
#
# Prints TAP. Needs the kselftests of the base kernel, and builds them if they are missing.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/tests/points.sh"
. "$TOP/harness/vm/vmpoints.sh"

rounds=${1:-10}
case $rounds in '' | *[!0-9]*) die "recover.sh: '$rounds' is not a number of rounds" ;; esac
programs=$BUILD/kselftests/linux-base/install/io_uring
modes=(entry kmbuf zc headers buffers)
! has_pools bare || modes+=(pool pool-fixed pool-zc)
# Read by point.
export out=$LOGS/recover.out
: >"$out"

[ -x "$programs/fuse_holder" ] || "$TOP/harness/suites/kselftests.sh" --build linux base | sed 's/^/# /'
echo "TAP version 13"
for mode in "${modes[@]}"; do
	vm_points "recover-$mode" linux bash "$TOP/harness/suites/recover.guest.sh" "$programs" \
		"$rounds" "$TOP/harness/queue" "$mode"
done
echo "1..$n"
[ "$failed" -eq 0 ]
