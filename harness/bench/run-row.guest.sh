# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, in the VM, by benches that a machine counts: "row<tab>operations<tab>
# ticks" lines in $KMBUF_RW/runs say what each stretch was that a program marked,
# in their order.

# settled TICKS...: do three of them but for the first agree to 0.3 %, or two and
# two? Only two can have as many ticks, and copy more or less in them.
settled() {
	shift
	printf '%s\n' "$@" | sort -n | awk '
		NR > 1 { good += $1 - last < last * 0.003 }
		{ last = $1 }
		END { exit good < 2 }'
}

# run_row ROW OPERATIONS COMMAND...: runs of it, which print their ticks. The first
# warms up; there are more until others agree, 25 at most.
run_row() {
	local row=$1 operations=$2 ticks=()
	shift 2
	# What the last row has left to be written is no part of this one.
	sync
	while [ ${#ticks[@]} -lt 4 ] || { ! settled "${ticks[@]}" && [ ${#ticks[@]} -lt 25 ]; }; do
		ticks+=("$("$@")")
		printf '%s\t%s\t%s\n' "$row" "$operations" "${ticks[-1]}" >>"$KMBUF_RW/runs"
	done
	echo "$row: ${ticks[*]}"
}
