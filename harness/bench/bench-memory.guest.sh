#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: measures the memory of a FUSE server's queue with 8, 32 or 256 requests of
# 1 MiB at a time. Modes without a buffer for each entry have 4 buffers.
#
#   bench-memory.guest.sh SERVER CLIENT MODE...     MODE: the server's -m
#
# Writes "memory | what | MODE<tab>KiB" lines to $KMBUF_RW/figures: the charge to the
# server's memory cgroup, for its own pages and for the kernel's, and, if the server
# locks memory, the smallest RLIMIT_MEMLOCK that it starts with.
set -euo pipefail
. "$(dirname "$0")/wait-mount.guest.sh"

server=$1 client=$2
shift 2
store=/tmp/store mnt=/tmp/mnt
group=/sys/fs/cgroup/server

# charged MODE: print the KiB in use after every entry has had a request.
charged() {
	local mode=$1 pid charge
	mkdir "$group"
	# shellcheck disable=SC2016 # the shell it starts expands it
	bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' bash "$group" \
		"$server" -m "$mode" -d "$depth" -b 4 "$store" "$mnt" >>"$KMBUF_RW/server.$mode" &
	pid=$!
	wait_mount "$mnt"
	# A smaller value would limit the number of entries in use.
	echo "$depth" | tee /sys/fs/fuse/connections/*/max_background >/dev/null
	"$client" "$mnt/file" read direct 1048576 "$depth" $((4 * depth)) small sequential >/dev/null
	charge=$(awk '/^(anon|kernel) / { sum += $2 } END { print int(sum / 1024) }' \
		"$group/memory.stat")
	umount "$mnt"
	wait "$pid"
	rmdir "$group"
	echo "$charge"
}

# starts KIB MODE: does the server start with that limit, and without the privilege to
# exceed it?
starts() {
	local kib=$1 mode=$2 pid status=0
	prlimit --memlock=$((kib * 1024)) setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock \
		"$server" -m "$mode" -d "$depth" -b 4 "$store" "$mnt" >>"$KMBUF_RW/server.limited" 2>&1 &
	pid=$!
	for _ in $(seq 30); do
		kill -0 "$pid" 2>/dev/null || break
		! mountpoint -q "$mnt" || break
		sleep 0.1
	done
	sleep 0.3
	kill -0 "$pid" 2>/dev/null && timeout 20 stat "$mnt/file" >/dev/null 2>&1 || status=1
	! mountpoint -q "$mnt" || umount "$mnt"
	wait "$pid" || true
	# A ring unlocks its memory only some time after its owner has ended.
	sleep 1
	return "$status"
}

# locked MODE: print the smallest limit in KiB, found by bisection, in steps of 64.
locked() {
	local low=1 high=1024 middle
	starts $((high * 64)) "$1" ||
		{ echo "$1: the server does not start with RLIMIT_MEMLOCK of 64 MiB" >&2; return 1; }
	while [ "$low" -lt "$high" ]; do
		middle=$(((low + high) / 2))
		if starts $((middle * 64)) "$1"; then high=$middle; else low=$((middle + 1)); fi
	done
	# Check the result: a start may have failed for another reason.
	if ! starts $((low * 64)) "$1" || starts $((low * 64 - 64)) "$1"; then
		echo "$1: $((low * 64)) KiB is not the smallest RLIMIT_MEMLOCK" >&2
		return 1
	fi
	echo $((low * 64))
}

# row WHAT MODE KIB: write a line of figures.
row() {
	printf 'memory | %s | %s\t%s\n' "$@" | tee -a "$KMBUF_RW/figures"
}

mkdir -p "$store" "$mnt"
fallocate -l 256m "$store/file"
for mode in "$@"; do
	for depth in 8 32 256; do
		charge=$(charged "$mode")
		row "charged, depth $depth" "$mode" "$charge"
	done
	depth=32
	case $mode in
	entry | dev | pool) ;;
	*)
		least=$(locked "$mode")
		row 'locked, depth 32' "$mode" "$least"
		;;
	esac
done
