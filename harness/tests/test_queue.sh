#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of the patch queue (base, tree, export, series, roundtrip) on a tiny
# fake Linux, with a copy of the scripts in a scratch directory. Prints TAP.
# shellcheck disable=SC2016,SC2317 # commands handed over as arguments
set -uo pipefail

. "$(dirname "$0")/fakequeue.sh"

fake_linux 7.2 "$dir/l/linux-source"
pinned 7.2 "$dir/l/linux-source"
cd "$dir" || exit 1

# A repository with two patches: one with a diff and a new file, one new only.
{
	header "io_uring: add one"
	cat <<-END
	diff --git a/io_uring/Makefile b/io_uring/Makefile
	--- a/io_uring/Makefile
	+++ b/io_uring/Makefile
	@@ -9,6 +9,7 @@ obj 8
	 obj 9
	 obj 10
	 obj 11
	+obj one
	 obj 12
	 obj 13
	 obj 14
	END
} >"$repo/patches/io_uring-add-one.patch"
header "io_uring: add two" >"$repo/patches/io_uring-add-two.patch"
echo "int one;" >"$repo/io_uring/one.c"
printf '#!/bin/sh\n' >"$repo/io_uring/two.sh"
chmod +x "$repo/io_uring/two.sh"
cat >"$repo/patches/series" <<END
# The series.

[all]
# First group
io_uring-add-one.patch
	+io_uring/one.c

# Second group
# about two
io_uring-add-two.patch
	+io_uring/two.sh

# The end.
END
cover all
snapshot >"$dir/first"

# Import.
point "tree: two patches" run tree
point "tree: branch series, tag base, two commits" \
	test "$(g rev-list --count base..series)" = 2
point "tree: a new file is there with its mode" test -x "$linux/io_uring/two.sh"
point "tree: a patch was applied" grep -q 'obj one' "$linux/io_uring/Makefile"
point "tree: modes and links of the base survive" \
	test -x "$linux/tools/run.sh" -a -L "$linux/tools/link.sh"
point "tree: Debian's ignore-everything block is gone" \
	test "$(tail -n 1 "$linux/.gitignore")" = "" -a -z "$(grep -F '/*' "$linux/.gitignore")"
point "tree: bare is the base" test -e "$repo/build/7.2/bare/Kbuild" -a ! -e "$repo/build/7.2/bare/io_uring/one.c"
point "tree: nothing is dirty" test -z "$(g status --porcelain)"
commits >"$dir/commits"

touch -d '2020-01-01' "$linux/io_uring/rsrc.c"
point "tree: again, changes nothing" run tree
point "tree: ... says so" grep -q 'did not change' "$out"
point "tree: ... keeps times" test "$(stat -c %Y "$linux/io_uring/rsrc.c")" = "$(date -d 2020-01-01 +%s)"
point "base: a second run downloads and imports nothing" run base
point "base: ... says where it is" grep -q 'base-7.2.12-1.git' "$out"

rm -rf "$repo/build"
point "tree: from nothing once more" run tree
point "tree: the same commit ids" diff "$dir/commits" <(commits)

cp -a "$repo" "$dir/moved"
rm -rf "$dir/moved/build/7.2/bare/Kbuild"
repo=$dir/moved linux=$dir/moved/build/7.2/linux
point "tree: in a copied checkout, a damaged bare stops it" stops tree 'build/7.2/bare was edited'
FORCE=1 point "tree: FORCE=1 restores bare" run tree
point "tree: ... in the copy" test -e "$repo/build/7.2/bare/Kbuild"
point "tree: ... as a worktree of the copy" \
	test "$(git -C "$repo/build/7.2/bare" rev-parse --git-common-dir)" = "$linux/.git"
repo=$dir/repo linux=$dir/repo/build/7.2/linux

# Export.
point "export: right after the import" run export
point "export: changes nothing" same_as "$dir/first"
point "export: keeps the commit ids" diff "$dir/commits" <(commits)

point "roundtrip" run roundtrip
point "roundtrip: three points, all ok" test "$(grep -c '^ok ' "$out")" = 3

# Edits in the tree.
touch -d '2020-01-01' "$linux/io_uring/old.c" "$linux/io_uring/one.c"
sed -i 's/line 40/LINE 40/' "$linux/io_uring/rsrc.c"
point "export: refuses uncommitted changes" stops export 'uncommitted changes' 'rsrc.c'
point "tree: keeps an edited tree while patches/ is the same" run tree
point "tree: ... with the edit" grep -q 'LINE 40' "$linux/io_uring/rsrc.c"
echo "# more" >>"$repo/patches/series"
point "tree: never overwrites edits" stops tree 'uncommitted edits' 'make export' 'FORCE=1'
sed -i '$d' "$repo/patches/series"
point "roundtrip: notices edits that are not exported" stops roundtrip 'not ok 3'
g commit -qam "io_uring: a third" -m "Text with trailing blank   " -m "More."
echo "# more" >>"$repo/patches/series"
point "tree: never overwrites commits" stops tree 'not exported' 'make export'
point "export: never overwrites an edited patches/" stops export 'changed since'
sed -i '$d' "$repo/patches/series"
point "export: writes a third patch" run export
point "export: ... under its name" test -s "$repo/patches/io_uring-a-third.patch"
point "export: ... listed in front of the last comment" \
	test "$(tail -n 3 "$repo/patches/series" | sed '2,$d')" = io_uring-a-third.patch
point "export: leaves no index lines" test -z "$(grep -rl '^index ' "$repo/patches")"
point "roundtrip: of three" run roundtrip

# Reword: the comments and the place stay.
g branch -q keep
g commit -q --amend -m "io_uring: the third"
sed -i 's/^io_uring-a-third/# about three\nio_uring-a-third/' "$repo/patches/series"
FORCE=1 point "export: another subject" run export
point "export: ... another name, the same comment" \
	test "$(grep -A1 '^# about three' "$repo/patches/series" | tail -n 1)" = io_uring-the-third.patch
point "export: ... the old one is gone" test ! -e "$repo/patches/io_uring-a-third.patch"
g reset -q --hard keep
point "export: ... and back" run export
sed -i '/^# about three/d' "$repo/patches/series"
point "tree: changed comments do not matter to the tree" run tree
g branch -q -D keep

# Reorder: the first patch goes last; comments follow.
g branch -q keep
g reset -q --hard base
g cherry-pick keep~1 keep keep~2 >/dev/null 2>&1
point "export: a new order" run export
cat >"$dir/want" <<END
# The series.


[all]
# Second group
# about two
io_uring-add-two.patch
	+io_uring/two.sh
io_uring-a-third.patch
# First group
io_uring-add-one.patch
	+io_uring/one.c

# The end.
END
point "export: comments went with their patches" diff "$dir/want" "$repo/patches/series"
point "export: old names are gone" test "$(find "$repo/patches" -name '*.patch' | wc -l)" = 3
point "roundtrip: of the new order" run roundtrip
g reset -q --hard HEAD~1
point "export: a patch and its file removed" run export
point "export: ... patch" test ! -e "$repo/patches/io_uring-add-one.patch"
point "export: ... new file" test ! -e "$repo/io_uring/one.c"
point "export: ... its comment is kept" grep -q '# First group' "$repo/patches/series"

# What must not be exported.
bad_commit() { g reset -q --hard series; eval "$1"; g add -A; g commit -qm "${2:-io_uring: bad}"; }
undo() { g reset -q --hard HEAD~1; }
bad_commit 'echo more >>$linux/io_uring/two.sh'
point "export: a new file changed by a later commit" stops export 'io_uring/two.sh' 'add-two' 'squash'
undo
bad_commit 'rm $linux/io_uring/two.sh'
point "export: a new file removed by a later commit" stops export 'io_uring/two.sh'
undo
bad_commit 'echo x >>$linux/io_uring/old.c' $'io_uring: bad\n\nSigned-off-by: A <a@example.org>'
point "export: a Signed-off-by" stops export 'Signed-off-by'
undo
bad_commit 'echo x >>$linux/io_uring/old.c' $'io_uring: bad\n\n---\nnot mailed'
point "export: a message that git am would cut" stops export "has the line '---'"
undo
bad_commit 'echo x >$linux/top.c'
point "export: a new file outside Linux's directories" stops export 'top.c'
undo
bad_commit 'ln -s old.c $linux/io_uring/link.c'
point "export: a new symbolic link" stops export 'link.c'
undo
bad_commit 'echo x >>$linux/io_uring/old.c' "io_uring: add two"
point "export: two commits with one subject" stops export 'two commits have the same subject' 'io_uring-add-two'
undo
bad_commit 'echo x >>$linux/io_uring/old.c' "io_uring: a subject that has the same first fifty-two characters"
echo x >>"$linux/io_uring/f.c"
g commit -qam "io_uring: a subject that has the same first fifty-two letters"
point "export: ... or two that become one name" stops export 'same subject' 'first 52 characters'
undo
undo
echo x >>"$linux/io_uring/old.c"
g commit -qa --allow-empty-message -m ''
point "export: a commit without a message" stops export 'has no subject'
undo
g checkout -q --detach
point "export: not on branch series" stops export 'not on branch series'
g checkout -q series
bad_commit 'git -C $linux rm -q io_uring/old.c; git -C $linux mv tools/run.sh tools/go.sh; chmod -x $linux/tools/go.sh; sed -i s/9/nine/ $linux/io_uring/Makefile $linux/io_uring/f.c'
point "export: removals, renames, mode changes" run export
point "roundtrip: ... come through" run roundtrip
point "export: hunks name the function, not a label in it" grep -rq '^@@ .* int f(void)$' "$repo/patches"
undo
run export

# What must not be imported. Each starts from the state in $dir/good.
cp -a "$repo/patches" "$repo/io_uring" "$dir/" && mkdir "$dir/good" && mv "$dir/patches" "$dir/io_uring" "$dir/good/"
restore() { rm -rf "$repo/patches" "$repo/io_uring"; cp -a "$dir/good/." "$repo/"; rm -rf "$repo/include" "$repo/tools"; }
third=$repo/patches/io_uring-a-third.patch

sed -i 's/^ line 38/ line thirty-eight/' "$third"
point "tree: a hunk that does not fit is named" \
	stops tree 'patches/io_uring-a-third.patch does not apply' 'io_uring/rsrc.c, hunk @@ -37,7'
restore
sed -i 's/^@@ -37,7 +37,7/@@ -35,7 +35,7/' "$third"
point "tree: other line numbers are accepted, with a notice" run tree
point "tree: ... that names the patch" grep -q 'notice: 1 patches .*a-third.patch' "$out"
point "roundtrip: ... but fails" stops roundtrip 'not ok 1'
point "export: corrects them" run export
point "export: ..." diff "$dir/good/patches" "$repo/patches"
sed -i 's/^ line 37$/ line thirty-seven/' "$third"
point "tree: another line of the context is a failure" stops tree 'does not apply to Linux 7.2: io_uring/rsrc.c, hunk @@ -37,7'
restore
sed -i 's,io_uring/rsrc.c,io_uring/none.c,g' "$third"
point "tree: a patch for a missing file" stops tree 'does not apply' 'none.c'
restore
rm "$repo/io_uring/two.sh"
point "tree: a missing new file" stops tree 'io_uring/two.sh is missing' 'add-two'
restore
mkdir -p "$repo/include/linux"
echo x >"$repo/include/linux/stray.h"
point "tree: a new file that no patch names" stops tree 'include/linux/stray.h is in no patch'
restore
echo x >"$repo/patches/stray.patch"
point "tree: a patch that the series does not name" stops tree 'stray.patch is not in patches/series'
restore
rm "$third"
point "tree: a patch that is missing" stops tree 'a-third.patch is missing'
restore
sed -i 's,+io_uring/two.sh,+io_uring/two.sh\n\t+io_uring/rsrc.c,' "$repo/patches/series"
echo x >"$repo/io_uring/rsrc.c"
point "tree: a new file that Linux has" stops tree 'rsrc.c exists in Linux'
restore
cat "$repo/patches/series" >"$dir/twice"
grep add-two "$dir/twice" >>"$repo/patches/series"
point "tree: a name that appears twice" stops tree 'names io_uring-add-two.patch twice'
restore
echo "what is this" >>"$repo/patches/series"
point "tree: a line of nonsense in the series" stops tree 'cannot read the line'
restore
sed -i 's/^Why/Signed-off-by: A <a@example.org>\nWhy/' "$repo/patches/io_uring-add-two.patch"
point "tree: a Signed-off-by" stops tree 'Signed-off-by' 'SIGNOFF=1'
restore
cat >>"$third" <<-END
	diff --git a/io_uring/made.c b/io_uring/made.c
	new file mode 100644
	--- /dev/null
	+++ b/io_uring/made.c
	@@ -0,0 +1 @@
	+x
END
point "tree: a diff that creates a file" stops tree 'creates io_uring/made.c' "'+io_uring/made.c'"
restore
sed -i 's,io_uring/rsrc.c,io_uring/two.sh,g; /^@@/,$d' "$third"
printf '@@ -1 +1,2 @@\n #!/bin/sh\n+x\n' >>"$third"
point "tree: a diff against a new file" stops tree 'changes io_uring/two.sh' 'add-two'
restore
sed -i '/^diff/,$d' "$third"
point "tree: a patch that changes nothing" stops tree 'changes nothing'
restore

# Only what changes is touched.
run tree
touch -d '2020-01-01' "$linux/io_uring/old.c"
echo "echo" >>"$repo/io_uring/two.sh"
point "tree: a changed new file" run tree
point "tree: ... is taken over" grep -q '^echo' "$linux/io_uring/two.sh"
point "tree: ... others keep their times" test "$(stat -c %Y "$linux/io_uring/old.c")" = "$(date -d 2020-01-01 +%s)"
sed -i 's/line 70/LINE 70/' "$linux/io_uring/rsrc.c"
echo x >"$linux/io_uring/untracked.c"
mkdir -p "$linux/.base"
echo x >"$linux/.base/object"
FORCE=1 point "tree: FORCE=1 throws edits away" run tree
point "tree: ... all of them" test -z "$(g status --porcelain)"
point "tree: ... but no build output" test -e "$linux/.base/object"

# Other trees.
tar -C "$dir/l" -cJf "$dir/linux.tar.xz" linux-source
KERNEL_SRC=$dir/linux.tar.xz point "tree: KERNEL_SRC as a tarball" run tree
KERNEL_SRC=$dir/none point "base: KERNEL_SRC that does not exist" stops base 'does not exist'
KERNEL_SRC=$dir/l point "base: KERNEL_SRC that is not Linux" stops base 'not a Linux tree'
touch "$dir/l/linux-source/.config"
KERNEL_SRC=$dir/l/linux-source point "base: KERNEL_SRC that was built in" stops base 'contains a build'
rm "$dir/l/linux-source/.config"
KERNEL_SRC=$dir/l/linux-source point "tree: KERNEL_SRC as a plain tree" run tree
sed -i 's/line 1$/line one/' "$dir/l/linux-source/io_uring/rsrc.c"
KERNEL_SRC=$dir/l/linux-source point "tree: ... which changed: another base" run tree
point "tree: ... is taken over" grep -q 'line one' "$linux/io_uring/rsrc.c" "$repo/build/7.2/bare/io_uring/rsrc.c"
git -C "$dir/l/linux-source" init -q
git -C "$dir/l/linux-source" add -f .
git -C "$dir/l/linux-source" -c user.name=t -c user.email=t@localhost commit -qm base
KERNEL_SRC=$dir/l/linux-source point "tree: KERNEL_SRC as a git tree" run tree
head -c 300 "$dir/linux.tar.xz" >"$dir/short.tar.xz"
KERNEL_SRC=$dir/short.tar.xz point "base: a broken tarball" stops base 'cannot import'
mkdir "$dir/bin"
printf '#!/bin/sh\necho head; echo fs 100 99 5 99%% /\n' >"$dir/bin/df"
chmod +x "$dir/bin/df"
cp "$dir/linux.tar.xz" "$dir/other.tar.xz"
PATH=$dir/bin:$PATH KERNEL_SRC=$dir/other.tar.xz point "base: disk full" \
	stops base 'disk full' '5 MiB free' 'KMBUF_CACHE'

echo "1..$n"
exit $failed
