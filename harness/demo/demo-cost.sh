#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's last part: counts the instructions and the copies of a 64 KiB read and
# write, in each mode of ublk and of FUSE. The virtual machine counts instructions, so
# the figures repeat whatever the host does.
#
#   demo-cost.sh KUBLK JSON     KUBLK: the ublk server; JSON: the output file
#
# Needs the kernel linux/base. Fails if no two runs of a row agree, or if a mode does not
# save copies.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/bench/benchlib.sh"

[ $# -eq 2 ] || die "usage: demo-cost.sh KUBLK JSON"
kublk=$1 json=$2
out=$BUILD/demo
name=demo-cost

bench_programs
/usr/bin/python3 "$TOP/harness/bench/bench_plan.py" linux demo >"$out/cost.plan"
run_logged "$name" bench_machine "$name" linux --timeout 900 \
	-- bash "$TOP/harness/demo/demo-cost.guest.sh" "$out/cost.plan" "$BENCH" "$kublk" ||
	die "the virtual machine that counts instructions has failed" "" "see $LOGS/$name.log"
bench_figures "$name" "$out/cost"
/usr/bin/python3 "$TOP/harness/demo/demo_cost_table.py" --json "$json" "$out/cost"
