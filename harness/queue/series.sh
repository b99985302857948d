#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# patches/ and the new files -> build/<base>/series/, the series as it is mailed:
# whole patches, a cover letter (patches/cover: subject, blank line, text). A
# paragraph of the text whose first line begins with "7.3: " is for that base only.
#
#   series.sh            from the project's neutral identity
#   SIGNOFF=1 series.sh  from you, with your Signed-off-by (git's user.name, user.email)
#
# 'git am build/<base>/series/*.patch' applies it; 'git send-email
# build/<base>/series' sends it, cover letter first. To and Cc are yours to choose.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/queue/import.sh"
queue_tmp

OUT=$BUILD/series
[ -s "$TOP/patches/cover" ] || die "patches/cover is missing" "" \
	"write it: the subject, a blank line, the text"
[ -z "$(sed -n 2p "$TOP/patches/cover")" ] ||
	die "patches/cover: its second line must be blank" "the first one is the subject"
! grep -qi '^Signed-off-by:' "$TOP/patches/cover" ||
	die "patches/cover carries a Signed-off-by" "" "remove the line"

# cover_of BASE: the paragraphs that are for it.
cover_of() {
	awk -v base="$1:" '
		/^$/ { if (!left_out) print; left_out = 0; inside = 0; next }
		!inside { inside = 1; left_out = 0
			if ($1 ~ /^[0-9]+[.][0-9]+:$/) { left_out = $1 != base; sub(/^[^ ]+ ?/, "") } }
		!left_out' "$TOP/patches/cover"
}

if [ -n "${SIGNOFF:-}" ]; then
	# Asked of git itself: environment, the repository's and the user's config.
	ident=$(git -C "$TOP" -c user.useConfigOnly=true var GIT_AUTHOR_IDENT 2>/dev/null) ||
		die "SIGNOFF=1 needs your identity" "git has no user.name or user.email for you" \
			"git config --global user.name '...'; git config --global user.email '...'"
	q_author_name=${ident%% <*}
	q_author_email=${ident#*<}
	q_author_email=${q_author_email%%>*}
fi

queue_scratch "$("$TOP/harness/queue/base.sh" --path)"
queue_import "$q_repo" "$TOP"
[ "${#q_patches[@]}" -gt 0 ] || die "the series is empty" "patches/series names no patch"
tip=$q_commit
if [ -n "${SIGNOFF:-}" ]; then
	tip=refs/tags/base
	for commit in $(qgit -C "$q_repo" rev-list --reverse "refs/tags/base..$q_commit"); do
		date=$(qgit -C "$q_repo" log -1 --format=%ad --date=raw "$commit")
		qgit -C "$q_repo" log -1 --format=%B "$commit" |
			qgit interpret-trailers --trailer \
				"Signed-off-by: $q_author_name <$q_author_email>" >"$q_tmp/message"
		tip=$(GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date \
			qgit -C "$q_repo" commit-tree -p "$tip" -F "$q_tmp/message" "$commit^{tree}")
	done
fi
# format-patch takes the cover's text from a branch's description.
qgit -C "$q_repo" update-ref refs/heads/mail "$tip"
rm -rf "$OUT"
GIT_COMMITTER_DATE="$QUEUE_EPOCH +0000" qgit -C "$q_repo" -c branch.mail.description="$(cover_of "$q_base")" \
	format-patch -q --cover-letter --cover-from-description=subject \
	--base=refs/tags/base --subject-prefix=PATCH --no-signature \
	-o "$OUT" refs/tags/base..mail
# Not *.patch: git am stops at a mail that holds no diff.
mv "$OUT/0000-cover-letter.patch" "$OUT/0000-cover-letter.txt"
say "series: ${#q_patches[@]} patches and a cover letter in ${OUT#"$TOP/"}" \
	"${SIGNOFF:+(signed off by $q_author_name)}"
