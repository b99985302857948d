#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's ublk part in the VM, as root: a real directory tree is copied to a ublk
# disk over a file, once in zero-copy and once in copy mode.
#
#   demo.guest.sh DIR     DIR, read-only: kublk, tree.tar, tree.sha256
#
# Writes the files that demo_table.py reads to $KMBUF_RW/zero-copy and $KMBUF_RW/copy.
set -euo pipefail
. "$(dirname "$0")/demo-common.guest.sh"

dir=$1
kublk=$dir/kublk
disk=/tmp/disk disk_size=256M
files=$(wc -l <"$dir/tree.sha256")
dev=''

# Trace the server's submissions and completions for the disk's requests, which kublk
# marks with bit 63 of user_data.
trace_disk() {
	local marked='user_data & 0x8000000000000000'
	trace_start "$marked" "$marked"
}

# add FLAG...: start the server on the store's file, and set dev to the disk.
add() {
	local id
	rm -f "$store"/*.img
	fallocate -l "$disk_size" "$store/$mode.img"
	"$kublk" add -t loop "$@" "$store/$mode.img" >"$out/kublk" 2>&1 ||
		fail "kublk add: $(tail -n 1 "$out/kublk")"
	id=$(sed -n 's/^dev id \([0-9]*\):.*/\1/p' "$out/kublk")
	[ -n "$id" ] || fail "kublk did not name its disk"
	server=$(sed -n 's/.*daemon pid \([0-9]*\) .*/\1/p' "$out/kublk")
	dev=/dev/ublkb$id
	udevadm settle --timeout=20
	[ -b "$dev" ] || fail "no block device $dev"
	# UBLK_F_SUPPORT_ZERO_COPY is bit 0 of the disk's flags.
	fact flag_zero_copy $(($(sed -n 's/.* flags \(0x[0-9a-f]*\) .*/\1/p' "$out/kublk") & 1))
}

del() {
	"$kublk" del -n "${dev#/dev/ublkb}" >>"$out/kublk" 2>&1 || fail "kublk del: $(tail -n 1 "$out/kublk")"
	dev=''
}

# Read the disk's and the server's counters while the server still runs.
measure() {
	local s
	udevadm settle --timeout=20
	read -r -a s <"/sys/block/${dev#/dev/}/stat"
	fact disk_bytes_read $((s[2] * 512))
	fact disk_bytes_written $((s[6] * 512))
	measure_server "$server"
}

# run MODE FLAG...: run everything in one mode.
run() {
	begin "$1"
	shift
	say "$mode mode: ublk server over a $disk_size file, mkfs.ext4"
	trace_disk
	add "$@"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$dev"
	say "$mode mode: copy $files files onto the disk"
	mount -t ext4 "$dev" "$disk"
	copy_tree "$dir/tree.tar" "$disk/tree"
	umount "$disk"
	say "$mode mode: unmounted; drop caches, mount again, compare checksums"
	drop_caches
	mount -t ext4 "$dev" "$disk"
	check_tree "$dir/tree.sha256" "$disk/tree"
	say "$mode mode: fio random write, then random read, with crc32c"
	run_fio "$disk/fio" 16k
	umount "$disk"
	measure
	trace_stop
	del
	end
}

grep -qw io_buffer_register_request /proc/kallsyms ||
	fail "this kernel has no io_buffer_register_request(): it lacks the series"
[ -c /dev/ublk-control ] || fail "this kernel has no ublk"
grep -q UBLK_F_SUPPORT_ZERO_COPY < <("$kublk" features) || fail "this kernel's ublk has no zero copy"
say "Linux $(uname -r) is up"
make_store
mkdir -p "$disk"
run zero-copy -z
run copy
say "all done"
