#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: measures the memory of a FUSE server's queue with 8, 32 or 256 requests of
# 1 MiB at a time, and before any of 32. Modes without a buffer for each entry have 4
# buffers. Then 32 requests at a time that are smaller, or of mixed sizes, with buffers of
# these sizes where the mode has several, and else with as many large ones as it takes.
#
#   bench-memory.guest.sh SERVER CLIENT MODE...     MODE: the server's -m
#
# Without any MODE: the memory of an idle server with two queues, each with buffers for
# requests of 1 MiB, 128 KiB and 32 KiB.
#
# Writes "memory | what | MODE<tab>KiB" lines to $KMBUF_RW/figures: the charge to the
# server's memory cgroup, for its own pages and for the kernel's, first of a server that
# has no queue and no request, which is the process itself; and, if the server
# locks memory, the smallest RLIMIT_MEMLOCK that it starts with. Of the mixed requests,
# also how many of 1,000 waited for a buffer.
set -euo pipefail
. "$(dirname "$0")/wait-mount.guest.sh"

server=$1 client=$2
shift 2
store=/tmp/store mnt=/tmp/mnt
group=/sys/fs/cgroup/server

# charged COMMAND... -- ARGUMENT...: print the KiB in use after COMMAND has given requests
# to every entry of a server with these arguments. The server's counters go to
# $KMBUF_RW/server.charged.
charged() {
	local -a work=()
	local pid charge
	while [ "$1" != -- ]; do work+=("$1"); shift; done
	shift
	mkdir "$group"
	# shellcheck disable=SC2016 # the shell it starts expands it
	bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' bash "$group" \
		"$server" "$@" "$store" "$mnt" >"$KMBUF_RW/server.out" &
	pid=$!
	wait_mount "$mnt"
	# A smaller value would limit the number of entries in use.
	echo "$depth" | tee /sys/fs/fuse/connections/*/max_background >/dev/null
	"${work[@]}" >/dev/null
	charge=$(awk '/^(anon|kernel) / { sum += $2 } END { print int(sum / 1024) }' \
		"$group/memory.stat")
	# At the end of the mount they are gone. A kernel without the series has none.
	cat /sys/fs/fuse/connections/*/io_uring >"$KMBUF_RW/server.charged" 2>/dev/null || true
	umount "$mnt"
	wait "$pid"
	rmdir "$group"
	echo "$charge"
}

# reads BYTES: read the file with $depth requests of this size at a time.
reads() {
	"$client" "$mnt/file" read direct "$1" "$depth" $((4 * depth)) small sequential
}

# settled: let the server set up its queue, and use no buffer.
settled() {
	stat "$mnt/file"
	sleep 1
}

# mixed: read it with $depth requests at a time: 70 % 4 KiB, 25 % 64 KiB, 5 % 1 MiB.
mixed() {
	fio --name=mixed --filename="$mnt/file" --rw=randread --direct=1 --ioengine=io_uring \
		--iodepth="$depth" --bssplit=4k/70:64k/25:1m/5 --number_ios=4000 --norandommap \
		--allrandrepeat=1
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
if [ $# -eq 0 ]; then
	depth=8
	cpus=$(($(sed 's/.*-//' /sys/devices/system/cpu/possible) + 1))
	charge=$(charged true -- -m kmbuf -q 2 -d "$depth" -b 2 -k 4x128K -k 16x32K)
	grep '^queue .* cpus ' "$KMBUF_RW/server.charged"
	[ "$(grep -c '^queue .* cpus ' "$KMBUF_RW/server.charged")" -eq 2 ] ||
		{ echo "the server does not have two queues" >&2; exit 1; }
	row "charged, idle, 2 queues for $cpus CPUs" kmbuf "$charge"
	exit
fi
depth=8
charge=$(charged true -- -m dev)
row 'charged, no queue' dev "$charge"
for mode in "$@"; do
	for depth in 8 32 256; do
		charge=$(charged reads 1048576 -- -m "$mode" -d "$depth" -b 4)
		row "charged, depth $depth" "$mode" "$charge"
	done
	depth=32
	charge=$(charged settled -- -m "$mode" -d "$depth" -b 4)
	row "charged, depth $depth, no buffer used yet" "$mode" "$charge"
	case $mode in
	kmbuf | zc) medium=(-b 1 -k 32x64K) all=(-b 2 -k 12x64K -k 32x4K) ;;
	*) medium=(-b 32) all=(-b 32) ;;
	esac
	charge=$(charged reads 65536 -- -m "$mode" -d "$depth" "${medium[@]}")
	row 'charged, 32 reads of 64 KiB' "$mode" "$charge"
	charge=$(charged mixed -- -m "$mode" -d "$depth" "${all[@]}")
	row 'charged, 32 mixed reads' "$mode" "$charge"
	waits=$(awk '$1 == "buffer_wait" { print int($2 / 4) }' "$KMBUF_RW/server.charged")
	# No figure from a kernel that does not count them.
	[ -z "$waits" ] || row 'waits of 1,000 mixed reads' "$mode" "$waits"
	case $mode in
	entry | dev | pool) ;;
	*)
		least=$(locked "$mode")
		row 'locked, depth 32' "$mode" "$least"
		;;
	esac
done
