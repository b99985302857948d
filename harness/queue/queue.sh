# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The patch queue: patches/ plus new files <-> commits. Sourced after lib.sh by
# base.sh, tree.sh, export.sh, series.sh and roundtrip.sh.
#
# patches/series holds comments ('# ...'), blank lines, patch names, and under
# each patch one indented '+path' line for each new file it brings in. New files
# live whole at their in-tree paths below the repository's root.

QUEUE_NAME="io_uring kmbuf series"
QUEUE_EMAIL=kmbuf@localhost
# The base's date; patch n is n minutes younger. Fixed, so that commit ids are.
QUEUE_EPOCH=1789000000

# The top directories of Linux that new files may be in.
QUEUE_DIRS=(arch block certs crypto Documentation drivers fs include init
	io_uring ipc kernel lib mm net rust samples scripts security sound
	tools usr virt)

export LC_ALL=C
# A git hook may have called us: forget which repository it is about.
# shellcheck disable=SC2046 # a list of names
unset $(git rev-parse --local-env-vars)

# qgit: git with nobody's configuration, so that it works the same everywhere.
qgit() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
	GIT_AUTHOR_NAME=${q_author_name:-$QUEUE_NAME} \
	GIT_AUTHOR_EMAIL=${q_author_email:-$QUEUE_EMAIL} \
	GIT_COMMITTER_NAME=${q_author_name:-$QUEUE_NAME} \
	GIT_COMMITTER_EMAIL=${q_author_email:-$QUEUE_EMAIL} \
		git -c safe.directory='*' -c core.quotePath=false -c gc.auto=0 \
		-c core.compression=1 -c index.version=4 -c checkout.workers=0 -c advice.detachedHead=false \
		-c core.hooksPath=/dev/null -c init.defaultBranch=series "$@"
}

# queue_sources TREE: the id of the files of a work tree as they are, edits that
# no commit has and new files included. Needs queue_tmp.
queue_sources() {
	cp "$(qgit -C "$1" rev-parse --path-format=absolute --git-path index)" "$q_tmp/sources"
	GIT_INDEX_FILE=$q_tmp/sources qgit -C "$1" add -A
	GIT_INDEX_FILE=$q_tmp/sources qgit -C "$1" write-tree
}

# queue_tmp: a scratch directory in q_tmp, gone at exit.
queue_tmp() {
	q_tmp=$(mktemp -d)
	trap 'rm -rf "$q_tmp"' EXIT
}

# queue_link REPO BASE: make REPO see BASE's objects and its tag. Bases that it
# saw before stay visible while they exist: its work trees may still be at one.
queue_link() {
	local list dir
	list=$(qgit -C "$1" rev-parse --absolute-git-dir)/objects/info/alternates
	{
		echo "$2/objects"
		[ ! -f "$list" ] || while IFS= read -r dir; do
			[ ! -d "$dir" ] || echo "$dir"
		done <"$list"
	} | awk '!seen[$0]++' >"$q_tmp/alternates"
	cp "$q_tmp/alternates" "$list"
	qgit -C "$1" update-ref refs/tags/base "$(qgit -C "$2" rev-parse refs/tags/base)"
	# They choose the function names in hunk headers, and a repository without
	# a work tree would not look for them.
	mkdir -p "${list%/objects/*}/info"
	qgit -C "$2" cat-file blob refs/tags/base:.gitattributes 2>/dev/null \
		>"${list%/objects/*}/info/attributes" || true
}

# queue_scratch BASE: a bare repository in q_repo that holds only commits.
queue_scratch() {
	q_repo=$BUILD/queue.git
	[ -d "$q_repo/refs" ] || qgit init -q --bare "$q_repo"
	queue_link "$q_repo" "$1"
}

# queue_read TOP: read TOP/patches/series into
#   q_patches  names in order        q_new[name]   its new files, one a line
#   q_head     leading paragraph     q_notes[name] comment lines before it
#   q_tail     lines after the last
queue_read() {
	local line name='' pending='' series=$1/patches/series
	[ -f "$series" ] || die "$series is missing" "" "restore it from git"
	q_patches=() q_head='' q_tail=''
	declare -gA q_new=() q_notes=()
	while IFS= read -r line || [ -n "$line" ]; do
		if [[ $line =~ ^[[:space:]]*(#.*)?$ ]]; then
			pending+=$line$'\n'
			# The file's first paragraph belongs to no patch.
			if [ -z "$line" ] && [ -z "$name$q_head" ]; then
				q_head=$pending pending=
			fi
		elif [[ $line =~ ^[[:space:]]+\+([^[:space:]].*)$ ]]; then
			[ -n "$name" ] || die "$series: '+${BASH_REMATCH[1]}' before any patch"
			q_new[$name]+=${BASH_REMATCH[1]}$'\n'
		elif [[ $line =~ ^([^[:space:]/]+\.patch)[[:space:]]*$ ]]; then
			name=${BASH_REMATCH[1]}
			[ -z "${q_notes[$name]+x}" ] || die "$series names $name twice"
			q_patches+=("$name")
			q_new[$name]='' q_notes[$name]=$pending pending=
		else
			die "$series: cannot read the line '$line'" \
				"it is no comment, no patch name and no indented '+path'"
		fi
	done <"$series"
	if [ -n "$name" ]; then q_tail=$pending; else q_head+=$pending; fi
}

# queue_files TOP: every file in the in-tree directories of the repository.
queue_files() {
	local dir
	for dir in "${QUEUE_DIRS[@]}"; do
		[ -d "$1/$dir" ] || continue
		(cd "$1" && find "$dir" ! -type d ! -name '*~' ! -name '.*.sw?' \
			! -path '*/__pycache__/*')
	done | sort
}

# queue_stamp TOP BASE_ID: one hash of everything that makes the series.
queue_stamp() {
	{
		echo "$2"
		(cd "$1" && find patches -type f -name '*.patch' -print0 | sort -z |
			xargs -0r sha256sum -- patches/series)
		queue_files "$1" | (cd "$1" && xargs -rd '\n' stat -c '%a %n')
		queue_files "$1" | (cd "$1" && xargs -rd '\n' sha256sum --)
	} | sha256sum | cut -d' ' -f1
}

# queue_message FILE WHERE: refuse what git am would cut, or what is not ours.
queue_message() {
	local bad
	! grep -qi '^Signed-off-by:' "$1" ||
		die "$2 carries a Signed-off-by" \
			"whoever mails the series adds theirs (make series SIGNOFF=1)" \
			"remove the line"
	! bad=$(grep -nEm1 '^(---|diff -|Index: |From [^ ]+ [A-Z][a-z]{2} )' "$1") ||
		die "$2: the message has the line '${bad#*:}'" \
			"git am ends the message, or the mail, there" "indent it"
	! bad=$(sed -n 3p "$1" | grep -E '^(From|Date|Subject): ') ||
		die "$2: the message begins with '$bad'" \
			"git am takes that for a mail header" "reword it"
}

# queue_apply FILE DIFF INDEX REPO: apply exactly, or stop and name the hunk. FILE
# is the patch that DIFF comes from.
queue_apply() {
	local patch=$1 diff=$2 log=$q_tmp/apply.log file line hunk
	if GIT_INDEX_FILE=$3 qgit -C "$4" apply --cached -v --whitespace=nowarn \
		"$diff" 2>"$log" >&2 && ! grep -qE '\((offset|.*fuzz)' "$log"; then
		return
	fi
	if line=$(grep -m1 '^error: patch failed: ' "$log"); then
		line=${line#error: patch failed: }
		file=${line%:*}
		# Of that file's hunks, the one that expected to start there.
		hunk=$(awk -v file="a/$file" -v start="-${line##*:}" '
			/^--- / { here = ($2 == file) }
			here && /^@@ / && ($2 == start || index($2, start ",") == 1) {
				print; exit }' "$diff")
		die "$patch does not apply: $file, hunk ${hunk:-at line ${line##*:}}" \
			"the lines it expects are not there" \
			"adapt the patch to the base; the tree in build/ keeps the last good series"
	fi
	if line=$(grep -m1 -E '^Hunk #.*\((offset|.*fuzz)' "$log"); then
		file=$(awk '/^Checking patch / { f = $3; sub(/\.\.\.$/, "", f) }
			/^Hunk #.*(offset|fuzz)/ { print f; exit }' "$log")
		die "$patch does not apply exactly: $file, ${line%.}" \
			"its line numbers or context are old" \
			"set the hunk right; 'make export' writes exact ones from the tree in build/"
	fi
	die "$patch does not apply" \
		"$(grep -m1 '^error: ' "$log" || tail -n 1 "$log")" "see the patch"
}

# queue_add NAME TOP INDEX REPO: put the patch's new files into the index.
queue_add() {
	local name=$1 top=$2 path mode id
	while IFS= read -r path; do
		[ -n "$path" ] || continue
		[[ -f $top/$path && ! -L $top/$path ]] ||
			die "patches/series: new file $path is missing" \
				"$name brings it in, but it is not in the repository" \
				"restore it, or drop its '+' line"
		[[ " ${QUEUE_DIRS[*]} " == *" ${path%%/*} "* && $path == */* ]] ||
			die "patches/series: $path is not inside one of Linux's directories"
		[ -z "${q_owner[$path]:-}" ] ||
			die "patches/series names +$path twice" \
				"in ${q_owner[$path]} and in $name" "a new file arrives whole, once"
		! qgit -C "$4" cat-file -e "base:$path" 2>/dev/null ||
			die "patches/series: +$path exists in Linux already" \
				"$name lists it as new" "change it in the patch's diff instead"
		q_owner[$path]=$name
		mode=100644
		[ ! -x "$top/$path" ] || mode=100755
		id=$(qgit -C "$4" hash-object -w --no-filters --stdin <"$top/$path")
		printf '%s %s\t%s\n' "$mode" "$id" "$path"
	done <<<"${q_new[$name]}" >"$q_tmp/add"
	[ ! -s "$q_tmp/add" ] ||
		GIT_INDEX_FILE=$3 qgit -C "$4" update-index --add --index-info <"$q_tmp/add"
}

# queue_check NAME REPO BEFORE AFTER: the diff touched only Linux's own files.
queue_check() {
	local status path
	while IFS=$'\t' read -r status path; do
		case $status:${q_owner[$path]:-} in
		"A:$1") ;;
		A:*)
			die "patches/$1 creates $path" \
				"new files live whole at their in-tree path" \
				"move it to $path and list it as '+$path'"
			;;
		?:?*)
			die "patches/$1 changes $path" \
				"that is a new file which ${q_owner[$path]} brings in whole" \
				"change $path itself"
			;;
		esac
	done < <(qgit -C "$2" diff-tree -r --no-renames --name-status "$3" "$4")
}

# queue_mail TOP PATCH: take a patch apart, into message and diff in q_tmp.
queue_mail() {
	qgit mailinfo -b "$q_tmp/body" "$q_tmp/diff" <"$1/$2" >"$q_tmp/info" ||
		die "$2 is not in git am's form"
	grep -q '^Subject: .' "$q_tmp/info" || die "$2 has no Subject"
	{ sed -n 's/^Subject: //p' "$q_tmp/info"; echo; cat "$q_tmp/body"; } |
		qgit stripspace >"$q_tmp/message"
	queue_message "$q_tmp/message" "$2"
}

# queue_commit REPO N TREE: patch N of the series, on top of q_commit.
queue_commit() {
	q_commit=$(GIT_AUTHOR_DATE="$((QUEUE_EPOCH + $2 * 60)) +0000" \
		GIT_COMMITTER_DATE="$((QUEUE_EPOCH + $2 * 60)) +0000" \
		qgit -C "$1" commit-tree -p "$q_commit" -F "$q_tmp/message" "$3")
}

# queue_import REPO TOP: TOP's series as commits on REPO's tag base, into
# q_commit. Touches no branch and no work tree. Needs queue_tmp.
queue_import() {
	local repo=$1 top=$2 index=$q_tmp/index n=0 name tree before
	declare -gA q_owner=()
	queue_read "$top"
	q_commit=$(qgit -C "$repo" rev-parse 'refs/tags/base^{commit}')
	before=$(qgit -C "$repo" rev-parse "$q_commit^{tree}")
	rm -f "$index"
	GIT_INDEX_FILE=$index qgit -C "$repo" read-tree "$q_commit"
	for name in "${q_patches[@]}"; do
		n=$((n + 1))
		[ -f "$top/patches/$name" ] ||
			die "patches/$name is missing" "patches/series names it" \
				"restore it, or drop its line"
		queue_mail "$top" "patches/$name"
		if grep -qE '^(diff --git|--- ) *[^ ]' "$q_tmp/diff"; then
			queue_apply "patches/$name" "$q_tmp/diff" "$index" "$repo"
		fi
		queue_add "$name" "$top" "$index" "$repo"
		tree=$(GIT_INDEX_FILE=$index qgit -C "$repo" write-tree)
		[ "$tree" != "$before" ] ||
			die "patches/$name changes nothing" "no diff and no new file"
		queue_check "$name" "$repo" "$before" "$tree"
		before=$tree
		queue_commit "$repo" "$n" "$tree"
	done
	queue_strays "$top"
}

# queue_strays TOP: a patch or a new file that the series does not name.
queue_strays() {
	local path
	while IFS= read -r path; do
		[ -n "${q_owner[$path]:-}" ] ||
			die "$path is in no patch" \
				"patches/series has no '+$path' line" \
				"add one below the patch that brings it in, or remove the file"
	done < <(queue_files "$1")
	for path in "$1"/patches/*.patch; do
		[ -e "$path" ] || continue
		[ -n "${q_notes[${path##*/}]+x}" ] ||
			die "patches/${path##*/} is not in patches/series" "" \
				"add its line, or remove the file"
	done
}

# queue_export REPO REF TOP: write the commits base..REF as TOP's series.
# Reads TOP's old patches/series for its comments. Needs queue_tmp.
queue_export() {
	local repo=$1 ref=$2 top=$3 commit n=0 name path list
	declare -A old_new=()
	queue_read "$top"
	for name in "${q_patches[@]}"; do
		while IFS= read -r path; do
			[ -z "$path" ] || old_new[$path]=1
		done <<<"${q_new[$name]}"
	done
	list=$(qgit -C "$repo" rev-list --reverse --topo-order "refs/tags/base..$ref")
	path=$(qgit -C "$repo" rev-list --min-parents=2 "refs/tags/base..$ref")
	[ -z "$path" ] || die "the series has a merge: ${path%%$'\n'*}" "" "rebase it to a line"
	qgit -C "$repo" merge-base --is-ancestor refs/tags/base "$ref" ||
		die "$ref does not descend from the base" "" "rebase it onto the tag base"

	declare -gA q_owner=()
	local -a names=()
	rm -rf "$q_tmp/out"
	mkdir -p "$q_tmp/out/patches"
	for commit in $list; do
		n=$((n + 1))
		[ -n "$(qgit -C "$repo" log -1 --format=%s "$commit")" ] ||
			die "commit ${commit:0:12} has no message"
		queue_describe "$repo" "$commit" "$n"
		name=$q_name
		queue_owners "$repo" "$commit" "$name"
		queue_write_patch "$repo" "$commit" >"$q_tmp/out/patches/$name"
		names+=("$name")
	done
	queue_write_series "${names[@]}" >"$q_tmp/out/patches/series"

	# New files: the whole text, from the tip (no later commit changed it).
	for path in "${!q_owner[@]}"; do
		mkdir -p "$q_tmp/out/$(dirname "$path")"
		qgit -C "$repo" cat-file blob "$ref:$path" >"$q_tmp/out/$path"
		[[ $(qgit -C "$repo" ls-tree "$ref" -- "$path") != 100755* ]] ||
			chmod +x "$q_tmp/out/$path"
		[[ -n ${old_new[$path]:-} || ! -e $top/$path ]] ||
			cmp -s "$q_tmp/out/$path" "$top/$path" ||
			die "$path would be overwritten" \
				"a file of that name is there, but no '+' line names it" "move it away"
	done
	queue_install "$top" "${!old_new[@]}"
}

# queue_describe REPO COMMIT N: the message into q_tmp, the patch's name into q_name.
queue_describe() {
	qgit -C "$1" log -1 --format='%s%n%n%b' "$2" | qgit stripspace >"$q_tmp/message"
	q_name=$(printf '%04d-%s.patch' "$3" \
		"$(qgit -C "$1" log -1 --format=%f "$2" | cut -c1-52)")
	queue_message "$q_tmp/message" "commit ${2:0:12} (${q_name%.patch})"
}

# queue_owners REPO COMMIT NAME: note the commit's new files in q_owner.
queue_owners() {
	local repo=$1 commit=$2 name=$3 status path mode
	while IFS=$'\t' read -r status path; do
		mode=${status#:* }
		mode=${mode%% *}
		case ${status##* } in
		A)
			[[ $mode == 100* ]] ||
				die "commit ${commit:0:12} adds $path with mode $mode" \
					"only plain files can live in the repository"
			[[ " ${QUEUE_DIRS[*]} " == *" ${path%%/*} "* && $path == */* ]] ||
				die "commit ${commit:0:12} adds $path" \
					"new files must be inside one of Linux's directories"
			q_owner[$path]=$name
			;;
		*)
			[ -z "${q_owner[$path]:-}" ] ||
				die "$path is made by ${q_owner[$path]%.patch} and changed again by ${name%.patch}" \
					"a new file arrives whole in one patch" \
					"squash the later change into the first (git rebase -i base)"
			;;
		esac
	done < <(qgit -C "$repo" diff-tree -r --no-commit-id --no-renames "$commit")
}

# queue_write_patch REPO COMMIT [DIFF_OPTION]: git am's form, with nothing in it
# that changes when other patches do: no commit id, no blob ids, one date for all.
queue_write_patch() {
	local diff=$q_tmp/export.diff
	qgit -C "$1" diff-tree -p --no-commit-id --no-renames --no-color --full-index \
		--no-ext-diff --no-textconv "${3:---diff-filter=a}" "$2" >"$diff"
	! grep -q '^Binary files ' "$diff" ||
		die "commit ${2:0:12} changes a binary file" "patches are text"
	echo "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001"
	echo "From: $QUEUE_NAME <$QUEUE_EMAIL>"
	echo "Date: $(date -u -R -d "@$QUEUE_EPOCH")"
	echo "Subject: [PATCH] $(head -n 1 "$q_tmp/message")"
	echo
	sed '1,/^$/d' "$q_tmp/message"
	echo "---"
	sed '/^index [0-9a-f]*\.\.[0-9a-f]*\( [0-7]*\)\{0,1\}$/d' "$diff"
}

# queue_write_series NAME...: the contents page for these patches. The comments
# of a patch follow it by its name (whatever its number), else by its number.
# Those of a patch that went stay before the next one: nobody's text is lost.
queue_write_series() {
	local name old path carry=''
	declare -A by_slug=() taken=() match=() notes=()
	for old in "${q_patches[@]}"; do
		by_slug[${old#*-}]=$old
	done
	for name in "$@"; do
		old=${by_slug[${name#*-}]:-}
		[ -z "$old" ] || match[$name]=$old taken[${old:-none}]=1
	done
	for name in "$@"; do
		for old in "${q_patches[@]}"; do
			[[ -z ${match[$name]:-} && -z ${taken[$old]:-} &&
				${old%%-*} == "${name%%-*}" ]] || continue
			match[$name]=$old taken[$old]=1
		done
	done
	for old in "${q_patches[@]}"; do
		carry+=${q_notes[$old]}
		[ -z "${taken[$old]:-}" ] || { notes[$old]=$carry; carry=; }
	done
	printf '%s' "$q_head"
	for name in "$@"; do
		old=${match[$name]:-}
		[ -z "$old" ] || printf '%s' "${notes[$old]}"
		echo "$name"
		for path in "${!q_owner[@]}"; do
			[ "${q_owner[$path]}" != "$name" ] || printf '\t+%s\n' "$path"
		done | sort
	done
	printf '%s%s' "$carry" "$q_tail"
}

# queue_install TOP OLD_PATH...: move $q_tmp/out over TOP, touching only what
# differs, and remove the patches and new files that went away.
queue_install() {
	local top=$1 file path
	shift
	while IFS= read -r file; do
		mkdir -p "$top/$(dirname "$file")"
		if ! cmp -s "$q_tmp/out/$file" "$top/$file"; then
			cp "$q_tmp/out/$file" "$top/$file"
			say "export: wrote $file"
		fi
		case $file in
		patches/*) ;;
		*) if [ -x "$q_tmp/out/$file" ]; then chmod +x "$top/$file"; else chmod a-x "$top/$file"; fi ;;
		esac
	done < <(cd "$q_tmp/out" && find . -type f -printf '%P\n' | sort)
	for file in "$top"/patches/*.patch; do
		[[ ! -e $file || -e $q_tmp/out/patches/${file##*/} ]] || {
			rm "$file"
			say "export: removed patches/${file##*/}"
		}
	done
	for path in "$@"; do
		[[ -z ${q_owner[$path]:-} && -e $top/$path ]] || continue
		rm "$top/$path"
		say "export: removed $path"
		(cd "$top" && rmdir -p --ignore-fail-on-non-empty "$(dirname "$path")")
	done
}
