#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: measures a read from a ublk disk whose server does no I/O, so that only the
# way to the server and back is counted.
#
#   bench-ublk.guest.sh KUBLK
#
# Writes "row<tab>instructions an operation" lines to $KMBUF_RW/figures.
set -euo pipefail

kublk=$1
depth=8

# read_cost DEVICE BLOCK_SIZE OPERATIONS: run one client, on the CPU it shares with the
# server. The clock counts instructions, and at this depth the CPU is not idle. Buffers
# are in huge pages; otherwise the number of pieces of a request would vary.
read_cost() {
	fio --name=read --filename="$1" --rw=read --bs="$2" --number_ios="$3" \
		--size=1g --direct=1 --ioengine=io_uring --iodepth=$depth --thread --iomem=shmhuge \
		--output-format=json >"$KMBUF_RW/fio.json"
	/usr/bin/python3 - "$KMBUF_RW/fio.json" "$3" $depth <<-'PYTHON'
		import json, sys
		read = json.load(open(sys.argv[1]))["jobs"][0]["read"]
		assert read["total_ios"] == int(sys.argv[2]), read["total_ios"]
		print(round(read["lat_ns"]["mean"] / int(sys.argv[3])))
	PYTHON
}

# run MODE FLAG...: run all rows of one mode.
run() {
	local mode=$1 id row size number
	shift
	"$kublk" add -t null -q 1 -d 64 "$@" >"$KMBUF_RW/kublk.$mode"
	id=$(sed -n 's/^dev id \([0-9]*\):.*/\1/p' "$KMBUF_RW/kublk.$mode")
	udevadm settle --timeout=20
	while IFS=, read -r row size number; do
		# The median of seven, as the number of requests per wakeup varies.
		printf 'ublk %s, %s\t%s\n' "$row" "$mode" \
			"$(for _ in 1 2 3 4 5 6 7; do
				read_cost "/dev/ublkb$id" "$size" "$number"
			done | tee /dev/stderr | sort -n | sed -n 4p)" | tee -a "$KMBUF_RW/figures"
	done <<-EOF
		4 KiB read,4k,4000
		64 KiB read,64k,2000
	EOF
	"$kublk" del -n "$id" >>"$KMBUF_RW/kublk.$mode"
}

run copy
run 'zero copy' -z
