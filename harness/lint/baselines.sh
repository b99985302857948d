#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the bare base complains about in each way to build, for the gates that
# build; nothing to do when the cache has it. Before them, so that the work
# tree goes to the base and through the series only once. Prints no points.
#
#   baselines.sh WAY...     ways of variants.sh
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/tree.sh"
. "$(dirname "$0")/variants.sh"

[ -x "$SPARSE" ] || die "sparse is not in $SPARSE" "" "make setup"
lint_open
kbuild_env
series_objects
for name; do
	baseline "$name"
done
