#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's FUSE half that runs in the VM, as root: a directory, shown by a
# FUSE server over io_uring, with part of the tree in it. Three times: with the
# server's own memory for payloads, with kernel-managed buffers, and without a
# copy of what is large enough.
#
#   demo-fuse.sh DIR     DIR, read-only: fuse_passthrough, fuse.tar, fuse.sha256
#
# Leaves in $KMBUF_RW/plain, /kmbuf and /zero-copy what demo_fuse_table.py reads.
set -euo pipefail
. "$(dirname "$0")/demo-common.sh"

dir=$1
mnt=/tmp/mnt
connections=/sys/fs/fuse/connections
files=$(wc -l <"$dir/fuse.sha256")
# Entries a queue; a queue for each CPU. The smallest read or write that is not
# to be copied. What the server negotiates as the largest payload.
depth=8 zero_copy_min=16384 payload=$((1 << 20))

# The number of the connection, without asking the server: the mount's device.
connection() {
	awk -v mnt="$mnt" '$5 == mnt { split($3, dev, ":"); print dev[2] }' /proc/self/mountinfo
}

# serve NAME BUFFERS: start the server on an empty directory, mounted on $mnt.
# Trace what completes for its entries, whose user_data is a small number, and
# what it submits on slots (READ_FIXED, WRITE_FIXED).
serve() {
	rm -rf "$store/shown"
	mkdir "$store/shown"
	fact queues "$(getconf _NPROCESSORS_CONF)"
	fact entries "$depth"
	fact buffers "$2"
	fact payload "$payload"
	trace_start 'opcode == 4 || opcode == 5' 'user_data < 0x100000000'
	"$dir/fuse_passthrough" -m "$1" -d "$depth" -b "$2" -z "$zero_copy_min" \
		"$store/shown" "$mnt" >"$out/server" 2>&1 &
	parent=$!
	await is_mounted
	id=$(connection)
	[ -r "$connections/$id/io_uring" ] || fail "no counters in $connections/$id"
	# What has mounted it is the parent of what serves it.
	await is_served
	ring=$(ring)
}

# await FUNCTION: until it succeeds, for half a minute, while the server lives.
await() {
	local n
	for ((n = 0; n < 300; n++)); do
		"$1" && return
		kill -0 "$parent" 2>/dev/null || break
		sleep 0.1
	done
	fail "the server does not start ($1): $(tail -n 1 "$out/server")"
}

is_mounted() {
	[[ $(</proc/self/mountinfo) == *" $mnt "* ]]
}

is_served() {
	server=$(pgrep -P "$parent") && [ -n "$(ring)" ]
}

# What the kernel says about the server's io_uring: its file in /proc.
ring() {
	find "/proc/$server/fd" -lname '*io_uring*' -printf "/proc/$server/fdinfo/%f\n"
}

# snapshot WHEN: the kernel's counters, once they stand still: nobody waits for
# the answer when a file is released.
snapshot() {
	local now='' before
	sleep 1
	until before=$now now=$(<"$connections/$id/io_uring") && [ "$now" = "$before" ]; do
		sleep 0.5
	done
	echo "$now" >"$out/counters.$1"
}

# Memory, while nothing is asked of the server: its kernel-managed buffers and
# how many of them are not free, and memory of its own.
measure() {
	sed -n 's/^ *[0-9]*: id=[0-9]* entries=\([0-9]*\) size=\([0-9]*\) .* free=\([0-9]*\) .*/\1 \2 \3/p' \
		"$ring" >"$out/rings"
	fact kmbuf_bytes "$(awk '{ n += $1 * $2 } END { print n + 0 }' "$out/rings")"
	fact kmbuf_held "$(awk '{ n += $1 - $3 } END { print n + 0 }' "$out/rings")"
	fact server_data_kb "$(awk '/^VmData:/ { print $2 }' "/proc/$server/status")"
	measure_server "$server"
}

# The server ends with the mount.
unmount() {
	umount "$mnt"
	wait "$parent" || fail "fuse_passthrough: $(tail -n 1 "$out/server")"
}

# run MODE NAME BUFFERS: everything, in one mode; NAME is what the server calls it.
run() {
	begin "$1"
	say "FUSE, $mode mode: server on a directory"
	serve "$2" "$3"
	say "FUSE, $mode mode: copy $files files into it"
	copy_tree "$dir/fuse.tar" "$mnt/tree"
	say "FUSE, $mode mode: drop caches, compare checksums"
	drop_caches
	check_tree "$dir/fuse.sha256" "$mnt/tree"
	snapshot tree
	say "FUSE, $mode mode: fio random write, then random read, with crc32c"
	run_fio "$mnt/fio" 64k
	snapshot end
	trace_stop
	measure
	unmount
	count_equal checksums_equal_behind "$dir/fuse.sha256" "$store/shown/tree"
	end
}

grep -qw fuse_uring_add_queue /proc/kallsyms ||
	fail "this kernel's FUSE has no queues with kernel-managed buffers"
say "Linux $(uname -r) is up"
make_store
mkdir -p "$mnt"
[ -e "$connections/." ] || fail "this kernel has no $connections"
mountpoint -q "$connections" || mount -t fusectl fusectl "$connections"
run plain entry "$depth"
run kmbuf kmbuf 4
run zero-copy zc 1
say "FUSE: all done"
