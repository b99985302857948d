#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: no patch adds a warning of kernel-doc -Wall.
#
#   kerneldoc.sh         one point a patch that touches C files or headers
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/messages.sh"
# shellcheck source=harness/queue/queue.sh
. "$TOP/harness/queue/queue.sh"

need_tree
lint_tmp
export PYTHONDONTWRITEBYTECODE=1
git=(qgit -C "$LINT_LINUX")
kernel_doc=$LINT_LINUX/scripts/kernel-doc
[ -f "$kernel_doc" ] || die "$kernel_doc is missing"

# said COMMIT OUT FILE...: write kernel-doc's messages on these files of COMMIT to OUT.
said() {
	local commit=$1 out=$2 dir=$lint_tmp/files
	local -a files
	shift 2
	mapfile -t files < <("${git[@]}" ls-tree --name-only "$commit" -- "$@")
	rm -rf "$dir"
	mkdir "$dir"
	: >"$out"
	[ "${#files[@]}" -gt 0 ] || return 0
	"${git[@]}" archive "$commit" -- "${files[@]}" | tar -x -C "$dir"
	(cd "$dir" && /usr/bin/python3 "$kernel_doc" -none -Wall "${files[@]}") \
		>"$lint_tmp/log" 2>&1 || grep -qE '^(Warning|Error): ' "$lint_tmp/log" ||
		die "kernel-doc does not run" "$(tail -n 1 "$lint_tmp/log")"
	messages "$lint_tmp/log" >"$out"
}

n=0 found=0
parent=$("${git[@]}" rev-parse "$LINT_BASE^{commit}")
for commit in $("${git[@]}" rev-list --reverse "$LINT_BASE..$LINT_TIP"); do
	n=$((n + 1))
	mapfile -t files < <("${git[@]}" diff --no-renames --name-only "$parent" "$commit" -- \
		'*.c' '*.h' ':!tools' ':!samples')
	if [ "${#files[@]}" -gt 0 ]; then
		found=1 status=0
		said "$parent" "$lint_tmp/before" "${files[@]}"
		said "$commit" "$lint_tmp/after" "${files[@]}"
		new_messages "$lint_tmp/before" "$lint_tmp/after" >"$lint_tmp/out"
		[ ! -s "$lint_tmp/out" ] || status=1
		verdict "$status" "kernel-doc $(printf %04d "$n") $("${git[@]}" log -1 --format=%s "$commit")" \
			"$lint_tmp/out"
	fi
	parent=$commit
done
[ "$found" -eq 1 ] || ok "kernel-doc: no patch touches C code"
