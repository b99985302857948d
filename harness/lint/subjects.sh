#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: a patch touches only files that belong to the prefix of its subject, unless its
# changelog names them: harness/lists/subjects.lint.
#
#   subjects.sh          one point a patch
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
# shellcheck source=harness/queue/queue.sh
. "$TOP/harness/queue/queue.sh"

need_tree
lint_tmp
git=(qgit -C "$LINT_LINUX")
mapfile -t rules < <(sed -E -e 's/\s*#.*//' -e '/^\s*$/d' "$TOP/harness/lists/subjects.lint")

# find_rule PREFIX: sets strict and patterns, or fails.
find_rule() {
	local rule name=${1#*/}
	local -a words
	for rule in "${rules[@]}"; do
		read -r -a words <<<"$rule"
		strict=0
		[[ ${words[0]} != !* ]] || strict=1
		[ "${words[0]#!}" = "$1" ] || [[ $1 == */* && ${words[0]#!} == "${1%%/*}/%" ]] || continue
		patterns=("${words[@]:1}")
		patterns=("${patterns[@]//%/$name}")
		return 0
	done
	return 1
}

# stands_for FILE: true if one of the patterns matches.
stands_for() {
	local pattern
	for pattern in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}

# check COMMIT: print its defects.
check() {
	local subject body file
	subject=$("${git[@]}" log -1 --format=%s "$1")
	body=$("${git[@]}" log -1 --format=%b "$1")
	if [[ $subject != *:* ]] || ! find_rule "${subject%%:*}"; then
		echo "no line of harness/lists/subjects.lint is for '${subject%%:*}:'"
		return
	fi
	while IFS= read -r file; do
		! stands_for "$file" || continue
		if [ "$strict" -eq 1 ]; then
			echo "a '${subject%%:*}:' patch must not touch $file"
		elif [[ $body != *"${file##*/}"* ]]; then
			echo "$file does not belong to '${subject%%:*}:', and the changelog does not name it"
		fi
	done < <("${git[@]}" diff --no-renames --name-only "$1^" "$1")
}

number=0
while IFS= read -r commit; do
	number=$((number + 1)) status=0
	check "$commit" >"$lint_tmp/out"
	[ ! -s "$lint_tmp/out" ] || status=1
	verdict "$status" "subject $(printf '%04d' "$number") $("${git[@]}" log -1 --format=%s "$commit")" "$lint_tmp/out"
done < <("${git[@]}" rev-list --reverse "$LINT_BASE..$LINT_TIP")
[ "$number" -gt 0 ] || ok "subjects: the series has no patch"
