#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the machine that boots from its own disk: tests the packages at the first boot and at
# the second one.
#
#   deb-test.guest.sh      started by deb-test.service
#
# Lines for the host begin with "KMBUF| ".
set -uo pipefail
cd /opt || exit
# shellcheck source=harness/tests/points.sh
. ./points.sh
# shellcheck source=harness/suites/fuse.guest.sh
. ./fuse.guest.sh
export out=/run/deb-test.out DEBIAN_FRONTEND=noninteractive LC_ALL=C HOME=/root
: >"$out"
enable=/sys/module/fuse/parameters/enable_uring
packages=(liburing2 libfuse3-4 fuse3 kmbuf-tools "linux-image-$(uname -r)")
server=''

booted() {
	uname -a
	cat /proc/cmdline
	[ "$(uname -r)" = "$(dpkg-query -S "/boot/vmlinuz-$(uname -r)" | sed 's/^linux-image-//; s/:.*//')" ] &&
		[[ $(uname -v) == *+kmbuf* ]] && [ "$(findmnt -n -o SOURCE /)" = /dev/vda1 ]
}

# revision N: all versions end in +kmbufN, and dpkg reports no problem.
revision() {
	local package
	for package in "${packages[@]}"; do
		# shellcheck disable=SC2016 # dpkg-query expands these
		grep "+kmbuf$1 installed\$" \
			< <(dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' "$package" | tee /dev/stderr) || return
	done
	[ -z "$(dpkg --audit)" ]
}

# Only the package has enabled it, at boot.
switched_on() {
	grep -x Y "$enable" && modprobe -c | grep -x 'options fuse enable_uring=1'
}

switched_by_tmpfiles() {
	echo N >"$enable" && systemd-tmpfiles --create fuse-io-uring.conf && grep -x Y "$enable"
}

# offers yes|no: the answer of kmbuf-probe for each FUSE feature of the series.
offers() {
	local feature
	for feature in "kernel-managed buffers" "fewer queues than CPUs" "recovery over io_uring"; do
		grep -q -E "^$1  *FUSE: $feature " /run/probe || return
	done
}

probe() {
	local status=0
	modprobe ublk_drv || return
	kmbuf-probe >/run/probe || status=1
	cat /run/probe
	[ "$status" -eq 0 ] && offers yes
}

# kmbuf-probe detects a disabled parameter, and works for a normal user.
probe_finds() {
	local status=0
	echo N >"$enable"
	kmbuf-probe >/run/probe && status=1
	echo Y >"$enable"
	cat /run/probe
	[ "$status" -eq 0 ] && offers no &&
		grep -q 'echo Y >' < <(grep -A 1 '^no  *FUSE parameter' /run/probe) || return
	setpriv --reuid=nobody --regid=nogroup --clear-groups kmbuf-probe >/run/probe
	cat /run/probe
	grep -q '^yes  *kernel-managed buffer ring' /run/probe
}

# serve OPTIONS: start the server and wait until /mnt is mounted.
serve() {
	./tools/kmbuf-file /run/disk.file -f -o "$1" /mnt >/run/said 2>&1 &
	server=$!
	for ((i = 0; i < 200; i++)); do
		! mountpoint -q /mnt || return 0
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	cat /run/said
	return 1
}

# fuse OPTIONS COUNTER: copy a file through the server. The kernel's COUNTER must rise.
fuse() {
	local status=0 count
	serve "$1" || return
	{ dd if=/run/data of=/mnt/file bs=1M && echo 3 >/proc/sys/vm/drop_caches &&
		cmp /run/data /mnt/file; } || status=1
	count=$(counter "$2")
	echo "$2: $count requests"
	umount /mnt && wait "$server" && cat /run/said &&
		[ "$status" -eq 0 ] && [ "$count" -gt 5 ]
}

# ublk OPTION...: copy a file to a file system on a ublk disk over a file.
ublk() {
	local status=0
	truncate -s 64M /run/disk
	modprobe ublk_drv && ./tools/kublk add -t loop -n 0 -q 1 -d 16 "$@" /run/disk || return
	udevadm settle
	{ mkfs.ext4 -q /dev/ublkb0 && mount /dev/ublkb0 /mnt && cp /run/data /mnt/ &&
		umount /mnt && mount /dev/ublkb0 /mnt && cmp /run/data /mnt/data; } || status=1
	umount /mnt || status=1
	./tools/kublk del -n 0 || status=1
	return "$status"
}

runs() {
	point "the machine runs the package's kernel, from its own disk" booted
	point "the packages are installed, revision $1" revision "$1"
	point "FUSE over io_uring is enabled since boot" switched_on
	point "tmpfiles.d enables it" switched_by_tmpfiles
	point "kmbuf-probe: nothing is missing" probe
	point "kmbuf-probe: names a missing feature" probe_finds
	head -c 9000001 /dev/urandom >/run/data
	point "a FUSE file system with kernel-managed buffers" fuse io_uring_kmbuf buffer
	point "a FUSE file system with zero copy" fuse io_uring_zero_copy zero_copy
	point "a ublk disk" ublk
	point "a ublk disk with zero copy" ublk --zero_copy
}

gone() {
	apt-get purge -y "${packages[@]}" || return
	[ -z "$(dpkg-query -W '*kmbuf*' 2>/dev/null)" ] || return
	! find /boot /lib/modules /usr/lib/modprobe.d /usr/lib/tmpfiles.d /usr/sbin /usr/src \
		-name '*kmbuf*' -o -name 'fuse-io-uring*' | grep . &&
		! ls /usr/lib/x86_64-linux-gnu/lib{uring,fuse3}.so* && [ -z "$(dpkg --audit)" ]
}

{
	if [ ! -e /opt/booted ]; then
		runs 1
		point "an out-of-tree module loads" insmod tools/hello.ko
		point "an upgrade" apt-get install -y --no-install-recommends /opt/next/*.deb
		point "the packages have the next revision" revision 2
		touch /opt/booted
	else
		runs 2
		point "the packages can be removed, and leave nothing" gone
	fi
	echo "# $failed failed of $n"
} > >(sed 's/^/KMBUF| /')
sync
sleep 1
if [ "$failed" -eq 0 ]; then
	echo "KMBUF-END status=0"
else
	echo "KMBUF-END status=1"
fi
sync
systemctl poweroff --force
