# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # out and mnt are set by who sources it
# Sourced in the VM, after demo-common.guest.sh, by the parts of the demo that mount
# FUSE: a server and its connection, and what the kernel counts of them. They set
# $mnt, where it is mounted, and $server, its process.

connections=/sys/fs/fuse/connections

need_queues() {
	grep -qw fuse_uring_add_kmbuf /proc/kallsyms ||
		fail "this kernel's FUSE has no queues with kernel-managed buffers"
	[ -e "$connections/." ] || fail "this kernel has no $connections"
	mountpoint -q "$connections" || mount -t fusectl fusectl "$connections"
}

# The number of the connection, without asking the server: the mount's device.
connection() {
	awk -v mnt="$mnt" '$5 == mnt { split($3, dev, ":"); print dev[2] }' /proc/self/mountinfo
}

# await PID FUNCTION: until it succeeds, for half a minute, while PID lives.
await() {
	local n
	for ((n = 0; n < 300; n++)); do
		"$2" && return
		kill -0 "$1" 2>/dev/null || break
		sleep 0.1
	done
	fail "the server does not start ($2): $(tail -n 1 "$out/server")"
}

is_mounted() {
	[[ $(</proc/self/mountinfo) == *" $mnt "* ]]
}

# What the kernel says about the server's io_urings: their files in /proc.
rings() {
	find "/proc/$server/fd" -lname '*io_uring*' -printf "/proc/$server/fdinfo/%f\n"
}

# snapshot WHEN: the kernel's counters, once they stand still: nobody waits for
# the answer when a file is released.
snapshot() {
	local now='' before id
	id=$(connection)
	[ -r "$connections/$id/io_uring" ] || fail "no counters in $connections/$id"
	sleep 1
	until before=$now now=$(<"$connections/$id/io_uring") && [ "$now" = "$before" ]; do
		sleep 0.5
	done
	echo "$now" >"$out/counters.$1"
}

# Memory, while nothing is asked of the server: its kernel-managed buffers and
# how many of them are not free, and memory of its own.
measure() {
	local ring
	for ring in $(rings); do
		sed -n 's/^ *[0-9]*: id=[0-9]* entries=\([0-9]*\) size=\([0-9]*\) .* free=\([0-9]*\) .*/\1 \2 \3/p' "$ring"
	done >"$out/rings"
	fact kmbuf_bytes "$(awk '{ n += $1 * $2 } END { print n + 0 }' "$out/rings")"
	fact kmbuf_held "$(awk '{ n += $1 - $3 } END { print n + 0 }' "$out/rings")"
	fact server_data_kb "$(awk '/^VmData:/ { print $2 }' "/proc/$server/status")"
	measure_server "$server"
}
