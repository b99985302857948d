#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs in the VM, on the debug kernel: provokes one splat of each kind that a kernel
# survives, so that vm.sh --expect-splat can prove that the scanner finds it.
#
#   provoke.guest.sh [KIND...]     KIND: a trigger of drivers/misc/lkdtm
set -euo pipefail

direct=/sys/kernel/debug/provoke-crash/DIRECT
[ -w "$direct" ] || { echo "no $direct: not a debug kernel"; exit 1; }
[ $# -gt 0 ] || set -- WARNING_MESSAGE REFCOUNT_DEC_AND_TEST_NEGATIVE ARRAY_BOUNDS \
	CORRUPT_LIST_ADD SLAB_LINEAR_OVERFLOW READ_AFTER_FREE
for kind in "$@"; do
	grep -qx "$kind" "$direct" || { echo "lkdtm does not know $kind"; exit 1; }
	echo "provoking $kind"
	(echo "$kind" >"$direct") 2>&1 || true
	sleep 2
done
echo "$#" >"$KMBUF_PLAN"
