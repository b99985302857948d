#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Ends FUSE file systems on the debug kernel while all is going on, by an abort
# or by the server's death, far more often than "make test" does. Nothing may be
# left: of memory, of what is charged for it, or on the kernel's log.
#
#   soak.sh [ROUNDS]     default 500, in equal parts for each kind of server
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"

rounds=${1:-500}
case $rounds in '' | *[!0-9]*) die "soak.sh: '$rounds' is not a number of rounds" ;; esac
kernel=$(kernel_dir linux debug)
"$TOP/harness/suites/kselftests.sh" --build linux debug | sed 's/^/# /'
kinds=(entry kmbuf zc)
each=$(((rounds + ${#kinds[@]} - 1) / ${#kinds[@]}))
command=("$BUILD/kselftests/linux-debug/install/io_uring/test_fuse_teardown")
for kind in "${kinds[@]}"; do
	command+=(-r "fuse_teardown.${kind}_idle.mid_traffic")
done
status=0
"$TOP/harness/vm/vm.sh" --kernel "$kernel" --name soak --timeout 1800 \
	--env "FUSE_TEARDOWN_ROUNDS=$each" -- "${command[@]}" | sed 's/^/# /' || status=$?
cat "$BUILD/vm/soak/output"
exit "$status"
