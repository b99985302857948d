#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The gates of harness/lint/ that compile find their planted defects. Prints TAP. Takes
# minutes, so the cache keeps points that passed, and they are printed again, marked as
# such, while nothing that they depend on changes.
#
#   test_lint_builds.sh [--fresh]   --fresh: run even if the cache has the points
set -uo pipefail
. "$(dirname "$0")/gates.sh"
# shellcheck source=harness/lib.sh
. "$top/harness/lib.sh"
needs_linux warnings builds selftests

# The gates and what they read, the compilers, the base.
key=$({
	cd "$top/harness" && cat lint/* lib.sh queue/queue.sh \
		kernel/{kconfig,cc,cclink}.sh kernel/base.config lists/*.lint tests/{gates,test_lint_builds}.sh
	gcc --version
	ld --version
	cat "$TOOLS/sparse.stamp" "$TOOLS"/liburing*.stamp
	git -C "$linux" rev-parse 'base^{tree}'
} | sha256sum | cut -c 1-16)
kept=$CACHE/lint/tests-$key
if [ -s "$kept" ] && [ "${1:-}" != --fresh ]; then
	sed -E "s/^ok .*/& (unchanged since $(date -r "$kept" +%F))/" "$kept"
	exit
fi

# makes_all N: did Kbuild prepare everything for patch N?
makes_all() {
	grep -q 'DESCEND objtool' "$LOGS/lint-w1-000$1.log"
}

run() {
	defects
	export LINT_TIP=$worse

	gate warnings
	says "^not ok - W=1 0001" "W=1: a variable set and not used"
	says "variable 'set' set but not used" "W=1: named"
	says "orphan.c was not compiled" "W=1: a file that no Makefile names"
	says "^ok - W=1 0002" "W=1: reported once, for the patch that adds it"

	# A value that Kbuild makes from a header before it compiles, and its user.
	rm -rf "$dir/tree"
	file include/linux/suspend.h
	sed -i 's/^struct pbe {$/&\n\tlong lint;/' "$dir/tree/include/linux/suspend.h"
	prepared=$(commit refs/tags/base "PM: hibernate: lint")
	rm -rf "$dir/tree"
	file io_uring/nop.c
	printf '#include <generated/asm-offsets.h>\n%s\n' '_Static_assert(pbe_address == 8, "old");' \
		>>"$dir/tree/io_uring/nop.c"
	LINT_TIP=$(commit "$prepared" "io_uring/nop: lint")
	gate warnings
	says "^ok - W=1 0001" "W=1: a header that Kbuild makes another one from"
	says "^ok - W=1 0002" "W=1: ... was made again"
	makes_all 1
	point "$?" "W=1: ... with everything that Kbuild prepares"
	! makes_all 2
	point "$?" "W=1: ... which is left out if only a source differs"
	LINT_TIP=$worse

	gate builds
	says '^ok - sparse runs' "sparse: it runs"
	says '^not ok - sparse: ' "sparse: a user pointer used as the kernel's"
	says "nop.c: warning: dereference of noderef" "sparse: named"
	says '^not ok - CONFIG_IO_URING=n' "stubs: one that does not compile"
	says '^ok - CONFIG_FUSE_IO_URING=n' "stubs: no false alarm without FUSE's io_uring"
	says '^not ok - 32 bit' "32 bit: a cast of another size"
	says 'nop.c: warning: cast to pointer from integer of different size' "32 bit: named"

	gate builds i386
	says '^not ok - 32 bit' "32 bit: reported again, although the objects are up to date"

	# A checker that does nothing, and one that cannot read the code.
	LINT_SPARSE=/bin/true gate builds sparse
	says '^not ok - sparse runs' "sparse: one that does nothing does not pass"
	printf '#!/bin/sh\necho "x.c:1:1: error: no" >&2\n' >"$dir/sparse"
	chmod +x "$dir/sparse"
	LINT_SPARSE=$dir/sparse gate builds sparse
	says '^not ok - sparse runs' "sparse: one that cannot read the code does not pass"

	gate selftests
	says '^not ok - selftests: the series has no' "selftests: none there"
	rm -rf "$dir/tree"
	file tools/testing/selftests/io_uring/Makefile
	cat >"$dir/tree/tools/testing/selftests/io_uring/Makefile" <<'EOF'
# SPDX-License-Identifier: GPL-2.0
CFLAGS += -Wall $(KHDR_INCLUDES)
TEST_GEN_PROGS := test_x
include ../lib.mk
all: $(OUTPUT)/left-over
$(OUTPUT)/left-over:
	touch $@
EOF
	file tools/testing/selftests/io_uring/test_x.c
	cat >"$dir/tree/tools/testing/selftests/io_uring/test_x.c" <<'EOF'
// SPDX-License-Identifier: GPL-2.0
#include <linux/io_uring.h>
int main(void) { int unused; return 0; }
EOF
	LINT_TIP=$(commit refs/tags/base "selftests/io_uring: defects")
	gate selftests
	says '^not ok - selftests all, in-tree' "selftests: a warning"
	says '^ok - selftests install, O=' "selftests: a good verb passes"
	says '^not ok - selftests clean leaves nothing, in-tree' "selftests: a file left in the tree"
	says '^not ok - selftests clean leaves nothing, O=' "selftests: a file left with O="
	echo "1..$n"
}

run | tee "$dir/points"
if ! grep -q -E '^not ok |# SKIP' "$dir/points"; then
	mkdir -p "$CACHE/lint"
	cp "$dir/points" "$kept.$$" && mv "$kept.$$" "$kept"
fi
