#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs liburing test programs.
#
#   liburing.guest.sh LIST PROGRAM_DIR
set -uo pipefail
. "$(dirname "$0")/each.guest.sh"

list=$1
export EACH_DEADLINE=300

# Programs look for each other, and write files, in the current directory. It is on
# ext4, so that O_DIRECT, NOWAIT and fixed buffers reach the block layer.
if ! mkfs.ext4 -q /dev/ram0 || ! mkdir /tmp/work || ! mount /dev/ram0 /tmp/work; then
	echo "Bail out! no file system on /dev/ram0"
	exit 1
fi
cd /tmp/work || exit 1
ln -s "$2"/*.t .
# A test opens this program for writing.
cp --remove-destination "$2/exec-target.t" .
echo 64 >/proc/sys/vm/nr_hugepages

run() {
	exec setsid "./$1.t"
}

each "$list" run 77
