#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: how much memory a queue of a FUSE server has for payloads, when 32
# requests of 1 MiB are under way at a time.
#
#   bench-memory.sh SERVER CLIENT
#
# Writes "row<tab>KiB" lines to $KMBUF_RW/figures: what the server's memory
# cgroup is charged for its own pages and for the kernel's, and with
# kernel-managed buffers the least RLIMIT_MEMLOCK that it starts with.
set -euo pipefail

server=$1 client=$2
depth=32
store=/tmp/store mnt=/tmp/mnt
group=/sys/fs/cgroup/server

# charged MODE FLAG...: in use after every entry has had a request, KiB.
charged() {
	local mode=$1 pid
	shift
	mkdir "$group"
	# shellcheck disable=SC2016 # the shell it starts expands it
	bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' bash "$group" \
		"$server" -d $depth "$@" "$store" "$mnt" >"$KMBUF_RW/server.$mode" &
	pid=$!
	wait_mount
	# or else only so many entries are used
	echo $depth | tee /sys/fs/fuse/connections/*/max_background >/dev/null
	"$client" "$mnt/file" read direct 1048576 $depth 128 >/dev/null
	awk '/^(anon|kernel) / { sum += $2 } END { print int(sum / 1024) }' "$group/memory.stat"
	umount "$mnt"
	wait "$pid"
	rmdir "$group"
}

wait_mount() {
	for _ in $(seq 100); do
		! mountpoint -q "$mnt" || return 0
		sleep 0.1
	done
	return 1
}

# starts KIB FLAG...: does the server, with that limit and without the privilege
# to pass it?
starts() {
	local kib=$1 pid status=0
	shift
	prlimit --memlock=$((kib * 1024)) setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock \
		"$server" -d $depth "$@" "$store" "$mnt" >>"$KMBUF_RW/server.limited" 2>&1 &
	pid=$!
	for _ in $(seq 30); do
		kill -0 "$pid" 2>/dev/null || break
		! mountpoint -q "$mnt" || break
		sleep 0.1
	done
	sleep 0.3
	kill -0 "$pid" 2>/dev/null && timeout 5 stat "$mnt/file" >/dev/null 2>&1 || status=1
	! mountpoint -q "$mnt" || umount "$mnt"
	wait "$pid" || true
	return "$status"
}

# locked FLAG...: the least limit, KiB, by halving; a step is 64.
locked() {
	local low=1 high=1024 middle
	starts $((high * 64)) "$@" || { echo "no limit up to 64 MiB will do" >&2; return 1; }
	while [ "$low" -lt "$high" ]; do
		middle=$(((low + high) / 2))
		if starts $((middle * 64)) "$@"; then high=$middle; else low=$((middle + 1)); fi
	done
	# A start that failed for another reason has led astray.
	if ! starts $((low * 64)) "$@" || starts $((low * 64 - 64)) "$@"; then
		echo "$((low * 64)) KiB is not the least limit" >&2
		return 1
	fi
	echo $((low * 64))
}

# row NAME FUNCTION ARG...: a line of figures.
row() {
	local name=$1 figure
	shift
	figure=$("$@")
	printf 'memory %s\t%s\n' "$name" "$figure" | tee -a "$KMBUF_RW/figures"
}

mkdir -p "$store" "$mnt"
fallocate -l 128m "$store/file"
row 'charged, depth 32, memory of the server' charged entry -m entry
row 'charged, depth 32, KMBUF' charged kmbuf -m kmbuf -b 4
row 'locked, depth 32, KMBUF' locked -m kmbuf -b 4
