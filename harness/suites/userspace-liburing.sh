#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests liburing with the patches of userspace/liburing: builds it, compares its exported
# symbols with the unpatched library's, and runs its new test programs, its example and
# the program of userspace/README.md on the patched kernel and on the bare one.
#
#   userspace-liburing.sh [--tree | --build | --fresh]
#
#   --tree    only make build/userspace/liburing, a git tree with a commit a patch
#   --build   only build the library, for other scripts
#   --fresh   build again even if nothing changed
#
# Prints TAP. Other scripts use the library in build/userspace/liburing.made/install.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/tests/points.sh"
. "$TOP/harness/vm/vmpoints.sh"

only_tree=0 only_build=0 fresh=0
case $#,${1:-} in
0,) ;;
1,--tree) only_tree=1 ;;
1,--build) only_build=1 ;;
1,--fresh) fresh=1 ;;
*) die "usage: userspace-liburing.sh [--tree | --build | --fresh]" ;;
esac

name=userspace-liburing
tree=$USERSPACE/liburing
made=$USERSPACE/liburing.made
readme=$TOP/userspace/README.md
# Read by point.
export out=$LOGS/$name.out
mkdir -p "$made"
: >"$out"

exec 8>"$made/.lock"
flock -n 8 || die "another $name.sh is running" "" "wait for it to end"
queue_tmp
liburing_import
[ "$only_tree" -eq 0 ] || exit 0

warnings="-Wall -Wextra -Werror"

# compile SOURCE DIR CFLAGS CONFIGURE_OPTION...: build the library outside its source.
compile() {
	local source=$1 dir=$2 cflags=$3
	shift 3
	rm -rf "$dir" && mkdir -p "$dir" && (
		cd "$dir" && "$source/configure" --cc="$cc" --prefix="$made/install" "$@" &&
			make -C src -j"$(nproc)" CFLAGS="$cflags"
	)
}
cc="ccache gcc"

# Build it as the distribution does.
compile_debian() {
	local cflags ldflags DEB_BUILD_MAINT_OPTIONS=hardening=+all
	export DEB_BUILD_MAINT_OPTIONS
	cflags=$(dpkg-buildflags --get CFLAGS) && ldflags=$(dpkg-buildflags --get LDFLAGS) &&
		LDFLAGS=$ldflags compile "$tree" "$made/libc" "$cflags $warnings" --use-libc
}

compile_old() {
	userspace_checkout liburing refs/tags/base "$made/old.source" &&
		compile "$made/old.source" "$made/old" "-g -O2"
}

install_new() {
	rm -rf "$made/install" && make -C "$made/new" install
}

programs() {
	make -C "$made/new/test" -j"$(nproc)" CFLAGS="-g -O2 $warnings" \
		kmbuf-ring.t kmbuf-cmd.t version.t &&
		make -C "$made/new/examples" CFLAGS="-g -O2 $warnings" kmbuf-cp
}

# True if no symbol or type that programs rely on went away or changed.
same_abi() {
	abidiff --no-added-syms "$made/old/src/$1.so.2.15" "$made/new/src/$1.so.2.15"
}

exported() {
	nm -D --defined-only --with-symbol-versions "$1" | sed -n 's/.* T //p' | sort
}

# Prints the calls that the patches add to the header, except those that match a regex.
calls() {
	qgit -C "$tree" diff refs/tags/base HEAD -- src/include/liburing.h |
		sed -n 's/^+//p' | tr '\n' ' ' | sed 's/[;{}]/&\n/g' |
		grep -v -E "${1:-^\$}" | grep -o -E 'io_uring_[a-z_]+\(' | tr -d '(' | sort -u
}

# new_symbols LIBRARY CALLS: true if the new symbols are exactly CALLS, in our version
# node.
new_symbols() {
	# shellcheck disable=SC2086 # a list of names
	diff <(printf '%s@@LIBURING_KMBUF_1.0\n' $2) \
		<(comm -13 <(exported "$made/old/src/$1.so.2.15") \
			<(exported "$made/new/src/$1.so.2.15" | grep -v '^LIBURING_'))
}

# True if the library's definitions equal the kernel's.
same_headers() {
	local kernel ours=$made/install/include/liburing query='/^struct io_uring_query_kmbuf/,/^}/p'
	kernel=$(kernel_dir linux base)/usr/include/linux &&
		cmp "$kernel/io_uring/kmbuf.h" "$ours/io_uring/kmbuf.h" &&
		cmp "$kernel/io_uring/mock_kmbuf.h" "$tree/test/mock_kmbuf.h" &&
		grep -q KMBUF "$ours/io_uring.h" &&
		diff <(grep -E 'KMBUF|URING_CMD_M' "$kernel/io_uring.h") \
			<(grep -E 'KMBUF|URING_CMD_M' "$ours/io_uring.h") &&
		diff <(grep KMBUF "$kernel/io_uring/query.h") <(grep KMBUF "$ours/io_uring/query.h") &&
		diff <(sed -n "$query" "$kernel/io_uring/query.h") \
			<(sed -n "$query" "$ours/io_uring/query.h")
}

# includes COMPILER OPTION HEADER...: true if the headers compile in this order.
includes() {
	local header compiler=$1 option=$2
	shift 2
	for header in "$@"; do
		echo "#include <$header>"
	done | $compiler "$option" -Wall -Wextra -Werror -fsyntax-only \
		-I "$made/install/include" -isystem "$(kernel_dir linux base)/usr/include" -
}

all_includes() {
	local kernel=linux/io_uring/kmbuf.h
	includes "gcc -x c" -std=gnu99 liburing.h "$kernel" &&
		includes "gcc -x c" -std=gnu99 "$kernel" liburing.h &&
		includes "gcc -x c" -std=gnu99 linux/io_uring.h liburing.h &&
		includes "g++ -x c++" -std=c++11 liburing.h &&
		includes "g++ -x c++" -std=c++20 liburing.h "$kernel"
}

# True if every call has a manual page, and groff accepts all pages.
manual() {
	local call page pages=$made/install/man
	: >"$q_tmp/manual"
	for call in $(calls); do
		[ -s "$pages/man3/$call.3" ] || echo "no page: $call" >>"$q_tmp/manual"
	done
	# A page may include another one, by its path from the top of all pages.
	for page in "$pages"/man[37]/*kmbuf*.[37] "$pages"/man2/io_uring_register.2 \
		"$pages"/man3/io_uring_register_query.3; do
		(cd "$pages" && groff -s -I . -man -Tutf8 -ww -z "$page") >>"$q_tmp/manual" 2>&1 ||
			echo "$page: groff failed" >>"$q_tmp/manual"
	done
	cat "$q_tmp/manual"
	[ ! -s "$q_tmp/manual" ]
}

# kmbuf_sum TO LIBRARY...: build the README's program as printed.
kmbuf_sum() {
	local to=$1
	shift
	gcc -O2 -Wall -Wextra -Werror -I "$made/install/include" -o "$to" "$made/kmbuf-sum.c" "$@"
}

readme_program() {
	mkdir -p "$made/bin" &&
		userspace_program "$readme" kmbuf-sum >"$made/kmbuf-sum.c" &&
		[ "$(wc -l <"$made/kmbuf-sum.c")" -gt 0 ] &&
		[ "$(wc -l <"$made/kmbuf-sum.c")" -le 60 ] &&
		kmbuf_sum "$made/bin/kmbuf-sum.shared" -L "$made/install/lib" -luring &&
		kmbuf_sum "$made/bin/kmbuf-sum.ffi" -L "$made/install/lib" -luring-ffi &&
		kmbuf_sum "$made/bin/kmbuf-sum.static" "$made/install/lib/liburing.a" &&
		kmbuf_sum "$made/bin/kmbuf-sum.libc" "$made/libc/src/liburing.a"
}

library_points() {
	point "the library builds without the C library" \
		compile "$tree" "$made/new" "-g -O3 $warnings -fno-stack-protector"
	point "it installs" install_new
}

build_points() {
	library_points
	point "it builds as Debian builds it, with the C library" compile_debian
	point "it builds after each patch" \
		userspace_once "liburing-each-$key" userspace_each liburing "-O1 $warnings"
	point "the new test programs and the example build" programs
	point "it builds without the patches" compile_old
}

key=$({
	userspace_stamp liburing "$(liburing_version)"
	cat "$TOP/harness/suites/$name.sh" "$TOP/harness/suites/userspace.sh"
	gcc --version
} | sha256sum | cut -d ' ' -f 1)
echo "TAP version 13"
userspace_build

point "its definitions are the kernel's" same_headers
point "its headers compile as C and C++ and with the kernel's" all_includes
for library in liburing liburing-ffi; do
	point "$library.so exports all its old symbols, unchanged" same_abi "$library"
done
point "liburing.so exports the new calls and no other new symbol" \
	new_symbols liburing "$(calls IOURINGINLINE)"
point "liburing-ffi.so exports the new inline calls, too" new_symbols liburing-ffi "$(calls)"
point "the manual is complete" manual
point "the program of userspace/README.md builds as printed" readme_program
for kernel in linux bare; do
	vm_points "$name" "$kernel" bash "$TOP/harness/suites/$name.guest.sh" "$kernel" "$made"
done
echo "1..$n"
[ "$failed" -eq 0 ]
