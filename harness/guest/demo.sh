#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's half that runs in the VM, as root: a ublk disk over a file, once in
# zero-copy and once in copy mode, with a real directory tree on it.
#
#   demo.sh DIR     DIR, read-only: kublk, tree.tar, tree.sha256
#
# Leaves in $KMBUF_RW/zero-copy and $KMBUF_RW/copy what demo_table.py reads.
# Lines that begin with "demo: " are progress. The first failure ends the run.
set -euo pipefail

dir=$1
kublk=$dir/kublk
tracing=/sys/kernel/tracing
store=/tmp/store disk=/tmp/disk
disk_size=256M fio_size=16M
files=$(wc -l <"$dir/tree.sha256")
mode='setup' dev=''

say() {
	echo "demo: $*"
}

fail() {
	say "FAILED, $mode: $1"
	exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
set -E

# fact NAME VALUE: one measured value of this mode.
fact() {
	echo "$1 $2" >>"$out/facts"
}

# Where the disk's file lives: ext4 on a RAM disk, because ublk's server opens it
# with O_DIRECT and a RAM disk then moves every byte between its own pages and
# those of the request.
make_store() {
	[ -b /dev/ram0 ] || fail "the kernel has no /dev/ram0"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 /dev/ram0
	mkdir -p "$store" "$disk"
	mount -t ext4 /dev/ram0 "$store"
}

# Trace what the server submits and completes for the disk's requests: kublk
# marks it with bit 63 of user_data.
trace_start() {
	local event
	echo 0 >$tracing/tracing_on
	echo 16384 >$tracing/buffer_size_kb
	echo >$tracing/trace
	for event in io_uring_submit_req io_uring_complete; do
		echo 'user_data & 0x8000000000000000' >$tracing/events/io_uring/$event/filter
		echo 1 >$tracing/events/io_uring/$event/enable
	done
	echo 1 >$tracing/tracing_on
}

trace_stop() {
	echo 0 >$tracing/tracing_on
	echo 0 >$tracing/events/io_uring/enable
	cat $tracing/trace >"$out/trace"
	fact trace_lost "$(cat $tracing/per_cpu/cpu*/stats |
		awk '/^(overrun|commit overrun|dropped events):/ { n += $NF } END { print n + 0 }')"
}

# add FLAG...: start the server on the store's file; the disk is $dev.
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

mount_fresh() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 "$dev" "$disk"
}

copy_tree() {
	mount -t ext4 "$dev" "$disk"
	mkdir "$disk/tree"
	tar -xf "$dir/tree.tar" -C "$disk/tree"
	sync
	umount "$disk"
}

# Every file of the list has to be there and equal, and no other.
check_tree() {
	local part all
	mount_fresh
	cd "$disk/tree"
	split -n l/2 "$dir/tree.sha256" "$out/sha256."
	for part in "$out"/sha256.a?; do
		sha256sum --check "$part" >"$part.out" 2>&1 &
	done
	wait
	cat "$out"/sha256.a?.out >"$out/sha256"
	rm "$out"/sha256.a?*
	find . -type f -printf '%s %P\n' >"$out/found"
	cd /tmp
	all=$(wc -l <"$out/found")
	fact files "$all"
	fact files_extra $((all > files ? all - files : 0))
	fact bytes "$(awk '{ n += $1 } END { print n + 0 }' "$out/found")"
	fact checksums_equal "$(grep -c ': OK$' "$out/sha256" || true)"
	if grep -q -v ': OK$' "$out/sha256"; then
		fail "checksums differ: $(grep -m 1 -v ': OK$' "$out/sha256")"
	fi
	[ "$all" -eq "$files" ] || fail "$all files on the disk, $files in the source"
}

# fio_run NAME OPTION...: one bounded job on a file of the mounted disk.
fio_run() {
	local name=$1
	shift
	fio --name="$name" --filename="$disk/fio" --size="$fio_size" --bs=16k \
		--direct=1 --ioengine=libaio --iodepth=16 --verify=crc32c \
		--verify_fatal=1 --verify_state_save=0 --randseed=7 \
		--output-format=json --output="$out/$name.json" "$@" 2>"$out/$name.err" ||
		fail "$name: $(head -n 1 "$out/$name.err")"
}

run_fio() {
	fallocate -l "$fio_size" "$disk/fio"
	fio_run fio-write --rw=randwrite --do_verify=0 --end_fsync=1
	echo 3 >/proc/sys/vm/drop_caches
	fio_run fio-read --rw=randread
	umount "$disk"
}

# What the block layer and the process table say, before the server is gone.
measure() {
	local s t
	udevadm settle --timeout=20
	read -r -a s <"/sys/block/${dev#/dev/}/stat"
	fact disk_bytes_read $((s[2] * 512))
	fact disk_bytes_written $((s[6] * 512))
	fact server_memory_kb "$(awk '/^VmHWM:/ { print $2 }' "/proc/$server/status")"
	t=$(sed 's/.*) //' "/proc/$server/stat")
	read -r -a s <<<"$t"
	fact server_cpu_ticks $((s[11] + s[12]))
}

# run MODE FLAG...: everything, in one mode.
run() {
	local start=$SECONDS
	mode=$1
	shift
	out=$KMBUF_RW/$mode
	mkdir -p "$out"
	fact kernel "$(uname -r)"
	say "$mode mode: ublk server over a $disk_size file, mkfs.ext4"
	trace_start
	add "$@"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$dev"
	say "$mode mode: copy $files files onto the disk"
	copy_tree
	say "$mode mode: unmounted; drop caches, mount again, compare checksums"
	check_tree
	say "$mode mode: fio random write, then random read, with crc32c"
	run_fio
	measure
	trace_stop
	fact wall_seconds $((SECONDS - start))
	del
	say "$mode mode: done"
}

grep -qw io_buffer_register_request /proc/kallsyms ||
	fail "this kernel has no io_buffer_register_request(): it does not carry the series"
[ -c /dev/ublk-control ] || fail "this kernel has no ublk"
"$kublk" features | grep -q UBLK_F_SUPPORT_ZERO_COPY || fail "this kernel's ublk has no zero copy"
say "Linux $(uname -r) is up"
make_store
run zero-copy -z
run copy
say "all done"
