#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs one of the kselftests' bench programs.
#
#   bench-program.guest.sh PROGRAM
#
# Writes its "row<tab>figure" lines to $KMBUF_RW/figures.
set -euo pipefail

"$1" | tee "$KMBUF_RW/figures"
