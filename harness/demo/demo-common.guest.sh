# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced in the VM by the demo's scripts: progress and failure, facts, the file
# system for the servers' files, traces, the copy of the tree and its checks, fio,
# and the server's memory.
#
# The scripts set $mode to the current mode, and $out to the directory in $KMBUF_RW
# for its results. Lines that begin with "demo: " are progress. The first failure ends
# the run.

tracing=/sys/kernel/tracing
store=/tmp/store
mode='setup' out=$KMBUF_RW

say() {
	echo "demo: $*"
}

fail() {
	say "FAILED, $mode: $1"
	exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
set -E

# begin MODE: later facts and results belong to MODE.
begin() {
	mode=$1 out=$KMBUF_RW/$1
	mkdir -p "$out"
	fact kernel "$(uname -r)"
}

end() {
	say "$mode mode: done"
}

# fact NAME VALUE: one measured value of this mode.
fact() {
	echo "$1 $2" >>"$out/facts"
}

# The servers' files are on ext4 on a RAM disk: ublk's server opens its file with
# O_DIRECT, and a RAM disk then moves every byte between its own pages and the
# request's.
make_store() {
	[ -b /dev/ram0 ] || fail "the kernel has no /dev/ram0"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 /dev/ram0
	mkdir -p "$store"
	mount -t ext4 /dev/ram0 "$store"
}

drop_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# trace_start SUBMITTED COMPLETED: trace io_uring's requests that match these filters of
# the submit and complete events.
trace_start() {
	echo 0 >$tracing/tracing_on
	echo 16384 >$tracing/buffer_size_kb
	echo >$tracing/trace
	echo "$1" >$tracing/events/io_uring/io_uring_submit_req/filter
	echo "$2" >$tracing/events/io_uring/io_uring_complete/filter
	echo 1 >$tracing/events/io_uring/io_uring_submit_req/enable
	echo 1 >$tracing/events/io_uring/io_uring_complete/enable
	echo 1 >$tracing/tracing_on
}

trace_stop() {
	echo 0 >$tracing/tracing_on
	echo 0 >$tracing/events/io_uring/enable
	cat $tracing/trace >"$out/trace"
	fact trace_lost "$(cat $tracing/per_cpu/cpu*/stats |
		awk '/^(overrun|commit overrun|dropped events):/ { n += $NF } END { print n + 0 }')"
}

# copy_tree ARCHIVE DIR: in pieces of up to 1 MiB.
copy_tree() {
	mkdir "$2"
	tar -b 2048 -xf "$1" -C "$2"
	sync
}

# count_equal FACT LIST DIR: count the listed files in DIR whose checksums are equal. The
# result for each file goes to $out/sha256.
count_equal() {
	local part checks=()
	split -n l/2 "$2" "$out/sha256."
	for part in "$out"/sha256.a?; do
		(cd "$3" && exec sha256sum --check "$part") >"$part.out" 2>&1 &
		checks+=("$!")
	done
	wait "${checks[@]}" || true
	cat "$out"/sha256.a?.out >"$out/sha256"
	rm "$out"/sha256.a?*
	fact "$1" "$(grep -c ': OK$' "$out/sha256" || true)"
	if grep -q -v ': OK$' "$out/sha256"; then
		fail "checksums in $3 differ: $(grep -m 1 -v ': OK$' "$out/sha256")"
	fi
}

# check_tree LIST DIR: DIR must have every listed file, with an equal checksum, and no
# other file.
check_tree() {
	local all files
	files=$(wc -l <"$1")
	count_equal checksums_equal "$1" "$2"
	find "$2" -type f -printf '%s %P\n' >"$out/found"
	all=$(wc -l <"$out/found")
	fact files "$all"
	fact files_extra $((all > files ? all - files : 0))
	fact bytes "$(awk '{ n += $1 } END { print n + 0 }' "$out/found")"
	[ "$all" -eq "$files" ] || fail "$all files in $2, $files in the source"
}

# fio_run NAME FILE BLOCK OPTION...: one bounded job on a file.
fio_run() {
	local name=$1 file=$2 block=$3
	shift 3
	fio --name="$name" --filename="$file" --size=16M --bs="$block" \
		--direct=1 --ioengine=libaio --iodepth=16 --verify=crc32c \
		--verify_fatal=1 --verify_state_save=0 --randseed=7 \
		--output-format=json --output="$out/$name.json" "$@" 2>"$out/$name.err" ||
		fail "$name: $(head -n 1 "$out/$name.err")"
}

# run_fio FILE BLOCK: write FILE in blocks of that size, then read and verify it.
run_fio() {
	fallocate -l 16M "$1"
	fio_run fio-write "$1" "$2" --rw=randwrite --do_verify=0 --end_fsync=1
	drop_caches
	fio_run fio-read "$1" "$2" --rw=randread
}

# measure_server PID: record the peak of the server's resident memory.
measure_server() {
	fact server_memory_kb "$(awk '/^VmHWM:/ { print $2 }' "/proc/$1/status")"
}
