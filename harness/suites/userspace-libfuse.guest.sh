#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: copies files through libfuse's examples, the program of the README and a
# server with its own threads.
#
#   userspace-libfuse.guest.sh modes|rest|short|bare|pools|four MADE
#
# The server's io_urings, the kernel's counters and the library must agree with each
# mode. "modes" and "rest" are for the patched kernel: the modes and what they fall back
# to; disks, the library's parts, and ends of servers; "short" has two servers in each
# mode. On the bare kernel only fallbacks
# are tested. "pools" tests buffer pools, on any kernel that has them (Linux 7.3). "four"
# is for a machine with four CPUs, and tests the limits of locked memory with four queues.
set -euo pipefail
. "$(dirname "$0")/../tests/points.sh"
. "$(dirname "$0")/fuse.guest.sh"
. "$(dirname "$0")/libfuse-units.sh"

group=$1 made=$2
export out=/tmp/out
: >"$out"
cd /tmp
enable=/sys/module/fuse/parameters/enable_uring
bufpool=0
! kernel_has_pools || bufpool=1
mkdir -p mnt mnt2 src disk
src=/tmp/src at=mnt
head -c 5000001 /dev/urandom >large
head -c 70000 large >small
server=''
# What serves the requests of a queue that can have no entry.
no_queue=/dev/fuse
! grep -q -w fuse_uring_map_update /proc/kallsyms || no_queue="other queues, or /dev/fuse"

# serve COMMAND...: start a server and wait until $at is mounted. Output goes to the file
# said.
serve() {
	"$@" >said 2>&1 &
	server=$!
	for ((i = 0; i < 100; i++)); do
		! mountpoint -q "$at" || return 0
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	cat said
	return 1
}

serve_example() {
	local example=$1 options=$2
	rm -rf "$src" && mkdir "$src"
	case $example in
	passthrough_ll) set -- -f -o "source=$src,$options" mnt ;;
	passthrough_hp) set -- --foreground --nopassthrough -o "$options" "$src" "$PWD/mnt" ;;
	fuse_threads | fuse_refused) set -- "$src/file" mnt -o "$options" ;;
	fuse_memo) set -- -f -o "$options" mnt ;;
	kmbuf-file) set -- "$src/file" -f -o "$options" mnt ;;
	esac
	example=$(find "$made/new/example/$example" "$made/$example" -maxdepth 0 2>/dev/null)
	serve "$example" "$@"
}

# Unmounts. The server must still run, and must end without an error.
unserve() {
	local status=0
	umount "$at" || return
	wait "$server" || status=$?
	grep -v '^mbind: ' said || true
	[ "$status" -eq 0 ]
}

# copied FROM TO DD_OPTION...
copied() {
	local from=$1 to=$2
	shift 2
	dd if="$from" of="$to" bs=1M "$@" && cmp "$from" "$to" &&
		echo 3 >/proc/sys/vm/drop_caches && cmp "$from" "$to"
}

# copies NAME: copy files through mnt, buffered and direct, and append to one.
copies() {
	copied large "mnt/$1" &&
		copied "mnt/$1" back iflag=direct &&
		copied large "mnt/$1" oflag=direct conv=notrunc &&
		copied small "mnt/$1" &&
		printf 'the end' >>"mnt/$1" && [ "$(tail -c 7 "mnt/$1")" = "the end" ]
}

# sectors NAME: read and write a file that server and client have open with O_DIRECT, in
# various sizes of whole sectors.
sectors() {
	local bs
	head -c 4608000 large >"mnt/$1" || return
	for bs in 512 1536 4096 4608 66048 1048064 1049088; do
		dd if="mnt/$1" of=back bs="$bs" count=4 iflag=direct &&
			cmp -n $((4 * bs)) large back &&
			dd if=back of="mnt/$1" bs="$bs" count=4 oflag=direct conv=notrunc &&
			cmp -n 4608000 large "mnt/$1" || return
	done
}

# uses MODE: true if the io_urings and the kernel's counters, where it has some, agree
# with MODE. A few requests are too small for zero copy.
uses() {
	local buffer zero_copy inline copied answers slots
	buffer=$(counter buffer) zero_copy=$(counter zero_copy) inline=$(counter inline)
	answers=$(ring_sum CqTail) slots=$(ring_sum UserBufs)
	copied=$((buffer + zero_copy + inline))
	echo "$1: $answers completions, $slots slots, $buffer buffer, $zero_copy zero copy," \
		"$inline inline, $(counter fallback) fallback"
	case $1 in
	none) [ "$answers" -eq 0 ] ;;
	# Commands for two queues, and no request.
	refused) [ "$answers" -gt 0 ] && [ "$answers" -le 8 ] && [ "$copied" -eq 0 ] ;;
	*) [ "$answers" -gt 40 ] ;;
	esac || return
	case $1 in
	none | io_uring) [ "$slots" -eq 0 ] && [ "$copied" -eq 0 ] ;;
	headers) [ "$slots" -eq 0 ] && [ "$buffer" -eq 0 ] && [ "$inline" -gt 4 ] ;;
	kmbuf) [ "$slots" -eq 0 ] && [ "$buffer" -gt 10 ] && [ "$zero_copy" -eq 0 ] && [ "$inline" -gt 4 ] ;;
	zero_copy)
		[ "$slots" -gt 0 ] && [ "$zero_copy" -gt 10 ] && [ "$inline" -gt 4 ] &&
			[ "$(counter fallback)" -eq 0 ]
		;;
	bufpool) [ "$slots" -eq 0 ] && [ "$inline" -eq 0 ] && [ "$zero_copy" -eq 0 ] ;;
	bufpool_zero_copy) [ "$slots" -gt 0 ] && [ "$inline" -eq 0 ] ;;
	esac
}

# in_use MODE: true if the library reported MODE, through the one program that asks it,
# which also counts the requests whose data is not in the process's memory.
in_use() {
	local words='' requests
	case $1 in
	io_uring | headers) words=" io_uring" ;;
	kmbuf) words=" io_uring kmbuf" ;;
	zero_copy) words=" io_uring kmbuf zero_copy" ;;
	bufpool) words=" io_uring bufpool" ;;
	bufpool_zero_copy) words=" io_uring bufpool zero_copy" ;;
	esac
	requests=$(sed -n 's/^zero copy requests: //p' said)
	grep -q -F -x "in use:$words" said || return
	case $1 in
	*zero_copy) [ "$requests" -gt 10 ] ;;
	*) [ "$requests" -eq 0 ] ;;
	esac && counted "$1" "$requests"
}

# counted MODE REQUESTS: true if the library's counters agree with MODE and REQUESTS, the
# number with zero copy. A quarter of these goes through memory; each of the others has
# I/O on its slot.
counted() {
	local requests zero_copy linked slot_io bounced dev_requests
	eval "$(sed -n 's/^stats: //p' said)"
	[ "$zero_copy" -eq "$2" ] && [ "$linked" -eq 0 ] && [ "$dev_requests" -gt 0 ] || return
	case $1 in
	none | refused) [ "$requests" -eq 0 ] ;;
	*zero_copy)
		[ "$requests" -gt "$zero_copy" ] && [ "$bounced" -gt 0 ] &&
			[ "$bounced" -lt "$zero_copy" ] && [ "$slot_io" -ge "$zero_copy" ]
		;;
	*) [ "$requests" -gt 40 ] && [ "$bounced" -eq 0 ] && [ "$slot_io" -eq 0 ] ;;
	esac
}

# linked MODE: replies are linked to the file's I/O, so that no thread waits for it.
linked() {
	local status=0 requests zero_copy linked slot_io bounced dev_requests
	OWN=1 STAYS=1 WAY=0 serve_example fuse_threads "$1" || return
	copies file || status=1
	unserve && [ "$status" -eq 0 ] || return
	eval "$(sed -n 's/^stats: //p' said)"
	[ "$linked" -eq "$zero_copy" ] && [ "$linked" -gt 10 ] && [ "$bounced" -eq 0 ]
}

# as_printed: run the program that the commands in userspace/libfuse.md built, with its
# libraries.
as_printed() {
	local status=0
	rm -f disk.file
	serve env "LD_LIBRARY_PATH=$made/recipe/kmbuf/lib" "$made/recipe/kmbuf-file" disk.file -f \
		-o io_uring_zero_copy mnt || return
	{ copies file && uses zero_copy; } || status=1
	unserve && [ "$status" -eq 0 ]
}

# pages OPTIONS: copy with max_write of a page; smaller values count as one page.
pages() {
	local status=0
	serve_example fuse_threads "$1" || return
	copied small mnt/file || status=1
	unserve && [ "$status" -eq 0 ]
}

# full EXAMPLE OPTIONS: a write to a disk that fills up fails, and stores as much data as
# without FUSE.
full() {
	local status=0 src=/tmp/disk/src
	serve_example "$1" "$2" || return
	! dd if=large of=mnt/file bs=64k conv=notrunc 2>errors || status=1
	cat errors
	grep -q 'No space left' errors || status=1
	unserve || status=1
	echo "$(stat -c %s disk/src/file) bytes"
	[ "$(stat -c %s disk/src/file)" -eq $((1000 * 1024)) ] &&
		cmp -n $((1000 * 1024)) large disk/src/file && [ "$status" -eq 0 ]
}

# works EXAMPLE OPTIONS MODE FILE
works() {
	local status=0
	serve_example "$1" "$2" || return
	{ copies "$4" && uses "$3"; } || status=1
	unserve && [ "$status" -eq 0 ] && { [ "$1" != fuse_threads ] || in_use "$3"; }
}

# sent_in SIZE: print how many requests were sent in buffers of SIZE bytes.
sent_in() {
	cat "$connections"/*/io_uring |
		awk -v size="$1" '$5 == "size" && $6 == size { sum += $8 } END { print sum + 0 }'
}

# sizes EXAMPLE OPTIONS SIZE...: the same, and buffers of each SIZE are in use.
sizes() {
	local size status=0
	serve_example "$1" "$2" || return
	copies file || status=1
	for size in "${@:3}"; do
		echo "$(sent_in "$size") requests in buffers of $size bytes"
		[ "$(sent_in "$size")" -gt 0 ] || status=1
	done
	unserve && [ "$status" -eq 0 ]
}

# no_kmbuf_rings: true if no io_uring of the server has a KMBUF ring.
no_kmbuf_rings() {
	! ring_info | grep 'entries=.*pins='
}

# refused MODE LIST OPTIONS TEXT: run fuse_threads with the failing commands of LIST.
# Memory that the kernel did not use must be given back.
refused() {
	local status=0 text=$4
	REFUSE=$2 serve_example fuse_refused "$3" || return
	{ copies file && uses "$1" && no_kmbuf_rings; } || status=1
	unserve && says "$text" && in_use "$1" && [ "$status" -eq 0 ]
}

# works_on_disk EXAMPLE OPTIONS: the same on a disk, where O_DIRECT needs aligned memory.
works_on_disk() {
	local status=0 src=/tmp/disk/src
	serve_example "$1" "$2" || return
	sectors file || status=1
	unserve && [ "$status" -eq 0 ]
}

# says TEXT: true if the server printed this message once, and no other of its kind.
says() {
	[ "$(grep -c -E 'cannot use|refuses' said)" -eq 1 ] && grep -q -F -x "fuse: cannot use $1" said
}

# dropped MEMLOCK OPTIONS: a server without privileges, which mount.fuse3 mounts.
dropped() {
	printf '#!/bin/sh\nexec %s -f "$@"\n' "$made/fuse_memo" >memo.sh
	chmod 755 memo.sh
	# shellcheck disable=SC2016 # the shell's own arguments
	serve sh -c 'ulimit -l "$1" && shift && exec "$@"' sh "$1" \
		"$made/new/util/mount.fuse3" /tmp/memo.sh "$at" -o "drop_privileges,$2"
}

# falls_back MODE FILE SAYS COMMAND...
falls_back() {
	local status=0 mode=$1 file=$2 text=$3
	shift 3
	"$@" || return
	{ copies "$file" && uses "$mode"; } || status=1
	unserve && says "$text" && [ "$status" -eq 0 ]
}

# fits MODE TEXT COMMAND...: the mode works with a pool that is smaller than usual.
fits() {
	local status=0 mode=$1 text=$2
	shift 2
	"$@" || return
	{ copies memo && uses "$mode"; } || status=1
	unserve && [ "$(cat said)" = "${text:+fuse: $text}" ] && [ "$status" -eq 0 ]
}

# without_io_uring TEXT [COMMAND...]: a server that COMMAND runs prints this and nothing
# else.
without_io_uring() {
	local status=0 text=$1
	shift
	serve "$@" "$made/fuse_memo" -f -o io_uring mnt || status=1
	{ copies memo && uses none; } || status=1
	unserve || status=1
	[ "$(cat said)" = "fuse: $text" ] && [ "$status" -eq 0 ]
}

disabled() {
	local status=0
	sysctl -q -w kernel.io_uring_disabled=2
	without_io_uring "$1" || status=1
	sysctl -q -w kernel.io_uring_disabled=0
	return "$status"
}

# refuses OPTIONS TEXT: the mount fails with this message.
refuses() {
	local status=0
	timeout 10 "$made/fuse_memo" -f -o "$1" mnt >said 2>&1 || status=$?
	cat said
	[ "$status" -ne 0 ] && [ "$status" -lt 124 ] && grep -q -F -x "fuse: $2" said &&
		! mountpoint -q mnt
}

file_of() {
	case $1 in
	fuse_memo) echo memo ;;
	*) echo file ;;
	esac
}

modes() {
	local example mode max

	: >src/file
	for example in passthrough_ll passthrough_hp kmbuf-file fuse_memo fuse_threads; do
		point "$example: io_uring" works "$example" io_uring io_uring "$(file_of "$example")"
		point "$example: kernel-managed buffers" \
			works "$example" io_uring_kmbuf kmbuf "$(file_of "$example")"
		point "$example: one small buffer" \
			works "$example" io_uring_kmbuf_bufs=1,io_uring_kmbuf,io_uring_kmbuf_bufsize=65536 \
			kmbuf "$(file_of "$example")"
		point "$example: zero copy" \
			works "$example" io_uring_zero_copy zero_copy "$(file_of "$example")"
		point "$example: zero copy, one entry" \
			works "$example" io_uring_zero_copy,io_uring_q_depth=1 zero_copy \
			"$(file_of "$example")"
	done
	# Not a multiple of the page size.
	for mode in kmbuf zero_copy; do
		for example in passthrough_ll fuse_threads; do
			point "$example: $mode, buffers of 100000 bytes" \
				works "$example" "io_uring_$mode,io_uring_kmbuf_bufsize=100000" "$mode" file
		done
	done
	point "fuse_threads: io_uring, max_write=100000" \
		works fuse_threads io_uring,max_write=100000 io_uring file
	for max in 0 4096; do
		for mode in rw io_uring io_uring_kmbuf; do
			point "fuse_threads: $mode, max_write=$max" pages "$mode,max_write=$max"
		done
	done
	point "replies that do not wait for their data" linked io_uring_zero_copy
	point "the program of userspace/libfuse.md, built as printed" as_printed
}

pools() {
	local example

	: >src/file
	for example in passthrough_ll passthrough_hp fuse_memo fuse_threads; do
		point "$example: a buffer pool" \
			works "$example" io_uring_bufpool bufpool "$(file_of "$example")"
		point "$example: a pool of one small buffer" \
			works "$example" io_uring_bufpool,io_uring_kmbuf_bufs=1,io_uring_kmbuf_bufsize=65536 \
			bufpool "$(file_of "$example")"
		point "$example: a buffer pool and zero copy" \
			works "$example" io_uring_bufpool,io_uring_zero_copy bufpool_zero_copy \
			"$(file_of "$example")"
		point "$example: a buffer pool and zero copy, one entry" \
			works "$example" io_uring_bufpool,io_uring_zero_copy,io_uring_q_depth=1 \
			bufpool_zero_copy "$(file_of "$example")"
	done
	for example in passthrough_ll fuse_threads; do
		point "$example: a pool of buffers of 100000 bytes" \
			works "$example" io_uring_bufpool,io_uring_kmbuf_bufsize=100000 bufpool file
	done
	point "the kernel refuses the pool: a buffer for each entry" \
		refused io_uring 4=12 io_uring_bufpool \
		"a buffer pool: the kernel refuses the pool: Cannot allocate memory. Instead: a buffer for each entry"
	point "... with zero copy: no io_uring" \
		refused refused 4=12 io_uring_bufpool,io_uring_zero_copy \
		"a buffer pool: the kernel refuses the pool: Cannot allocate memory. Instead: $no_queue"
}

# largest_only: only the first ring of each queue is accepted. The others must not stay.
largest_only() {
	local status=0
	REFUSE=33=12+1 serve_example fuse_refused io_uring_kmbuf || return
	{ copies file && uses kmbuf; } || status=1
	ring_info | grep 'entries=.*pins='
	[ "$(ring_info | grep -c 'entries=.*pins=')" -eq 2 ] || status=1
	unserve && [ "$(grep '^fuse: ' said)" = "fuse: the kernel refuses buffers of several sizes: Cannot allocate memory. Instead: 2 of 1024 KiB for each queue" ] &&
		in_use kmbuf && [ "$status" -eq 0 ]
}

# Commands that the kernel offers and then refuses.
refusals() {
	local what="kernel-managed buffers: the kernel refuses" why="Cannot allocate memory. Instead:"
	local next="a buffer for each entry" headers="headers in kernel memory, and a buffer for each entry"
	local zero_copy_next=$no_queue zero_copy_mode=refused mode=io_uring headers_mode=headers
	if [ "$bufpool" -eq 1 ]; then
		next="a buffer pool" headers="a buffer pool" mode=bufpool headers_mode=bufpool
		zero_copy_next="a buffer pool" zero_copy_mode=bufpool_zero_copy
	fi
	point "the kernel refuses the KMBUF ring: $headers" \
		refused "$headers_mode" 33=12 io_uring_kmbuf "$what the KMBUF ring: $why $headers"
	point "the kernel refuses headers in its memory: $next" \
		refused "$mode" 32=12 io_uring_kmbuf "$what headers in its memory: $why $next"
	point "the kernel refuses the KMBUF ring, with zero copy: $zero_copy_next" \
		refused "$zero_copy_mode" 33=12 io_uring_zero_copy "$what the KMBUF ring: $why $zero_copy_next"
	point "the kernel refuses buffers of several sizes: the largest" largest_only
	[ "$bufpool" -eq 1 ] || point "the kernel refuses a queue: $next" \
		refused "$mode" 3=12 io_uring_kmbuf "$what a queue: $why $next"
}

# parallel: two clients at a time.
parallel() {
	local cpu pids=() pid status=0
	for cpu in 0 1; do
		taskset -c "$cpu" dd if=mnt/file of=/dev/null bs=64k count=20 iflag=direct &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	return "$status"
}

# one_at_a_time MODE: fuse_threads uses a single-threaded loop.
one_at_a_time() {
	local status=0
	SLOW=2000 serve_example fuse_threads "$1" || return
	{ dd if=large of=mnt/file bs=1M && parallel; } || status=1
	unserve && [ "$status" -eq 0 ] && grep -x 'at a time: 1' said
}

# ends SECONDS HOW MODE [VARIABLE=VALUE]...: a server ends although its reads, of a fifo,
# never do, and a client waits for them.
ends() {
	local seconds=$1 how=$2 mode=$3 client status=0 start
	shift 3
	rm -rf "$src" && mkdir "$src" && mkfifo "$src/file"
	serve env "$@" "$made/fuse_threads" "$src/file" mnt -o "$mode" || return
	dd if=mnt/file of=/dev/null bs=64k count=1 iflag=direct &
	client=$!
	sleep 1
	start=$SECONDS
	case $how in
	abort) echo 1 | tee "$connections"/*/abort >/dev/null ;;
	*) kill "-$how" "$server" ;;
	esac
	timeout "$seconds" tail --pid="$server" -f /dev/null || status=1
	echo "ended after $((SECONDS - start)) s"
	kill -KILL "$server" 2>/dev/null || true
	umount -l mnt 2>/dev/null || true
	wait "$client" || true
	wait "$server" 2>/dev/null || true
	cat said
	return "$status"
}

# The end of file systems with waiting requests.
endings() {
	local mode how
	for mode in io_uring io_uring_kmbuf io_uring_zero_copy; do
		for how in TERM abort; do
			point "reads that do not end, $mode, $how" ends 5 "$how" "$mode" WAY=0
			point "... in the thread of the queue" ends 5 "$how" "$mode" WAY=0 OWN=1
			point "... in the kernel" ends 5 "$how" "$mode" WAY=0 OWN=1 STAYS=1
		done
		point "one handler at a time, $mode" one_at_a_time "$mode"
	done
}

direct() {
	local example options
	truncate -s 64M disk.img
	point "a disk whose blocks are sectors" mkfs.ext4 -q -F disk.img
	point "it can be mounted" mount -t ext4 -o loop disk.img disk
	for example in passthrough_ll passthrough_hp; do
		for options in rw io_uring io_uring_kmbuf io_uring_zero_copy; do
			point "$example: O_DIRECT on a disk, $options" \
				works_on_disk "$example" "$options"
		done
	done
	point "the disk is no longer in use" umount disk
	for options in rw io_uring io_uring_kmbuf io_uring_zero_copy; do
		point "a disk of 1000 KiB" mount -t tmpfs -o size=1000k none disk
		point "passthrough_ll: a disk that is full, $options" full passthrough_ll "$options"
		point "the disk is no longer in use" umount disk
	done
}

options() {
	point "the number of buffers need not be a power of two" \
		works fuse_memo io_uring_kmbuf,io_uring_kmbuf_bufs=3 kmbuf memo
	: >src/file
	point "buffers of several sizes" \
		sizes fuse_threads 'io_uring_kmbuf,io_uring_kmbuf_bufs=16x64K+2x1M' 65536 1048576
	point "zero copy, buffers of several sizes" \
		works fuse_threads 'io_uring_zero_copy,io_uring_kmbuf_bufs=16x64K+2x1M' zero_copy file
	point "no queues are refused" refuses io_uring,io_uring_queues=0 \
		"io_uring_queues=0: has to be from 1 to 65536"
	point "no buffers are refused" refuses io_uring_kmbuf,io_uring_kmbuf_bufs=0 \
		"io_uring_kmbuf_bufs=0: has to be from 1 to 32768"
	point "too many buffers are refused" refuses io_uring_kmbuf,io_uring_kmbuf_bufs=32769 \
		"io_uring_kmbuf_bufs=32769: has to be from 1 to 32768"
	point "buffers that are too small are refused" \
		refuses io_uring_kmbuf,io_uring_kmbuf_bufsize=4096 \
		"io_uring_kmbuf_bufsize=4096: has to be from 8192 to 1073741824"
	point "zero copy without an entry is refused" \
		refuses io_uring_zero_copy,io_uring_q_depth=0 \
		"io_uring_q_depth=0: has to be from 1 to 16383 with io_uring_zero_copy"
}

# served_on CPU: a client on this CPU is served through kernel-managed buffers.
served_on() {
	local before
	before=$(counter buffer)
	taskset -c "$1" dd if=large of=mnt/memo bs=1M conv=notrunc &&
		taskset -c "$1" cmp large mnt/memo || return
	echo "CPU $1: $(($(counter buffer) - before)) requests in buffers"
	[ "$(counter buffer)" -ge $((before + 5)) ]
}

# bindings: print the CPUs of each thread of the server that serves a queue.
bindings() {
	local task
	for task in /proc/"$server"/task/*; do
		! grep -q '^fuse-ring-' "$task/comm" ||
			sed -n 's/^Cpus_allowed_list:\t//p' "$task/status"
	done | xargs
}

# queues TEXT MAP BINDINGS COMMAND...: the server says TEXT. In the kernel, the queues and
# their CPUs match the regex MAP, and clients on each CPU are served. The threads may run on
# the CPUs of BINDINGS.
queues() {
	local cpu map status=0 text=$1 lines=$2 bindings=$3
	shift 3
	"$@" || return
	for ((cpu = 0; cpu < $(nproc); cpu++)); do
		served_on "$cpu" || status=1
	done
	echo "threads on CPUs: $(bindings)"
	[ "$(bindings)" = "$bindings" ] || status=1
	uses kmbuf || status=1
	map=$(sed -n 's/^queue \([0-9]* cpus .*\)/\1/p' "$connections"/*/io_uring | xargs)
	echo "queues: $map"
	[[ $map =~ ^$lines$ ]] || status=1
	unserve && [ "$(cat said)" = "${text:+fuse: $text}" ] && [ "$status" -eq 0 ]
}

# on_last_cpu COMMAND...: start a server on the last CPU only.
on_last_cpu() {
	local status=0
	taskset -cp "$(($(nproc) - 1))" $$ >/dev/null
	"$@" || status=1
	taskset -cp "0-$(($(nproc --all) - 1))" $$ >/dev/null
	return "$status"
}

# On the machine with two CPUs.
fewer_queues() {
	point "a queue for each CPU" queues "" '0 cpus 0 1 cpus 1' "0 1" \
		serve_example fuse_memo io_uring_kmbuf
	point "one queue by option" queues "1 io_uring queue for 2 CPUs: as io_uring_queues says" \
		'0 cpus 0-1' 0-1 serve_example fuse_memo io_uring_kmbuf,io_uring_queues=1
	point "one queue for a process on one CPU" \
		queues "1 io_uring queue for 2 CPUs: the process may not use the other CPUs" \
		'1 cpus 0-1' 1 on_last_cpu serve_example fuse_memo io_uring_kmbuf
	point "two queues for a process on one CPU" queues "" '0 cpus 0 1 cpus 1' "1 1" \
		on_last_cpu serve_example fuse_memo io_uring_kmbuf,io_uring_queues=2
}

fallbacks() {
	local need instead="a buffer for each entry" mode=io_uring
	point "no privilege: kernel-managed buffers, but no zero copy" \
		falls_back kmbuf memo "zero copy: it needs CAP_SYS_ADMIN" \
		dropped unlimited io_uring_zero_copy
	# For each of two CPUs: the buffers, and the headers.
	need=$((2 * (2 * 1024 + 4 * 128 + 16 * 32 + 8)))
	[ "$bufpool" -eq 0 ] || { instead="a buffer pool" && mode=bufpool; }
	point "over RLIMIT_MEMLOCK: $instead" \
		falls_back "$mode" memo "kernel-managed buffers: 2 queues with 2 buffers of 1024 KiB, 4 of 128 KiB, 16 of 32 KiB take $need KiB of locked memory, RLIMIT_MEMLOCK is 64 KiB. Raise it, or lower io_uring_kmbuf_bufs or io_uring_kmbuf_bufsize. Instead: $instead" \
		dropped 64 io_uring_kmbuf
	point "within the usual 8 MiB" fits kmbuf "" dropped 8192 io_uring_kmbuf
	point "over 4 MiB: fewer buffers" \
		fits kmbuf "only 1 buffer of 1024 KiB, 2 of 128 KiB, 8 of 32 KiB for each queue: 2 queues with 2 buffers of 1024 KiB, 4 of 128 KiB, 16 of 32 KiB take $need KiB of locked memory, RLIMIT_MEMLOCK is 4096 KiB. Raise it, or lower io_uring_kmbuf_bufs or io_uring_kmbuf_bufsize" \
		dropped 4096 io_uring_kmbuf
	point "over 1 MiB: smaller buffers" \
		fits kmbuf "only 1 buffer of 256 KiB for each queue: 2 queues with 2 buffers of 1024 KiB, 4 of 128 KiB, 16 of 32 KiB take $need KiB of locked memory, RLIMIT_MEMLOCK is 1024 KiB. Raise it, or lower io_uring_kmbuf_bufs or io_uring_kmbuf_bufsize" \
		dropped 1024 io_uring_kmbuf
	point "the user's own numbers are not reduced: $instead" \
		falls_back "$mode" memo "kernel-managed buffers: 2 queues with 4 buffers of 1024 KiB take $((2 * (4 * 1024 + 8))) KiB of locked memory, RLIMIT_MEMLOCK is 8192 KiB. Raise it, or lower io_uring_kmbuf_bufs or io_uring_kmbuf_bufsize. Instead: $instead" \
		dropped 8192 io_uring_kmbuf,io_uring_kmbuf_bufs=4,io_uring_kmbuf_bufsize=1048576
	point "the user's own numbers and sizes are not reduced: $instead" \
		falls_back "$mode" memo "kernel-managed buffers: 2 queues with 4 buffers of 1024 KiB, 8 of 64 KiB take $((2 * (4 * 1024 + 8 * 64 + 8))) KiB of locked memory, RLIMIT_MEMLOCK is 8192 KiB. Raise it, or lower io_uring_kmbuf_bufs. Instead: $instead" \
		dropped 8192 io_uring_kmbuf,io_uring_kmbuf_bufs=4x1M+8x64K
	no_pools
}

no_pools() {
	[ "$bufpool" -eq 1 ] ||
		point "no buffer pools: a buffer for each entry" \
			falls_back io_uring memo "a buffer pool: the kernel does not offer one for FUSE, Linux 7.3 does. Instead: a buffer for each entry" \
			serve_example fuse_memo io_uring_bufpool
}

# two_mounts TEXT TEXT: two mounts of one user, which share the user's limit.
two_mounts() {
	local first status=0
	dropped 8192 io_uring_kmbuf || return
	first=$server
	mv said said.first
	at=mnt2 dropped 8192 io_uring_kmbuf || return
	copied large mnt2/memo || status=1
	at=mnt2 unserve || status=1
	[ "$(cat said)" = "fuse: $2" ] || status=1
	server=$first
	mv said.first said
	{ copies memo && uses kmbuf; } || status=1
	unserve && [ "$(cat said)" = "fuse: $1" ] && [ "$status" -eq 0 ]
}

# Each queue has its own buffers.
four() {
	local need=$((4 * (2 * 1024 + 4 * 128 + 16 * 32 + 8)))
	local queues="for each queue: 4 queues with 2 buffers of 1024 KiB, 4 of 128 KiB, 16 of 32 KiB take $need KiB of locked memory, RLIMIT_MEMLOCK is 8192 KiB. Raise it, or lower io_uring_kmbuf_bufs or io_uring_kmbuf_bufsize"
	local fewer="only 1 buffer of 1024 KiB, 2 of 128 KiB, 8 of 32 KiB $queues"
	point "the usual 8 MiB: fewer buffers" fits kmbuf "$fewer" dropped 8192 io_uring_kmbuf
	point "... and a second mount: a smaller one" \
		two_mounts "$fewer" "only 1 buffer of 256 KiB $queues"
	point "two queues for four CPUs" \
		queues "2 io_uring queues for 4 CPUs: as io_uring_queues says" \
		'0 cpus 0-1 2 cpus 2-3' "0-3 0-3" \
		serve_example fuse_memo io_uring_kmbuf,io_uring_queues=2
	mount -t tmpfs none /sys/fs/cgroup
	echo 250000 100000 >/sys/fs/cgroup/cpu.max
	point "a CPU quota of two and a half" \
		queues "3 io_uring queues for 4 CPUs: the CPU quota of its cgroup allows no more" \
		'0 cpus [0-9,-]* 1 cpus [0-9,-]* 2 cpus [0-9,-]*' "0-3 0-3 0-3" serve_example fuse_memo io_uring_kmbuf
	echo 50000 100000 >/sys/fs/cgroup/cpu.max
	point "a CPU quota of a half: two queues" \
		queues "2 io_uring queues for 4 CPUs: the CPU quota of its cgroup allows no more" \
		'0 cpus 0-1 2 cpus 2-3' "0-3 0-3" serve_example fuse_memo io_uring_kmbuf
	umount /sys/fs/cgroup
}

without_kernel() {
	local text="kernel-managed buffers: the kernel does not offer them for FUSE. Instead: "
	if [ "$bufpool" -eq 1 ]; then
		point "a kernel without kernel-managed buffers: a buffer pool" \
			falls_back bufpool_zero_copy memo "${text}a buffer pool" \
			serve_example fuse_memo io_uring_zero_copy
	else
		point "a kernel without kernel-managed buffers: a buffer for each entry" \
			falls_back io_uring memo "${text}a buffer for each entry, without zero copy" \
			serve_example fuse_memo io_uring_zero_copy
	fi
}

without_uring() {
	local text
	echo N >"$enable"
	point "a kernel with FUSE over io_uring disabled: no io_uring" \
		falls_back none memo "io_uring: the kernel does not offer FUSE over io_uring. Enable it: echo Y > $enable" \
		serve_example fuse_memo io_uring_zero_copy
	echo Y >"$enable"
	text="cannot use io_uring: the kernel does not allow it, see /proc/sys/kernel/io_uring_disabled, or a seccomp filter. Instead: /dev/fuse"
	point "io_uring is disabled: one message" disabled "$text"
	point "a seccomp filter denies it: one message" without_io_uring "$text" "$made/no_uring" 1
	point "a seccomp filter hides it: one message" without_io_uring \
		"cannot use io_uring: the kernel has none, or a seccomp filter hides it. Instead: /dev/fuse" \
		"$made/no_uring" 38
}

mountpoint -q "$connections" || mount -t fusectl fusectl "$connections"
echo Y >"$enable"
case $group in
modes)
	modes
	fewer_queues
	fallbacks
	refusals
	without_uring
	;;
short)
	: >src/file
	declare -A option=([io_uring]=io_uring [kmbuf]=io_uring_kmbuf [zero_copy]=io_uring_zero_copy)
	for mode in io_uring kmbuf zero_copy; do
		for example in passthrough_ll fuse_threads; do
			point "$example: $mode" works "$example" "${option[$mode]}" "$mode" file
		done
	done
	no_pools
	;;
rest)
	direct
	options
	units
	endings
	;;
bare)
	without_kernel
	point "a kernel that needs a queue for each CPU: one message" \
		fits io_uring "io_uring_queues has no effect: the kernel needs a queue for each CPU" \
		serve_example fuse_memo io_uring,io_uring_queues=1
	without_uring
	;;
pools) pools ;;
four) four ;;
esac
echo "1..$n"
echo "$n" >"$KMBUF_PLAN"
[ "$failed" -eq 0 ]
