# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # server belongs to the script
# Sourced, in the VM, by scripts that mount a file system of libfuse, whose process
# is $server: what the kernel tells of it.

connections=/sys/fs/fuse/connections

# counter NAME: of the kernel's counters, which kernels without the series lack.
counter() {
	cat "$connections"/*/io_uring 2>/dev/null |
		awk -v name="$1" '$1 == name { sum += $2 } END { print sum + 0 }'
}

# ring_info: the fdinfo of all io_urings of the server.
ring_info() {
	find "/proc/$server/fd" -lname '*io_uring*' -printf "/proc/$server/fdinfo/%f\n" |
		xargs -r cat
}

# ring_sum FIELD: of all io_urings of the server.
ring_sum() {
	ring_info | awk -v field="$1:" '$1 == field { sum += $2 } END { print sum + 0 }'
}
