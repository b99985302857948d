#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs installed io_uring kselftests.
#
#   kselftests.guest.sh [--plain] INSTALL_DIR TEST...
#
#   TEST      a program; with --plain, its arguments may follow after blanks
#   --plain   without kselftest's own runner, which starts twenty programs for
#             each test, and that is slow on a debug kernel; runs as many tests
#             at a time as there are processors, since tests wait
#
# The host judges the KTAP output. The exit status only says whether the runner ran.
set -euo pipefail

plain=0
if [ "$1" = --plain ]; then
	plain=1
	shift
fi
dir=$1
shift

# run_one NUMBER TEST: do for one test what the runner does. The output goes to a file on
# the host, where it can be read even if the test never ends.
run_one() {
	local n=$1 test status=0
	local -a command
	read -r -a command <<<"$2"
	test=${command[0]}
	{
		echo "# selftests: io_uring: $test"
		timeout "$seconds" "./$test" "${command[@]:1}" 2>&1 | sed -u 's/^/# /' ||
			status=${PIPESTATUS[0]}
		case $status in
		0) echo "ok $n selftests: io_uring: $test" ;;
		2) echo "ok $n selftests: io_uring: $test # XFAIL" ;;
		4) echo "ok $n selftests: io_uring: $test # SKIP" ;;
		124) echo "not ok $n selftests: io_uring: $test # TIMEOUT $seconds seconds" ;;
		*) echo "not ok $n selftests: io_uring: $test # exit=$status" ;;
		esac
	} >"$KMBUF_RW/$n.ktap"
}

# end_one: wait for one test and print its output.
end_one() {
	local pid n
	wait -n -p pid || true
	n=${numbers[$pid]}
	printf '%s\n' "$(<"$KMBUF_RW/$n.ktap")"
	echo "# ended after $((SECONDS - started[n])) s: ${tests[n - 1]}"
	running=$((running - 1))
}

run_plain() {
	local key value n=0 running=0 seconds=45 at_a_time
	local -a tests=("$@") numbers started
	cd "$dir/io_uring"
	while IFS='=' read -r key value; do
		[ "$key" != timeout ] || seconds=$value
	done <settings
	at_a_time=$(nproc)
	# A test that enables this disables it again, which would disturb other tests.
	[ ! -e /sys/module/fuse/parameters/enable_uring ] ||
		echo Y >/sys/module/fuse/parameters/enable_uring
	printf 'TAP version 13\n1..%d\n' $#
	while [ "$n" -lt $# ]; do
		[ "$running" -lt "$at_a_time" ] || end_one
		n=$((n + 1))
		echo "# started: ${tests[n - 1]}"
		run_one "$n" "${tests[n - 1]}" &
		numbers[$!]=$n started[n]=$SECONDS running=$((running + 1))
	done
	while [ "$running" -gt 0 ]; do
		end_one
	done
	echo "$n" >"$KMBUF_PLAN"
}

if [ "$plain" -eq 1 ]; then
	run_plain "$@"
	exit
fi

args=()
for test in "$@"; do
	args+=(-t "io_uring:$test")
done
# Without these, the runner has no timeouts and no prefixes.
for tool in /usr/bin/timeout /usr/bin/stdbuf /usr/bin/perl; do
	[ -x "$tool" ] || {
		echo "Bail out! no $tool"
		exit 1
	}
done
"$dir/run_kselftest.sh" --no-error-on-fail "${args[@]}" | tee /run/kmbuf/ktap
# The plan is the number of tests that reported, not of those requested.
grep -c -E '^(not )?ok [0-9]+ ' /run/kmbuf/ktap >"$KMBUF_PLAN"
