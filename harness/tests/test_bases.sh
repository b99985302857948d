#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of the patch queue on two bases: guards, patches that differ, line numbers,
# exports from either one. Prints TAP.
# shellcheck disable=SC2016,SC2317 # commands handed over as arguments
set -uo pipefail

. "$(dirname "$0")/fakequeue.sh"
series=$repo/patches/series
linux3=$repo/build/7.3/linux
g3() { git -C "$linux3" "$@"; }
# on BASE VERB ARG...
on() { BASE=$1 run "${@:2}"; }
on_stops() { BASE=$1 stops "${@:2}"; }
both() { on 7.2 "$1" && on 7.3 "$1"; }
# unchanged FILE...: true if these did not change since the last keep.
keep() { rm -rf "$dir/kept"; cp -a "$repo/patches" "$dir/kept"; snapshot >"$dir/state"; }
unchanged() { local file; for file; do cmp "$dir/kept/$file" "$repo/patches/$file" || return; done; }
# page: print the contents page without comments, blank lines and sets.
page() { grep -v -e '^#' -e '^$' -e '^\[' "$series"; }

# Linux 7.3 has five more lines in front, and another text in one file.
fake_linux 7.2 "$dir/l/7.2"
fake_linux 7.3 "$dir/l/7.3"
sed -i '1s/^/new 1\nnew 2\nnew 3\nnew 4\nnew 5\n/' "$dir/l/7.3/io_uring/rsrc.c"
echo "int newer;" >"$dir/l/7.3/io_uring/old.c"
pinned 7.2 "$dir/l/7.2"
pinned 7.3 "$dir/l/7.3"

# Five patches for 7.2, which no other base has yet.
printf '# The series.\n\n' >"$series"
mkdir -p "$repo/patches/cover.d"
cat >"$repo/patches/cover.d/all" <<-'END'
	Subject: io_uring: some words

	The text, in
	two lines.

	7.2: Of the one,
	  also indented.

	7.3: Of the other.

	The end.
END
point "tree --new: the base without patches" run tree --new
# commit SUBJECT [COMMAND]: on 7.2; commit3: on 7.3.
commit() { (cd "$linux" && eval "${2:-true}" && git add -A && git commit -qm "$1" -m "Why."); }
commit3() { (cd "$linux3" && eval "${2:-true}" && git add -A && git commit -qm "$1" -m "Why."); }
commit "io_uring: add one" 'sed -i "s/^obj 11$/&\nobj one/" io_uring/Makefile; echo "int one;" >io_uring/one.c'
commit "io_uring: move" 'sed -i "s/^line 40$/LINE 40/" io_uring/rsrc.c'
commit "io_uring: differ" 'echo "int more;" >>io_uring/old.c'
commit "io_uring: only" 'sed -i "s/^obj 21$/&\nobj only/" io_uring/Makefile; echo "int only;" >io_uring/only.c'
commit "io_uring: add two" 'echo "echo" >io_uring/two.sh; chmod +x io_uring/two.sh'
point "export: a first series" run export
sed -i '0,/^io_uring-add-one/s//[all]\n&/' "$series"
sed -i 's/^io_uring-differ/# about differ\n&/; s/^io_uring-only/# about only\n&/' "$series"
run tree --new
point "tree --new: not over an existing tree" grep -q 'exists already' "$out"
run tree
commits >"$dir/commits"

# Port the series to 7.3.
point "tree: a patch that does not fit the other base is named" \
	on_stops 7.3 tree 'patches/io_uring-differ.patch does not apply to Linux 7.3' 'old.c'
point "tree: ... and that this base has no patches yet" grep -q 'notice: harness/bases/default does not name Linux 7.3' "$out"
point "tree --new: for 7.3" on 7.3 tree --new
point "tree --new: ... is Linux 7.3" grep -q newer "$linux3/io_uring/old.c"
g3 fetch -q "$linux" base:old-base series:old-series
point "export: a series without a commit is refused" on_stops 7.3 export 'no commit'
g3 cherry-pick old-series~4 old-series~3 >"$out" 2>&1
commit3 "io_uring: differ" 'echo "int more;" >>io_uring/old.c'
g3 cherry-pick old-series >>"$out" 2>&1
keep
point "export: a patch that does not apply to 7.2 is refused" on_stops 7.3 export \
	'patches/io_uring-differ.patch does not apply to Linux 7.2' 'no longer apply to Linux 7.2' \
	'GUARD=io_uring-differ.patch make export'
point "export: ... nothing is written" same_as "$dir/state"
GUARD=io_uring-difer.patch point "export: a name that no commit has" on_stops 7.3 export 'GUARD names io_uring-difer.patch'
GUARD=io_uring-add-one.patch point "export: GUARD does not help an unchanged patch" on_stops 7.3 export \
	'notice: io_uring-add-one.patch did not change' 'no longer apply to Linux 7.2'
GUARD=all point "export: the series for 7.3" on 7.3 export
cat >"$dir/want" <<END
# The series.

[all]
io_uring-add-one.patch
	+io_uring/one.c
io_uring-move.patch
# about differ
7.2: 7.2/io_uring-differ.patch
7.3: 7.3/io_uring-differ.patch
# about only
7.2: 7.2/io_uring-only.patch
	+io_uring/only.c
io_uring-add-two.patch
	+io_uring/two.sh
END
point "export: one page for both" diff "$dir/want" "$series"
point "export: patches with the same effect stay unchanged" \
	unchanged io_uring-add-one.patch io_uring-move.patch io_uring-add-two.patch
point "export: the other base keeps its text" cmp "$dir/kept/io_uring-differ.patch" "$repo/patches/7.2/io_uring-differ.patch"
point "export: ... and its patch that 7.3 lacks" cmp "$dir/kept/io_uring-only.patch" "$repo/patches/7.2/io_uring-only.patch"
point "export: no patch exists twice" test "$(find "$repo/patches" -name '*.patch' | wc -l)" = 6
point "tree: 7.2 does not change" run tree
point "tree: ..." diff "$dir/commits" <(commits)
lives_on 7.2 7.3
keep
point "export: a no-op on both bases" both export
point "export: ..." same_as "$dir/state"
point "roundtrip: of both bases" both roundtrip
point "tree: a new file of 7.2 only is not in 7.3" test -e "$linux/io_uring/only.c" -a ! -e "$linux3/io_uring/only.c"
point "tree: line numbers of 7.2 do not matter to 7.3" on 7.3 tree
rm -rf "$repo/build/7.3"
point "tree: 7.3 from nothing" on 7.3 tree
point "tree: ... no notice" test "$(grep -c notice "$out")" = 0
point "tree: ... each with its own line" grep -q 'LINE 40' "$linux3/io_uring/rsrc.c"
point "series: of 7.3" on 7.3 series --check
point "series: ... numbered" test "$(cd "$repo/build/7.3/mails/all" && echo ./*.patch)" = \
	"./0001-io_uring-add-one.patch ./0002-io_uring-move.patch ./0003-io_uring-differ.patch ./0004-io_uring-add-two.patch"
# The text of a cover, without the mail around it.
text() { sed -n '/^The text/,/^The end/p' "$repo/build/$1/mails/all/0000-cover-letter.txt" | paste -sd'|'; }
point "series: ... the cover has the paragraph for 7.3 only" test "$(text 7.3)" = \
	"The text, in|two lines.||Of the other.||The end."
point "series: ... that of 7.2 the paragraph for 7.2" test "$(text 7.2)" = \
	"The text, in|two lines.||Of the one,|  also indented.||The end."
point "series: ... beside that of 7.2" test -s "$repo/build/7.2/mails/all/0005-io_uring-add-two.patch"

# The page.
restore() { rm -rf "$repo/patches"; cp -a "$dir/kept" "$repo/patches"; }
echo "7.9: 7.9/x.patch" >>"$series"
point "tree: an unknown guard" stops tree "no base '7.9'" '7.2 7.3'
restore
echo "x: x.patch" >>"$series"
point "tree: ... whatever it looks like" stops tree "no base 'x'"
restore
sed -i 's,^7.2: 7.2/io_uring-only,7.2: io_uring-only,' "$series"
point "tree: a guard without its directory" stops tree 'wrong place' 'patches/7.2/io_uring-only.patch'
restore
sed -i 's,^7.2: 7.2/io_uring-only,7.2/io_uring-only,' "$series"
point "tree: a directory without its guard" stops tree 'wrong place' 'patches/io_uring-only.patch'
restore
echo "io_uring-only.patch" >>"$series"
point "tree: a name for one base and for all" stops tree 'names io_uring-only.patch twice' '7.2'
restore
header "io_uring: stray" >"$repo/patches/7.2/stray.patch"
point "tree: a patch of one base that the page does not name" stops tree 'patches/7.2/stray.patch is not in'
restore
header "io_uring: stray" >"$repo/patches/7.3/stray.patch"
point "tree: ... of another base does not matter to an existing tree" run tree
restore
sed -i 's/^ line 38/ line thirty-eight/' "$repo/patches/io_uring-move.patch"
point "tree: another context is refused on either base" on_stops 7.3 tree 'io_uring-move.patch does not apply to Linux 7.3'
restore

# A shared patch is edited on 7.3.
amend3() { # N COMMAND: the commit N before the tip
	(cd "$linux3" && git checkout -q --detach "series~$1" && eval "$2" && git add -A && git commit -q --amend --no-edit &&
		git rebase -q --onto HEAD "series~$1" series)
}
keep
amend3 2 'sed -i "s/LINE 40/LINE forty/" io_uring/rsrc.c'
point "export: a shared patch with another text" on 7.3 export
point "export: ... is written" grep -q '^+LINE forty' "$repo/patches/io_uring-move.patch"
point "export: ... with the line numbers of the default base" grep -q '^@@ -37,7 +37,7 @@' "$repo/patches/io_uring-move.patch"
point "export: ... and nothing else" test "$(diff -rq "$dir/kept" "$repo/patches" | wc -l)" = 1
point "tree: 7.2 gets it" run tree
point "tree: ..." grep -q 'LINE forty' "$linux/io_uring/rsrc.c"
point "roundtrip: of both bases" both roundtrip

# ... and it does not apply to 7.2.
keep
amend3 3 'sed -i "s/^new 3$/NEW 3/" io_uring/rsrc.c'
point "export: refused if it does not apply to 7.2" on_stops 7.3 export 'GUARD=io_uring-add-one.patch make export'
point "export: ... nothing is written" same_as "$dir/state"
GUARD=io_uring-add-one.patch point "export: it becomes two" on 7.3 export
point "export: ... one for each" test "$(page | sed -n 1,4p | paste -sd' ')" = \
	"7.2: 7.2/io_uring-add-one.patch 	+io_uring/one.c 7.3: 7.3/io_uring-add-one.patch 	+io_uring/one.c"
point "export: ... 7.2's as it was" cmp "$dir/kept/io_uring-add-one.patch" "$repo/patches/7.2/io_uring-add-one.patch"
point "roundtrip: of both bases" both roundtrip
run tree

# A patch is edited on 7.2, and does not apply to 7.3.
keep
g reset -q --hard series
(cd "$linux" && sed -i 's/old/older/' io_uring/old.c && git commit -qam "io_uring: older" -m "Why.")
point "export: of 7.2, refused if it does not apply to 7.3" stops export 'would no longer apply to Linux 7.3' \
	'GUARD=io_uring-older.patch'
point "export: ... nothing is written" same_as "$dir/state"
FORCE=1 point "export: FORCE=1 exports anyway" run export
point "export: ... and says so" grep -q 'FORCE: notice: .* Linux 7.3' "$out"
point "tree: ... and 7.3 fails" on_stops 7.3 tree 'patches/io_uring-older.patch does not apply to Linux 7.3'
g reset -q --hard HEAD~1
point "export: ... a patch of 7.3's own that does not apply takes more than GUARD" stops export \
	'patches/7.3/io_uring-older.patch does not apply' "'7.3: 7.3/io_uring-older.patch' in patches/series"
rm -rf "$repo/patches"
cp -a "$dir/kept" "$repo/patches"
FORCE=1 point "tree: ... and back" run tree
(cd "$linux" && sed -i 's/old/older/' io_uring/old.c && echo "int older;" >io_uring/older.c &&
	git add -A && git commit -qm "io_uring: older" -m "Why.")
GUARD=io_uring-older.patch point "export: a new patch for 7.2 only" run export
point "export: ... guarded" test "$(page | tail -n 2 | sed '2,$d')" = "7.2: 7.2/io_uring-older.patch"
point "roundtrip: of both bases, with a new file of one" both roundtrip

# A shared patch gets one more new file, on 7.3 only.
keep
amend3 0 'echo "int three;" >io_uring/three.c'
GUARD=io_uring-add-two.patch point "export: another new file, for 7.3 only" on 7.3 export
point "export: ... 7.2 keeps its own" test "$(page | grep -A2 add-two | paste -sd' ')" = \
	"7.2: 7.2/io_uring-add-two.patch 	+io_uring/two.sh 7.3: 7.3/io_uring-add-two.patch 	+io_uring/three.c 	+io_uring/two.sh"
point "roundtrip: of both bases" both roundtrip
run tree
point "tree: ... 7.2 does not have it" test ! -e "$linux/io_uring/three.c"
restore
rm "$repo/io_uring/three.c"
FORCE=1 both tree

# While an export tests the other base, the user adds a file.
keep
amend3 0 'echo "echo again" >>io_uring/two.sh'
base=$repo/harness/queue/base.sh
mv "$base" "$base.real"
printf '#!/bin/bash\necho "int new;" >"%s/io_uring/new.c"\nexec bash "$0.real" "$@"\n' "$repo" >"$base"
chmod +x "$base"
point "export: a new file meanwhile" on_stops 7.3 export 'nothing is exported: .* changed meanwhile'
point "export: ... is still there" test -s "$repo/io_uring/new.c"
mv "$base.real" "$base"
rm "$repo/io_uring/new.c"
point "export: ... nothing else is written" same_as "$dir/state"
(
	flock 7
	! BASE=7.3 run export && grep -q 'another export is running' "$out"
) 7>"$repo/build/export.lock"
point "export: not two at once" test $? = 0
g3 reset -q --hard "$(cut -d' ' -f1 "$linux3/.git/kmbuf-synced")"

# A new patch of 7.3, in the middle, for both.
g3 checkout -q --detach series~2
commit3 "io_uring: for both" 'sed -i "s/^line 60$/LINE 60/" io_uring/rsrc.c'
g3 rebase -q --onto HEAD series~2 series
point "export: a new patch of 7.3" on 7.3 export
point "export: ... is for all, in its place" test "$(page | sed -n 5,6p | paste -sd' ')" = \
	"io_uring-move.patch io_uring-for-both.patch"
point "export: ... with exact lines on 7.2" grep -q '^@@ -57,7 +57,7 @@' "$repo/patches/io_uring-for-both.patch"
point "tree: 7.2 has it" run tree
point "roundtrip: of both bases" both roundtrip

# Lines move on 7.2: an export of 7.2 sets the numbers, an export of 7.3 keeps them.
keep
g checkout -q --detach base
commit "io_uring: first" 'sed -i "s/^line 5$/&\nline five/" io_uring/rsrc.c'
g rebase -q --onto HEAD base series
point "export: a patch that moves lines" run export
point "export: ... the numbers of others follow" grep -q '^@@ -38,7 +38,7 @@' "$repo/patches/io_uring-move.patch"
point "tree: on 7.3" on 7.3 tree
keep
point "export: of 7.3 leaves them" on 7.3 export
point "export: ..." same_as "$dir/state"

# Order.
g3 reset -q --hard series
g3 checkout -q --detach base
g3 cherry-pick series~4 series~5 series~3 series~2 series~1 series >/dev/null 2>&1
g3 checkout -q -B series
point "export: another order, from 7.3" on 7.3 export
point "export: ..." test "$(page | sed -n 1,6p | grep -v '+' | paste -sd' ')" = \
	"7.2: 7.2/io_uring-add-one.patch 7.3: 7.3/io_uring-add-one.patch io_uring-first.patch io_uring-move.patch"
point "tree: of 7.2, too" run tree
point "roundtrip: of both bases" both roundtrip

# A patch that 7.3 drops stays 7.2's; a patch that both drop is gone.
g3 reset -q --hard series~1
point "export: 7.3 drops a patch" on 7.3 export
point "export: ... 7.2 keeps it" test "$(page | grep -A1 add-two | paste -sd' ')" = \
	"7.2: 7.2/io_uring-add-two.patch 	+io_uring/two.sh"
point "export: ... and its file" test -x "$repo/io_uring/two.sh"
point "roundtrip: of both bases" both roundtrip
commit3 "io_uring: add two" 'echo "echo" >io_uring/two.sh; chmod +x io_uring/two.sh'
point "export: 7.3 has it again" on 7.3 export
point "export: ... for itself" grep -q '^7.3: 7.3/io_uring-add-two.patch' "$series"
g3 reset -q --hard series~1
on 7.3 export
run tree
g rebase -q --onto series~2 series~1 series
g log -1 --format=%s >"$out"
point "export: 7.2 drops it, too" run export
point "export: ... nobody has it" test ! -e "$repo/io_uring/two.sh" -a -z "$(grep add-two "$series")"
point "roundtrip: of both bases" both roundtrip

# The same from 7.2: the patch that stays 7.3's gets the line numbers of 7.3.
on 7.3 tree
keep
k=$(g log --format=%s base..series | grep -n -x 'io_uring: for both' | cut -d: -f1)
g rebase -q --onto "series~$k" "series~$((k - 1))" series
point "export: 7.2 drops a patch" run export
point "export: ... 7.3 keeps it" grep -q '^7.3: 7.3/io_uring-for-both.patch' "$series"
point "export: ... exact there" grep -q '^@@ -63,7 +63,7 @@' "$repo/patches/7.3/io_uring-for-both.patch"
point "roundtrip: of both bases" both roundtrip
restore
FORCE=1 both tree

# Unexported work on one base does not block the other.
keep
commit "io_uring: unfinished" 'sed -i "s/^line 70$/LINE 70/" io_uring/rsrc.c'
g3 reset -q --hard series
commit3 "io_uring: third" 'sed -i "s/^int more/int third/" io_uring/old.c'
GUARD=io_uring-third.patch point "export: 7.3's own patch, while 7.2 has a commit" on 7.3 export
point "tree: ... which stays" run tree
point "export: ... and is exported" run export
point "tree: 7.3 gets it" on 7.3 tree
point "roundtrip: of both bases" both roundtrip

# Another default.
lives_on 7.3 7.2
linux=$linux3
unset BASE
point "tree: 7.3 as the default" run tree
point "roundtrip: ... lines are not exact" stops roundtrip 'not ok 1'
point "export: ... sets them" run export
point "export: ..." grep -q '^@@ -43,7 +43,7 @@' "$repo/patches/io_uring-move.patch"
point "roundtrip: of both bases" both roundtrip
lives_on 7.2 7.3
linux=$repo/build/7.2/linux
on 7.2 tree
point "export: and back" on 7.2 export
point "roundtrip: of both bases" both roundtrip

# Other trees: the version chooses the patches, and nothing has to be exact.
tar -C "$dir/l" -cJf "$dir/linux-7.3.tar.xz" 7.3
sed -i '1s/^/new 0\n/' "$dir/l/7.2/io_uring/rsrc.c"
tar -C "$dir/l" -cJf "$dir/linux-7.2.tar.xz" 7.2
KERNEL_SRC=$dir/linux-7.3.tar.xz point "tree: a tarball of 7.3 gets the patches for it" run tree
point "tree: ... " grep -q 'patches on Linux 7.3' "$out"
keep
KERNEL_SRC=$dir/linux-7.2.tar.xz point "tree: a later 7.2" run tree
KERNEL_SRC=$dir/linux-7.2.tar.xz point "roundtrip: ... needs no other line numbers" run roundtrip
point "export: ... and makes none" run export
point "export: ..." same_as "$dir/state"

echo "1..$n"
exit $failed
