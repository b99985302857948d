#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "make regress": all of "make test", the complete test suites of Linux's ublk, liburing
# and libfuse on the patched kernel and on the bare one, hundreds of ended FUSE file
# systems, the packages of "make deb" in a machine of their own, and the bench.
#
#   regress.sh
set -euo pipefail
exec "$(dirname "$0")/test.sh" --all
