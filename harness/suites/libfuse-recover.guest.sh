#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: kills libfuse's recover_ll again and again, in each mode, while fio verifies
# what it writes and a tree is copied. The next one gets its descriptors from a service
# manager's store. Then kills it at bad moments.
#
#   libfuse-recover.guest.sh PROGRAM ROUNDS TREE
set -euo pipefail
. "$(dirname "$0")/../tests/points.sh"
. "$(dirname "$0")/fuse.guest.sh"
. "$(dirname "$0")/recover-load.sh"

program=$1 rounds=$2 source=$3
manager=$(dirname "$0")/fd_store.py
export out=/tmp/out
: >"$out"
cd /tmp
mountpoint -q "$connections" || mount -t fusectl fusectl "$connections"
echo Y >/sys/module/fuse/parameters/enable_uring

# in_use MODE: true if the last server has got requests in this way.
in_use() {
	echo "$(ring_sum CqTail) completions, $(counter buffer) buffer, $(counter zero_copy) zero copy"
	case $1 in
	dev) [ "$(ring_sum CqTail)" -eq 0 ] ;;
	uring) [ "$(ring_sum CqTail)" -gt 0 ] ;;
	kmbuf) [ "$(counter buffer)" -gt 0 ] && [ "$(counter zero_copy)" -eq 0 ] ;;
	zero_copy) [ "$(counter zero_copy)" -gt 0 ] ;;
	esac
}

# mode MODE [OPTIONS]
mode() {
	check=(in_use "$1")
	recover "recover_ll ${2:-over /dev/fuse}" "$manager" "$program" ${2:+-o "$2"}
}

echo "TAP version 13"
mode dev
mode uring io_uring
mode kmbuf io_uring_kmbuf
mode zero_copy io_uring_zero_copy
mode kmbuf io_uring_kmbuf,io_uring_queues=1
! kernel_has_pools || mode uring io_uring_bufpool
python3 -B "$(dirname "$0")/libfuse_takeover.py" "$program" >cases || cat cases
while IFS= read -r line; do
	case $line in
	ok*) point "${line#* - }" true ;;
	not*) point "${line#* - }" false ;;
	1..*) planned=${line#1..} ;;
	esac
done <cases
point "each bad moment was tried" test "${planned:-none}" = "$(grep -c -E '^(not )?ok' cases)"
echo "1..$n"
echo "$n" >"$KMBUF_PLAN"
[ "$failed" -eq 0 ]
