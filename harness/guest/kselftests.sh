#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs installed io_uring kselftests.
#
#   kselftests.sh [--plain] INSTALL_DIR TEST...
#
#   TEST      a program; with --plain, its arguments may follow after blanks
#   --plain   not with kselftest's own runner: that starts twenty programs for
#             one, and starting programs is what takes time in a debug kernel
#
# Failures are judged on the host, from the KTAP that comes out: the status
# says only whether the runner ran.
set -euo pipefail

plain=0
if [ "$1" = --plain ]; then
	plain=1
	shift
fi
dir=$1
shift

# run_plain TEST...: what the runner would do with each, and print.
run_plain() {
	local test status seconds=45 key value n=0
	local -a command
	cd "$dir/io_uring"
	while IFS='=' read -r key value; do
		[ "$key" != timeout ] || seconds=$value
	done <settings
	printf 'TAP version 13\n1..%d\n' $#
	for test in "$@"; do
		read -r -a command <<<"$test"
		test=${command[0]}
		n=$((n + 1)) status=0
		echo "# selftests: io_uring: $test"
		timeout "$seconds" "./$test" "${command[@]:1}" 2>&1 | sed -u 's/^/# /' || status=${PIPESTATUS[0]}
		case $status in
		0) echo "ok $n selftests: io_uring: $test" ;;
		2) echo "ok $n selftests: io_uring: $test # XFAIL" ;;
		4) echo "ok $n selftests: io_uring: $test # SKIP" ;;
		124) echo "not ok $n selftests: io_uring: $test # TIMEOUT $seconds seconds" ;;
		*) echo "not ok $n selftests: io_uring: $test # exit=$status" ;;
		esac
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
# The runner loses its timeouts and its prefixes where these are missing.
for tool in /usr/bin/timeout /usr/bin/stdbuf /usr/bin/perl; do
	[ -x "$tool" ] || {
		echo "Bail out! no $tool"
		exit 1
	}
done
"$dir/run_kselftest.sh" --no-error-on-fail "${args[@]}" | tee /run/kmbuf/ktap
# The plan is the tests that reported, not the ones that were asked for.
grep -c -E '^(not )?ok [0-9]+ ' /run/kmbuf/ktap >"$KMBUF_PLAN"
