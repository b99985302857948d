#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The commits of build/<base>/linux (base..series) -> patches/ and the new files.
#
#   export.sh             write changed patches and files, remove dropped ones
#   GUARD=NAME... export.sh  make these patches this base's own; other bases keep
#                         theirs. GUARD=all: all new or changed patches
#   FORCE=1 export.sh     export even if patches/ was edited since the last make tree,
#                         or if the patches no longer apply to another base
#
# stage.sh describes how each commit is exported. Patches for other bases must apply
# there, or nothing is written. Line numbers are those of the default base, or of the
# only base that has the patch.
#
# Afterwards branch "series" is replaced by an import of patches/ (the same tree,
# normalised commit ids), so nothing can get lost.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/queue/import.sh"
. "$TOP/harness/queue/stage.sh"
queue_tmp
linux=${LINUX#"$TOP/"}

synced_file=$LINUX/.git/kmbuf-synced
[ -f "$synced_file" ] || die "there is no $linux" "" "run 'make tree' first"
read -r _ synced_stamp <"$synced_file"

[ "$(qgit -C "$LINUX" symbolic-ref -q --short HEAD || true)" = series ] ||
	die "$linux is not on branch series" "a rebase in progress?" \
		"finish it (git rebase --continue), or git checkout series"
dirty=$(qgit -C "$LINUX" status --porcelain)
[ -z "$dirty" ] || die "$linux has uncommitted changes" \
	"$(head -n 5 <<<"$dirty" | paste -sd' ')" "commit them (git commit --amend, --fixup ...)"
# An export of another base would write the same files.
exec 7>"$BUILDS/export.lock"
flock -n 7 || die "another export is running" "" "wait for it to end"
base_id=$(qgit -C "$LINUX" rev-parse refs/tags/base)
queue_base "$LINUX"
if [ "$(queue_stamp "$TOP" "$base_id")" != "$synced_stamp" ] && [ -z "${FORCE:-}" ]; then
	die "patches/ or a new file changed since the last 'make tree'" \
		"this export would overwrite that change" \
		"save your commits, or overwrite it with FORCE=1"
fi

# apply_elsewhere BASE: apply the patches that BASE would get. Runs in a subshell.
apply_elsewhere() {
	local repo
	q_base=$1
	[ "$(queue_stamp "$TOP" "$1")" != "$(queue_stamp "$staged" "$1")" ] || return 0
	say "export: do the patches apply to Linux $1?"
	repo=$(unset KERNEL_SRC; BASE=$1 "$TOP/harness/queue/base.sh" --only --path)
	BUILD=$BUILDS/$1
	mkdir -p "$BUILD"
	queue_scratch "$repo"
	queue_import "$q_repo" "$staged"
	# Set exact line numbers: on the default base of all patches, on any other base of
	# its own patches, which may come from a patch that was for all bases.
	if [ "$q_pinned" -eq 1 ]; then
		GUARD='' queue_export "$q_repo" "$q_commit" "$staged" "$staged.exact"
		rm -rf "$staged"
		mv "$staged.exact" "$staged"
	fi
}

# elsewhere BASE: check that the patches apply to BASE, or say what to do.
elsewhere() {
	local status=0 why=$q_tmp/elsewhere name
	set +e
	(set -e; apply_elsewhere "$1") 2>"$why"
	status=$?
	set -e
	cat "$why" >&2
	[ "$status" -ne 0 ] || return 0
	if [ -n "${FORCE:-}" ]; then
		say "export: FORCE: notice: could not confirm that the patches apply to Linux $1"
		return
	fi
	name=$(grep -o -m1 '^error: patches/[^ ]*\.patch' "$why") ||
		die "nothing is exported: cannot apply the patches to Linux $1" "see above" \
			"FORCE=1 make export skips this check"
	name=${name#error: patches/}
	[ "$name" = "${name##*/}" ] ||
		die "nothing is exported: the patches do not apply to Linux $1" "see above" \
			"FORCE=1 make export; then repair $name (BASE=$1 make tree), or drop the line '$1: $name' in patches/series"
	die "nothing is exported: the patches would no longer apply to Linux $1" "see above" \
		"GUARD=$name make export: the new text is for $q_base only, and $1 keeps its own (GUARD takes several names)"
}

staged=$q_tmp/staged
state=$(queue_state "$TOP")
queue_export "$LINUX" refs/heads/series "$TOP" "$staged"
for other in $(bases_other "$q_base"); do
	elsewhere "$other"
done
queue_import "$LINUX" "$staged"
[ "$(qgit -C "$LINUX" rev-parse "$q_commit^{tree}")" = \
	"$(qgit -C "$LINUX" rev-parse 'series^{tree}')" ] ||
	die "the export does not import to the same tree" "a bug in harness/queue/" \
		"the commits are still in $linux; report it"
# The import took a while, and the installation would overwrite changes made meanwhile.
[ "$(queue_state "$TOP")" = "$state" ] ||
	die "nothing is exported: patches/ or a new file changed meanwhile" "" "run 'make export' again"
queue_install "$staged" "$TOP"
qgit -C "$LINUX" update-ref -m export refs/heads/series "$q_commit"
echo "$q_commit $(queue_stamp "$TOP" "$base_id")" >"$synced_file"
say "export: ${#q_patches[@]} patches for Linux $q_base, ${#q_owner[@]} new files"
