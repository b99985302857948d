# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # q_* go from script to script
# Commits -> patches/ and the new files. Sourced after import.sh.
#
# A commit belongs to the line of patches/series with its name, which comes from the
# subject. A commit with a new subject belongs to the line that stood in its place, if
# both touch a common file. A patch is exported by its kind:
#   of this base only   is written
#   for all bases       is written if the file no longer makes this commit, with
#                       whatever line numbers; stays for all bases
#   new                 is written, for all bases
#   dropped             is removed; other bases that had it keep it as their own
# GUARD has names of patches that become this base's own if they are new or changed
# ("all": all such patches). Other bases keep theirs.

# queue_export REPO REF FROM TO: write the series FROM into the directory TO, with the
# commits base..REF as its patches for q_base. Needs queue_tmp.
queue_export() {
	local repo=$1 ref=$2 from=$3 to=$4 commit name
	queue_read "$from"
	rm -rf "$to" "$q_tmp/new"
	mkdir -p "$to" "$q_tmp/new"
	queue_all "$from" | tar -C "$from" -cf - -T - | tar -C "$to" -xf -
	declare -gA q_owner=() q_set
	local -A commits=() old=() new_files=()
	local -a names=()
	for commit in $(queue_range "$repo" "$ref"); do
		queue_describe "$repo" "$commit"
		name=$q_name
		[ -z "${commits[$name]:-}" ] ||
			die "two commits have the same subject: ${commits[$name]:0:12} and ${commit:0:12}" \
				"both patches would be named ${name%.patch}, from the subject's first 52 characters" \
				"reword one of them (git rebase -i base)"
		commits[$name]=$commit
		names+=("$name")
		queue_owners "$repo" "$commit" "$name"
		queue_write_patch "$repo" "$commit" >"$q_tmp/new/$name"
		cp "$q_tmp/message" "$q_tmp/new/$name.message"
	done
	[ ${#names[@]} -gt 0 ] || die "the series has no commit" "$ref is the base"
	stage_guards
	stage_match
	stage_patches
	stage_sets
	stage_files
	queue_print >"$to/patches/series"
}

# queue_range REPO REF: the commits base..REF, oldest first.
queue_range() {
	local merges
	merges=$(qgit -C "$1" rev-list --min-parents=2 "refs/tags/base..$2")
	[ -z "$merges" ] || die "the series has a merge: ${merges%%$'\n'*}" "" "rebase it to a line"
	qgit -C "$1" merge-base --is-ancestor refs/tags/base "$2" ||
		die "$2 does not descend from the base" "" "rebase it onto the tag base"
	qgit -C "$1" rev-list --reverse --topo-order "refs/tags/base..$2"
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
				die "$path is added by ${q_owner[$path]%.patch} and changed again by ${name%.patch}" \
					"a new file arrives whole in one patch" \
					"squash the later change into the first (git rebase -i base)"
			;;
		esac
	done < <(qgit -C "$repo" diff-tree -r --no-commit-id --no-renames "$commit")
}

# guarded NAME: true if GUARD makes this patch q_base's own.
guarded() {
	[[ ${GUARD:-} = all || " ${GUARD:-} " == *" $1 "* ]]
}

stage_guards() {
	local name
	[ "${GUARD:-}" != all ] || return 0
	for name in ${GUARD:-}; do
		[ -n "${commits[$name]:-}" ] || die "GUARD names $name" \
			"no commit has that name" "take a name from patches/series, without its directory"
	done
}

# touches PATCH NEW_FILES: print the files that the patch changes, one a line.
touches() {
	sed -n 's/^diff --git a\/\(.*\) b\/.*/\1/p' "$1" 2>/dev/null || true
	printf '%s' "$2"
}

# stage_match: set old[name] to the line that the commit of this name had.
stage_match() {
	local name line i j=0 common
	local -a run=() lines
	local -A place=() taken=()
	for name in "${!q_owner[@]}"; do
		new_files[${q_owner[$name]}]+=$name$'\n'
	done
	for i in "${!q_patches[@]}"; do
		place[${q_patches[i]##*/}]=$i
	done
	for name in "${names[@]}"; do
		i=${place[$name]:-}
		[ -z "$i" ] || old[$name]=${q_patches[i]} taken[$i]=1
	done
	# A run of reworded commits, between two matched ones, is matched if as many lines are
	# without a match there.
	for name in "${names[@]}" ''; do
		if [[ -n $name && -z ${old[$name]:-} ]]; then
			run+=("$name")
			continue
		fi
		lines=()
		while [[ $j -lt ${#q_patches[@]} && -z ${taken[$j]:-} ]]; do
			lines+=("${q_patches[j]}")
			j=$((j + 1))
		done
		if [ ${#run[@]} -eq ${#lines[@]} ]; then
			for i in "${!run[@]}"; do
				line=${lines[i]}
				common=$(comm -12 <(touches "$q_tmp/new/${run[i]}" "${new_files[${run[i]}]:-}" | sort) \
					<(touches "$from/patches/$line" "${q_new[$line]}" | sort))
				[ -z "$common" ] || old[${run[i]}]=$line
			done
		fi
		run=()
		[ -z "$name" ] || j=$((${place[$name]} + 1))
	done
}

# stage_same NAME LINE: does the file of LINE still make the commit of this name?
stage_same() {
	local index=$q_tmp/same path
	(queue_mail "$from" "patches/$2") 2>/dev/null || return 1
	cmp -s "$q_tmp/message" "$q_tmp/new/$1.message" || return 1
	rm -f "$index"
	GIT_INDEX_FILE=$index qgit -C "$repo" read-tree "${commits[$1]}^"
	! grep -qE '^(diff --git|--- ) *[^ ]' "$q_tmp/diff" ||
		GIT_INDEX_FILE=$index qgit -C "$repo" apply --cached --whitespace=nowarn \
			"$q_tmp/diff" 2>/dev/null || return 1
	while IFS= read -r path; do
		[ "${q_owner[$path]:-}" = "$1" ] || return 1
	done < <(GIT_INDEX_FILE=$index qgit -C "$repo" diff-index --cached --no-renames --name-only "${commits[$1]}")
}

# stage_changed NAME LINE: true if the file of LINE no longer makes this commit.
stage_changed() {
	[ -n "${changed[$1]:-}" ] || {
		changed[$1]=0
		cmp -s "$q_tmp/new/$1" "$from/patches/$2" || stage_same "$1" "$2" || changed[$1]=1
	}
	[ "${changed[$1]}" -eq 1 ]
}

# stage_new NAME: print the new files of the commit of this name, in order. Commits mostly
# have none or one, which need no program.
stage_new() {
	local new=${new_files[$1]:-}
	new=${new%$'\n'}
	if [[ $new == *$'\n'* ]]; then
		sort <<<"$new"
	else
		printf '%s' "$new"
	fi
}

# stage_differs NAME LINE: the same, or the commit has other new files.
stage_differs() {
	stage_changed "$1" "$2" || [ "$(stage_new "$1")" != "$(printf '%s' "${q_new[$2]}" | sort)" ]
}

# stage_patches: write the patches, and fill q_lines etc. with the new contents page. A
# patch that only other bases have stays behind the patch that it follows, or in front
# of this base's patch of the same name.
stage_patches() {
	local i line name guard anchor=first carry='' others
	local -A slots=() left=() changed=() theirs=()
	others=$(bases_other "$q_base" | paste -sd' ')
	for name in "${names[@]}"; do
		[ -z "${old[$name]:-}" ] || left[${old[$name]}]=$name
	done
	for i in "${!q_lines[@]}"; do
		line=${q_lines[i]}
		guard=${q_guard[$line]} name=${left[$line]:-}
		carry+=${q_notes[$line]}
		if [[ -n $guard && $guard != "$q_base" ]]; then
			theirs[${line##*/}]=1
			stage_line "$(stage_slot "$i")" "$line" "$guard" "${q_new[$line]}"
		elif [ -z "$name" ]; then
			[ -n "$guard" ] || stage_leave "after $anchor" "$line"
			rm -f "$to/patches/$line"
		else
			anchor=$name
			if [ -z "$guard" ] && guarded "$name" && stage_differs "$name" "$line"; then
				stage_leave "before $name" "$line"
				guard=$q_base
			elif [[ -z $guard && ${GUARD:-} != all ]] && guarded "$name"; then
				say "export: notice: $name did not change, so it stays for all bases despite GUARD"
			fi
			stage_put "$name" "$line" "$guard"
		fi
	done
	q_tail=$carry$q_tail carry=''
	for name in "${names[@]}"; do
		[ -z "${old[$name]:-}" ] || continue
		guard=''
		# If another base has a patch of this name, this one is q_base's own.
		[ -z "${theirs[$name]:-}" ] && ! guarded "$name" || guard=$q_base
		stage_put "$name" '' "$guard"
	done
	mapfile -t q_lines < <(printf '%s' "${slots[after first]:-}"
		for name in "${names[@]}"; do
			printf '%s' "${slots[before $name]:-}" "${slots[at $name]}" "${slots[after $name]:-}"
		done)
}

# stage_sets: give every line a set; stop if the lines of a set do not stand together.
stage_sets() {
	local line before='' set=${q_sets[0]:-} begun=' '
	for line in "${q_lines[@]}"; do
		q_set[$line]=${q_set[$line]-$set}
		if [ "${q_set[$line]}" != "$set" ] || [ -z "$before" ]; then
			[[ $begun != *" ${q_set[$line]} "* ]] ||
				die "${line##*/} is of the set [${q_set[$line]}], and comes after ${before##*/} of [$set]" \
					"the patches of a set stand together" \
					"move the commit (git rebase -i base), or first move its line in patches/series to another set (make tree)"
			set=${q_set[$line]} begun+="$set "
		fi
		before=$line
	done
}

# stage_slot I: print the place of line I, which is another base's.
stage_slot() {
	local j=$(($1 + 1)) next
	while [[ $j -lt ${#q_lines[@]} && -n ${q_guard[${q_lines[j]}]} &&
		${q_guard[${q_lines[j]}]} != "$q_base" ]]; do
		j=$((j + 1))
	done
	next=${q_lines[j]:-}
	if [[ -n $next && ${next##*/} = "${q_lines[$1]##*/}" && -n ${left[$next]:-} ]]; then
		echo "before ${left[$next]}"
	else
		echo "after $anchor"
	fi
}

# stage_line SLOT LINE GUARD NEW_FILES: add a line to the new page, below the comments
# that were carried over.
stage_line() {
	slots[$1]+=$2$'\n'
	q_guard[$2]=$3 q_new[$2]=$4 q_notes[$2]=$carry
	carry=''
}

# stage_leave SLOT LINE: give each other base its own copy of this patch.
stage_leave() {
	local base
	for base in $others; do
		mkdir -p "$to/patches/$base"
		cp "$from/patches/$2" "$to/patches/$base/$2"
		stage_line "$1" "$base/$2" "$base" "${q_new[$2]}"
		q_set[$base/$2]=${q_set[$2]}
	done
}

# stage_put NAME LINE GUARD: write the commit's patch, which had LINE before, or none.
stage_put() {
	local to_name=${3:+$3/}$1 new
	new=$(stage_new "$1")
	stage_line "at $1" "$to_name" "$3" "$new${new:+$'\n'}"
	if [ -n "$2" ]; then q_set[$to_name]=${q_set[$2]}; else unset "q_set[$to_name]"; fi
	mkdir -p "$to/patches/$3"
	if [ -z "$2" ] || stage_changed "$1" "$2" || queue_exact "$to_name"; then
		cp "$q_tmp/new/$1" "$to/patches/$to_name"
	elif [ "$2" != "$to_name" ]; then
		cp "$from/patches/$2" "$to/patches/$to_name"
	fi
	[[ -z $2 || $2 = "$to_name" ]] || rm -f "$to/patches/$2"
}

# stage_files: write new files whole, from the tip (no later commit changed them), and
# remove those that no base has any more.
stage_files() {
	local path line
	local -A named=()
	while IFS= read -r path; do
		named[$path]=1
	done < <(queue_named <"$from/patches/series")
	for path in "${!q_owner[@]}"; do
		mkdir -p "$to/$(dirname "$path")"
		qgit -C "$repo" cat-file blob "$ref:$path" >"$q_tmp/file"
		[[ -n ${named[$path]:-} || ! -e $from/$path ]] || cmp -s "$q_tmp/file" "$from/$path" ||
			die "$path would be overwritten" \
				"a file of that name exists, but no '+' line names it" "move it away"
		cp "$q_tmp/file" "$to/$path"
		if [[ $(qgit -C "$repo" ls-tree "$ref" -- "$path") == 100755* ]]; then
			chmod +x "$to/$path"
		else
			chmod a-x "$to/$path"
		fi
	done
	for line in "${q_lines[@]}"; do
		while IFS= read -r path; do
			unset "named[$path]"
		done <<<"${q_new[$line]}"
	done
	for path in "${!named[@]}"; do
		rm -f "$to/$path"
	done
}

# queue_install FROM TOP: make the series in FROM TOP's; touch only files that differ.
queue_install() {
	local file
	while IFS= read -r file; do
		mkdir -p "$2/$(dirname "$file")"
		if ! cmp -s "$1/$file" "$2/$file"; then
			cp "$1/$file" "$2/$file"
			say "export: wrote $file"
		fi
		if [[ $file != patches/* && -x $1/$file ]]; then
			chmod +x "$2/$file"
		elif [[ $file != patches/* ]]; then
			chmod a-x "$2/$file"
		fi
	done < <(queue_all "$1")
	while IFS= read -r file; do
		rm "$2/$file"
		say "export: removed $file"
		(cd "$2" && rmdir -p --ignore-fail-on-non-empty "$(dirname "$file")")
	done < <(comm -13 <(queue_all "$1" | sort) <(queue_all "$2" | sort))
}
