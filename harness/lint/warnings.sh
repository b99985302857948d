#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: after every patch, everything that it touches compiles with gcc W=1, without a new
# warning.
#
#   warnings.sh          one point for each patch
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/tree.sh"
. "$(dirname "$0")/variants.sh"

lint_open
lint_tmp
kbuild_env
series_objects
baseline w1
cp "$b_file" "$lint_tmp/known"

# From here on Kbuild compiles exactly what each patch changes.
note "lint: gcc W=1: the base"
lint_checkout "$LINT_BASE"
build w1 "$LOGS/lint-w1-base.log" ||
	die "the base does not build with W=1" "" "see $LOGS/lint-w1-base.log"

n=0 parent=$(lint_commit "$LINT_BASE")
# What was built last: commits without kernel code are left out.
built=$parent
while IFS= read -r commit; do
	n=$((n + 1)) status=0
	title=$(lint_title "$n" "$commit")
	log=$LOGS/$(printf 'lint-w1-%04d.log' "$n")
	if compiles_nothing "$parent" "$commit"; then
		ok "W=1 $title (no kernel code)"
		parent=$commit
		continue
	fi
	note "lint: gcc W=1: $title"
	mapfile -t touched < <(lint_touched "$parent" "$commit" |
		grep -E '^(arch|block|drivers|fs|init|io_uring|ipc|kernel|lib|mm|net|security)/.*\.c$' || true)
	lint_checkout "$commit"
	more=build
	! prepares_nothing "$built" "$commit" || more=build_more
	"$more" w1 "$log" || status=$?
	built=$commit
	messages "$log" >"$lint_tmp/now"
	{
		new_messages "$lint_tmp/known" "$lint_tmp/now"
		compiled "$log" CC "${touched[@]}"
		[ "$status" -eq 0 ] || echo "error: make ended with $status, see $log"
	} >"$lint_tmp/out"
	[ ! -s "$lint_tmp/out" ] || status=1
	learn "$lint_tmp/known" "$lint_tmp/now"
	verdict "$status" "W=1 $title" "$lint_tmp/out"
	parent=$commit
done < <(lint_series)
[ "$n" -gt 0 ] || die "there is no patch to build" "$LINT_BASE..$LINT_TIP is empty"
