# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, in the VM, by scripts that mount a libfuse file system: reads the kernel's
# counters for its server.

connections=/sys/fs/fuse/connections

# True if this kernel has buffer pools for FUSE.
kernel_has_pools() {
	printf '%s\n' 7.3 "$(uname -r)" | sort -V -C
}

# counter NAME: print the sum of this counter, 0 on kernels without the series.
counter() {
	cat "$connections"/*/io_uring 2>/dev/null |
		awk -v name="$1" '$1 == name { sum += $2 } END { print sum + 0 }'
}

# ring_info: print the fdinfo of all io_urings, which are all the server's.
ring_info() {
	find /proc/[0-9]*/fd -maxdepth 1 -lname '*io_uring*' -printf '%hinfo/%f\n' 2>/dev/null |
		xargs -r cat
}

# ring_sum FIELD: print the sum of FIELD over all io_urings.
ring_sum() {
	ring_info | awk -v field="$1:" '$1 == field { sum += $2 } END { print sum + 0 }'
}
