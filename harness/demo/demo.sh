#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make demo: on the patched kernel, copies part of the kernel's own source and checks
# every byte,
#
#   - on a ublk disk over a file, in zero-copy and in copy mode;
#   - in a directory behind a FUSE server, with Linux's own FUSE over io_uring, with
#     kernel-managed buffers, and with zero copy;
#   - with git, in a directory behind libfuse's passthrough_hp or passthrough_ll, in
#     each of these modes; sqlite works there as well.
#
# Each part ends with a table. A last table has the instructions and the copies of a
# 64 KiB read and write in each mode. All figures are also in
# build/<base>/demo/{result,fuse,libfuse,cost}.json.
#
#   demo.sh                 set up, build what is missing, run
#   demo.sh --short         the same without libfuse and the costs; "make test" runs
#                           this on bases other than the default
#   demo.sh --kernel DIR    run on the kernel in this output directory instead, and
#                           build only the servers (build/<base>/bare/.base shows that
#                           the demo detects a kernel without the series)
#
# Exit status: 0 only if everything was copied, compared and counted.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/suites/thirdparty.sh"

here=$TOP/harness
out=$BUILD/demo
made=${BUILD#"$TOP/"}

kernel='' steps=10
case $#,${1:-} in
0,) ;;
1,--short) steps=7 ;;
2,--kernel) kernel=$2 ;;
*) die "usage: demo.sh [--short | --kernel DIR]" ;;
esac
if [ -n "$kernel" ]; then
	[ -d "$kernel" ] || die "no directory $kernel" "" "harness/kernel/kernel.sh builds kernels"
	kernel=$(realpath "$kernel")
fi

# pack_tree NAME DIR...: write a list of names, checksums, and one archive with the
# contents, since reading thousands of small files through 9p is slow.
pack_tree() {
	local to=$out/$1
	shift
	cd "$LINUX"
	# Regular files (mode 100...) that git knows: no build products.
	git -c safe.directory='*' ls-files -s -z -- "$@" |
		sed -z -n 's/^100[^\t]*\t//p' >"$to.list"
	xargs -0 sha256sum -- <"$to.list" >"$to.sha256"
	tar --no-recursion --null -T "$to.list" -cf "$to.tar"
}

# tree NAME MIN_FILES MIN_BYTES DIR...: pack the tree to copy. Stops if it has less than
# the demo promises. Sets and prints $files and $bytes.
tree() {
	local name=$1 min_files=$2 min_bytes=$3
	shift 3
	run_logged demo-tree pack_tree "$name" "$@"
	count_tree "$name"
	if [ "$files" -lt "$min_files" ] || [ "$bytes" -lt "$min_bytes" ]; then
		die "the tree to copy is too small: $files files, $bytes bytes" \
			"the demo promises $min_files files and $min_bytes bytes" \
			"add a directory to 'tree $name' in harness/demo/demo.sh"
	fi
	say "  $*: $files files, $((bytes / 1000000)) MB"
}

count_tree() {
	files=$(tr -cd '\0' <"$out/$1.list" | wc -c)
	bytes=$(cd "$LINUX" && du -cb --files0-from="$out/$1.list" | tail -n 1 | cut -f 1)
}

# vm NAME: run NAME.guest.sh in a virtual machine and show its progress.
vm() {
	local vm status=0
	rm -rf "$BUILD/vm/$1"
	"$here/vm/vm.sh" --kernel "$kernel" --name "$1" --timeout 900 --append brd.rd_size=524288 \
		-- bash "$here/demo/$1.guest.sh" "$out" &
	vm=$!
	# shellcheck disable=SC2064 # this machine, now
	trap "kill $vm 2>/dev/null || true" EXIT
	while IFS= read -r line; do
		case $line in
		'demo: '*) say "  ${line#demo: }" ;;
		esac
	done < <(tail -n +1 -F --pid="$vm" "$BUILD/vm/$1/output" 2>/dev/null)
	wait "$vm" || status=$?
	trap - EXIT
	[ "$status" -eq 0 ] || die "the demo failed in the virtual machine" \
		"$(grep -a -s '^demo: FAILED' "$BUILD/vm/$1/output" || echo "see above")" \
		"logs: $made/vm/$1/ and $made/logs/$1.console"
}

# result NAME TREE TABLE JSON: check and show the results of NAME.guest.sh.
result() {
	count_tree "$2"
	echo
	/usr/bin/python3 "$here/demo/$3" --json "$out/$4" --files "$files" --bytes "$bytes" \
		"$BUILD/vm/$1" || die "the demo's numbers do not agree" "see above" \
		"logs: $made/vm/$1/ and $made/logs/$1.console"
	echo
}

# pack_repository: the tree "fuse" as a repository to clone.
pack_repository() {
	rm -rf "$out/work" "$out/repository"
	mkdir "$out/work"
	tar -xf "$out/fuse.tar" -C "$out/work"
	cd "$out/work"
	export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@localhost
	export GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@localhost
	git init -q
	git add -f -A
	git commit -q -m "the tree of the demo"
	git clone -q --bare "$out/work" "$out/repository"
	rm -rf "$out/work"
}

# Pack the file systems with their libraries.
pack_libfuse() {
	local libfuse=$USERSPACE/libfuse.made/new
	rm -rf "${out:?}/lib"
	mkdir "$out/lib"
	cp "$libfuse/example/passthrough_hp" "$libfuse/example/passthrough_ll" "$out/"
	cp -a "$libfuse"/lib/libfuse3.so.* "$USERSPACE"/liburing.made/install/lib/liburing.so.* "$out/lib/"
}

# step N TITLE: print the number and title of a step.
step() {
	say "demo $1/$steps: $2"
}

# Print how long the demo takes here, estimated from a run on two processors: the virtual
# machines, and the kernel if none has been built yet.
announce() {
	local minutes=8 why="the kernel is in the cache" processors
	processors=$(nproc)
	if ! compgen -G "$CACHE/kernels/*.tar.gz" >/dev/null; then
		minutes=$((minutes + (16 + processors - 1) / processors))
		why="the kernel is not built yet"
	fi
	say "demo: about $minutes minutes on this machine: $processors processors, $why"
}

[[ -n $kernel || $steps -lt 10 ]] || announce
mkdir -p "$out"
rm -f "$out"/{result,fuse,libfuse,cost}.json
if [ -z "$kernel" ]; then
	step 1 "tools and sources"
	"$here/setup/setup.sh"
	"$here/queue/tree.sh"
	step 2 "the patched kernel"
	"$here/kernel/kernel.sh" linux base
	kernel=$LINUX/.base
fi

step 3 "the servers for ublk and FUSE, and the trees to copy"
need_liburing
[ -d "$kernel/usr/include/linux" ] || die "no kernel headers in $kernel/usr/include" \
	"the kernel was built without them" "harness/kernel/kernel.sh linux base"
run_logged demo-server build_kublk "$kernel" "$out/kublk"
"$here/suites/kselftests.sh" --build linux base
cp "$BUILD/kselftests/linux-base/install/io_uring/fuse_passthrough" "$out/"
tree tree 2000 50000000 block drivers/block fs io_uring mm
# Fewer files here, as each one takes a dozen requests to a FUSE server.
tree fuse 200 5000000 io_uring mm
not_shown=''
if [ "$steps" -eq 10 ]; then
	run_logged demo-repository pack_repository
	status=0
	not_shown=$("$here/demo/demo-userspace.sh") || status=$?
	case $status in
	0) run_logged demo-pack-libfuse pack_libfuse ;;
	3) ;;
	*) die "liburing or libfuse does not build" "see above" ;;
	esac
fi

step 4 "ublk, in a virtual machine"
vm demo
step 5 "the result for ublk"
result demo tree demo_table.py result.json

step 6 "FUSE, in a virtual machine"
vm demo-fuse
step 7 "the result for FUSE"
result demo-fuse fuse demo_fuse_table.py fuse.json

if [[ $steps -eq 10 && -z $not_shown ]]; then
	step 8 "libfuse, in a virtual machine"
	vm demo-libfuse
	step 9 "the result for libfuse"
	result demo-libfuse fuse demo_libfuse_table.py libfuse.json
fi

if [ "$steps" -lt 10 ]; then
	:
elif [ "$kernel" = "$LINUX/.base" ]; then
	step 10 "the cost of 64 KiB, in a virtual machine that counts instructions"
	echo
	"$here/demo/demo-cost.sh" "$out/kublk" "$out/cost.json"
	echo
else
	step 10 "not run: the cost of 64 KiB is counted only on the harness' own kernel"
fi

say "demo: ok: the data is equal in all modes; in zero-copy mode no disk data went through"
say "the ublk server's memory, and no large read or write through the FUSE servers' memory"
say "(figures: $made/demo/*.json)"
if [ -n "$not_shown" ]; then
	say "demo: not run: libfuse's file systems with git and sqlite:"
	say "$not_shown"
fi
