#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Unloads what the debug kernel has as modules (ublk, FUSE, the mock) while a ring
# holds buffers of theirs, and after that. Alone in its machine, since nothing
# else can use them meanwhile.
#
#   modules.sh
#
# Prints TAP. Needs the kselftests of the debug kernel; builds them if need be.
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

# An earlier run's points must not pass for this one's.
rm -f "$BUILD/vm/modules/output"
status=0
"$TOP/harness/vm/vm.sh" --kernel "$kernel" --name modules --plan 1 --timeout 600 \
	-- bash "$TOP/harness/suites/kselftests.guest.sh" --plain "$install" "$test" >&2 || status=$?
cat "$BUILD/vm/modules/output"
exit "$status"
