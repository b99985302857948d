#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Compares FUSE side by side on the patched kernel and on the bare kernel of each base,
# of which the newer one has buffer pools: with one server, the same files, the same
# work, counted in the same way.
#
#   bench-side.sh [CUT]...     some of bench_plan.py's cuts; default: all, and memory
#
# Builds the bare kernels, runs two machines at a time, and writes report.md,
# results.json, sizes.svg and growth.svg to build/<base>/bench. Fails if no two runs of a
# row agree, or if a row is missing that the comparison needs.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/bench/benchlib.sh"

here=$TOP/harness
out=$BENCH/side
# The patched kernel, which bench.sh has built, and the bases.
trees=(linux 7.3 7.2)

# The modes of bench-memory.guest.sh, by kernel.
declare -A modes=([7.2]=entry [linux]="entry kmbuf zc" [7.3]="entry pool registered pool-zc")

# counted TREE CUT...: run the counted part for one kernel, from its plan to its figures.
counted() {
	local tree=$1 name=bench-side-$1 number operations
	/usr/bin/python3 "$here/bench/bench_plan.py" "$@" >"$out/plan.$tree"
	bench_machine "$name" "$tree" --timeout 3600 \
		-- bash "$here/bench/bench-side.guest.sh" "$out/plan.$tree" "$BENCH"
	bench_figures "$name" "$out/$tree"
	rm -rf "$out/profiles/$tree"
	mkdir -p "$out/profiles/$tree"
	while IFS=$'\t' read -r _ number operations; do
		bench_profile "$name" "$tree" "$number" "$operations" >"$out/profiles/$tree/$number.md"
	done <"$out/$tree.stretches"
}

# uncounted TREE: measure what the plugin cannot count: two CPUs, and memory.
uncounted() {
	local tree=$1 kernel words
	kernel=$(kernel_dir "$tree" base)
	/usr/bin/python3 "$here/bench/bench_plan.py" "$tree" two >"$out/plan.two.$tree"
	"$here/vm/vm.sh" --icount --cpus 2 --kernel "$kernel" --name "bench-two-$tree" \
		-- bash "$here/bench/bench-side.guest.sh" "$out/plan.two.$tree" "$BENCH"
	read -ra words <<<"${modes[$tree]}"
	"$here/vm/vm.sh" --icount --kernel "$kernel" --name "bench-memory-$tree" \
		-- bash "$here/bench/bench-memory.guest.sh" "$BENCH/server" "$BENCH/client" "${words[@]}"
	# The first run of a row warms up.
	awk -F '\t' '
		$1 != row { row = $1; order[++n] = row; next }
		!(row in least) || $3 / $2 < least[row] { least[row] = $3 / $2 }
		END { for (i = 1; i <= n; i++) printf "%s\t%d\n", order[i], least[order[i]] }
	' "$BUILD/vm/bench-two-$tree/runs" >"$out/$tree.others"
	cat "$BUILD/vm/bench-memory-$tree/figures" >>"$out/$tree.others"
	if [ "$tree" = linux ]; then
		bench_idle
		cat "$BENCH/idle" >>"$out/$tree.others"
	fi
}

# ready BASE: build its bare kernel. No other base may replace it.
ready() {
	# KERNEL_SRC names a tree of the present base only.
	[ "$1" = "$BASE" ] || local -x KERNEL_SRC=''
	local -x BASE=$1
	"$here/queue/base.sh" --only
	"$here/queue/tree.sh"
	"$here/kernel/kernel.sh" bare base
}

# side TREE CUT...: run everything for one kernel.
side() (
	set -e
	: >"$out/$1.others"
	counted "$@"
	[ $# -gt 1 ] || uncounted "$1"
)

# version TREE: print the kernel's name and version.
version() {
	local text
	text="Linux $(make -s -C "$(tree_dir "$1")" kernelversion)"
	[ "$1" != linux ] || text+=" with this series"
	echo "$text"
}

mkdir -p "$out"
rm -f "$out"/*.*
for tree in "${trees[@]:1}"; do
	ready "$tree"
done
bench_programs
say "bench: FUSE side by side"
status=0 running=() versions=()
for tree in "${trees[@]}"; do
	versions+=(--version "$tree=$(version "$tree")")
	[ ${#running[@]} -lt "$(nproc)" ] || {
		wait "${running[0]}" || status=1
		running=("${running[@]:1}")
	}
	side "$tree" "$@" >"$LOGS/bench-side-$tree.log" 2>&1 8>&- 9>&- &
	running+=($!)
done
for pid in "${running[@]}"; do
	wait "$pid" || status=1
done
cat "$LOGS"/bench-side-*.log
[ "$status" -eq 0 ] || die "some figures are missing, or their runs do not agree" "" "see $LOGS/bench-side-*.log"
/usr/bin/python3 "$here/bench/bench_side.py" --dir "$out" --profiles "$out/profiles" "${versions[@]}"
/usr/bin/python3 "$here/bench/bench_plots.py" "$out/results.json" "$out"
cp "$out"/{report.md,results.json,sizes.svg,growth.svg} "$BENCH/"
cat "$BENCH/report.md"
