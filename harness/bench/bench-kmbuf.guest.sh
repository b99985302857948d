#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: measures the cost of kernel-managed buffers.
#
#   bench-kmbuf.guest.sh PROGRAM     the kselftests' bench_kmbuf
#
# Writes "row<tab>instructions" lines to $KMBUF_RW/figures.
set -euo pipefail

"$1" | tee "$KMBUF_RW/figures"
