#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Unloads the debug kernel's modules (ublk, FUSE, the mock) while a ring holds their
# buffers, and after that. Runs alone in its machine, since nothing else can use the
# modules meanwhile.
#
#   modules.sh
#
# Prints TAP. Builds the kselftests of the debug kernel if they are missing.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"

[ $# -eq 0 ] || die "usage: modules.sh"
kernel=$(kernel_dir linux debug)
install=$BUILD/kselftests/linux-debug/install
test=test_module_unload
[ -s "$kernel/modules.order" ] ||
	die "no modules in $kernel" "" "harness/kernel/kernel.sh --fresh linux debug"
[ -x "$install/io_uring/$test" ] || "$TOP/harness/suites/kselftests.sh" --build linux debug >&2

# Do not mistake an earlier run's points for this run's.
rm -f "$BUILD/vm/modules/output"
status=0
"$TOP/harness/vm/vm.sh" --kernel "$kernel" --name modules --plan 1 --timeout 600 \
	-- bash "$TOP/harness/suites/kselftests.guest.sh" --plain "$install" "$test" >&2 || status=$?
cat "$BUILD/vm/modules/output"
exit "$status"
