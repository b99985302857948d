#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's FUSE half that runs in the VM, as root: a directory, shown by a
# FUSE server over io_uring, with part of the tree in it. Three times: with the
# server's own memory for payloads, with kernel-managed buffers, and without a
# copy of what is large enough.
#
#   demo-fuse.guest.sh DIR     DIR, read-only: fuse_passthrough, fuse.tar, fuse.sha256
#
# Leaves in $KMBUF_RW/plain, /kmbuf and /zero-copy what demo_fuse_table.py reads.
set -euo pipefail
# shellcheck source=harness/demo/demo-common.guest.sh
. "$(dirname "$0")/demo-common.guest.sh"
# shellcheck source=harness/demo/demo-mounts.guest.sh
. "$(dirname "$0")/demo-mounts.guest.sh"

dir=$1
mnt=/tmp/mnt
files=$(wc -l <"$dir/fuse.sha256")
# Entries a queue; a queue for each CPU. The smallest read or write that is not
# to be copied. What the server negotiates as the largest payload.
depth=8 zero_copy_min=16384 payload=$((1 << 20))

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
	await "$parent" is_mounted
	# What has mounted it is the parent of what serves it.
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

need_queues
say "Linux $(uname -r) is up"
make_store
mkdir -p "$mnt"
run plain entry "$depth"
run kmbuf kmbuf 4
run zero-copy zc 1
say "FUSE: all done"
