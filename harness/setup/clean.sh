#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Removes build/ with the trees, kernels and logs of all bases. The cache (downloads,
# tools, ccache) stays; its path is printed.
#
#   clean.sh          stop if a tree has commits or edits that are not exported
#   FORCE=1 clean.sh  remove them as well
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"

# build/linux dates from before there were bases.
for synced in "$BUILDS"/{linux,*/*}/.git/kmbuf-synced; do
	[[ -f $synced && -z ${FORCE:-} ]] || continue
	tree=${synced%/.git/*}
	read -r head _ <"$synced"
	base=${tree%/*}
	export_it="'BASE=${base##*/} make export' writes them to patches/"
	[ "$base" != "$USERSPACE" ] || export_it="harness/suites/userspace-export.sh ${tree##*/} writes them"
	[ "$base" != "$BUILDS" ] || export_it="'git -C ${tree#"$TOP/"} format-patch base' saves commits"
	[[ $(qgit -C "$tree" rev-parse HEAD) = "$head" &&
		-z $(qgit -C "$tree" status --porcelain) ]] ||
		die "${tree#"$TOP/"} holds commits or edits that are not exported" "" \
			"$export_it; FORCE=1 throws them away"
done
rm -rf "$BUILDS"
echo "removed build/; the cache stays in $CACHE"
