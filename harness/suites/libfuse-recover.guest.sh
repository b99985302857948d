#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: kills libfuse's recover_ll again and again, in each mode, while fio verifies
# what it writes and a tree is copied. The next one gets its descriptors from a service
# manager's store. Then kills it at bad moments.
#
#   libfuse-recover.guest.sh PROGRAM ROUNDS TREE DIRECTORY
#
# DIRECTORY has the programs of libfuse_takeover.py.
set -euo pipefail
. "$(dirname "$0")/../tests/points.sh"
. "$(dirname "$0")/fuse.guest.sh"
. "$(dirname "$0")/recover-load.sh"

program=$1 rounds=$2 source=$3 programs=$4
manager=$(dirname "$0")/fd_store.py
export out=/tmp/out
: >"$out"
cd /tmp
mountpoint -q "$connections" || mount -t fusectl fusectl "$connections"
echo Y >/sys/module/fuse/parameters/enable_uring

# in_use MODE: true if the last server gets requests in this way. The completions are those
# of its io_urings; the counters are the connection's, so only their growth is its.
in_use() {
	local buffer zero_copy completions
	buffer=$(counter buffer) zero_copy=$(counter zero_copy)
	dd if=/dev/zero of=mnt/last bs=1M count=2 oflag=direct &&
		dd if=mnt/last of=/dev/null bs=1M iflag=direct || return
	completions=$(ring_sum CqTail)
	buffer=$(($(counter buffer) - buffer)) zero_copy=$(($(counter zero_copy) - zero_copy))
	echo "$completions completions, $buffer buffer, $zero_copy zero copy"
	case $1 in
	dev) [ "$completions" -eq 0 ] ;;
	uring) [ "$completions" -gt 0 ] ;;
	kmbuf) [ "$buffer" -gt 0 ] && [ "$zero_copy" -eq 0 ] ;;
	zero_copy) [ "$zero_copy" -gt 0 ] ;;
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
python3 -B "$(dirname "$0")/libfuse_takeover.py" "$program" "$programs" >cases || cat cases
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
