#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What operations cost, in instructions of the guest: one emulated CPU whose
# clock advances one nanosecond an instruction, so that a figure repeats
# whatever the host is doing.
#
#   bench.sh [NAME]...   NAME: ublk, kmbuf, fuse; default: all of them
#
# Builds what is missing, runs guest/bench-NAME.sh on the kernels it compares,
# and prints build/bench/NAME.md; the same is in build/bench/NAME.json. Fails
# when a figure is missing, or beyond what harness/lists/bench.limits allows.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$TOP/harness/thirdparty.sh"

here=$TOP/harness
out=$BUILD/bench
[ $# -gt 0 ] || set -- ublk kmbuf fuse
for name in "$@"; do
	[ -f "$here/guest/bench-$name.sh" ] || die "there is no bench '$name'" "" \
		"$(cd "$here/guest" && echo bench-*.sh | sed 's/bench-\([a-z]*\).sh/\1/g')"
done

say "bench: tools, sources, kernels"
"$here/setup.sh"
"$here/tree.sh"
"$here/kernel.sh" linux base
"$here/kernel.sh" bare base

# bench NAME TREE PROGRAM: figures of one kernel, "row<tab>figure" lines; a
# column of the table.
bench() {
	local name=$1 tree=$2 figures=$out/$1.$2
	columns+=("$figures")
	rm -f "$figures"
	"$here/vm.sh" --icount --kernel "$(kernel_dir "$tree" base)" --name "bench-$name-$tree" \
		-- bash "$here/guest/bench-$name.sh" "$3"
	cp "$BUILD/vm/bench-$name-$tree/figures" "$figures"
}

bench_ublk() {
	local tree
	need_liburing
	run_logged bench-kublk build_kublk "$(kernel_dir linux base)" "$out/kublk"
	for tree in bare linux; do
		bench ublk "$tree" "$out/kublk"
	done
}

# The bare kernel has no such buffers.
bench_kmbuf() {
	"$here/kselftests.sh" --build linux base
	cp "$BUILD/kselftests/linux-base/install/io_uring/bench_kmbuf" "$out/"
	bench kmbuf linux "$out/bench_kmbuf"
}

# Nor does its FUSE have the queues. What it does have is a row of its own.
bench_fuse() {
	"$here/kselftests.sh" --build linux base
	cp "$BUILD/kselftests/linux-base/install/io_uring/fuse_passthrough" "$out/"
	bench fuse linux "$out/fuse_passthrough"
}

mkdir -p "$out"
status=0
for name in "$@"; do
	say "bench: $name"
	columns=()
	case $name in
	ublk) bench_ublk ;;
	kmbuf) bench_kmbuf ;;
	fuse) bench_fuse ;;
	esac
	/usr/bin/python3 "$here/bench_table.py" --name "$name" --json "$out/$name.json" \
		--limits "$here/lists/bench.limits" "${columns[@]}" | tee "$out/$name.md" || status=1
done
exit "$status"
