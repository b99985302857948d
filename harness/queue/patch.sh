# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # q_* go from script to script
# One patch: a file in git am's format <-> a commit. Sourced by queue.sh.

# What git am takes for the end of the message, or of the mail.
QUEUE_ENDS='^(---|diff -|Index: |From [^ ]+ [A-Z][a-z]{2} )'

# queue_message FILE WHERE: refuse a message that git am would cut or misread, or that
# has a Signed-off-by. It runs for every patch, and starts no program.
queue_message() {
	local line number=0
	while IFS= read -r line; do
		number=$((number + 1))
		[[ ${line,,} != signed-off-by:* ]] ||
			die "$2 carries a Signed-off-by" \
				"the sender of the series adds it (make series SIGNOFF=1)" \
				"remove the line"
		[[ ! $line =~ $QUEUE_ENDS ]] ||
			die "$2: the message has the line '$line'" \
				"git am ends the message, or the mail, there" "indent it"
		[[ $number -ne 3 || ! $line =~ ^(From|Date|Subject):\  ]] ||
			die "$2: the message begins with '$line'" \
				"git am takes that for a mail header" "reword it"
	done <"$1"
}

# queue_mail TOP PATCH: split a patch into message and diff in q_tmp.
queue_mail() {
	local line subject=''
	local -a body
	qgit mailinfo -b "$q_tmp/body" "$q_tmp/diff" <"$1/$2" >"$q_tmp/info" ||
		die "$2 is not in git am's format"
	while IFS= read -r line; do
		[[ $line != "Subject: "* ]] || subject=${line#Subject: }
	done <"$q_tmp/info"
	[ -n "$subject" ] || die "$2 has no Subject"
	mapfile -t body <"$q_tmp/body"
	printf '%s\n' "$subject" '' "${body[@]}" >"$q_tmp/unstripped"
	qgit stripspace <"$q_tmp/unstripped" >"$q_tmp/message"
	queue_message "$q_tmp/message" "$2"
}

# queue_apply FILE DIFF INDEX REPO: apply DIFF, or stop and name the hunk. FILE is the
# patch that DIFF comes from. Changed context is never accepted. Other line numbers
# are accepted only if q_may_move is 1; FILE is then added to q_moved.
queue_apply() {
	local patch=$1 diff=$2 log=$q_tmp/apply.log file line hunk linux=${q_base:+ to Linux $q_base}
	if GIT_INDEX_FILE=$3 qgit -C "$4" apply --cached -v --whitespace=nowarn \
		"$diff" 2>"$log" >&2; then
		grep -qE '\((offset|.*fuzz)' "$log" || return 0
		if [ "${q_may_move:-0}" -eq 1 ] && ! grep -q fuzz "$log"; then
			q_moved+=("$patch")
			return
		fi
	fi
	if line=$(grep -m1 '^error: patch failed: ' "$log"); then
		line=${line#error: patch failed: }
		file=${line%:*}
		# Of that file's hunks, the one that expected to start there.
		hunk=$(awk -v file="a/$file" -v start="-${line##*:}" '
			/^--- / { here = ($2 == file) }
			here && /^@@ / && ($2 == start || index($2, start ",") == 1) {
				print; exit }' "$diff")
		die "$patch does not apply$linux: $file, hunk ${hunk:-at line ${line##*:}}" \
			"the lines it expects are not there" \
			"change the patch; the tree in build/ still has the last good series"
	fi
	if line=$(grep -m1 -E '^Hunk #.*\((offset|.*fuzz)' "$log"); then
		file=$(awk '/^Checking patch / { f = $3; sub(/\.\.\.$/, "", f) }
			/^Hunk #.*(offset|fuzz)/ { print f; exit }' "$log")
		die "$patch does not apply exactly: $file, ${line%.}" \
			"its line numbers or context are out of date" \
			"correct the hunk; 'make export' writes exact hunks from the tree in build/"
	fi
	die "$patch does not apply$linux" \
		"$(grep -m1 '^error: ' "$log" || tail -n 1 "$log")" "correct the patch"
}

# queue_commit REPO N TREE: commit patch N of the series on top of q_commit.
queue_commit() {
	q_commit=$(GIT_AUTHOR_DATE="$((QUEUE_EPOCH + $2 * 60)) +0000" \
		GIT_COMMITTER_DATE="$((QUEUE_EPOCH + $2 * 60)) +0000" \
		qgit -C "$1" commit-tree -p "$q_commit" -F "$q_tmp/message" "$3")
}

# queue_describe REPO COMMIT: write the message to q_tmp, and set q_name to the patch's
# name, which comes from the subject.
queue_describe() {
	qgit -C "$1" log -1 --format='%f%n%s%n%n%b' "$2" >"$q_tmp/described"
	{
		IFS= read -r q_name || true
		qgit stripspace >"$q_tmp/message"
	} <"$q_tmp/described"
	q_name=${q_name::52}.patch
	[ "$q_name" != .patch ] || die "commit ${2:0:12} has no subject that could name its patch" \
		"" "reword it (git rebase -i base)"
	queue_message "$q_tmp/message" "commit ${2:0:12} (${q_name%.patch})"
}

# queue_write_patch REPO COMMIT [DIFF_OPTION]: print the patch in git am's format, with
# nothing that changes when other patches do: no commit id, no blob ids, one date for all.
queue_write_patch() {
	local diff=$q_tmp/export.diff date subject
	qgit -C "$1" diff-tree -p --no-commit-id --no-renames --no-color --full-index \
		--no-ext-diff --no-textconv "${3:---diff-filter=a}" "$2" >"$diff"
	! grep -q '^Binary files ' "$diff" ||
		die "commit ${2:0:12} changes a binary file" "patches are text"
	echo "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001"
	echo "From: $QUEUE_NAME <$QUEUE_EMAIL>"
	TZ=UTC0 printf -v date '%(%a, %d %b %Y %T +0000)T' "$QUEUE_EPOCH"
	echo "Date: $date"
	IFS= read -r subject <"$q_tmp/message"
	echo "Subject: [PATCH] $subject"
	echo
	sed '1,/^$/d' "$q_tmp/message"
	echo "---"
	sed '/^index [0-9a-f]*\.\.[0-9a-f]*\( [0-7]*\)\{0,1\}$/d' "$diff"
}
