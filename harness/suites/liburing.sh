#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs liburing's own test programs, built with the patches of userspace/liburing, on
# the base kernels of the patched tree and of the bare tree, and compares the results.
#
#   liburing.sh [--all] [--fresh] [TEST]...
#
#   --all     run every program; default: those in harness/lists/liburing.default
#   --fresh   run the bare kernel again, even if its results are in the cache
#
# A program that fails on the patched kernel alone is a new failure. A program that
# fails on both needs a reason in harness/lists/liburing.known, a skipped program a
# reason in harness/lists/liburing.skip. The result goes to
# build/<base>/results/liburing.json, each test's verdict and time to
# build/<base>/liburing/{linux,bare}.tsv, the output of failed tests to
# build/<base>/vm/liburing-*/log/.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"
. "$TOP/harness/suites/thirdparty.sh"

suite_options "$@"
queue_tmp
need_liburing_tests

# Every program, except the helper of another test and those that need a sanitizer.
suite_all() {
	local file
	for file in "$LIBURING_TESTS"/*.t; do
		file=$(basename "$file" .t)
		case $file in
		exec-target | xfail_*) ;;
		*) echo "$file" ;;
		esac
	done
}

suite_build() {
	need_liburing_tests
}

suite_dir() {
	echo "$LIBURING_TESTS"
}

suite_select liburing
suite_both liburing --append brd.rd_size=1048576
