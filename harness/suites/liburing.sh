#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs liburing's own test programs, built from the source with the patches of
# userspace/liburing, on the base kernel of the patched tree and of the bare one,
# and compares.
#
#   liburing.sh [--all] [--fresh] [TEST]...
#
#   --all     every program; default: those harness/lists/liburing.default names
#   --fresh   run the bare kernel again, though its results are in the cache
#
# A program that fails on the patched kernel alone is a new failure. One that
# fails on both needs a reason in harness/lists/liburing.known, one that is
# skipped a reason in harness/lists/liburing.skip. The result goes to
# build/<base>/results/liburing.json, every test's verdict and time to
# build/<base>/liburing/{linux,bare}.tsv, the output of those that failed to
# build/<base>/vm/liburing-*/log/.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"
. "$TOP/harness/suites/thirdparty.sh"

suite_options "$@"
queue_tmp
need_liburing_tests

# Every program, but the helper of another test and those that need a sanitizer.
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
