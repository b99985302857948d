#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# patches/ and the new files -> build/<base>/linux, an editable git tree with one
# commit a patch (branch "series", tag "base"), and build/<base>/bare, the base
# without patches. Only changed files get new times, so a rebuild stays small.
#
#   tree.sh          make or update both trees
#   tree.sh --new    make both without patches, to port the series to a new base
#   FORCE=1 tree.sh  also throw away edits and commits that were not exported
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/queue/import.sh"
queue_tmp

new_base=0
case $#,${1:-} in
0,) ;;
1,--new) new_base=1 ;;
*) die "usage: tree.sh [--new]" ;;
esac
base=$("$TOP/harness/queue/base.sh" --path)
linux=${LINUX#"$TOP/"} bare=${BARE#"$TOP/"}
# "HEAD STAMP" of the last import or export, when patches/ and the tree agreed.
synced_file=$LINUX/.git/kmbuf-synced
synced_head='' synced_stamp=''

# Prints how the tree differs from patches/, or nothing.
unexported() {
	local branch dirty
	branch=$(qgit -C "$LINUX" symbolic-ref -q --short HEAD || true)
	if [ "$branch" != series ]; then
		echo "it is not on branch series (a rebase in progress?)"
	elif [ "$(qgit -C "$LINUX" rev-parse HEAD)" != "$synced_head" ]; then
		echo "it has commits that are not exported"
	else
		dirty=$(qgit -C "$LINUX" status --porcelain)
		[ -z "$dirty" ] || echo "it has uncommitted edits: $(head -n 3 <<<"$dirty" | paste -sd' ')"
	fi
}

# git keeps absolute paths between a worktree and its repository: correct them in a
# checkout that was moved or copied.
repair_worktree() {
	local admin=$LINUX/.git/worktrees/bare
	[ -d "$admin" ] && [ -d "$BARE" ] || return 0
	echo "gitdir: $admin" >"$BARE/.git"
	echo "$BARE/.git" >"$admin/gitdir"
}

make_linux() {
	need_space "$BUILD" 4500 "two checkouts of Linux"
	[ -d "$LINUX/.git" ] || qgit init -q "$LINUX"
	qgit -C "$LINUX" config gc.auto 0
	qgit -C "$LINUX" config core.hooksPath /dev/null
	# Commits made here are normalised on export; no identity is needed.
	qgit -C "$LINUX" config user.name "$QUEUE_NAME"
	qgit -C "$LINUX" config user.email "$QUEUE_EMAIL"
}

update_linux() {
	local stamp why='' new head
	queue_link "$LINUX" "$base"
	stamp=$(queue_stamp "$TOP" "$(qgit -C "$LINUX" rev-parse refs/tags/base)")
	if [ -n "$synced_head" ]; then
		qgit -C "$LINUX" cat-file -e 'HEAD^{tree}' 2>/dev/null ||
			die "$linux has lost its base" "the base's repository was removed from $CACHE" \
				"make it again (make base), or remove $linux and $bare"
		why=$(unexported)
		[ "$new_base" -eq 0 ] || die "$linux exists already" "" "edit it, or remove $linux and $bare"
		if [[ $stamp = "$synced_stamp" && ( -z ${FORCE:-} || -z $why ) ]]; then
			[ -z "$why" ] || say "tree: notice: $linux differs from patches/: $why"
			say "tree: patches/ did not change; $linux stays as it is"
			return
		fi
		[ -z "$why" ] || [ -n "${FORCE:-}" ] ||
			die "$linux would be overwritten" "$why, and patches/ changed as well" \
				"'make export' writes the work to patches/ (see git diff there); FORCE=1 throws it away"
	fi
	import_patches
	new=$q_commit
	head=$(qgit -C "$LINUX" rev-parse -q --verify HEAD || true)
	if [ -z "$synced_head" ]; then
		say "tree: checking out $linux"
		qgit -C "$LINUX" checkout -q -f -B series "$new"
	elif [ -n "$why" ]; then
		say "tree: FORCE: throwing away what was not exported (the reflog keeps commits): $why"
		rm -rf "$LINUX/.git/rebase-merge" "$LINUX/.git/rebase-apply"
		qgit -C "$LINUX" checkout -q -f -B series "$new"
		qgit -C "$LINUX" clean -qfd
	elif [ "$head" != "$new" ]; then
		qgit -C "$LINUX" checkout -q -B series "$new"
		say "tree: $linux moved: $(qgit -C "$LINUX" diff --shortstat "$head" "$new")"
	fi
	echo "$new $stamp" >"$synced_file"
	say "tree: $linux has ${#q_patches[@]} patches on Linux $q_base, ${#q_owner[@]} new files"
}

import_patches() {
	local patch inexact=()
	if [ "$new_base" -eq 1 ]; then
		q_patches=() q_owner=()
		q_commit=$(qgit -C "$LINUX" rev-parse 'refs/tags/base^{commit}')
		return
	fi
	[[ " $BASES " == *" $q_base "* ]] ||
		say "tree: notice: harness/bases/default does not name Linux $q_base: patches may not apply" \
			"(harness/queue/tree.sh --new makes a tree without them)"
	queue_import_scratch "$LINUX" "$TOP" "$base"
	for patch in "${q_moved[@]}"; do
		! queue_exact "${patch#patches/}" || inexact+=("$patch")
	done
	[ ${#inexact[@]} -eq 0 ] ||
		say "tree: notice: ${#inexact[@]} patches do not have the line numbers of Linux $q_base" \
			"(${inexact[0]} ...): 'make export' corrects them"
}

update_bare() {
	local admin=$LINUX/.git/worktrees/bare dirty=''
	if [ ! -e "$BARE/.git" ] || [ ! -d "$admin" ]; then
		rm -rf "$admin" "$BARE"
		qgit -C "$LINUX" worktree add -q --no-checkout --detach "$BARE" refs/tags/base
	fi
	if [ ! -e "$admin/kmbuf-complete" ]; then
		say "tree: checking out $bare"
		qgit -C "$BARE" checkout -q -f --detach refs/tags/base
		touch "$admin/kmbuf-complete"
		return
	fi
	dirty=$(qgit -C "$BARE" status --porcelain -uno)
	[ -z "$dirty" ] || [ -n "${FORCE:-}" ] ||
		die "$bare was edited" "it must stay the base: $(head -n 3 <<<"$dirty" | paste -sd' ')" \
			"edit $linux; FORCE=1 restores $bare"
	if [ -n "$dirty" ] || [ "$(qgit -C "$BARE" rev-parse HEAD)" != \
		"$(qgit -C "$LINUX" rev-parse 'refs/tags/base^{commit}')" ]; then
		qgit -C "$BARE" checkout -q -f --detach refs/tags/base
	fi
}

if [ -f "$synced_file" ]; then
	read -r synced_head synced_stamp <"$synced_file"
else
	make_linux
fi
repair_worktree
update_linux
update_bare
say "tree: ready"
