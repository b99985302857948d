# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, in the VM, by benches on a machine that counts: writes a line
# "row<tab>operations<tab>ticks" to $KMBUF_RW/runs for each stretch that a program
# marks, in order.

# settled TICKS...: do three of them, or two pairs, agree to 0.3 %, not counting the
# first? A single pair can agree by chance, with different amounts copied.
settled() {
	shift
	printf '%s\n' "$@" | sort -n | awk '
		NR > 1 { good += $1 - last < last * 0.003 }
		{ last = $1 }
		END { exit good < 2 }'
}

# run_row ROW OPERATIONS COMMAND...: run COMMAND, which prints its ticks, until enough
# runs after the first, which warms up, agree; 25 times at most.
run_row() {
	local row=$1 operations=$2 ticks=()
	shift 2
	# Dirty pages of the last row must not be written during this one.
	sync
	while [ ${#ticks[@]} -lt 4 ] || { ! settled "${ticks[@]}" && [ ${#ticks[@]} -lt 25 ]; }; do
		ticks+=("$("$@")")
		printf '%s\t%s\t%s\n' "$row" "$operations" "${ticks[-1]}" >>"$KMBUF_RW/runs"
	done
	echo "$row: ${ticks[*]}"
}
