# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # q_* and mail_* go from script to script
# Commits -> mails. Sourced after queue.sh.
#
# A cover is a file:
#   Subject: TEXT          the subject
#   Needs: SET...          sets to apply before; only for a set of the series (sets.sh)
#   To: NAME <ADDRESS>     recipients, besides those in MAINTAINERS;
#   Cc: NAME <ADDRESS>     any number of each
#   (a blank line)
#   the text. A paragraph whose first line begins with "7.3: " is for that base only.

# mail_identity: make the user the author of later commits, or stop.
mail_identity() {
	local ident commands="git config --global user.name '...'; git config --global user.email '...'"
	# git looks at the environment, the repository's and the user's configuration.
	ident=$(git -C "$TOP" -c user.useConfigOnly=true var GIT_AUTHOR_IDENT 2>/dev/null) ||
		die "mails need your name and your address" "git has no user.name or user.email for you" "$commands"
	q_author_name=${ident%% <*}
	q_author_email=${ident#*<}
	q_author_email=${q_author_email%%>*}
	[[ $q_author_name != "$QUEUE_NAME" && $q_author_email != "$QUEUE_EMAIL" ]] ||
		die "git's user is $q_author_name <$q_author_email>, which is nobody's address" \
			"patches/ has it in place of an author" "$commands"
}

# mail_own REPO FROM TIP: remake the commits FROM..TIP with the user as author, signed
# off if SIGNOFF is set. Sets mail_tip to the last.
mail_own() {
	local commit date
	mail_tip=$3
	[ -n "${q_author_name:-}" ] || return 0
	mail_tip=$2
	for commit in $(qgit -C "$1" rev-list --reverse "$2..$3"); do
		date=$(qgit -C "$1" log -1 --format=%ad --date=raw "$commit")
		qgit -C "$1" log -1 --format=%B "$commit" >"$q_tmp/message"
		[ -z "${SIGNOFF:-}" ] || qgit interpret-trailers --in-place --trailer \
			"Signed-off-by: $q_author_name <$q_author_email>" "$q_tmp/message"
		mail_tip=$(GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date \
			qgit -C "$1" commit-tree -p "$mail_tip" -F "$q_tmp/message" "$commit^{tree}")
	done
}

# cover_check FILE FIELD...: stop if the cover is missing, incomplete, or has other
# fields.
cover_check() {
	local name=${1#"$TOP/"} bad
	[ -s "$1" ] || die "$name is missing" "it is the cover of a set of mails" \
		"write it: 'Subject: ...', a blank line, the text"
	! bad=$(grep -vEm1 "^(Subject|$(IFS='|'; echo "${*:2}")): [^ ]" < <(sed '/^$/,$d' "$1")) ||
		die "$name: cannot read the line '$bad'" "only the fields Subject ${*:2} may be above the first blank line"
	[ "$(cover_field "$1" Subject | wc -l)" -eq 1 ] || die "$name needs exactly one Subject"
	grep -q . < <(sed '1,/^$/d' "$1") || die "$name has no text" "" "write it below a blank line"
	! grep -qi '^Signed-off-by:' "$1" || die "$name carries a Signed-off-by" "" "remove the line"
}

# cover_field FILE FIELD: print the values of FIELD, one a line.
cover_field() {
	sed -n "/^\$/q; s/^$2: //p" "$1"
}

# cover_text FILE [BASE]: print the paragraphs for all bases and those for BASE.
cover_text() {
	sed '1,/^$/d' "$1" | awk -v base="${2:-}:" '
		/^$/ { if (!left_out) print; left_out = 0; inside = 0; next }
		!inside { inside = 1; left_out = 0
			if ($1 ~ /^[0-9]+[.][0-9]+:$/) { left_out = $1 != base; sub(/^[^ ]+ ?/, "") } }
		!left_out'
}

# mail_id NAME: print b4's change-id, which is the same in each version of a set.
mail_id() {
	printf '%s-kmbuf-%s-%s\n' "$(date -u -d "@$QUEUE_EPOCH" +%Y%m%d)" "$1" \
		"$(printf 'kmbuf %s' "$1" | sha1sum | cut -c1-12)"
}

# mail_write REPO FROM TIP TO NAME PREFIX: write the mails of FROM..TIP and their cover
# into the directory TO. The cover is $q_tmp/cover: subject, blank line, text. The
# recipients are in TO/recipients, if that exists. NAME is the set's name for mail_id;
# $mail_needs has the names of the sets between the tag base and FROM. PREFIX goes in
# front of subjects.
mail_write() {
	local repo=$1 to=$4 line needed
	local -a header=()
	while IFS= read -r line; do
		header+=("--${line%%: *}=${line#*: }")
	done < <(sed 's/^To:/to:/; s/^Cc:/cc:/' "$to/recipients" 2>/dev/null)
	mail_own "$1" "$2" "$3"
	# format-patch takes the cover's text from a branch's description.
	qgit -C "$repo" update-ref refs/heads/mail "$mail_tip"
	GIT_COMMITTER_DATE="$QUEUE_EPOCH +0000" \
		qgit -C "$repo" -c branch.mail.description="$(cat "$q_tmp/cover")" \
		format-patch -q --cover-letter --cover-from-description=subject \
		--base=refs/tags/base --subject-prefix="$6" --no-signature \
		"${header[@]}" -o "$to" "$2..mail"
	{
		echo "change-id: $(mail_id "$5")"
		for needed in $mail_needs; do
			echo "prerequisite-change-id: $(mail_id "$needed"):v1"
		done
	} >"$q_tmp/ids"
	# Not *.patch: git am stops at a mail that holds no diff.
	sed "/^base-commit: /r $q_tmp/ids" "$to/0000-cover-letter.patch" >"$to/0000-cover-letter.txt"
	rm "$to/0000-cover-letter.patch"
}
