#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs every test of the harness, as many programs at a time as there are
# processors, and prints one TAP stream: each program's points, renumbered, with
# the program's name in front.
#
#   run.sh [PROGRAM...]           default: all of harness/tests/test_*
#   FRESH=1 run.sh [PROGRAM...]   also those that passed before
#
# A program that works in a scratch repository (fakequeue.sh) reads nothing but harness/.
# Like lint's slow gates, it is not run again if it passed with the same harness and
# packages.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. ../lib.sh
. "$TOP/harness/lint/remember.sh"

# key: a hash of the harness and the packages that it needs.
key=$({
	find .. -name __pycache__ -prune -o -type f -exec sha256sum {} + | sort -k 2
	package_versions
} | sha256sum | cut -d ' ' -f 1)

# kept PROGRAM: is what it prints worth keeping?
kept() {
	grep -q '^\. .*/fakequeue\.sh"$' "$1"
}

[ $# -gt 0 ] || set -- test_*.sh test_*.py
dir=$(mktemp -d)
# shellcheck disable=SC2046 # numbers
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
n=0 failed=0
point() {
	n=$((n + 1))
	echo "$1 $n - $2"
	[ "$1" = ok ] || failed=$((failed + 1))
}

# run PROGRAM: its output and, at the end, its status go to a file.
run() {
	if kept "$1" && [ -z "${FRESH:-}" ] && gate_passed "$key" "$1"; then
		{ gate_points "$key" "$1"; echo "exit 0"; } >"$dir/$1"
		return
	fi
	local -a command=(bash "./$1")
	[[ $1 != *.py ]] || command=(/usr/bin/python3 "./$1")
	"${command[@]}" >"$dir/$1" 2>&1 </dev/null
	echo "exit $?" >>"$dir/$1"
}

# report PROGRAM: what it printed, when it has ended.
report() {
	local program=$1 points=0 bad=0 plan='' status='' line
	echo "# $program"
	while IFS= read -r line; do
		if [[ $line =~ ^(ok|not\ ok)\ *[0-9]*\ *-?\ *(.*)$ ]]; then
			points=$((points + 1))
			[ "${BASH_REMATCH[1]}" = ok ] || bad=$((bad + 1))
			point "${BASH_REMATCH[1]}" "$program: ${BASH_REMATCH[2]}"
		elif [[ $line =~ ^1\.\.([0-9]+) ]]; then
			plan=${BASH_REMATCH[1]}
		elif [[ $line == exit\ * ]]; then
			status=${line#exit }
		elif [[ $line != "TAP version"* ]]; then
			echo "# ${line#\# }"
		fi
	done <"$dir/$program"
	if [ "$points" -gt 0 ] && [ "$bad" -eq 0 ] && [ "${plan:-$points}" -eq "$points" ] &&
		[ "${status:-1}" -eq 0 ] && kept "$program" && [ -n "$plan" ]; then
		sed -n -E 's/^ok *[0-9]* *-? */ok - /p' "$dir/$program" >"$dir/points"
		gate_remember "$key" "$program" "$dir/points"
	fi
	# A program that stops half way, or finds nothing to test, is a failure.
	if [ "$points" -eq 0 ] || [ "${plan:-$points}" -ne "$points" ]; then
		point "not ok" "$program: ran $points of ${plan:-?} points, status ${status:-unknown}"
	elif [ "${status:-1}" -ne 0 ] && [ "$bad" -eq 0 ]; then
		point "not ok" "$program: status ${status:-unknown} although no point failed"
	fi
}

declare -A programs=()
# report_one: wait for one of them.
report_one() {
	local pid
	wait -n -p pid
	report "${programs[$pid]}"
	unset "programs[$pid]"
}

echo "TAP version 13"
for program in "$@"; do
	[ -e "$program" ] || continue
	[ ${#programs[@]} -lt "$(nproc)" ] || report_one
	run "$program" &
	programs[$!]=$program
done
while [ ${#programs[@]} -gt 0 ]; do
	report_one
done
echo "1..$n"
echo "# $((n - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$n" -gt 0 ]
