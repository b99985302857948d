# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, after lib.sh and thirdparty.sh, by the scripts of the benches: builds their
# programs, and runs machines that count the stretches that the programs mark.

BENCH=$BUILD/bench

# bench_programs: build client, names, server and count.so in $BENCH.
bench_programs() {
	need_liburing
	mkdir -p "$BENCH"
	export CCACHE_DIR=$CACHE/ccache
	run_logged bench-programs make -C "$TOP/harness/bench" O="$BENCH" \
		LIBURING="$TOOLS/liburing" TESTS="$TOP/tools/testing/selftests/io_uring" \
		UAPI="$(kernel_dir linux base)/usr/include"
	install "$TOP/harness/bench/two.guest.sh" "$BENCH/two"
}

# bench_machine NAME TREE [VM OPTION]... -- COMMAND...: runs COMMAND on the tree's
# base kernel, in a machine that counts instructions.
bench_machine() {
	local name=$1 tree=$2 map
	shift 2
	map=$(kernel_dir "$tree" base)/System.map
	/usr/bin/python3 "$TOP/harness/bench/symbols.py" ranges "$map" \
		"$TOP/harness/lists/bench.copying" >"$BENCH/ranges.$tree"
	"$TOP/harness/vm/vm.sh" --icount --kernel "$(kernel_dir "$tree" base)" --name "$name" \
		--plugin "$BENCH/count.so,ranges=$BENCH/ranges.$tree,out=$BUILD/vm/$name/counts" "$@"
}

# bench_figures NAME PREFIX: write that machine's counts to PREFIX.COLUMN.
bench_figures() {
	/usr/bin/python3 "$TOP/harness/bench/bench_counts.py" --runs "$BUILD/vm/$1/runs" \
		--counts "$BUILD/vm/$1/counts" --out "$2"
}

# bench_profile NAME TREE NUMBER OPERATIONS: print the profile of one stretch.
bench_profile() {
	/usr/bin/python3 "$TOP/harness/bench/symbols.py" profile "$(kernel_dir "$2" base)/System.map" \
		"$BUILD/vm/$1/counts.$3" "$4" 40
}

# bench_idle: the memory of an idle server with two queues, where 64 CPUs are possible.
# Writes it to $BENCH/idle.
bench_idle() {
	"$TOP/harness/kernel/kernel.sh" linux cpus64
	"$TOP/harness/vm/vm.sh" --icount --kernel "$(kernel_dir linux cpus64)" \
		--cpus 64 --append maxcpus=2 --name bench-idle \
		-- bash "$TOP/harness/bench/bench-memory.guest.sh" "$BENCH/server" "$BENCH/client"
	cp "$BUILD/vm/bench-idle/figures" "$BENCH/idle"
}
