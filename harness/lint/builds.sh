#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: the whole series builds without a new warning in the other variants: sparse,
# io_uring off (the stubs), FUSE's io_uring off, 32 bit.
#
#   builds.sh [NAME...]  one point for each variant (harness/lint/variants.sh)
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/tree.sh"
. "$(dirname "$0")/variants.sh"

[ $# -gt 0 ] || set -- sparse nouring nofuse i386

# Kbuild succeeds even if the checker cannot run. So run the kernel's own probe, plant a
# fault, and look for a CHECK line for every file (below).
probe_sparse() {
	local said
	[ -x "$SPARSE" ] || { echo "error: sparse is not in $SPARSE: make setup"; return; }
	[ "$("$LINT_DIR/scripts/checker-valid.sh" "$SPARSE" -m64)" = 1 ] ||
		echo "error: $("$SPARSE" --version) fails the kernel's probe (scripts/checker-valid.sh)"
	echo 'static int f(int __attribute__((noderef)) *p) { return *p; }' >"$lint_tmp/planted.c"
	said=$("$SPARSE" "$lint_tmp/planted.c" 2>&1) || true
	[[ $said == *"dereference of noderef"* ]] ||
		echo "error: sparse does not find a planted fault"
}

# was_checked LOG: print an error unless sparse checked every object of io_uring and every
# touched file.
was_checked() {
	local -a sources
	local source
	mapfile -t sources < <({
		cd "$LINT_DIR"
		for source in io_uring/*.c; do
			[ ! -f "$v_out/${source%.c}.o" ] || echo "$source"
		done
		lint_touched "$LINT_BASE" "$LINT_TIP" | grep -E '^(drivers|fs|io_uring)/.*\.c$'
	} | sort -u)
	compiled "$1" CHECK "${sources[@]}"
	! grep -n 'not available or not up to date' "$1" || echo "error: sparse did not run"
}

lint_open
lint_tmp
kbuild_env
series_objects
lint_checkout "$LINT_TIP"
ways=()
for name in "$@"; do
	if [ "$name" = sparse ]; then
		probe_sparse >"$lint_tmp/out"
		[ ! -s "$lint_tmp/out" ] || { notok "sparse runs" "$lint_tmp/out"; continue; }
		ok "sparse runs: $("$SPARSE" --version) finds a planted fault"
	fi
	ways+=("$name")
done
declare -A known=()
for name in "${ways[@]}"; do
	baseline "$name"
	known[$name]=$b_file
done
lint_checkout "$LINT_TIP"
for name in "${ways[@]}"; do
	variant "$name"
	# Compile everything again: an up-to-date object prints no warnings.
	[ "$name" = sparse ] || forget
	note "lint: $v_text"
	log=$LOGS/lint-$name.log status=0
	build "$name" "$log" || status=$?
	messages "$log" >"$lint_tmp/now"
	{
		new_messages "${known[$name]}" "$lint_tmp/now"
		kbuild_wanted "$LINT_DIR" "$v_out" "${v_fragments[@]}"
		if [ "$name" = sparse ]; then
			was_checked "$log"
		else
			grep -q '^  CC ' "$log" || echo "error: nothing was compiled"
		fi
		[ "$status" -eq 0 ] || echo "error: make ended with $status, see $log"
	} >"$lint_tmp/out"
	[ ! -s "$lint_tmp/out" ] || status=1
	verdict "$status" "$v_text: ${v_objects[*]}" "$lint_tmp/out"
done
