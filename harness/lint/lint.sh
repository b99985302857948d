#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make lint: every gate of harness/lint/, as one TAP stream with the plan at
# its end. Gates that need no build run beside those that do.
#
#   lint.sh [--fresh]           all gates
#   lint.sh [--fresh] GATE...   some: scripts rules subjects checkpatch maintainers
#                               kerneldoc htmldocs layout warnings builds selftests
#
# What takes long, and passed with this very series, these scripts and these
# tools, is not done again, but with --fresh.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
other_tree=${LINT_LINUX:-}
. "$TOP/harness/lint/common.sh"
. "$TOP/harness/lint/remember.sh"

light=(scripts rules subjects checkpatch maintainers kerneldoc htmldocs)
heavy=(layout warnings builds selftests)
kept=' kerneldoc htmldocs layout warnings builds selftests '
fresh=0
if [ "${1:-}" = --fresh ]; then
	fresh=1
	shift
fi
[ $# -gt 0 ] || set -- "${light[@]}" "${heavy[@]}"
for gate in "$@"; do
	[[ " ${light[*]} ${heavy[*]} " == *" $gate "* ]] ||
		die "no gate '$gate'" "there are: ${light[*]} ${heavy[*]}"
done
wanted=" $* "
out=$LOGS/lint
mkdir -p "$out"

n=0 failed=0
# number GATE: its output, with numbers; a gate that dies half way, or that
# checks nothing, is a failure.
number() {
	local line points=0 status
	while IFS= read -r line; do
		if [[ $line =~ ^(ok|not\ ok)\ -\ (.*)$ ]]; then
			points=$((points + 1)) n=$((n + 1))
			[ "${BASH_REMATCH[1]}" = ok ] || failed=$((failed + 1))
			echo "${BASH_REMATCH[1]} $n - ${BASH_REMATCH[2]}"
		elif [[ $line == "gate ended with "* ]]; then
			status=${line##* }
		else
			echo "# ${line#\# }"
		fi
	done
	if [ "${status:-1}" -ne 0 ] || [ "$points" -eq 0 ]; then
		n=$((n + 1)) failed=$((failed + 1))
		echo "not ok $n - $1: ended with status ${status:-unknown} after $points points"
	fi
}

# known GATE: nothing new is to be expected of it
known() {
	[ "$fresh" -eq 0 ] && [[ $kept == *" $1 "* ]] && gate_passed "$key" "$1"
}

gate() {
	local status=0
	if known "$1"; then
		gate_points "$key" "$1"
	else
		"$TOP/harness/lint/$1.sh" 2>&1 | tee "$out/$1.new" || status=${PIPESTATUS[0]}
		[ "$status" -ne 0 ] || [[ $kept != *" $1 "* ]] ||
			gate_remember "$key" "$1" "$out/$1.new"
	fi
	echo "gate ended with $status"
}

if [ -z "$other_tree" ] && [ "$wanted" != " scripts " ]; then
	"$TOP/harness/queue/tree.sh" | sed 's/^/# /'
	"$TOP/harness/queue/series.sh" --check | sed 's/^/# /'
fi

key=$(gates_key)
echo "TAP version 13"
pids=()
for name in "${light[@]}"; do
	[[ $wanted == *" $name "* ]] || continue
	gate "$name" >"$out/$name.out" &
	pids+=("$!")
done
trap '[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true' EXIT
ways=()
[[ $wanted != *" builds "* ]] || known builds || ways=(w1 sparse nouring nofuse i386)
[[ $wanted != *" warnings "* || ${#ways[@]} -gt 0 ]] || known warnings || ways=(w1)
[ ${#ways[@]} -eq 0 ] ||
	"$TOP/harness/lint/baselines.sh" "${ways[@]}" 2>&1 | sed 's/^\(# \)*/# /' || true
for name in "${heavy[@]}"; do
	[[ $wanted == *" $name "* ]] || continue
	number "$name" < <(gate "$name" | tee "$out/$name.out")
done
wait
pids=()
for name in "${light[@]}"; do
	[[ $wanted == *" $name "* ]] || continue
	number "$name" <"$out/$name.out"
done
echo "1..$n"
echo "# $(say "lint: $((n - failed)) of $n points passed (details: ${LOGS#"$TOP/"}/lint)")"
[ "$failed" -eq 0 ] && [ "$n" -gt 0 ]
