#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Ends FUSE file systems under traffic on the debug kernel, by an abort or by the
# server's death, far more often than "make test" does. No memory and no memory charge
# may be left over, and nothing may be in the kernel's log.
#
#   soak.sh [ROUNDS]     default 500, split equally between the kinds of server
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
