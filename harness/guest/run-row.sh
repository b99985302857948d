# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, in the VM, by benches that a machine counts: "row<tab>operations<tab>
# ticks" lines in $KMBUF_RW/runs say what each stretch was that a program marked,
# in their order.

# settled TICKS...: do two of them but for the first agree to 0.3 %?
settled() {
	shift
	printf '%s\n' "$@" | sort -n | awk '
		NR > 1 && $1 - last < last * 0.003 { good = 1 }
		{ last = $1 }
		END { exit !good }'
}

# run_row ROW OPERATIONS COMMAND...: runs of it, which print their ticks. The first
# warms up; there are more until two others agree, ten at most.
run_row() {
	local row=$1 operations=$2 ticks=()
	shift 2
	# What the last row has left to be written is no part of this one.
	sync
	while [ ${#ticks[@]} -lt 3 ] || { ! settled "${ticks[@]}" && [ ${#ticks[@]} -lt 10 ]; }; do
		ticks+=("$("$@")")
		printf '%s\t%s\t%s\n' "$row" "$operations" "${ticks[-1]}" >>"$KMBUF_RW/runs"
	done
	echo "$row: ${ticks[*]}"
}
