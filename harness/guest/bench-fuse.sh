#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: what reads and writes cost through a FUSE server that shows a
# directory, with memory of its own and with memory of the kernel, and without a
# server.
#
#   bench-fuse.sh SERVER
#
# The files are on ext4 on a RAM disk. Writes
# "row<tab>instructions an operation" lines to $KMBUF_RW/figures.
set -euo pipefail

server=$1
depth=8
store=/tmp/store mnt=/tmp/mnt
size=128m

# A disk in memory that takes requests at once, unlike a loop or brd.
make_store() {
	local disk=/sys/kernel/config/nullb/bench
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
	mkdir "$disk"
	echo 1 >"$disk/memory_backed"
	echo 256 >"$disk/size"
	echo 1 >"$disk/power"
	mkfs.ext4 -q -O ^has_journal /dev/bench
	mkdir -p "$store" "$mnt"
	mount -t ext4 /dev/bench "$store"
	fallocate -l "$size" "$store/file"
	dd if=/dev/zero of="$store/file" bs=1M count=128 conv=notrunc status=none
	sync
}

# cost FILE RW BLOCK_SIZE OPERATIONS: one client on the CPU it shares with the
# server. The clock counts instructions, and at this depth it is not idle.
# Buffers in huge pages: how many pieces a request has would be chance else.
cost() {
	fio --name=cost --filename="$1" --rw="$2" --bs="$3" --number_ios="$4" --size=$size \
		--direct=1 --ioengine=io_uring --iodepth=$depth --thread --iomem=shmhuge \
		--output-format=json >"$KMBUF_RW/fio.json"
	/usr/bin/python3 - "$KMBUF_RW/fio.json" "$2" "$4" $depth <<-'PYTHON'
		import json, sys
		file, rw, number, depth = sys.argv[1:]
		job = json.load(open(file))["jobs"][0][rw]
		assert job["total_ios"] == int(number), job["total_ios"]
		print(round(job["lat_ns"]["mean"] / int(depth)))
	PYTHON
}

# rows MODE FILE: the least of three, as how many requests a wakeup finds varies.
rows() {
	local row rw bs number
	while IFS=, read -r row rw bs number; do
		printf 'fuse %s, %s\t%s\n' "$row" "$1" \
			"$(for _ in 1 2 3; do
				cost "$2" "$rw" "$bs" "$number"
			done | tee /dev/stderr | sort -n | head -n 1)" | tee -a "$KMBUF_RW/figures"
	done <<-EOF
		4 KiB read,read,4k,2000
		64 KiB read,read,64k,500
		1 MiB read,read,1m,80
		4 KiB write,write,4k,1000
		1 MiB write,write,1m,60
	EOF
}

# run MODE FLAG...: all rows through the server.
run() {
	local mode=$1 pid
	shift
	"$server" -d $depth -b $depth "$@" "$store" "$mnt" >"$KMBUF_RW/server.$mode" &
	pid=$!
	for _ in $(seq 100); do
		mountpoint -q "$mnt" && break
		sleep 0.1
	done
	rows "$mode" "$mnt/file"
	umount "$mnt"
	wait "$pid"
}

make_store
rows 'no server' "$store/file"
run 'memory of the server' -m entry
run 'KMBUF' -m kmbuf
run 'zero copy' -m zc -z 32768
