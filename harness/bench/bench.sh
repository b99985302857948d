#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Measures the cost of operations in guest instructions, on one emulated CPU whose clock
# advances one nanosecond per instruction, so that figures repeat whatever the host does.
#
#   bench.sh [NAME]...   NAME: ublk, kmbuf, fuse, memory, reader, spread, libfuse,
#                    passthrough, side; default: all
#
# "spread" is the exception: handlers sleep, and it prints milliseconds of that clock, on
# two and on four CPUs.
#
# Builds what is missing, runs a guest script on the kernels to compare, and prints
# build/<base>/bench/NAME.md. The same figures are in build/<base>/bench/NAME.json, and
# profiles of FUSE in build/<base>/bench/profile.fuse. bench-side.sh describes "side".
# Fails if a figure is missing, or beyond a limit in harness/lists/bench.limits.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/bench/benchlib.sh"

here=$TOP/harness
out=$BENCH
benches='ublk kmbuf fuse memory reader spread libfuse passthrough side'
# shellcheck disable=SC2086 # words
[ $# -gt 0 ] || set -- $benches
for name in "$@"; do
	[[ " $benches " == *" $name "* ]] || die "there is no bench '$name'" "" "the benches are $benches"
done

say "bench: tools, sources, kernels"
"$here/setup/setup.sh"
"$here/queue/tree.sh"
"$here/kernel/kernel.sh" linux base
"$here/kernel/kernel.sh" bare base

# bench NAME TREE PROGRAM...: write the figures of one kernel, "row<tab>figure" lines,
# which are a column of the table.
bench() {
	local name=$1 tree=$2 figures=$out/$1.$2
	columns+=("$figures")
	rm -f "$figures"
	"$here/vm/vm.sh" --icount --kernel "$(kernel_dir "$tree" base)" --name "bench-$name-$tree" \
		-- bash "$here/bench/bench-$name.guest.sh" "${@:3}"
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

# bench_program PROGRAM NAME [OPTION]...: run a bench program of the kselftests on a machine
# with these options, and write its figures to the file NAME in $out. Only the patched
# kernel has what it measures.
bench_program() {
	local program=$1 name=$2
	shift 2
	"$here/suites/kselftests.sh" --build linux base
	cp "$BUILD/kselftests/linux-base/install/io_uring/$program" "$out/"
	"$here/vm/vm.sh" --icount --kernel "$(kernel_dir linux base)" --name "bench-$name" "$@" \
		-- bash "$here/bench/bench-program.guest.sh" "$out/$program"
	cp "$BUILD/vm/bench-$name/figures" "$out/$name"
}

bench_kmbuf() {
	bench_program bench_kmbuf kmbuf.linux
	columns=("$out/kmbuf.linux")
}

# The time of the clock, in milliseconds: handlers sleep.
bench_spread() {
	local cpus
	for cpus in 2 4; do
		bench_program bench_fuse_spread "spread-$cpus" --cpus "$cpus"
	done
	cat "$out"/spread-[24] >"$out/spread.linux"
	columns=("$out/spread.linux")
	unit=(--unit ms)
}

# bench_counted NAME TREE PROGRAM: write the figures of one kernel, a column for each
# kind, and a profile of each row.
bench_counted() {
	local name=$1 tree=$2 kind row number operations
	rm -rf "$out/$name".* "$out/profile.$name"
	bench_machine "bench-$name-$tree" "$tree" \
		-- bash "$here/bench/bench-$name.guest.sh" "$3" "$out/client"
	bench_figures "bench-$name-$tree" "$out/$name" || status=1
	for kind in non-copy copied cleared charged clock; do
		columns+=("$out/$name.$kind")
	done
	mkdir "$out/profile.$name"
	while IFS=$'\t' read -r row number operations; do
		bench_profile "bench-$name-$tree" "$tree" "$number" "$operations" \
			>"$out/profile.$name/${row// /-}.md"
	done <"$out/$name.stretches"
	held=(--held non-copy)
}

# Only the patched kernel's FUSE has all modes. The bare kernel's mode is a row of its own.
bench_fuse() {
	bench_programs
	bench_counted fuse linux "$out/server"
}

# The memory of a queue, in KiB.
bench_memory() {
	bench_programs
	bench memory linux "$out/server" "$out/client" entry kmbuf zc
	bench_idle
	cat "$out/idle" >>"$out/memory.linux"
	unit=(--unit KiB)
}

# bench_cut NAME: run the plan's cut NAME; its figures are $out/NAME-all.KIND.
bench_cut() {
	local name=$1
	bench_programs
	/usr/bin/python3 "$here/bench/bench_plan.py" linux "$name" >"$out/plan.$name"
	bench_machine "bench-$name" linux --timeout 3600 \
		-- bash "$here/bench/bench-side.guest.sh" "$out/plan.$name" "$out"
	bench_figures "bench-$name" "$out/$name-all"
}

# A client that has one read under way, in each mode: all instructions, copies included.
bench_reader() {
	local mode
	bench_cut reader
	for mode in native entry kmbuf zc; do
		sed -n "s/^reader | \(.*\) | $mode\t/reader \1\t/p" "$out/reader-all.clock" \
			>"$out/reader.${mode/native/dev}"
		columns+=("$out/reader.${mode/native/dev}")
	done
}

# bench_libfuse NAME PROGRAM...: run the plan's cut NAME, with a column for each program,
# which is an example of libfuse or one to compare it with.
bench_libfuse() {
	local name=$1 program
	shift
	"$here/suites/userspace-liburing.sh" --build
	"$here/suites/userspace-libfuse.sh" --build
	ln -sfn "$USERSPACE/libfuse.made/new/example" "$out/libfuse"
	bench_cut "$name"
	for program in "$@"; do
		sed -n "s/^$name | \(.*\), $program | \(.*\)\t/$name \2 \1\t/p" \
			"$out/$name-all.non-copy" >"$out/$name.$program"
		columns+=("$out/$name.$program")
	done
}

mkdir -p "$out"
status=0
for name in "$@"; do
	say "bench: $name"
	if [ "$name" = side ]; then
		"$here/bench/bench-side.sh" || status=1
		continue
	fi
	columns=() held=() unit=()
	case $name in
	ublk) bench_ublk ;;
	kmbuf) bench_kmbuf ;;
	fuse) bench_fuse ;;
	memory) bench_memory ;;
	reader) bench_reader ;;
	spread) bench_spread ;;
	libfuse) bench_libfuse libfuse server passthrough_ll passthrough_hp ;;
	passthrough) bench_libfuse passthrough none passthrough_hp ;;
	esac
	/usr/bin/python3 "$here/bench/bench_table.py" --name "$name" --json "$out/$name.json" \
		--limits "$here/lists/bench.limits" "${held[@]}" "${unit[@]}" "${columns[@]}" | tee "$out/$name.md" || status=1
done
exit "$status"
