#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of the sets of mails (sets, covers, recipients, sender) on a tiny fake Linux,
# with a copy of the scripts in a scratch directory. Prints TAP.
# shellcheck disable=SC2016,SC2317 # commands handed over as arguments
set -uo pipefail

. "$(dirname "$0")/fakequeue.sh"

fake_linux 7.2 "$dir/l/linux-source"
pinned 7.2 "$dir/l/linux-source"
series=$repo/patches/series
mails=$repo/build/7.2/series

# commit SUBJECT FILE OLD NEW: commit a patch that replaces the line OLD with NEW.
commit() { (cd "$linux" && sed -i "s/^$3\$/$4/" "$2" && git add -A && git commit -qm "$1" -m "Why."); }
printf '# The series.\n\n' >"$series"
run tree --new
commit "io_uring: a fix" io_uring/rsrc.c 'line 20' 'line twenty'
commit "io_uring: another fix" io_uring/Makefile 'obj 5' 'obj five'
commit "io_uring: a feature" io_uring/rsrc.c 'line 22' 'line twenty-two'
commit "io_uring: more of it" io_uring/old.c 'int old;' 'long old;'
commit "tools: a test" tools/run.sh '#!.bin.sh' '#!\/bin\/bash'
run export
# check_stops PATTERN: true if series.sh --check stops with this message.
check_stops() { ! run series --check && grep -q -- "$1" "$out"; }
point "series: patches in no set" check_stops 'patches/io_uring-a-fix.patch is in no set'
cat >"$series" <<'END'
# The series.

[fixes]
io_uring-a-fix.patch
[other-fixes]
io_uring-another-fix.patch
# A feature
[feature]
io_uring-a-feature.patch
io_uring-more-of-it.patch

[tests]
tools-a-test.patch
END
cover fixes
cover other-fixes
cover feature 'Needs: fixes'
cover tests 'Needs: feature other-fixes' 'To: T. Ester <t@example.org>' 'Cc: list@example.org' 'Cc: more@example.org'
run tree
keep() { rm -rf "$dir/kept"; cp -a "$repo/patches" "$dir/kept"; }
restore() { rm -rf "$repo/patches"; cp -a "$dir/kept" "$repo/patches"; }
keep
written() { (cd "$repo" && find patches -type f -exec sha256sum {} + | sort -k 2); }
written >"$dir/state"

# The sender.
point "series: no identity" stops series 'your name' 'git config --global user.name' 'git config --global user.email'
point "series: ... leaves no mail" test ! -e "$mails"
point "series: --check needs none" run series --check
point "series: ... elsewhere" test -e "$repo/build/7.2/mails/order" -a ! -e "$mails"
git config --global user.name "Some One"
git config --global user.email kmbuf@localhost
point "series: the placeholder is no identity" stops series 'is nobody' 'user.email'
git config --global user.email one@example.org
point "series: with an identity" run series
point "series: ... every mail is from you" \
	test "$(grep -l '^From: Some One <one@example.org>' "$mails"/*/0* | wc -l)" = 9
point "series: ... and from nobody else" test -z "$(grep -rl 'kmbuf@localhost' "$mails")"
point "series: ... not signed off" test -z "$(grep -rl '^Signed-off-by' "$mails")"
rm -rf "$linux"
point "series: ... a tree made afterwards" run tree
point "series: ... has nobody's commits, as always" test "$(g log --format=%an base..series | sort -u)" = "io_uring kmbuf series"
SIGNOFF=1 point "series: SIGNOFF=1" run series
point "series: ... is in every patch" \
	test "$(grep -l '^Signed-off-by: Some One <one@example.org>' "$mails"/*/*.patch | wc -l)" = 5

# The sets.
point "series: the order" test "$(xargs <"$mails/order")" = "fixes other-fixes feature tests"
point "series: each set has its numbers" test "$(cd "$mails/feature" && echo ./*.patch)" = \
	"./0001-io_uring-a-feature.patch ./0002-io_uring-more-of-it.patch"
cover=$mails/feature/0000-cover-letter.txt
point "series: ... its subject" grep -q '^Subject: \[PATCH 0/2\] io_uring: words about feature' "$cover"
point "series: ... its text" grep -q '^v2: better' "$cover"
point "series: ... its base" grep -q '^Base: Linux 7.2.12-1' "$cover"
point "series: ... its place" grep -q '^Order: set 3 of 4 (feature), on top of' "$cover"
point "series: ... the sets it needs, and no other" \
	test "$(grep -c '^  [a-z-]*  *"io_uring: words' "$cover")" = 1
point "series: ... its diffstat" grep -q '2 files changed' "$cover"
point "series: a set that needs nothing" grep -q '^Order: set 2 of 4 (other-fixes), applies by itself' \
	"$mails/other-fixes/0000-cover-letter.txt"
base=$(g rev-parse base)
point "series: b4: the base" test "$(grep -l "^base-commit: $base" "$mails"/*/0000* | wc -l)" = 4
id() { sed -n 's/^change-id: //p' "$mails/$1/0000-cover-letter.txt"; }
point "series: b4: each has its own change-id" \
	test "$(for set in fixes other-fixes feature tests; do id "$set"; done | sort -u | grep -c -E '^[0-9]{8}-kmbuf-[a-z-]+-[0-9a-f]{12}$')" = 4
point "series: b4: the change-ids of the sets it needs" grep -q "^prerequisite-change-id: $(id fixes):v1" "$cover"
point "series: b4: ... and their patches" test "$(grep -c '^prerequisite-patch-id: ' "$cover")" = 1
point "series: b4: the sets needed by sets it needs" \
	test "$(grep -c '^prerequisite-change-id: ' "$mails/tests/0000-cover-letter.txt")" = 3

# am SET...: apply them to the base with git am.
am() {
	local set
	rm -rf "$dir/am"
	git clone -q "$linux" "$dir/am" && git -C "$dir/am" checkout -q -B am "$base" || return
	for set; do
		git -C "$dir/am" am -q "$mails/$set"/*.patch || return
	done
}
point "series: all sets in their order" am fixes other-fixes feature tests
point "series: ... are the series" git -C "$dir/am" diff --exit-code HEAD origin/series
point "series: a set with the set it needs" am fixes feature
point "series: a set that needs no other" am other-fixes

# The recipients.
point "recipients: maintainers, then reviewers and lists" diff "$mails/feature/recipients" - <<'END'
To: U. Ring <uring@example.org>
Cc: R. Viewer <viewer@example.org>
Cc: list@example.org
END
point "recipients: those in the cover as well, once" diff "$mails/tests/recipients" - <<'END'
To: T. Ester <t@example.org>
Cc: R. Viewer <viewer@example.org>
Cc: list@example.org
Cc: more@example.org
END
point "recipients: in the mails" grep -q '^To: U. Ring <uring@example.org>' "$mails/feature/0001-io_uring-a-feature.patch"
point "recipients: none with --check" test -z "$(find "$repo/build/7.2/mails" -name recipients)"
sed -i '/^To: /d' "$repo/patches/cover.d/tests"
point "recipients: nobody" stops series 'the set \[tests\] has no recipient' 'patches/cover.d/tests' 'To: NAME'
point "recipients: ... the earlier mails stay" test -s "$mails/tests/recipients"
restore

# Errors.
sed -i '/^\[fixes\]/d' "$series"
rm "$repo/patches/cover.d/fixes"
point "series: a patch in front of all sets" stops series 'io_uring-a-fix.patch is in no set'
restore
sed -i 's/^io_uring-more/[fixes]\n&/' "$series"
point "tree: a set that begins twice" stops tree '\[fixes\] begins twice'
restore
printf '[other-fixes]\nio_uring-a-fix.patch\n' >>"$series"
sed -i '0,/^\[other-fixes\]/{/^\[other-fixes\]/d}' "$series"
point "tree: a patch in two sets" stops tree 'names io_uring-a-fix.patch twice'
restore
echo '[empty]' >>"$series"
point "series: a set without a patch" stops series 'the set \[empty\] has no patch'
restore
rm "$repo/patches/cover.d/feature"
point "series: a set without a cover" stops series 'patches/cover.d/feature is missing'
restore
cover stray
point "series: a cover without a set" stops series "patches/cover.d/stray is the cover of no set"
restore
cover feature 'Needs: fixs'
point "series: it needs an unknown set" stops series "needs 'fixs'" 'the sets are fixes other-fixes feature tests'
cover feature 'Needs: tests'
point "series: it needs a later set" stops series "needs 'tests'" '\[tests\] does not come before'
cover feature
point "series: it needs a set that Needs does not name" stops series 'the set \[feature\] does not apply' 'io_uring: a feature' "Needs"
cover feature 'Need: fixes'
point "series: an unknown field" stops series "cannot read the line 'Need: fixes'"
printf 'Subject: words\n' >"$repo/patches/cover.d/feature"
point "series: a cover without a text" stops series 'cover.d/feature has no text'
cover feature "Needs: fixes"
seq 18000 >>"$repo/patches/cover.d/feature"
point "series: ... with a text longer than a pipe holds" run series
printf '\nSubject: words\n\nText\n' >"$repo/patches/cover.d/feature"
point "series: ... without a subject" stops series 'cover.d/feature needs exactly one Subject'
printf 'Subject: words\n\nText\n\nSigned-off-by: A <a@example.org>\n' >"$repo/patches/cover.d/feature"
point "series: ... with a Signed-off-by" stops series 'carries a Signed-off-by'
restore

# Sets and the export.
run tree
point "export: keeps the sets" run export
point "export: ... as they are" diff "$dir/state" <(written)
point "roundtrip: of the sets" run roundtrip
g branch -q keep
commit "io_uring: new" io_uring/f.c '9' 'nine'
point "export: a new patch at the end" run export
point "export: ... is in the last set" test "$(tail -n 2 "$series" | xargs)" = "tools-a-test.patch io_uring-new.patch"
g reset -q --hard keep
run export
g reset -q --hard base
g cherry-pick keep~4 keep~3 keep~1 keep~2 keep >/dev/null 2>&1
point "export: another order within a set" run export
point "export: ... the set begins where it did" diff <(sed -n '/^.other-fixes/,/^$/p' "$series") - <<'END'
[other-fixes]
io_uring-another-fix.patch
[feature]
io_uring-more-of-it.patch
# A feature
io_uring-a-feature.patch

END
restore
FORCE=1 run tree
g reset -q --hard base
g cherry-pick keep~4 keep~3 keep~2 keep keep~1 >/dev/null 2>&1
point "export: a patch among those of another set" stops export \
	'io_uring-more-of-it.patch is of the set \[feature\]' 'tools-a-test.patch of \[tests\]' 'stand together'
point "export: ... nothing is written" diff "$dir/state" <(written)
g reset -q --hard base
g cherry-pick keep~3 keep~2 keep~1 keep >/dev/null 2>&1
point "export: the only patch of a set is gone" run export
point "export: ... and the set" test "$(grep -c '^\[' "$series")" = 3
point "series: ... its cover has to go as well" check_stops 'cover.d/fixes is the cover of no set'

echo "1..$n"
exit $failed
