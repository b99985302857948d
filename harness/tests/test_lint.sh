#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every gate of harness/lint/ finds its planted defect. test_lint_builds.sh tests the
# gates that compile. Prints TAP.
# shellcheck disable=SC2016 # scripts in quotes
set -uo pipefail

. "$(dirname "$0")/gates.sh"

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
printf '# SPDX-License-Identifier: GPL-2.0\n7.2: a  # b\n7.9: c  # d\n' >"$repo/harness/lists/ublk.known"
cat >"$repo/patches/series" <<-'END'
	# SPDX-License-Identifier: GPL-2.0

	first.patch
	7.2: 7.2/silent.patch

	# 7.3 has it
	7.2: 7.2/said.patch
	 +io_uring/x.c
	7.2: 7.2/too.patch
	7.3: 7.3/stranger.patch
	second.patch
	7.2: 7.2/twins.patch
	7.3: 7.3/twins.patch
END
printf '# SPDX-License-Identifier: GPL-2.0\nhttps''://%s/\n' unheard.invalid >"$repo/url"
printf '# SPDX-License-Identifier: GPL-2.0\ncd %s/me/x\n' /home >"$repo/path"
printf '<!-- SPDX-License-Identifier: GPL-2.0 -->\nSee %s/gone.sh, build/docs/x, `BASE=7.2 make stay` and `make away`.\n' \
	harness >"$repo/texts.md"
printf '# SPDX-License-Identifier: GPL-2.0\nstay:\n' >"$repo/Makefile"
into='|'
cat >"$repo/pipes.sh" <<-END
	# SPDX-License-Identifier: GPL-2.0
	stops <a $into grep -q x || grep -q y b
	stops too $into \\
		head -n 1
	goes | grep x || grep -m 1 y b
	[ "\$(goes | grep -c x)" -eq 1 ]
	goes ||
		grep -q y b
	goes | sed -n 1,2p
	stops last $into sed '/x/q'
	grep -q x < <(goes)
END
gate rules
says '# +pipes.sh: stops <a' "rules: a pipe into grep -q"
says '# +pipes.sh: stops too' "rules: ... into head, on the next line"
says '# +pipes.sh: stops last' "rules: ... into sed with q"
never 'pipes.sh: (goes|grep)' "rules: ... but not pipes that are read to the end"
says 'none.c: no SPDX' "rules: a file without SPDX line"
says "texts.md: there is no harness""/gone.sh" "rules: a text that names a missing file"
says "texts.md: there is no 'make away'" "rules: ... or a missing verb"
never "docs/x|make stay" "rules: ... but not generated files and existing verbs"
says 'BSD-3-Clause is missing' "rules: a licence without its text"
says '^not ok .*Signed-off-by' "rules: a Signed-off-by in a patch"
says '^not ok .*creates a file' "rules: a patch that creates a file"
says '^not ok .*reason' "rules: a list line without a reason"
says 'ublk.known:3:7.9: c .* no such base' "rules: a line for an unknown base"
never 'ublk.known:2' "rules: ... but not for a known base"
says 'series:4: 7.2: 7.2/silent.patch ' "rules: a patch for one base without a reason"
says 'series:10: 7.3: 7.3/stranger.patch ' "rules: ... another base's reason does not count"
never 'series:(3|7|9|11|12|13):' "rules: ... one comment for several, and patches that both bases have"
says 'unheard.invalid' "rules: a host that is not listed"
says '/me/x' "rules: a path of one machine"
unset LINT_TOP

# --- gates that need Linux ---
needs_linux subjects checkpatch maintainers kerneldoc htmldocs

defects
export LINT_TIP=$worse

gate subjects
says '^not ok - subject 0002 io_uring: a broken stub' "subjects: a file that does not belong to the prefix"
says 'orphan-lint.c does not belong to' "subjects: ... is named"
rm -rf "$dir/tree"
file io_uring/nop.c
echo '/* more */' >>"$dir/tree/io_uring/nop.c"
file tools/testing/selftests/io_uring/test_lint.c
tested=$(commit refs/tags/base "selftests/io_uring: test it

The test needs a change of nop.c.")
echo '/* still more */' >>"$dir/tree/io_uring/nop.c"
named=$(commit "$tested" "io_uring/rw: do a thing

It takes a change of nop.c as well.")
LINT_TIP=$(commit "$named" "lint: do a thing") gate subjects
says '^not ok - subject 0001 selftests' "subjects: a test that changes the kernel, even if named"
says '^ok - subject 0002 io_uring/rw' "subjects: a file that the changelog names"
says "^#.*no line of .* is for 'lint:'" "subjects: an unknown prefix"

gate kerneldoc
says '^not ok - kernel-doc 0001' "kernel-doc: a missing parameter"
says '^ok - kernel-doc 0002' "kernel-doc: reported once, for the patch that adds it"

gate htmldocs userspace-api/io_uring
says '^not ok - htmldocs: the series has no' "htmldocs: none there"
rm -rf "$dir/tree"
file Documentation/userspace-api/io_uring/index.rst
printf '%s\n' '.. SPDX-License-Identifier: GPL-2.0' '' 'A page' '====' '' 'Text, *open.' \
	>"$dir/tree/Documentation/userspace-api/io_uring/index.rst"
LINT_TIP=$(commit "$worse" "Documentation: defects") gate htmldocs userspace-api/io_uring
says '^not ok - htmldocs' "htmldocs: a page with defects"
says 'Title underline too short' "htmldocs: one of them"

gate maintainers
says '^not ok .*samples/orphan-lint.c' "MAINTAINERS: a file without a maintainer"
says '^ok .*io_uring/orphan.c' "MAINTAINERS: a file with a maintainer"

export LINT_SERIES=$dir/series
git -C "$linux" format-patch -q -o "$dir/series/set" --no-signature "$LINT_BASE..$LINT_TIP"
gate checkpatch
says '^(not )?ok - checkpatch set/0001' "checkpatch: one point a mail"
cat >"$dir/series/set/0002-bad.patch" <<'EOF'
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
says '^not ok - checkpatch set/0002' "checkpatch: a bad patch"
says 'TRAILING_WHITESPACE' "checkpatch: its style"
says 'TYPO_SPELLING' "checkpatch: its spelling"
says 'SPDX_LICENSE_TAG' "checkpatch: its licence"
never MISSING_SIGN_OFF "checkpatch: the ignored types are ignored"

echo "1..$n"
