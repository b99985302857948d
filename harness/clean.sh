#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Removes build/: trees, kernels, logs. The cache (downloads, tools, ccache)
# stays; its path is printed.
#
#   clean.sh          refuses while build/linux holds work that is not exported
#   FORCE=1 clean.sh  does not ask
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$TOP/harness/queue.sh"

synced=$LINUX/.git/kmbuf-synced
if [ -f "$synced" ] && [ -z "${FORCE:-}" ]; then
	read -r head _ <"$synced"
	[[ $(qgit -C "$LINUX" rev-parse HEAD) = "$head" &&
		-z $(qgit -C "$LINUX" status --porcelain) ]] ||
		die "build/linux holds commits or edits that are not exported" "" \
			"'make export' writes them to patches/; FORCE=1 throws them away"
fi
rm -rf "$BUILD"
echo "removed build/; the cache stays in $CACHE"
