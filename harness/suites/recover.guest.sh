#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: kills a FUSE server over io_uring again and again, and lets others take
# over, while fio verifies what it writes and a tree is copied and compared.
#
#   recover.guest.sh DIR ROUNDS TREE MODE...
#
# DIR has fuse_passthrough and fuse_holder. ROUNDS are those of each MODE, which is one of
# fuse_passthrough's. TREE is what is copied.
set -euo pipefail
. "$(dirname "$0")/../tests/points.sh"
. "$(dirname "$0")/recover-load.sh"

programs=$1 rounds=$2 source=$3
shift 3
export out=/tmp/out
: >"$out"
cd /tmp

echo "TAP version 13"
for mode; do
	recover "$mode" "$programs/fuse_holder" "$programs/fuse_passthrough" -m "$mode" -q 2
done
echo "1..$n"
[ "$failed" -eq 0 ]
