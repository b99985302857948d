#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every gate of harness/lint/ sees the defect it is there for. Prints TAP. The
# gates that compile get patches with planted defects, on top of the base;
# no branch moves. Without build/linux those are skipped, by name.
# shellcheck disable=SC2016 # scripts in quotes
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
gates=$top/harness/lint
linux=${LINT_LINUX:-$top/build/linux}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset LINT_BASE LINT_TIP LINT_SERIES LINT_TOP LINT_SPARSE
export LC_ALL=C

n=0
point() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# gate NAME ARG...: run it; what it prints is in $dir/out.
gate() {
	local name=$1
	shift
	"$gates/$name.sh" "$@" >"$dir/out" 2>&1 </dev/null
}
# says REGEX TEXT: the gate's output has such a line.
says() {
	local status=0
	grep -q -E -- "$1" "$dir/out" || status=1
	point "$status" "$2"
	[ "$status" -eq 0 ] || sed -n '1,25s/^/# /p' "$dir/out"
}

# never REGEX TEXT: it has none.
never() {
	local status=0
	! grep -E -- "$1" "$dir/out" >"$dir/found" || status=1
	point "$status" "$2"
	sed 's/^/# /' "$dir/found"
}

# --- messages ---
# shellcheck source=harness/lint/messages.sh
. "$gates/messages.sh"
cat >"$dir/old.log" <<'EOF'
  CC      io_uring/a.o
../io_uring/a.c: In function 'f':
../io_uring/a.c:10:5: warning: unused variable 'x' [-Wunused-variable]
   10 |  int x;
../drivers/d.c:99:1: warning: the frame size of 1392 bytes is larger than 1280 bytes
../include/linux/h.h:7:1: warning: array of flexible structures
../include/linux/h.h:7:1: warning: array of flexible structures
Warning: ../fs/c.c:324 Excess function parameter 'fm' description in 'g'
EOF
sed -e 's/:10:5:/:12:5:/' -e 's/1392/1400/' -e 's/:324 /:330 /' "$dir/old.log" >"$dir/moved.log"
echo "../include/linux/h.h:7:1: warning: array of flexible structures" >>"$dir/moved.log"
cp "$dir/old.log" "$dir/worse.log"
cat >>"$dir/worse.log" <<'EOF'
../io_uring/a.c:50:5: warning: unused variable 'x' [-Wunused-variable]
Warning: ../fs/c.c:400 No description found for return value of 'h'
io_uring/b.o: warning: objtool: f(): unreachable instruction
EOF
for log in old moved worse; do
	messages "$dir/$log.log" >"$dir/$log"
done
new_messages "$dir/old" "$dir/moved" >"$dir/out"
point "$(wc -l <"$dir/out")" "messages: moved lines, other sizes, one more includer: nothing new"
new_messages "$dir/old" "$dir/worse" >"$dir/out"
says "a.c: warning: unused variable 'x'.*#2" "messages: the same words a second time are new"
says "c.c: warning: kernel-doc: No description" "messages: kernel-doc's are seen"
says "objtool" "messages: objtool's are seen"
[ "$(wc -l <"$dir/out")" -eq 3 ]
point $? "messages: and no others"

# --- scripts, rules: a small repository ---
repo=$dir/repo
export LINT_TOP=$repo
mkdir -p "$repo/patches" "$repo/LICENSES" "$repo/harness/lists"
git init -q "$repo"
echo text >"$repo/LICENSES/GPL-2.0"
printf '#!/bin/bash\n# SPDX-License-Identifier: GPL-2.0\necho "$1"\n' >"$repo/good.sh"
printf '# SPDX-License-Identifier: GPL-2.0\nprint(1)\n' >"$repo/good.py"
gate rules
says '^ok - ' "rules: all are checked"
never '^not ok' "rules: a good repository passes"

printf '#!/bin/bash\n# SPDX-License-Identifier: GPL-2.0\nif true; then\n' >"$repo/syntax"
printf '#!/bin/bash\n# SPDX-License-Identifier: GPL-2.0\nrm -rf $1/x\n' >"$repo/quote.sh"
printf '# SPDX-License-Identifier: GPL-2.0\ndef f(:\n' >"$repo/syntax.py"
printf '# SPDX-License-Identifier: GPL-2.0\nimport os\n' >"$repo/unused.py"
gate scripts
says '^ok - shell good.sh' "scripts: a good shell script passes"
says '^ok - python good.py' "scripts: a good Python file passes"
says '^not ok - shell syntax$' "scripts: bash -n, also without .sh"
says '^not ok - shell quote.sh' "scripts: shellcheck"
says '^not ok - python syntax.py' "scripts: Python that does not compile"
says '^not ok - python unused.py' "scripts: pyflakes"
[ ! -e "$repo/__pycache__" ]
point $? "scripts: leaves no compiled Python"

echo 'int x;' >"$repo/none.c"
printf '// SPDX-License-Identifier: BSD-3-Clause\n' >"$repo/other.c"
printf 'Signed-off''-by: A B <a@b.example>\n--- /dev/null\n+++ b/x\n' >"$repo/patches/0001-x.patch"
printf '# SPDX-License-Identifier: GPL-2.0\nthing\n' >"$repo/harness/lists/some"
printf '# SPDX-License-Identifier: GPL-2.0\nhttps''://%s/\n' unheard.invalid >"$repo/url"
printf '# SPDX-License-Identifier: GPL-2.0\ncd %s/me/x\n' /home >"$repo/path"
gate rules
says 'none.c: no SPDX' "rules: a file without SPDX line"
says 'BSD-3-Clause is missing' "rules: a licence without its text"
says '^not ok .*Signed-off-by' "rules: a Signed-off-by in a patch"
says '^not ok .*creates a file' "rules: a patch that creates a file"
says '^not ok .*reason' "rules: a list line without a reason"
says 'unheard.invalid' "rules: a host nobody vouched for"
says '/me/x' "rules: a path of one machine"
unset LINT_TOP

# --- gates that need Linux ---
if [ ! -d "$linux/.git" ]; then
	for name in checkpatch maintainers kerneldoc htmldocs warnings builds selftests; do
		skip "$name" "there is no build/linux: make tree"
	done
	echo "1..$n"
	exit
fi
export LINT_LINUX=$linux LINT_BASE=refs/tags/base

# commit PARENT TITLE: a commit of the files in $dir/tree, on no branch.
commit() {
	local index=$dir/index path id
	rm -f "$index"
	GIT_INDEX_FILE=$index git -C "$linux" read-tree "$1"
	while IFS= read -r path; do
		id=$(git -C "$linux" hash-object -w --stdin <"$dir/tree/$path")
		GIT_INDEX_FILE=$index git -C "$linux" update-index --add --cacheinfo "100644,$id,$path"
	done < <(cd "$dir/tree" && find . -type f -printf '%P\n')
	GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost GIT_COMMITTER_NAME=t \
	GIT_COMMITTER_EMAIL=t@localhost git -C "$linux" commit-tree -p "$1" -m "$2" \
		"$(GIT_INDEX_FILE=$index git -C "$linux" write-tree)"
}
# file PATH: a copy of the base's file to edit, or an empty new one.
file() {
	mkdir -p "$dir/tree/$(dirname "$1")"
	git -C "$linux" show "refs/tags/base:$1" >"$dir/tree/$1" 2>/dev/null || true
}

# A defect for gcc W=1, one for sparse, one for 32 bit, one for kernel-doc, and
# a file that no Makefile names.
file io_uring/nop.c
cat >>"$dir/tree/io_uring/nop.c" <<'EOF'

/**
 * lint_w1 - a function with defects
 * @nothing: no such parameter
 */
static int __maybe_unused lint_w1(int __user *user)
{
	int set;

	set = 1;
	return *user;
}

static u64 __maybe_unused lint_i386(u64 address)
{
	return *(u8 *)address;
}
EOF
file io_uring/orphan.c
echo '// SPDX-License-Identifier: GPL-2.0' >"$dir/tree/io_uring/orphan.c"
bad=$(commit refs/tags/base "io_uring/nop: defects")
rm -rf "$dir/tree"
# A stub that does not compile.
file include/linux/io_uring/cmd.h
cat >>"$dir/tree/include/linux/io_uring/cmd.h" <<'EOF'
#if !defined(CONFIG_IO_URING)
static inline int lint_stub(struct io_uring_cmd *cmd { return 0; }
#endif
EOF
# A new file that no section of MAINTAINERS covers.
file samples/orphan-lint.c
echo '// SPDX-License-Identifier: GPL-2.0' >"$dir/tree/samples/orphan-lint.c"
worse=$(commit "$bad" "io_uring: a broken stub")
export LINT_TIP=$worse

gate kerneldoc
says '^not ok - kernel-doc 0001' "kernel-doc: a parameter that is not there"
says '^ok - kernel-doc 0002' "kernel-doc: reported once, by the patch that brings it"

gate htmldocs
says '^not ok - htmldocs: the series has no' "htmldocs: none there"
rm -rf "$dir/tree"
file Documentation/userspace-api/io_uring/index.rst
printf '%s\n' '.. SPDX-License-Identifier: GPL-2.0' '' 'A page' '====' '' 'Text, *open.' \
	>"$dir/tree/Documentation/userspace-api/io_uring/index.rst"
LINT_TIP=$(commit "$worse" "Documentation: defects") gate htmldocs
says '^not ok - htmldocs' "htmldocs: a page with defects"
says 'Title underline too short' "htmldocs: one of them"

gate maintainers
says '^not ok .*samples/orphan-lint.c' "MAINTAINERS: a file that nobody looks after"
says '^ok .*io_uring/orphan.c' "MAINTAINERS: a file that somebody does"

gate warnings
says "^not ok - W=1 0001" "W=1: a variable set and not used"
says "variable 'set' set but not used" "W=1: named"
says "orphan.c was not compiled" "W=1: a file that no Makefile names"
says "^ok - W=1 0002" "W=1: reported once, by the patch that brings it"

gate builds
says '^ok - sparse runs' "sparse: it runs"
says '^not ok - sparse: ' "sparse: a user pointer used as the kernel's"
says "nop.c: warning: dereference of noderef" "sparse: named"
says '^not ok - CONFIG_IO_URING=n' "stubs: one that does not compile"
says '^ok - CONFIG_FUSE_IO_URING=n' "stubs: no false alarm without FUSE's io_uring"
says '^not ok - 32 bit' "32 bit: a cast of another size"
says 'nop.c: warning: cast to pointer from integer of different size' "32 bit: named"

gate builds i386
says '^not ok - 32 bit' "32 bit: said again, although the objects are up to date"

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
says '^ok - selftests install, O=' "selftests: what is good passes"
says '^not ok - selftests clean leaves nothing, in-tree' "selftests: a file left in the tree"
says '^not ok - selftests clean leaves nothing, O=' "selftests: a file left with O="

mkdir "$dir/series"
export LINT_SERIES=$dir/series
git -C "$linux" format-patch -q -o "$dir/series" --no-signature "$LINT_BASE..$LINT_TIP"
gate checkpatch
says '^(not )?ok - checkpatch 0001' "checkpatch: one point a mail"
cat >"$dir/series/0002-bad.patch" <<'EOF'
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: T <t@localhost>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH 2/2] io_uring/nop: add a line

The reader will recieve it.
---
 io_uring/nop.c | 1 +
 1 file changed, 1 insertion(+)

diff --git a/io_uring/nop.c b/io_uring/nop.c
--- a/io_uring/nop.c
+++ b/io_uring/nop.c
@@ -1,3 +1,4 @@
 // SPDX-License-Identifier: GPL-2.0
 #include <linux/kernel.h>
 #include <linux/errno.h>
+int a=1; 
diff --git a/io_uring/new.c b/io_uring/new.c
new file mode 100644
--- /dev/null
+++ b/io_uring/new.c
@@ -0,0 +1 @@
+// SPDX-License-Identifier: GPL-9.9
EOF
gate checkpatch
says '^not ok - checkpatch 0002' "checkpatch: a bad patch"
says 'TRAILING_WHITESPACE' "checkpatch: its style"
says 'TYPO_SPELLING' "checkpatch: its spelling"
says 'SPDX_LICENSE_TAG' "checkpatch: its licence"
never MISSING_SIGN_OFF "checkpatch: the ignored types are ignored"

echo "1..$n"
