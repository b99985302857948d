# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # out and mnt are set by who sources it
# Sourced in the VM, after demo-common.guest.sh, by the parts of the demo that mount
# FUSE: waits for a server, and reads the kernel's counters of its connection. The
# scripts set $mnt, the mount point, and $server, the server's process.

connections=/sys/fs/fuse/connections

need_queues() {
	grep -qw fuse_uring_add_kmbuf /proc/kallsyms ||
		fail "this kernel's FUSE has no queues with kernel-managed buffers"
	[ -e "$connections/." ] || fail "this kernel has no $connections"
	mountpoint -q "$connections" || mount -t fusectl fusectl "$connections"
}

# The number of the connection is that of the mount's device. Does not ask the server.
connection() {
	awk -v mnt="$mnt" '$5 == mnt { split($3, dev, ":"); print dev[2] }' /proc/self/mountinfo
}

# await PID FUNCTION: wait until FUNCTION succeeds, for half a minute, while PID lives.
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

# The fdinfo files of the server's io_urings.
rings() {
	find "/proc/$server/fd" -lname '*io_uring*' -printf "/proc/$server/fdinfo/%f\n"
}

# snapshot WHEN: store the kernel's counters once they stand still, since a client does
# not wait for the reply when a file is released.
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

# Measure memory while the server is idle: its kernel-managed buffers, how many of them
# are not free, and its own memory.
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
