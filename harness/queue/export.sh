#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The commits of build/<base>/linux (base..series) -> patches/ and the new files.
#
#   export.sh          write what changed, remove what went away
#   FORCE=1 export.sh  even if patches/ was edited since the last make tree
#
# Afterwards branch "series" is what an import of patches/ gives (the same
# tree, normalised commit ids): nothing can get lost on the way.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
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
base_id=$(qgit -C "$LINUX" rev-parse refs/tags/base)
if [ "$(queue_stamp "$TOP" "$base_id")" != "$synced_stamp" ] && [ -z "${FORCE:-}" ]; then
	die "patches/ or a new file changed since the last 'make tree'" \
		"this export would overwrite that" \
		"save your commits, or take the tree's side with FORCE=1"
fi

queue_export "$LINUX" refs/heads/series "$TOP"
queue_import "$LINUX" "$TOP"
[ "$(qgit -C "$LINUX" rev-parse "$q_commit^{tree}")" = \
	"$(qgit -C "$LINUX" rev-parse 'series^{tree}')" ] ||
	die "the export does not import to the same tree" "a bug in harness/queue/queue.sh" \
		"the commits are still in $linux; report it"
qgit -C "$LINUX" update-ref -m export refs/heads/series "$q_commit"
echo "$q_commit $(queue_stamp "$TOP" "$base_id")" >"$synced_file"
say "export: ${#q_patches[@]} patches, ${#q_owner[@]} new files"
