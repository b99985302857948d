#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: what reads and writes cost through a FUSE server that shows a
# directory, with memory of its own and with memory of the kernel, and without a
# server.
#
#   bench-fuse.sh SERVER CLIENT
#
# The files are on ext4 on a RAM disk. The machine counts what the CLIENT marks;
# "row<tab>operations<tab>ticks" lines in $KMBUF_RW/runs say what each of these
# stretches was, in their order.
set -euo pipefail
. "$(dirname "$0")/stores.sh"
. "$(dirname "$0")/wait-mount.sh"

server=$1 client=$2
depth=8
store=/tmp/store mnt=/tmp/mnt

# rows MODE FILE: some of each, as how many requests a wakeup finds varies. The
# first is thrown away by who reads them: until then caches fill.
rows() {
	local row rw how bytes number ticks
	while IFS=, read -r row rw how bytes number; do
		for _ in 1 2 3 4 5 6; do
			ticks=$("$client" "$2" "$rw" "$how" "$bytes" "$depth" "$number" small sequential)
			printf 'fuse %s, %s\t%s\t%s\n' "$row" "$1" "$number" "$ticks" |
				tee -a "$KMBUF_RW/runs"
		done
	done <<-LIST
		4 KiB direct read,read,direct,4096,2000
		64 KiB direct read,read,direct,65536,500
		1 MiB direct read,read,direct,1048576,80
		1 MiB buffered read,read,buffered,1048576,160
		4 KiB direct write,write,direct,4096,1000
		1 MiB direct write,write,direct,1048576,60
	LIST
}

# run MODE FLAG...: all rows through the server.
run() {
	local mode=$1 pid
	shift
	"$server" -d $depth -b $depth "$@" "$store" "$mnt" >"$KMBUF_RW/server.$mode" &
	pid=$!
	wait_mount "$mnt"
	rows "$mode" "$mnt/file"
	umount "$mnt"
	wait "$pid"
}

make_ext4 "$store"
mkdir -p "$mnt"
rows 'no server' "$store/file"
run 'memory of the server' -m entry
run 'KMBUF' -m kmbuf
run 'zero copy' -m zc -z 32768
