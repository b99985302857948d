#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The commits of build/userspace/NAME (base..HEAD) -> userspace/NAME/*.patch.
#
#   userspace-export.sh liburing|libfuse
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"

case $#,${1:-} in
1,liburing | 1,libfuse) ;;
*) die "usage: userspace-export.sh liburing|libfuse" ;;
esac
queue_tmp
userspace_export "$1"
