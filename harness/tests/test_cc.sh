#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of harness/kernel/cc.sh, with which the compiler cache never returns an object
# with an older file of .incbin, and of harness/kernel/cclink.sh, which works as a
# compiler and caches the objects it links. Prints TAP.
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

# object DATA: print the object's copy of the file "data".
object() {
	echo "$1" >data
	"$src/kernel/cc.sh" -Wp,-MMD,pull.d -c -o pull.o pull.S
	objcopy -O binary -j .data pull.o pull.bin && cat pull.bin
}
holds() { [ "$(object "$1")" = "$1" ]; }
# cached SOURCE: true if the second compilation comes from the cache.
cached() {
	"$src/kernel/cc.sh" -Wp,-MMD,x.d -c -o x.o "$1" || return 1
	rm -f x.o stats
	"$src/kernel/cc.sh" -Wp,-MMD,x.d -c -o x.o "$1" && [ -s x.o ] && grep -q hit stats
}
# program TEXT: true if a program linked from two sources prints TEXT.
program() {
	printf '#include "f.h"\n#include <math.h>\n%s\n' \
		'int main(int n, char **v) { (void)v; return f() + (int)sqrt(n) - SUM; }' >main.c
	printf 'int f(void) { return %s; }\n' "$1" >f.c
	mkdir -p include
	echo 'int f(void);' >include/f.h
	rm -f program stats
	"$src/kernel/cclink.sh" -O0 -fno-builtin -Wall -isystem include -DSUM="$(($1 + 1))" \
		-L. main.c f.c -lm -o program && ./program
}
linked_again() { program 3 && [ "$(grep -c -E '^(direct|preprocessed)_cache_hit$' stats)" -eq 2 ]; }
warns() {
	printf 'int main(void) { int unused; return 0; }\n' >warn.c
	grep -q 'warn.c:1:.*unused' < <("$src/kernel/cclink.sh" -Wall warn.c -o warn 2>&1)
}
no_program() { ! "$src/kernel/cclink.sh" "$@" 2>/dev/null; }

fails() { ! "$src/kernel/cc.sh" "$@" 2>/dev/null; }

point "a file of .incbin" holds old
point "another file of the same size is not mistaken for it" holds new
point "an assembler source without .incbin is cached" cached plain.S
point "a C source is cached" cached plain.c
point "a failure of the compiler is a failure" fails -c none.c
point "two sources become a program" program 3
point "... whose objects are cached" linked_again
point "... but not when one has changed" program 4
point "a warning is printed" warns
point "a warning from the cache is printed" warns
point "an error in one source is an error" no_program -Wall warn.c none.c -o no
point "an undefined function is an error" no_program main.c -o no
point "without arguments the compiler fails" fails
echo "1..$n"
exit "$failed"
