#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make demo: the patched kernel serves a ublk disk over a file, first in
# zero-copy and then in copy mode; part of the kernel's own source is copied
# onto it, and every byte checked. Ends with a table, and build/demo/result.json.
#
#   demo.sh                 set up, build what is missing, run
#   demo.sh --kernel DIR    run on the kernel in this output directory instead,
#                           and build nothing but the server (build/bare/.base
#                           shows that the demo notices a kernel without the series)
#
# Exit status: 0 only when everything was copied, compared and counted.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$TOP/harness/thirdparty.sh"

here=$TOP/harness
out=$BUILD/demo
# What is copied onto the disk: at least this much of the kernel's source.
tree=(block drivers/block fs io_uring mm)
min_files=2000 min_bytes=50000000

kernel=''
case $#,${1:-} in
0,) ;;
2,--kernel) kernel=$2 ;;
*) die "usage: demo.sh [--kernel DIR]" ;;
esac
if [ -n "$kernel" ]; then
	[ -d "$kernel" ] || die "no directory $kernel" "" "harness/kernel.sh builds kernels"
	kernel=$(realpath "$kernel")
fi

if [ -z "$kernel" ]; then
	say "demo 1/5: tools and sources"
	"$here/setup.sh"
	"$here/tree.sh"
	say "demo 2/5: the patched kernel (first time: ten minutes on two cores)"
	"$here/kernel.sh" linux base
	kernel=$LINUX/.base
fi

# The tree: names and checksums from the source, contents in one archive, since
# thousands of small files are slow to fetch one by one through 9p.
pack_tree() {
	cd "$LINUX"
	# Regular files (mode 100...) that git knows: no build products.
	git -c safe.directory='*' ls-files -s -z -- "${tree[@]}" |
		sed -z -n 's/^100[^\t]*\t//p' >"$out/tree.list"
	xargs -0 sha256sum -- <"$out/tree.list" >"$out/tree.sha256"
	tar --no-recursion --null -T "$out/tree.list" -cf "$out/tree.tar"
}

mkdir -p "$out"
rm -f "$out/result.json"
say "demo 3/5: the ublk server, and the tree to copy (${tree[*]})"
need_liburing
[ -d "$kernel/usr/include/linux" ] || die "no kernel headers in $kernel/usr/include" \
	"the kernel was built without them" "harness/kernel.sh linux base"
run_logged demo-server build_kublk "$kernel" "$out/kublk"
run_logged demo-tree pack_tree
files=$(tr -cd '\0' <"$out/tree.list" | wc -c)
bytes=$(cd "$LINUX" && du -cb --files0-from="$out/tree.list" | tail -n 1 | cut -f 1)
if [ "$files" -lt "$min_files" ] || [ "$bytes" -lt "$min_bytes" ]; then
	die "the tree to copy is too small: $files files, $bytes bytes" \
		"the demo promises $min_files files and $min_bytes bytes" \
		"add a directory to 'tree' in harness/demo.sh"
fi
say "  $files files, $((bytes / 1000000)) MB"

say "demo 4/5: the virtual machine"
rm -rf "$BUILD/vm/demo"
"$here/vm.sh" --kernel "$kernel" --name demo --timeout 900 --append brd.rd_size=524288 \
	-- bash "$here/guest/demo.sh" "$out" &
vm=$!
trap 'kill "$vm" 2>/dev/null || true' EXIT
while IFS= read -r line; do
	case $line in
	'demo: '*) say "  ${line#demo: }" ;;
	esac
done < <(tail -n +1 -F --pid="$vm" "$BUILD/vm/demo/output" 2>/dev/null)
status=0
wait "$vm" || status=$?
trap - EXIT
[ "$status" -eq 0 ] || die "the demo failed in the virtual machine" \
	"$(grep -a -s '^demo: FAILED' "$BUILD/vm/demo/output" || echo "see above")" \
	"logs: build/vm/demo/ and build/logs/demo.console"

say "demo 5/5: the result"
echo
/usr/bin/python3 "$here/demo_table.py" --json "$out/result.json" \
	--files "$files" --bytes "$bytes" "$BUILD/vm/demo" ||
	die "the demo's numbers do not agree" "see above" \
		"logs: build/vm/demo/ and build/logs/demo.console"
echo
say "demo: ok: same data in both modes; in zero-copy mode none of it went through the server's memory (build/demo/result.json)"
