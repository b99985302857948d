#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of harness/cc.sh: the compiler cache never serves an object made from an
# older file that the source pulls in with .incbin. Prints TAP.
# shellcheck disable=SC2317 # commands handed over as arguments
set -uo pipefail

src=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
out=$dir/out
export CCACHE_DIR=$dir/cache CCACHE_DEPEND=1 CCACHE_STATSLOG=$dir/stats
cd "$dir" || exit 1
# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"

printf '.data\n.incbin "data"\n' >pull.S
printf '.data\n.long 1\n' >plain.S
echo 'int f(void) { return 1; }' >plain.c

# object DATA: what of "data" ends up in the object.
object() {
	echo "$1" >data
	"$src/cc.sh" -Wp,-MMD,pull.d -c -o pull.o pull.S
	objcopy -O binary -j .data pull.o pull.bin && cat pull.bin
}
holds() { [ "$(object "$1")" = "$1" ]; }
# cached SOURCE: the second time, it comes out of the cache.
cached() {
	"$src/cc.sh" -Wp,-MMD,x.d -c -o x.o "$1" || return 1
	rm -f x.o stats
	"$src/cc.sh" -Wp,-MMD,x.d -c -o x.o "$1" && [ -s x.o ] && grep -q hit stats
}
fails() { ! "$src/cc.sh" "$@" 2>/dev/null; }

point "a file that is pulled in" holds old
point "another one of the same size is not mistaken for it" holds new
point "an assembler source without .incbin is cached" cached plain.S
point "a C source is cached" cached plain.c
point "a failure of the compiler is one" fails -c none.c
point "no argument is the compiler's to refuse" fails
echo "1..$n"
exit "$failed"
