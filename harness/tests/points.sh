# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # failed and out belong to the test
# Sourced by tests of the harness: TAP points for commands, whose output goes to the
# file $out.

n=0 failed=0
# point TEXT COMMAND...: ok if the command succeeds.
point() {
	local text=$1
	shift
	n=$((n + 1))
	if "$@" >>"$out" 2>&1; then
		echo "ok $n - $text"
	else
		echo "not ok $n - $text"
		tail -n 12 "$out" | sed 's/^/# /'
		failed=1
	fi
}
