#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs Linux's ublk selftests.
#
#   ublk.guest.sh LIST INSTALL_DIR
set -uo pipefail
. "$(dirname "$0")/each.guest.sh"

list=$1 dir=$2
export EACH_DEADLINE=600

# The driver is built in; Debian's modprobe would only complain.
mkdir /tmp/bin
ln -s /bin/true /tmp/bin/modprobe
export PATH=/tmp/bin:$PATH TMPDIR=/tmp/ublk
mkdir "$TMPDIR"
cd "$dir" || exit 1

for tool in fio mkfs.ext4 udevadm; do
	command -v "$tool" >/dev/null || {
		echo "Bail out! no $tool"
		exit 1
	}
done

run() {
	exec setsid "./test_$1.sh"
}

# Devices that a failed test left would disturb the next test.
each_after() {
	local left
	if compgen -G '/dev/ublkc*' >/dev/null; then
		timeout -k 5 30 ./kublk del -a >/dev/null 2>&1
		left=$(compgen -G '/dev/ublkc*')
		if [ -n "$left" ]; then
			echo "left $left, which cannot be deleted"
			return 1
		fi
	fi
	rm -rf "${TMPDIR:?}"/*
}

each "$list" run 4
