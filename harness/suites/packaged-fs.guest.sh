#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: Debian's sshfs runs with our libfuse and mounts a directory of an SFTP
# server, which it talks to through a pipe. In each mode a tree is copied there and
# compared.
#
#   packaged-fs.guest.sh PROGRAMS LIBRARY TREE MODE...
#
# PROGRAMS is the usr of the unpacked packages, LIBRARY the directory of libfuse3.so.4,
# MODE "plain" or mount options.
set -euo pipefail
. "$(dirname "$0")/../tests/points.sh"
. "$(dirname "$0")/fuse.guest.sh"

programs=$1 library=$2 source=$3
shift 3
private=$programs/lib/x86_64-linux-gnu
loader=$private/ld-linux-x86-64.so.2
export out=/tmp/out
: >"$out"
cd /tmp

# make_tree: make the tree to copy: many small files, a large one, an empty directory, a
# link.
make_tree() {
	mkdir -p mnt tree/empty
	cp -r "$source" tree/files
	head -c 5000001 /dev/urandom >tree/large
	: >tree/nothing
	chmod 750 tree/files
	ln -s large tree/link
	list tree >tree.list
	(cd tree && find . -type f -print0 | xargs -0 sha256sum) >tree.sums
	files=$(wc -l <tree.sums)
	# cp writes 128 KiB at a time, and the kernel reads no more than that ahead.
	pieces=$(find tree -type f -size +4096c -printf '%s\n' |
		awk '{ n += 2 * int(($1 + 131071) / 131072) } END { print n }')
}

# list DIR: print types, modes and names, sizes of files, targets of links.
list() {
	(cd "$1" && find . -type d -printf '%y %m %p\n' -o -printf '%y %m %p %s %l\n' | sort)
}

same() {
	diff tree.list <(list "$1") && (cd "$1" && sha256sum --check --quiet /tmp/tree.sums)
}

# sshfs starts this in place of ssh. It ignores ssh's arguments.
make_pipe() {
	cat >sftp <<-END
		#!/bin/sh
		exec $loader --library-path $private $programs/lib/openssh/sftp-server
	END
	chmod 755 sftp
}

# silent: sshfs printed nothing, except libnuma's message about a system call that this
# kernel lacks.
silent() {
	! grep -v '^mbind: Function not implemented$' said
}

# mounts OPTION: true if sshfs mounts, and runs with the library under test.
mounts() {
	local i
	rm -rf shown && mkdir shown || return
	"$loader" --library-path "$library:$private" "$programs/bin/sshfs" -f \
		localhost:/tmp/shown mnt -o "ssh_command=/tmp/sftp${1:+,$1}" >said 2>&1 &
	server=$!
	for ((i = 0; i < 100; i++)); do
		! mountpoint -q mnt || break
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	[ "$(awk '$6 ~ /\/libfuse3/ { print $6 }' "/proc/$server/maps" | sort -u)" = \
		"$(realpath "$library/libfuse3.so.4")" ] && mountpoint -q mnt &&
		silent
}

copies() {
	mountpoint -q mnt && cp -r --preserve=mode,links tree/. mnt && sync &&
		echo 3 >/proc/sys/vm/drop_caches && same mnt && same shown
}

# went MODE: check the counters. There are at least four requests for each file: lookup,
# create, flush, release. Each piece that does not fit behind a header is written and
# read in a buffer. No file asks for zero copy, so zero copy is set up but not used.
went() {
	local answers slots buffer small
	mountpoint -q mnt || return
	answers=$(ring_sum CqTail) slots=$(ring_sum UserBufs) buffer=$(counter buffer)
	small=$(($(counter none) + $(counter inline)))
	echo "$files files, $pieces pieces: $answers completions, $slots slots," \
		"$buffer in a buffer, $small others" | tee ways
	[ "$(counter zero_copy)" -eq 0 ] && [ "$(counter fallback)" -eq 0 ] || return
	case $1 in
	plain) [ "$answers" -eq 0 ] && [ "$((buffer + small))" -eq 0 ] ;;
	io_uring | io_uring_bufpool)
		[ "$answers" -gt $((4 * files)) ] && [ "$slots" -eq 0 ] && [ "$((buffer + small))" -eq 0 ]
		;;
	io_uring_bufpool,*) [ "$answers" -gt $((4 * files)) ] && [ "$slots" -gt 0 ] ;;
	io_uring_kmbuf) [ "$slots" -eq 0 ] && in_kmbuf "$buffer" "$small" ;;
	io_uring_zero_copy) [ "$slots" -gt 0 ] && in_kmbuf "$buffer" "$small" ;;
	esac
}

# in_kmbuf BUFFER SMALL: true if enough requests went through kernel-managed buffers, and
# enough small ones.
in_kmbuf() {
	[ "$1" -ge "$pieces" ] && [ "$2" -gt $((4 * files)) ]
}

ends() {
	local status=0
	umount mnt || return
	wait "$server" || status=$?
	[ "$status" -eq 0 ] && silent
}

mountpoint -q "$connections" || mount -t fusectl fusectl "$connections"
echo Y >/sys/module/fuse/parameters/enable_uring
make_tree
make_pipe
for mode in "$@"; do
	option=${mode#plain}
	point "$mode: sshfs mounts, with the patched library" mounts "$option"
	point "$mode: a copied tree is the same in the mount and on the server" copies
	: >ways
	point "$mode: the kernel's counters agree" went "$mode"
	sed 's/^/# /' ways
	point "$mode: sshfs ends without an error" ends
done
echo "1..$n"
echo "$n" >"$KMBUF_PLAN"
[ "$failed" -eq 0 ]
