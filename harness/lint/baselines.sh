#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Collects the warnings of the bare base in each build variant, for the gates that
# build, unless the cache has them. Runs before these gates, so that the work tree goes
# to the base and through the series only once. Prints no points.
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
