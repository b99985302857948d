#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make lint: runs every gate of harness/lint/, as one TAP stream with the plan at
# its end. Gates that need no build run in parallel with those that do.
#
#   lint.sh [--fresh]           run all gates
#   lint.sh [--fresh] GATE...   run some: scripts rules subjects checkpatch maintainers
#                               kerneldoc htmldocs layout warnings builds selftests
#
# A slow gate that passed with the same series, scripts and tools is not run again,
# unless --fresh is given.
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
		die "there is no gate '$gate'" "" "the gates are ${light[*]} ${heavy[*]}"
done
wanted=" $* "
out=$LOGS/lint
mkdir -p "$out"

n=0 failed=0
# number GATE: number the gate's points. A gate that stops half way, or that checks
# nothing, is a failure.
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

# known GATE: true if it passed before with the same inputs
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
