#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's FUSE part in the VM, as root: part of the kernel tree is copied into a
# directory behind a FUSE server over io_uring. Three times: with payloads in the
# server's own memory, with kernel-managed buffers, and with zero copy for large
# payloads.
#
#   demo-fuse.guest.sh DIR     DIR, read-only: fuse_passthrough, fuse.tar, fuse.sha256
#
# Writes the files that demo_fuse_table.py reads to $KMBUF_RW/plain, /kmbuf and
# /zero-copy.
set -euo pipefail
# shellcheck source=harness/demo/demo-common.guest.sh
. "$(dirname "$0")/demo-common.guest.sh"
# shellcheck source=harness/demo/demo-mounts.guest.sh
. "$(dirname "$0")/demo-mounts.guest.sh"

dir=$1
mnt=/tmp/mnt
files=$(wc -l <"$dir/fuse.sha256")
# The number of entries per queue (there is one queue per CPU), the smallest read or
# write with zero copy, the largest payload that the server negotiates.
depth=8 zero_copy_min=16384 payload=$((1 << 20))

# serve NAME BUFFERS: start the server on an empty directory, mounted on $mnt. Trace the
# completions of its entries, whose user_data is a small number, and its I/O on slots
# (READ_FIXED, WRITE_FIXED).
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
	await "$parent" is_mounted
	# The process that mounts is the parent of the process that serves.
	await "$parent" is_served
}

is_served() {
	server=$(pgrep -P "$parent") && [ -n "$(rings)" ]
}

# The server ends with the mount.
unmount() {
	umount "$mnt"
	wait "$parent" || fail "fuse_passthrough: $(tail -n 1 "$out/server")"
}

# run MODE NAME BUFFERS: run everything in one mode; NAME is the server's name for it.
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

need_queues
say "Linux $(uname -r) is up"
make_store
mkdir -p "$mnt"
run plain entry "$depth"
run kmbuf kmbuf 4
run zero-copy zc 1
say "FUSE: all done"
