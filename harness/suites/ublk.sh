#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs Linux's own ublk selftests, those of the patched tree and of the bare tree, each
# on its base kernel, and compares the results.
#
#   ublk.sh [--all] [--fresh] [TEST]...
#
#   --all     run every test; default: those in harness/lists/ublk.default
#   --fresh   run the bare kernel again, even if its results are in the cache
#   TEST      for example null_01
#
# Lists and results are like liburing.sh's: harness/lists/ublk.*, build/<base>/ublk/.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"

suite_options "$@"
need_liburing

# The patched tree lists the tests; the bare tree has the same ones.
suite_all() {
	make -s --no-print-directory -C "$LINUX/tools/testing/selftests/ublk" \
		COLLECTION=ublk emit_tests | sed -n 's/^ublk:test_\(.*\)\.sh$/\1/p'
}

suite_dir() {
	echo "$BUILD/ublk/$1/install/ublk"
}

suite_build() {
	mkdir -p "$BUILD/ublk/$1"
	say "ublk: build the tests of $1"
	run_logged "ublk-$1-build" build "$1" "$BUILD/ublk/$1/install" ||
		die "the ublk selftests of $1 do not build" "" "see $LOGS/ublk-$1-build.log"
}

build() {
	rm -rf "$2"
	make -C "$(tree_dir "$1")/tools/testing/selftests" TARGETS=ublk FORCE_TARGETS=1 \
		O="$BUILD/ublk/$1" KSFT_INSTALL_PATH="$2" \
		USERCFLAGS="-I$(kernel_dir "$1" base)/usr/include -I$TOOLS/liburing/include" \
		USERLDFLAGS="-static -L$TOOLS/liburing/lib" \
		-j"$(nproc)" install
}

suite_select ublk
suite_both ublk
