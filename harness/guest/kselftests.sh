#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs installed io_uring kselftests with kselftest's own runner.
#
#   kselftests.sh INSTALL_DIR TEST...
#
# Failures are judged on the host, from the KTAP that comes out: the status
# says only whether the runner ran.
set -euo pipefail

dir=$1
shift
args=()
for test in "$@"; do
	args+=(-t "io_uring:$test")
done
# The runner loses its timeouts and its prefixes where these are missing.
for tool in /usr/bin/timeout /usr/bin/stdbuf /usr/bin/perl; do
	[ -x "$tool" ] || {
		echo "Bail out! no $tool"
		exit 1
	}
done
"$dir/run_kselftest.sh" --no-error-on-fail "${args[@]}" | tee /run/kmbuf/ktap
# The plan is the tests that reported, not the ones that were asked for.
grep -c -E '^(not )?ok [0-9]+ ' /run/kmbuf/ktap >"$KMBUF_PLAN"
