#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's part that counts instructions, in the VM: reads and writes of 64 KiB, to
# files behind a FUSE server and to a ublk disk over such a file.
#
#   demo-cost.guest.sh PLAN DIR KUBLK
#
#   PLAN      FUSE's rows, from bench_plan.py
#   DIR       directory of server and client
#   KUBLK     the ublk server
#
# run-row.guest.sh describes the files that it writes.
set -euo pipefail
room=$(dirname "$0")
bash "$room/../bench/bench-side.guest.sh" "$1" "$2"

# shellcheck source=harness/bench/run-row.guest.sh
. "$room/../bench/run-row.guest.sh"

dir=$2 kublk=$3
size=65536 depth=8 number=240

# ublk MODE FLAG...: run the disk's rows.
ublk() {
	local mode=$1 id rw
	shift
	"$kublk" add -t loop -q 1 -d 64 "$@" /tmp/ext4/file >"$KMBUF_RW/kublk.$mode"
	id=$(sed -n 's/^dev id \([0-9]*\):.*/\1/p' "$KMBUF_RW/kublk.$mode")
	udevadm settle --timeout=20
	for rw in read write; do
		run_row "ublk | 64 KiB direct sequential $rw | $mode" "$number" \
			"$dir/client" "/dev/ublkb$id" "$rw" direct "$size" "$depth" "$number" small sequential
	done
	"$kublk" del -n "$id" >>"$KMBUF_RW/kublk.$mode"
}

ublk copy
ublk zero-copy -z
