#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs a plan of reads, writes and work with names, through a FUSE server and
# without one.
#
#   bench-side.guest.sh PLAN DIR     PLAN: from bench_plan.py; DIR: of the programs
#
# The machine counts the stretches that the programs mark. $KMBUF_RW/runs gets a line
# "row<tab>operations<tab>ticks" for each stretch, in order.
set -euo pipefail
. "$(dirname "$0")/stores.guest.sh"
. "$(dirname "$0")/wait-mount.guest.sh"
. "$(dirname "$0")/run-row.guest.sh"

plan=$1 dir=$2
mnt=/tmp/mnt
server_pid='' server=''

stop_server() {
	[ -n "$server_pid" ] || return 0
	# The server prints the kernel's counters and unmounts.
	kill "$server_pid"
	# libfuse's examples exit with an error if a signal ends them.
	wait "$server_pid" || [ "$server" != server ]
	server_pid=''
}

# start_server STORE ARGUMENT...: start a server for the store.
start_server() {
	local store=$1
	shift
	server=$1
	case $server in
	passthrough_ll) "$dir/libfuse/$1" -f -o "source=/tmp/$store,$2" "$mnt" & ;;
	passthrough_hp)
		local -a no=(--nopassthrough)
		[ "${3:-}" != passthrough ] || no=()
		"$dir/libfuse/$1" --foreground "${no[@]}" -o "$2" "/tmp/$store" "$mnt" &
		;;
	*)
		server=server
		echo "# $*, $store" >>"$KMBUF_RW/counters"
		"$dir/server" "$@" "/tmp/$store" "$mnt" >>"$KMBUF_RW/counters" &
		;;
	esac
	server_pid=$!
	wait_mount "$mnt" || { echo "server $*: no mount" >&2; return 1; }
}

# engaged: did each mode use its buffers or zero copy? The server's own memory and
# /dev/fuse have no counters.
engaged() {
	awk '
		/^#/ { mode = $3; way[mode] = mode ~ /zc$/ ? "zero_copy" : "buffer"; next }
		{ sum[mode, $1] += $2 }
		END {
			for (mode in way)
				if (mode !~ /^(entry|dev)$/ && !sum[mode, way[mode]]) {
					print mode ": no request used " way[mode]
					bad = 1
				}
			exit bad
		}
	' "$KMBUF_RW/counters"
}

# No writeback in the background.
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
make_stores
# The bench's server does this itself.
echo Y >/sys/module/fuse/parameters/enable_uring
mkdir "$mnt"
last=''
while IFS=$'\t' read -r row store flags program args operations <&3; do
	if [ "$store $flags" != "$last" ]; then
		stop_server
		# shellcheck disable=SC2086 # words
		[ "$flags" = - ] || start_server "$store" $flags
		last="$store $flags"
	fi
	at=/tmp/$store
	[ "$flags" = - ] || at=$mnt
	# shellcheck disable=SC2086 # likewise
	run_row "$row" "$operations" "$dir/$program" "$at"/$args
done 3<"$plan"
stop_server
# Only the bench's server has modes that could remain unused.
if grep -q '1 MiB' "$plan" && grep -q -P '\t-m ' "$plan"; then
	engaged
fi
