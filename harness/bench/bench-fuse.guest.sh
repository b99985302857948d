#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: measures reads and writes through a FUSE server for a directory, with the
# server's own memory and with the kernel's memory, and without a server.
#
#   bench-fuse.guest.sh SERVER CLIENT
#
# The files are on ext4 on a RAM disk. The machine counts the stretches that CLIENT marks.
set -euo pipefail
. "$(dirname "$0")/stores.guest.sh"
. "$(dirname "$0")/wait-mount.guest.sh"
. "$(dirname "$0")/run-row.guest.sh"

server=$1 client=$2
depth=8
store=/tmp/store mnt=/tmp/mnt

# rows MODE FILE: run all rows.
rows() {
	local row rw how bytes number
	while IFS=, read -r row rw how bytes number <&3; do
		run_row "fuse $row, $1" "$number" \
			"$client" "$2" "$rw" "$how" "$bytes" "$depth" "$number" small sequential
	done 3<<-LIST
		4 KiB direct read,read,direct,4096,2000
		64 KiB direct read,read,direct,65536,500
		1 MiB direct read,read,direct,1048576,80
		1 MiB buffered read,read,buffered,1048576,120
		4 KiB direct write,write,direct,4096,1000
		1 MiB direct write,write,direct,1048576,60
	LIST
}

# run MODE FLAG...: run all rows through the server.
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
# As libfuse does, the server asks for the number of queues.
run 'KMBUF' -m kmbuf -q 1
run 'zero copy' -m zc -z 32768 -q 1
