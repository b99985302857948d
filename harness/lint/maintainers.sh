#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: every new file is covered by a section of MAINTAINERS other than THE REST.
# (checkpatch only checks whether a patch with new files touches MAINTAINERS.)
#
#   maintainers.sh       one point a new file
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
# shellcheck source=harness/queue/queue.sh
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/queue/maintainers.sh"

need perl perl
need_tree
lint_tmp
git=(qgit -C "$LINT_LINUX")

maintainers_tree "$LINT_LINUX" "$LINT_TIP" "$lint_tmp/tree"

# sections FILE: print its sections. get_maintainer.pl gets a patch, as FILE need not exist.
sections() {
	printf -- '--- /dev/null\n+++ b/%s\n@@ -0,0 +1 @@\n+x\n' "$1" |
		maintainers "$lint_tmp/tree" --sections
}

found=0
while IFS= read -r file; do
	found=1 status=0
	sections "$file" >"$lint_tmp/all"
	grep -q -v -E '^([^A-Z0-9]|$|THE REST|[A-Z]:)' "$lint_tmp/all" || status=1
	echo "only THE REST covers $file" >"$lint_tmp/out"
	verdict "$status" "MAINTAINERS covers $file" "$lint_tmp/out"
done < <("${git[@]}" diff --no-renames --diff-filter=A --name-only "$LINT_BASE" "$LINT_TIP")
[ "$found" -eq 1 ] || ok "MAINTAINERS: the series has no new file"
