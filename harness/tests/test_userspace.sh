#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of harness/suites/userspace.sh, its export and its mails, and clean.sh on a tiny
# fake project, with a copy of the scripts in a scratch directory. Prints TAP.
# shellcheck disable=SC2016,SC2317 # commands handed over as arguments
set -uo pipefail

src=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
repo=$dir/repo
tree=$repo/build/userspace/liburing
patches=$repo/userspace/liburing
out=$dir/out
export PROJECT=$dir/project KMBUF_CACHE=$dir/cache HOME=$dir LC_ALL=C
export GIT_CONFIG_NOSYSTEM=1
unset BASE SIGNOFF GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"

mkdir -p "$repo/harness"/{queue,setup,suites} "$patches" "$dir/project"
(cd "$src" && cp --parents -r lib.sh bases queue/{queue,patch,mail}.sh setup/clean.sh suites/userspace{,-export,-series}.sh "$repo/harness/")
seq 1 40 | sed 's/^/line /' >"$dir/project/file"

cat >"$repo/harness/suites/import.sh" <<'EOF'
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"
project() { cp "$PROJECT/file" "$1/"; }
queue_tmp
userspace_import liburing "$1" project
EOF

import() { bash "$repo/harness/suites/import.sh" "${1:-1.0}" >"$out" 2>&1; }
clean_it() { "$repo/harness/setup/clean.sh" >"$out" 2>&1; }
# As userspace-series.sh calls it.
printf '#!/bin/sh\nexec bash "%s" 1.0\n' "$repo/harness/suites/import.sh" >"$repo/harness/suites/userspace-liburing.sh"
chmod +x "$repo/harness/suites/userspace-liburing.sh"
series_it() { "$repo/harness/suites/userspace-series.sh" liburing >"$out" 2>&1; }
export_it() { "$repo/harness/suites/userspace-export.sh" liburing >"$out" 2>&1; }
# stops COMMAND PATTERN: COMMAND fails, with a message that matches.
stops() { ! "$1" && grep -q -- "$2" "$out"; }
g() { git -C "$tree" "$@"; }
edit() { sed -i "$1" "$tree/file" && g commit -qam "$2"; }
snapshot() { (cd "$patches" && sha256sum -- *); }
same_as() { diff "$1" <(snapshot); }

cat >"$patches/0001-Add-a-line.patch" <<'END'
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: io_uring kmbuf series <kmbuf@localhost>
Date: Thu, 10 Sep 2026 00:26:40 +0000
Subject: [PATCH] Add a line

Why it is so.
---
diff --git a/file b/file
--- a/file
+++ b/file
@@ -9,6 +9,7 @@ line 8
 line 9
 line 10
 line 11
+line new
 line 12
 line 13
 line 14
diff --git a/other b/other
new file mode 100644
--- /dev/null
+++ b/other
@@ -0,0 +1 @@
+other
END
snapshot >"$dir/before"

cp "$patches/0001-Add-a-line.patch" "$dir/good"
sed -i 's/^ line 9$/ line nine/' "$patches/0001-Add-a-line.patch"
point "import: a patch that does not apply, at the first time" stops import 'does not apply: file'
cp "$dir/good" "$patches/0001-Add-a-line.patch"
mv "$PROJECT/file" "$PROJECT/gone"
point "import: no source" stops import 'cannot stat'
mv "$PROJECT/gone" "$PROJECT/file"
point "import: a commit a patch on the tag base" import
point "import: ... with its new files" test -s "$tree/other"
point "import: ... and the project's own source below it" \
	test "$(g show base:file | wc -l)" -eq 40
g rev-parse HEAD >"$dir/first"
point "export: writes what was imported" eval 'export_it && same_as "$dir/before"'
point "import: nothing to do" import
rm -rf "$tree"
point "import: the same commit at another time" eval 'import && g rev-parse HEAD | diff "$dir/first" -'

edit '2s/$/ more/' "Change a line"
point "import: keeps a commit that is not exported" \
	eval 'import && grep -q more "$tree/file"'
point "clean: keeps it, too" stops clean_it 'build/userspace/liburing holds commits'
echo "# a comment" >>"$patches/0001-Add-a-line.patch"
point "import: ... and stops when patches changed as well" stops import 'would be overwritten'
point "import: ... which changes nothing" grep -q more "$tree/file"
sed -i '$d' "$patches/0001-Add-a-line.patch"
point "export: a patch for a new commit" \
	eval 'export_it && test -s "$patches/0002-Change-a-line.patch"'
snapshot >"$dir/two"
cp -a "$tree" "$repo/build/linux"
echo "an edit" >>"$repo/build/linux/file"
point "clean: keeps a tree from before there were bases" stops clean_it 'build/linux holds commits or edits' 'format-patch'
git -C "$repo/build/linux" checkout -q file
point "clean: removes what is exported" eval 'clean_it && test ! -e "$tree"'
point "import, export: nothing is lost" eval 'import && export_it && same_as "$dir/two"'
echo "an edit" >>"$tree/file"
point "export: stops at an edit that is not committed" stops export_it 'uncommitted'
g checkout -q file

mails=$repo/build/userspace/series/liburing
mkdir "$repo/userspace/cover.d"
cover=$repo/userspace/cover.d/liburing
printf 'Subject: some words\n\nThe text.\n' >"$cover"
point "series: no identity" stops series_it "git config --global user.name '...'; git config --global user.email '...'"
point "series: ... leaves no mail" test ! -e "$mails"
git config --global user.name "Some One"
git config --global user.email one@example.org
point "series: no recipient" stops series_it 'the patches of liburing have no recipient'
printf 'Subject: some words\nTo: M. Aintainer <m@example.org>\nCc: list@example.org\n\nThe text.\n' >"$cover"
SIGNOFF=1 point "series: from you" series_it
point "series: ... every mail" test "$(grep -l '^From: Some One <one@example.org>' "$mails"/0* | wc -l)" = 3
point "series: ... and from nobody else" test -z "$(grep -l 'kmbuf@localhost' "$mails"/*)"
point "series: ... signed off" test "$(grep -l '^Signed-off-by: Some One <one@example.org>' "$mails"/*.patch | wc -l)" = 2
point "series: ... with the project in the subject" grep -q '^Subject: \[PATCH liburing 2/2\] Change a line' "$mails/0002-Change-a-line.patch"
point "series: ... to the recipients in the cover" diff "$mails/recipients" \
	<(printf 'To: M. Aintainer <m@example.org>\nCc: list@example.org\n')
point "series: ... its base" grep -q '^Base: liburing 1.0' "$mails/0000-cover-letter.txt"
git clone -q "$tree" "$dir/am" && git -C "$dir/am" checkout -q -B am "$(g rev-parse base)"
point "series: git am takes it" git -C "$dir/am" am -q "$mails"/*.patch
point "series: ... and has the same tree" git -C "$dir/am" diff --exit-code HEAD origin/series
edit '3s/$/ more/' "Change another line"
point "series: stops at a commit that is not exported" stops series_it 'not exported'
g reset -q --hard HEAD~1
rm "$cover"
point "series: no cover" stops series_it 'userspace/cover.d/liburing is missing'
git config --global --unset user.name
git config --global --unset user.email

sed -i 's/@@ -9,6/@@ -10,6/; s/+9,7/+10,7/' "$patches/0001-Add-a-line.patch"
point "import: an offset is a failure" stops import 'does not apply exactly: file'
sed -i 's/^ line 9$/ line nine/' "$patches/0001-Add-a-line.patch"
point "import: a patch that does not apply" \
	stops import 'userspace/liburing/0001-Add-a-line.patch does not apply: file'
rm "$patches"/*
point "import: no patch" stops import 'has no patch'
rm -rf "$tree"
mkdir "$tree"
point "import: keeps a directory that is not its own" stops import 'was not made by this script'

# shellcheck source=harness/suites/userspace.sh
. "$src/suites/userspace.sh"
cat >"$dir/text.md" <<'END'
```c
/* one: a program */
int one;
```
text
```c
/* two: another */
int two;

int last;
```
```c
/* two: again */
```
END
point "program: found by its name" \
	eval 'diff <(userspace_program "$dir/text.md" two) <(printf "/* two: another */\nint two;\n\nint last;\n")'
no_program() { ! userspace_program "$@"; }
point "program: none of this name" test -z "$(userspace_program "$dir/text.md" three)"
point "program: ... is a failure" no_program "$dir/text.md" three
no_recipe() { ! userspace_recipe "$@"; }
point "recipe: none is a failure" no_recipe "$dir/text.md"
# Every program that a script takes out of a text by its name.
taken() {
	local text name status=0
	while read -r text name; do
		userspace_program "${src%/harness}/$text" "$name" >/dev/null || { echo "$text: no $name"; status=1; }
	done < <(sed -n -E 's|.*userspace_program "(\$TOP/)?([^"$]+)" ([a-z][a-z-]*).*|\2 \3|p' "$src"/*/*.sh)
	return "$status"
}
point "programs: those that scripts name are there" taken
# A test program's cases, all of which a script has to name.
cases_run() {
	local name status=0
	while read -r name; do
		grep -q -w -e "$name" "$src"/suites/libfuse-units.sh || { echo "no script runs $name"; status=1; }
	done < <(sed -n -E 's/^\t\{ "([a-z_]+)", [a-z_]+ \},$/\1/p' "$src"/suites/uring_*.c)
	return "$status"
}
point "units: scripts run all cases of the test programs" cases_run
cat >>"$dir/text.md" <<'END'
```make
# Kbuild: how it is built
obj-m := one.o
```
```console
# one: what it prints
```
```sh
cc one
```
```c
int nameless;
```
```sh
cc two
```
END
point "program: not only in C" \
	eval 'diff <(userspace_program "$dir/text.md" Kbuild) <(printf "# Kbuild: how it is built\nobj-m := one.o\n")'
point "programs: all names" test "$(userspace_programs "$dir/text.md" | xargs)" = "one two two Kbuild"
point "commands: how they are built" test "$(userspace_commands "$dir/text.md" | xargs)" = "cc one cc two"
CACHE=$dir/cache
mark() { echo "$1" >>"$dir/marks"; }
marks() { [ "$(xargs <"$dir/marks")" = "$1" ]; }
fails() { mark failed; false; }
point "once: the first time it runs" userspace_once key mark first
point "once: the second time there is nothing to do" userspace_once key mark second
point "once: a failure is a failure" eval '! userspace_once other fails'
point "once: and runs again" userspace_once other mark third
point "once: another key runs again" userspace_once key2 mark fourth
point "once: exactly these ran" marks "first failed third fourth"
point "once: --fresh" eval 'fresh=1 userspace_once key mark fifth && marks "first failed third fourth fifth"'
echo "1..$n"
exit "$failed"
