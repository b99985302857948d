#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs every test of the harness and prints one TAP stream: each program's
# points, renumbered, with the program's name in front.
#
#   run.sh [PROGRAM...]   default: all of harness/tests/test_*
set -uo pipefail
cd "$(dirname "$0")" || exit 1

[ $# -gt 0 ] || set -- test_*.sh test_*.py
n=0 failed=0
point() {
	n=$((n + 1))
	echo "$1 $n - $2"
	[ "$1" = ok ] || failed=$((failed + 1))
}

echo "TAP version 13"
for program in "$@"; do
	[ -e "$program" ] || continue
	echo "# $program"
	points=0 plan=
	case $program in
	*.py) command=(/usr/bin/python3 "./$program") ;;
	*) command=(bash "./$program") ;;
	esac
	while IFS= read -r line; do
		if [[ $line =~ ^(ok|not\ ok)\ *[0-9]*\ *-?\ *(.*)$ ]]; then
			points=$((points + 1))
			point "${BASH_REMATCH[1]}" "$program: ${BASH_REMATCH[2]}"
		elif [[ $line =~ ^1\.\.([0-9]+) ]]; then
			plan=${BASH_REMATCH[1]}
		elif [[ $line == exit\ * ]]; then
			status=${line#exit }
		elif [[ $line != "TAP version"* ]]; then
			echo "# ${line#\# }"
		fi
	done < <("${command[@]}" 2>&1 </dev/null; echo "exit $?")
	# A program that dies half way, or finds nothing to test, is a failure.
	if [ "$points" -eq 0 ] || [ "${plan:-$points}" -ne "$points" ]; then
		point "not ok" "$program: ran $points of ${plan:-?} points, status $status"
	elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		point "not ok" "$program: status $status although no point failed"
	fi
done
echo "1..$n"
echo "# $((n - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$n" -gt 0 ]
