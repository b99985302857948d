#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests libfuse with the patches of userspace/libfuse: builds it, compares its exported
# symbols with the unpatched library's, and copies files through its examples and the
# program of userspace/libfuse.md, on the patched kernel in each mode, and on the bare
# kernel with fallbacks.
#
#   userspace-libfuse.sh [--tree | --build | --fresh | --short | --all]
#
#   --tree    only make build/userspace/libfuse, a git tree with a commit a patch
#   --build   only build the library and its examples, for other scripts
#   --fresh   build again even if nothing changed
#   --short   two servers in each mode, recovery, pools and the bare kernel. Without what is
#             the same on every kernel: options, disks, the library's parts, ends of servers
#   --all     kill recover_ll a hundred times in each mode, in place of three times, and
#             run libfuse's own tests as well: the unpatched ones on the bare kernel, the
#             patched ones in four modes on the patched kernel, and with buffer pools on
#             a bare kernel that has them (Linux 7.3). New failures are errors
#
# Prints TAP. Builds liburing first if it is not there.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"
. "$TOP/harness/suites/libfuse-build.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/tests/points.sh"
. "$TOP/harness/vm/vmpoints.sh"

only_tree=0 only_build=0 fresh=0 all=0 short=0
case $#,${1:-} in
0,) ;;
1,--tree) only_tree=1 ;;
1,--build) only_build=1 ;;
1,--fresh) fresh=1 ;;
1,--all) all=1 ;;
1,--short) short=1 ;;
*) die "usage: userspace-libfuse.sh [--tree | --build | --fresh | --short | --all]" ;;
esac

name=userspace-libfuse
tree=$USERSPACE/libfuse
made=$USERSPACE/libfuse.made
uring=$USERSPACE/liburing.made/install
old_uring=$TOOLS/liburing
libraries=(-luring -lnuma)
readme=$TOP/userspace/libfuse.md
modes=(plain io_uring kmbuf zero_copy)
# Read by point.
export out=$LOGS/$name.out
mkdir -p "$made"
: >"$out"

libfuse_pristine() {
	cp -a "$TOOLS/libfuse-3.18.3/." "$1/"
}

[ -f "$TOOLS/libfuse-3.18.3.stamp" ] || die "no libfuse in $TOOLS" "" "make setup"
exec 8>"$made/.lock"
flock -n 8 || die "another $name.sh is running" "" "wait for it to end"
queue_tmp
userspace_import libfuse "$(cat "$TOOLS/libfuse-3.18.3.stamp")" libfuse_pristine
[ "$only_tree" -eq 0 ] || exit 0
[ -f "$uring/lib/liburing.so" ] || "$TOP/harness/suites/userspace-liburing.sh" --build | sed 's/^/# /'

compile_old() {
	userspace_checkout libfuse refs/tags/base "$made/old.source" &&
		compile "$made/old.source" "$made/old" "$old_uring"
}

# Built with an old liburing, the library lacks only this option.
compile_without() {
	compile "$tree" "$made/without" "$old_uring" &&
		! grep -q HAVE_URING_KMBUF "$made/without/fuse_config.h"
}

compile_new() {
	compile "$tree" "$made/new" "$uring" &&
		grep -q '^#define HAVE_URING_KMBUF$' "$made/new/fuse_config.h"
}

# One struct has one bit less of padding; nothing else that programs see may differ.
# abidiff's status is 4 for a change that need not break programs.
same_abi() {
	local status=0 report=$q_tmp/abi
	abidiff --no-added-syms --headers-dir1 "$made/old.source/include" \
		--headers-dir2 "$tree/include" "$made/old/lib/libfuse3.so" \
		"$made/new/lib/libfuse3.so" >"$report" || status=$?
	cat "$report"
	[ $((status & ~4)) -eq 0 ] &&
		! grep -v "'uint32_t padding' offset changed" "$report" |
		grep -E 'size changed|offset changed|deletion'
}

# defined_by HEADER: print HEADER's definitions of the names in the library's header.
defined_by() {
	gcc -w -include "$1" -o "$made/definitions" "$made/definitions.c" && "$made/definitions"
}

# True if each definition equals the kernel's. A newer kernel may have more.
same_headers() {
	local ours=$tree/include/fuse_kernel.h
	python3 "$TOP/harness/suites/definitions.py" "$ours" >"$made/definitions.c" &&
		defined_by "$ours" >"$made/definitions.ours" &&
		defined_by "$LINUX/include/uapi/linux/fuse.h" >"$made/definitions.kernel" &&
		grep -q -x 'fuse_uring_cmd_req.kmbuf 24 16' "$made/definitions.ours" &&
		diff "$made/definitions.ours" "$made/definitions.kernel"
}

# with_library SOURCE: build the program SOURCE with the library.
with_library() {
	local to
	to=$made/$(basename "$1" .c)
	gcc -O2 -Wall -Wextra -Werror -D_FILE_OFFSET_BITS=64 -I "$tree/include" \
		-I "$made/new" -o "$to" "$1" -L "$made/new/lib" -lfuse3 -pthread \
		-Wl,-rpath,"$made/new/lib" -Wl,-rpath-link,"$uring/lib"
}

readme_program() {
	userspace_program "$readme" kmbuf-file >"$made/kmbuf-file.c" &&
		[ "$(wc -l <"$made/kmbuf-file.c")" -gt 0 ] &&
		[ "$(wc -l <"$made/kmbuf-file.c")" -le 70 ] &&
		with_library "$made/kmbuf-file.c"
}

# Run the commands in the texts as printed, except for apt-get: packages are installed
# already, and so are Debian's sources. The guest runs the resulting program.
recipe() {
	local home=$made/recipe
	rm -rf "$home" && mkdir -p "$home/bin" &&
		userspace_program "$readme" kmbuf-file >"$home/kmbuf-file.c" || return
	cat >"$home/bin/apt-get" <<-END
		#!/bin/bash
		case \$1,\$2 in
		source,liburing) exec cp -a "$TOOLS/liburing-2.15" . ;;
		source,fuse3) exec cp -a "$TOOLS/libfuse-3.18.3" fuse3-3.18.3 ;;
		install,*) exit 0 ;;
		esac
		exit 1
	END
	chmod 755 "$home/bin/apt-get"
	{
		echo 'set -e'
		userspace_recipe "$TOP/userspace/README.md" | grep -v '^cc '
		echo 'cd ..'
		userspace_recipe "$readme"
		echo 'cd ..'
		grep -h -E '^    cc .*kmbuf-file' "$readme"
	} >"$home/commands"
	cat "$home/commands"
	(
		cd "$home"
		export HOME=$home KMBUF=$TOP PATH=$home/bin:$PATH
		export GIT_AUTHOR_NAME=$QUEUE_NAME GIT_AUTHOR_EMAIL=$QUEUE_EMAIL
		export GIT_COMMITTER_NAME=$QUEUE_NAME GIT_COMMITTER_EMAIL=$QUEUE_EMAIL
		bash "$home/commands"
	) && LD_LIBRARY_PATH=$home/kmbuf/lib ldd "$home/kmbuf-file" >"$home/ldd" &&
		grep -q "libfuse3.* $home/kmbuf/lib/" "$home/ldd" &&
		grep -q "liburing.* $home/kmbuf/lib/" "$home/ldd" &&
		[ ! -e "$home/kmbuf/etc/init.d" ]
}

# preloaded NAME [OPTION]...: build a library for LD_PRELOAD.
preloaded() {
	gcc -O2 -Wall -Wextra -Werror "${@:2}" -I "$tree/include" -I "$made/new" -shared -fPIC \
		-o "$made/$1.so" "$TOP/harness/suites/$1.c"
}

# Build the harness's own test programs, two of them with the library.
guest_programs() {
	gcc -O2 -Wall -Wextra -Werror -o "$made/no_uring" "$TOP/harness/suites/no_uring.c" &&
		with_library "$TOP/harness/suites/fuse_threads.c" &&
		with_library "$TOP/harness/suites/fuse_memo.c" &&
		preloaded fuse_own_loop -D_FILE_OFFSET_BITS=64 && preloaded die_after
}

# Build uring_unit, and fuse_refused and recover_refused: fuse_threads and recover_ll whose
# commands fail as in $REFUSE.
uring_programs() {
	local sanitizer=''
	unit_program new uring_unit &&
		with_objects new fuse_refused "$TOP/harness/suites/fuse_threads.c" fuse_uring_do_cmd &&
		with_objects new recover_refused "$tree/example/recover_ll.c" \
			fuse_uring_do_cmd fuse_uring_prep
}

library_points() {
	point "it builds with all patches" compile_new
}

build_points() {
	point "the library builds without the patches" compile_old
	point "it builds after each patch" \
		userspace_once "libfuse-each-$sources" \
			userspace_each libfuse "$uring" -Dexamples=false -Dtests=false
	point "it builds with a liburing that has no kernel-managed buffers" \
		userspace_once "libfuse-without-$sources" compile_without
	point "it links libatomic where the compiler needs it" \
		asks_for_libatomic "$made/atomic"
	point "the commands of userspace/libfuse.md, as printed, build a program" recipe
	library_points
}

# suite TREE MODE WHICH: run libfuse's own tests in one machine. The results are lines
# with a verdict and a name.
suite() {
	local vm=$name-suite-$1-$2-$3 results=$BUILD/vm/$name-suite-$1-$2-$3/results
	local source=$tree
	[ "$3" = new ] || source=$made/old.source
	rm -f "$results"
	"$TOP/harness/vm/vm.sh" --kernel "$(kernel_dir "$1" base)" --name "$vm" --timeout 1500 \
		-- bash "$TOP/harness/suites/libfuse-suite.guest.sh" "$2" "$source" "$made/$3" &&
		[ "$(wc -l <"$results")" -ge 80 ]
}

# no_new_failures OLD_TREE TREE MODE: true if each test that fails with the patches also
# fails without them, in this run or according to harness/lists/libfuse.known.
no_new_failures() {
	local verdict test why status=0
	local old=$BUILD/vm/$name-suite-$1-plain-old/results
	local new=$BUILD/vm/$name-suite-$2-$3-new/results
	diff <(cut -d ' ' -f 2 "$old" | sort) <(cut -d ' ' -f 2 "$new" | sort) || return
	echo "unpatched: $(cut -d ' ' -f 1 "$old" | sort | uniq -c | xargs)"
	echo "$3: $(cut -d ' ' -f 1 "$new" | sort | uniq -c | xargs)"
	while read -r verdict test; do
		if [ "$verdict" = FAIL ] && why=$(list_reason libfuse.known "$test"); then
			echo "known: $test ($why)"
		else
			echo "$verdict $test"
			status=1
		fi
	done < <(grep -v '^PASS' "$new" | grep -v -x -F -f "$old")
	return "$status"
}

suite_points() {
	local mode
	point "the tests of the unpatched libfuse run on the bare kernel" suite bare plain old
	for mode in "${modes[@]}"; do
		point "libfuse's tests run, mode $mode" suite linux "$mode" new
		point "no failure is new, mode $mode" no_new_failures bare linux "$mode"
	done
	has_pools bare || return 0
	point "libfuse's tests run on the bare kernel, mode bufpool" suite bare bufpool new
	point "no failure is new on the bare kernel, mode bufpool" no_new_failures bare bare bufpool
}

# guest VM TREE [OPTION]... GROUP: hand the arguments of a machine to $machine.
guest() {
	"$machine" "$1" "$2" "${@:3:$#-3}" bash "$TOP/harness/suites/$name.guest.sh" "${@: -1}" "$made"
}

# machines vm_begin|vm_points: start all of them, or take their points.
machines() {
	local machine=$1 kernel
	if [ "$short" -eq 1 ]; then
		guest "$name-short" linux short
	else
		guest "$name-modes" linux modes
		guest "$name-rest" linux rest
		guest "$name-four" linux --cpus 4 four
	fi
	guest "$name" bare bare
	"$machine" "$name-recover" linux bash "$TOP/harness/suites/libfuse-recover.guest.sh" \
		"$made/new/example/recover_ll" "$((all ? 100 : 3))" "$TOP/harness/queue" "$made"
	for kernel in linux bare; do
		! has_pools "$kernel" || guest "$name-pools" "$kernel" pools
	done
}

# Hashes: "sources" of the compiled sources, "key" of these and the texts' commands.
sources=$({
	userspace_stamp libfuse "$(cat "$TOOLS/libfuse-3.18.3.stamp")"
	cat "$TOP/harness/suites/$name.sh" "$TOP/harness/suites/libfuse-build.sh" \
		"$TOP/harness/suites/userspace.sh"
	userspace_stamp liburing "$(liburing_version)"
	gcc --version
} | sha256sum | cut -d ' ' -f 1)
key=$(sha256sum "$TOP/userspace/README.md" "$readme" | sed "1i $sources" | sha256sum | cut -d ' ' -f 1)
echo "TAP version 13"
userspace_build

point "its definitions are the kernel's" same_headers
point "it exports the same symbols and six new ones" same_symbols
point "its exported symbols and types have not changed" same_abi
point "the program of userspace/libfuse.md builds as printed" readme_program
point "the guest's programs build" guest_programs
point "the programs with the library's objects build" uring_programs
if [ "$short" -eq 1 ]; then
	say "$name: left to make regress: options, disks, the library's parts, ends of servers"
else
	for sanitizer in address thread; do
		point "they build with -fsanitize=$sanitizer" sanitized "$sanitizer"
	done
fi
machines vm_begin
machines vm_points
[ "$all" -eq 0 ] || suite_points
echo "1..$n"
[ "$failed" -eq 0 ]
