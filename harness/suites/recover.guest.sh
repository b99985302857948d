#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: kills a FUSE server over io_uring again and again, and lets others take
# over, while fio verifies what it writes and a tree is copied and compared.
#
#   recover.guest.sh DIR ROUNDS TREE MODE...
#
# DIR has fuse_passthrough and fuse_holder. ROUNDS are those of each MODE, which is one of
# fuse_passthrough's. TREE is what is copied.
set -euo pipefail
. "$(dirname "$0")/../tests/points.sh"

programs=$1 rounds=$2 source=$3
shift 3
export out=/tmp/out
: >"$out"
cd /tmp

# mount_it MODE: the file system is mounted, by a server that will be killed.
mount_it() {
	local i
	rm -rf backing && mkdir -p backing mnt || return
	"$programs/fuse_holder" "$programs/fuse_passthrough" -m "$1" -q 2 backing mnt \
		>held 2>&1 &
	holder=$!
	for ((i = 0; i < 100; i++)); do
		! mountpoint -q mnt || return 0
		kill -0 "$holder" || return
		sleep 0.1
	done
	return 1
}

# verify_data DIRECT: data of each block is compared with what was written, by offset. Each
# fio has a file of its own: it removes what is there, and a removed file that is open
# dies with its server.
verify_data() {
	while [ -e going ]; do
		fio --name="verify-$1" --directory=mnt --size=8m --bsrange=4k-128k --rw=randrw \
			--ioengine=psync --direct="$1" --verify=crc32c --verify_fatal=1 \
			--minimal --numjobs=1 >>fio.out 2>&1 || return
		echo "fio: $1" >>loops
	done
}

copy_tree() {
	while [ -e going ]; do
		rm -rf mnt/tree && cp -r "$source" mnt/tree && diff -r "$source" mnt/tree ||
			return
		echo copy >>loops
	done
}

# takeovers: kill as many servers as there are rounds, at different points of their work.
takeovers() {
	local i
	for ((i = 0; i < rounds; i++)); do
		sleep "0.$((RANDOM % 5 + 1))"
		# The next one may not have been started yet.
		until pkill -9 -P "$holder"; do
			kill -0 "$holder" || return
			sleep 0.02
		done
	done
}

# all_is_well MODE: nothing fails and nothing hangs while servers die.
all_is_well() {
	local pid pids=() status=0
	: >going
	: >loops
	: >fio.out
	verify_data 0 & pids+=($!)
	verify_data 1 & pids+=($!)
	copy_tree & pids+=($!)
	takeovers || status=$?
	rm going
	for pid in "${pids[@]}"; do
		wait "$pid" || status=$?
	done
	cat fio.out
	sort loops | uniq -c
	return "$status"
}

# Each kind of load has been through at least once.
all_ran() {
	[ "$(sort -u loops | wc -l)" = 3 ]
}

ends_well() {
	umount mnt && wait "$holder" && cat held &&
		grep -qx "fuse_holder: $((rounds + 1)) servers" held
}

echo "TAP version 13"
for mode; do
	point "$mode: mount" mount_it "$mode"
	point "$mode: $rounds servers die, and no request fails or hangs" all_is_well
	point "$mode: all of the load ran to its end" all_ran
	point "$mode: unmount, and the last server exits" ends_well
done
echo "1..$n"
[ "$failed" -eq 0 ]
