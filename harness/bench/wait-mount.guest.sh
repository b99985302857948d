# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, in the VM, by scripts that start FUSE servers.

# wait_mount DIR: wait until something is mounted there, ten seconds at most.
wait_mount() {
	for _ in $(seq 100); do
		! mountpoint -q "$1" || return 0
		sleep 0.1
	done
	return 1
}
