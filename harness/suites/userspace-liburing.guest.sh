#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs liburing's programs for kernel-managed buffers.
#
#   userspace-liburing.guest.sh linux|bare MADE
#
# On the bare kernel the test programs must skip, and the other programs must fall back
# and say so.
set -euo pipefail
. "$(dirname "$0")/../tests/points.sh"

kernel=$1 made=$2
export out=/tmp/out
: >"$out"
cd /tmp
export LD_LIBRARY_PATH=$made/install/lib

case $kernel in
linux) test_status=0 copy="memory: kernel-managed buffers" sum="memory of the kernel (Success)" ;;
bare) test_status=77 copy="memory: our own, .*: Invalid argument" sum="memory of our own (Invalid argument)" ;;
esac

# ends STATUS COMMAND...: true if COMMAND exits with STATUS.
ends() {
	local status=0 want=$1
	shift
	"$@" || status=$?
	echo "status $status"
	[ "$status" -eq "$want" ]
}

copies() {
	rm -f to
	"$made/new/examples/kmbuf-cp" "$1" to 2>said && cat said && grep -q -x "$copy" said && cmp "$1" to
}

# refuses_device: kmbuf-cp refuses a device, which has no size, and the target does not
# change.
refuses_device() {
	cp one to
	! "$made/new/examples/kmbuf-cp" /dev/zero to 2>said && cat said &&
		grep -q -x "/dev/zero: not a regular file" said && cmp one to
}

# sums COMMAND FILE TEXT: true if COMMAND prints the same as sum(1), and TEXT, the memory
# it uses.
sums() {
	local -a ours theirs
	local program=$1 file=$2
	read -r -a ours < <(as_user "$program" "$file" 2>said) || return
	read -r -a theirs < <(sum "$file") || return
	cat said
	echo "${ours[*]} ${theirs[*]}"
	grep -q -F ": $3" said && [ "${ours[0]}" = "${theirs[0]}" ] && [ "${ours[1]}" = "${theirs[1]}" ]
}
as_user() {
	"$@"
}

# Run kmbuf-sum as a user who may not lock memory.
sums_unprivileged() {
	cp "$made/bin/kmbuf-sum.static" "$1" .
	as_user() {
		(ulimit -l 0 && setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@")
	}
	chmod 755 kmbuf-sum.static
	sums ./kmbuf-sum.static "$1" "$2"
}

head -c 3000001 /dev/urandom >large
head -c 65536 large >block
head -c 1 large >one
: >empty

for test in version kmbuf-ring kmbuf-cmd; do
	want=$test_status
	[ "$test" != version ] || want=0
	point "$test ends with $want" ends "$want" "$made/new/test/$test.t"
done
for file in empty one block large; do
	point "kmbuf-cp: $file, $copy" copies "$file"
done
point "kmbuf-cp: a device is refused" refuses_device
for library in shared static libc ffi; do
	point "kmbuf-sum, $library: $sum" sums "$made/bin/kmbuf-sum.$library" large "$sum"
done
point "kmbuf-sum: an empty file" sums "$made/bin/kmbuf-sum.static" empty "$sum"
if [ "$kernel" = linux ]; then
	point "kmbuf-sum: over RLIMIT_MEMLOCK, it uses its own memory" \
		sums_unprivileged large "memory of our own (Cannot allocate memory)"
fi
point "the calls through liburing-ffi" \
	python3 "$(dirname "$0")/liburing_ffi.py" "$made/install/lib/liburing-ffi.so.2" "$kernel"
echo "1..$n"
echo "$n" >"$KMBUF_PLAN"
[ "$failed" -eq 0 ]
