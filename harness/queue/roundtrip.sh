#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Proves, without touching build/<base>/linux, that nothing gets lost between patches
# and commits, and that line numbers are exact where they have to be. Prints TAP.
#
#   roundtrip.sh
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/queue/import.sh"
. "$TOP/harness/queue/stage.sh"
queue_tmp

n=0 failed=0
# point STATUS TEXT: one line of TAP.
point() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failed=1
	fi
}

# copy_series TO: copy the files that an export writes.
copy_series() {
	mkdir -p "$1"
	queue_all "$TOP" | tar -C "$TOP" -cf - -T - | tar -C "$1" -xf -
}

# mailed_tree: print the id of the tree that git am makes of the sets of mails, in their
# order, on the base. Only the files that the series touches are checked out.
mailed_tree() {
	local am=$BUILD/am set
	rm -rf "$am"
	qgit init -q "$am"
	queue_link "$am" "$base"
	qgit -C "$q_repo" diff --name-only --no-renames refs/tags/base "$imported" |
		sed 's,[][*?\\],\\&,g; s,^,/,' |
		qgit -C "$am" sparse-checkout set --no-cone --stdin
	qgit -C "$am" checkout -q -B am refs/tags/base
	while IFS= read -r set; do
		qgit -C "$am" am -q --no-3way "$BUILD/mails/$set"/*.patch >&2 || return 1
	done <"$BUILD/mails/order"
	qgit -C "$am" rev-parse 'HEAD^{tree}'
}

echo "TAP version 13"
echo "1..3"
base=$("$TOP/harness/queue/base.sh" --path)
queue_scratch "$base"

queue_import "$q_repo" "$TOP"
imported=$q_commit
tree=$(qgit -C "$q_repo" rev-parse "$imported^{tree}")

# import -> export: no file is changed, added or removed.
copy_series "$q_tmp/before"
GUARD='' queue_export "$q_repo" "$imported" "$TOP" "$q_tmp/after" >&2
status=0
diff -r "$q_tmp/before" "$q_tmp/after" >&2 || status=1
point $status "import, then export, changes nothing, on Linux $q_base"

status=0
"$TOP/harness/queue/series.sh" --check >&2
mailed=$(mailed_tree) || status=1
[ "${mailed:-}" = "$tree" ] || status=1
point $status "git am of the sets of mails, in their order, gives the same tree hash"
[ "$status" -eq 0 ] || echo "# patches/: $tree, ${BUILD#"$TOP/"}/mails: ${mailed:-did not apply}"

# The tree that gets built and tested is the patches' tree.
status=0
if [ -f "$LINUX/.git/kmbuf-synced" ]; then
	[ "$(qgit -C "$LINUX" rev-parse 'HEAD^{tree}')" = "$tree" ] || status=1
	[ -z "$(qgit -C "$LINUX" status --porcelain)" ] || status=1
fi
point $status "${LINUX#"$TOP/"} holds nothing that is not exported"
[ "$status" -eq 0 ] || echo "# commit and run 'make export', or drop the edits with 'make tree FORCE=1'"
exit $failed
