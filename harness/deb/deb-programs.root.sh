#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the build root, with our packages installed: builds the programs for the test of the
# packages. The command for kmbuf-file is the one in userspace/libfuse.md.
#
#   deb-programs.root.sh
set -euo pipefail
cd "$(dirname "$0")"

# shellcheck disable=SC2046 # options
cc -D_FILE_OFFSET_BITS=64 -o kmbuf-file kmbuf-file.c $(pkg-config --cflags --libs fuse3)
mv ublk sources
mkdir -p selftests/ublk
mv kselftest*.h selftests/
mv sources/* selftests/ublk/
rm -f selftests/ublk/metadata_size.c
# The kernel's headers are newer than Debian's.
cc -O2 -w -D_GNU_SOURCE -I uapi -I selftests -o kublk selftests/ublk/*.c -luring -lpthread -lm
make -C /lib/modules/*/build M="$PWD/module" modules
ldd kmbuf-file kublk
