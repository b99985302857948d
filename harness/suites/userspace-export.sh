#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The commits of build/userspace/NAME (base..HEAD) -> userspace/NAME/*.patch.
#
#   userspace-export.sh liburing|libfuse|libfuse-master
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"

case $#,${1:-} in
1,liburing | 1,libfuse | 1,libfuse-master) ;;
*) die "usage: userspace-export.sh liburing|libfuse|libfuse-master" ;;
esac
queue_tmp
userspace_export "$1"
