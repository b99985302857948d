#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make lint: every gate of harness/lint/, as one TAP stream with the plan at
# its end. Gates that need no build run beside those that do.
#
#   lint.sh              all gates
#   lint.sh GATE...      some: scripts rules checkpatch maintainers kerneldoc htmldocs
#                        warnings builds selftests
set -euo pipefail
. "$(dirname "$0")/lib.sh"

light=(scripts rules checkpatch maintainers kerneldoc htmldocs)
heavy=(warnings builds selftests)
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

gate() {
	local status=0
	"$TOP/harness/lint/$1.sh" 2>&1 || status=$?
	echo "gate ended with $status"
}

if [ -z "${LINT_LINUX:-}" ] && [ "$wanted" != " scripts " ]; then
	"$TOP/harness/tree.sh" | sed 's/^/# /'
	"$TOP/harness/series.sh" | sed 's/^/# /'
fi

echo "TAP version 13"
pids=()
for name in "${light[@]}"; do
	[[ $wanted == *" $name "* ]] || continue
	gate "$name" >"$out/$name.out" &
	pids+=("$!")
done
trap '[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true' EXIT
if [[ $wanted == *" warnings "* || $wanted == *" builds "* ]]; then
	"$TOP/harness/lint/baselines.sh" 2>&1 | sed 's/^\(# \)*/# /' || true
fi
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
echo "# $(say "lint: $((n - failed)) of $n points passed (details: build/logs/lint)")"
[ "$failed" -eq 0 ] && [ "$n" -gt 0 ]
