# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, in the VM, by benches: makes stores of several kinds, each with a file of
# 128 MiB named "file".

# null_disk NAME ATTRIBUTE=VALUE...: make /dev/NAME, a disk that takes requests at once,
# unlike loop or brd.
null_disk() {
	local disk=/sys/kernel/config/nullb/$1 pair
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
	mkdir "$disk"
	for pair in "${@:2}" power=1; do
		echo "${pair#*=}" >"$disk/${pair%=*}"
	done
}

# fill DIR: write the whole file, so that it has no holes.
fill() {
	dd if=/dev/zero of="$1/file" bs=1M count=128 status=none
}

# make_ext4 DIR [MKFS OPTION]...: make ext4 in memory.
make_ext4() {
	local dir=$1
	shift
	null_disk bench memory_backed=1 size=256
	mkfs.ext4 -q -O ^has_journal "$@" /dev/bench
	mkdir -p "$dir"
	mount -t ext4 /dev/bench "$dir"
	fallocate -l 128m "$dir/file"
	fill "$dir"
	sync
}

# make_stores: make /tmp/ext4, which also has files for the names bench; /tmp/raw, whose
# file is a disk that moves no data; and /tmp/tmpfs.
make_stores() {
	make_ext4 /tmp/ext4 -O ea_inode
	mkdir /tmp/ext4/list
	(cd /tmp/ext4/list && seq -f 'file-%04g' 1000 | xargs touch)
	touch /tmp/ext4/attributes
	sync
	null_disk raw size=128
	mkdir /tmp/raw /tmp/tmpfs
	mount -t tmpfs none /tmp/raw -o size=1m
	# shellcheck disable=SC2046 # major and minor
	mknod /tmp/raw/file b $(tr : ' ' </sys/block/raw/dev)
	mount -t tmpfs none /tmp/tmpfs -o size=200m
	fill /tmp/tmpfs
}
