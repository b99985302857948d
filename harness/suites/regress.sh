#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "make regress": all of "make test", with the whole of Linux's ublk selftests and
# of the tests of liburing and libfuse, on the patched kernel and on the bare one,
# with hundreds of ends of FUSE file systems, with the packages of "make deb" in a
# machine of their own, and with what operations cost.
#
#   regress.sh
set -euo pipefail
exec "$(dirname "$0")/test.sh" --all
