#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs libfuse's own tests in one mode.
#
#   libfuse-suite.guest.sh plain|io_uring|kmbuf|bufpool|zero_copy SOURCE BUILD [PATTERN]...
#
# Writes a line with verdict and name for each test to "$KMBUF_RW/results".
set -euo pipefail

mode=$1 source=$2 build=$3
options=()
shift 3
case $mode in
plain) ;;
io_uring) options=(--io-uring) ;;
kmbuf) options=(--io-uring) && export FUSE_URING_KMBUF=1 ;;
bufpool) options=(--io-uring) && export FUSE_URING_BUFPOOL=1 ;;
zero_copy) options=(--io-uring) && export FUSE_URING_ZERO_COPY=1 ;;
*) echo "no mode '$mode'" && exit 2 ;;
esac
for pattern in "$@"; do
	options+=(--test "$pattern")
done
echo Y >/sys/module/fuse/parameters/enable_uring
mkdir /tmp/run
status=0
PYTHONDONTWRITEBYTECODE=1 python3 "$source/test/run-tests.py" -j 2 --build-dir "$build" \
	--run-dir /tmp/run "${options[@]}" 2>&1 | tee /tmp/said || status=${PIPESTATUS[0]}
sed -n -E 's/^\+ *[0-9.]+s (PASS|FAIL|SKIP) +([^ ]+) .*/\1 \2/p' /tmp/said | sort -k 2 >"$KMBUF_RW/results"
for log in /tmp/run/*/*/logs; do
	[ ! -d "$log" ] || { echo "== $log" && tail -n 40 "$log"/*.out; }
done
# Status 1 means that tests failed, which the host judges.
[ "$status" -le 1 ]
