#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: the series does not enlarge io_uring's context or requests, and does not move the
# fields that every request uses (harness/lint/layout.h).
#
#   layout.sh            one point
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/tree.sh"
. "$(dirname "$0")/variants.sh"

# layout_of REV FILE: write the compiler's offsets of the fields to FILE, a line each. Any
# source file of io_uring can be compiled with the header.
layout_of() {
	local log=$LOGS/lint-layout.log out=io_uring/notif.s
	lint_checkout "$1"
	variant w1
	rm -f "$LINT_DIR/$v_out/$out"
	if ! kbuild_config "$LINT_DIR" "$v_out" "$v_arch" "${v_fragments[@]}" >"$log" 2>&1 ||
		! kbuild_make "$LINT_DIR" "$v_out" ARCH="$v_arch" \
			CFLAGS_notif.o="-include $TOP/harness/lint/layout.h" "$out" >"$log" 2>&1; then
		die "harness/lint/layout.h does not compile in io_uring" "" "see $log"
	fi
	sed -n 's/^.*\.ascii "layout \([^"]*\)".*$/\1/p' "$LINT_DIR/$v_out/$out" >"$2"
	[ -s "$2" ] || die "the compiler printed no field offsets" "" "see $log and harness/lint/layout.h"
}

lint_open
lint_tmp
kbuild_env
v_extra=()
layout_of "$LINT_BASE" "$lint_tmp/base"
layout_of "$LINT_TIP" "$lint_tmp/tip"
status=0
diff "$lint_tmp/base" "$lint_tmp/tip" >"$lint_tmp/out" || status=1
verdict "$status" "size and hot fields of io_ring_ctx and io_kiocb are those of the base" \
	"$lint_tmp/out"
