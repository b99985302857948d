#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs the commands in the tutorials' terminals.
#
#   tutorials.guest.sh MADE LIBRARIES TEXT...
#
# MADE has a directory with the programs of each TEXT; LIBRARIES is a library path.
set -euo pipefail

made=$1 libraries=$2
shift 2
cp -r "$made" /tmp/tutorials
cd /tmp/tutorials
export LD_LIBRARY_PATH=$libraries
exec /usr/bin/python3 "$(dirname "$0")/transcript.py" "$@"
