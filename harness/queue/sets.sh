# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # q_*, mail_* and set_* go from script to script
# The series is mailed in sets, each to its own recipients. Sourced after import.sh and
# mail.sh.
#
# patches/series has the order of the sets and the patches of each set.
# patches/cover.d/SET is the cover (mail.sh). Its field Needs names the sets to apply
# before: each set applies to the base with these sets, and nothing else.

# sets_read TOP: read the sets of the series that queue_import has read last, into
#   set_names         the sets that q_base has patches in, in order
#   set_patches[set]  numbers of these patches, from 1
#   set_needs[set]    the sets that it needs, and that those need, in order
sets_read() {
	local name n=0 file
	set_top=$1 set_names=()
	declare -gA set_patches=() set_needs=()
	for name in "${q_lines[@]}"; do
		[ -n "${q_set[$name]}" ] || die "patches/$name is in no set" \
			"patches/series has no '[set]' line above it" \
			"move it below a '[set]' line, or add one, with a cover in patches/cover.d/"
		set_patches[${q_set[$name]}]=''
	done
	for name in "${q_sets[@]}"; do
		[ -n "${set_patches[$name]+x}" ] || die "patches/series: the set [$name] has no patch" "" \
			"remove the line, or put patches below it"
		cover_check "$1/patches/cover.d/$name" Needs To Cc
	done
	while IFS= read -r file; do
		[ -n "${set_patches[${file##*/}]+x}" ] ||
			die "patches/cover.d/${file##*/} is the cover of no set" \
				"patches/series has no '[${file##*/}]' line" "write one, or remove the file"
	done < <(find "$1/patches/cover.d" -type f)
	for name in "${q_patches[@]}"; do
		n=$((n + 1))
		set_patches[${q_set[$name]}]+="$n "
	done
	for name in "${q_sets[@]}"; do
		sets_find_needs "$name"
		[ -z "${set_patches[$name]}" ] || set_names+=("$name")
	done
}

# sets_find_needs SET: fill in set_needs. Called in the order of the sets.
sets_find_needs() {
	local need all=' ' name
	for need in $(cover_field "$set_top/patches/cover.d/$1" Needs); do
		[ -n "${set_patches[$need]+x}" ] ||
			die "patches/cover.d/$1 needs '$need'" "there is no such set" "the sets are ${q_sets[*]}"
		[ -n "${set_needs[$need]+x}" ] ||
			die "patches/cover.d/$1 needs '$need'" "[$need] does not come before [$1] in patches/series"
		all+="$need ${set_needs[$need]} "
	done
	set_needs[$1]=''
	for name in "${q_sets[@]}"; do
		[[ $all != *" $name "* ]] || set_needs[$1]+="$name "
	done
}

# sets_stack SET: set set_from to the base with the sets that SET needs, and set_tip to
# SET on top. q_commit is the whole series; a stack shares its commits as far as possible.
sets_stack() {
	local name last=0 n
	local -a commits
	mapfile -t commits < <(qgit -C "$q_repo" rev-list --reverse "refs/tags/base..$q_commit")
	set_tip=$(qgit -C "$q_repo" rev-parse 'refs/tags/base^{commit}')
	for name in ${set_needs[$1]} "$1"; do
		set_from=$set_tip
		for n in ${set_patches[$name]}; do
			if [ "$last" -eq $((n - 1)) ]; then
				last=$n set_tip=${commits[n - 1]}
			else
				sets_pick "$1" "${commits[n - 1]}"
			fi
		done
	done
}

# sets_pick SET COMMIT: put COMMIT on top of set_tip, unless another stack already did.
sets_pick() {
	local key=$set_tip:$2 index=$q_tmp/stack subject date
	declare -gA set_picked
	if [ -z "${set_picked[$key]:-}" ]; then
		subject=$(qgit -C "$q_repo" log -1 --format=%s "$2")
		date=$(qgit -C "$q_repo" log -1 --format=%ad --date=raw "$2")
		rm -f "$index"
		GIT_INDEX_FILE=$index qgit -C "$q_repo" read-tree "$set_tip"
		qgit -C "$q_repo" diff-tree -p --full-index --no-renames "$2^" "$2" |
			GIT_INDEX_FILE=$index qgit -C "$q_repo" apply --cached --whitespace=nowarn 2>"$q_tmp/apply.log" ||
			die "the set [$1] does not apply to the base with the sets it needs: ${set_needs[$1]:-none}" \
				"'$subject': $(grep -m1 '^error: ' "$q_tmp/apply.log")" \
				"add the missing set to 'Needs: ...' in patches/cover.d/$1, or move the patch"
		qgit -C "$q_repo" log -1 --format=%B "$2" >"$q_tmp/message"
		set_picked[$key]=$(GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date qgit -C "$q_repo" \
			commit-tree -p "$set_tip" -F "$q_tmp/message" \
			"$(GIT_INDEX_FILE=$index qgit -C "$q_repo" write-tree)")
	fi
	set_tip=${set_picked[$key]}
}

# sets_cover SET: print the cover for mail_write, with the base and the place of SET in
# the order.
sets_cover() {
	local file=$set_top/patches/cover.d/$1 name place=0
	for name in "${set_names[@]}"; do
		place=$((place + 1))
		[ "$name" != "$1" ] || break
	done
	cover_field "$file" Subject
	echo
	cover_text "$file" "$q_base"
	echo
	echo "Base: $(qgit -C "$q_repo" log -1 --format=%s refs/tags/base)"
	if [ -z "${set_needs[$1]}" ]; then
		echo "Order: set $place of ${#set_names[@]} ($1), applies by itself"
	else
		echo "Order: set $place of ${#set_names[@]} ($1), on top of"
	fi
	for name in ${set_needs[$1]}; do
		printf '  %-14s  "%s"\n' "$name" "$(cover_field "$set_top/patches/cover.d/$name" Subject)"
	done
}

# sets_recipients SET TREE: print the recipients that MAINTAINERS and the cover name.
sets_recipients() {
	local file=$set_top/patches/cover.d/$1
	qgit -C "$q_repo" diff --no-renames "$set_from" "$set_tip" >"$q_tmp/set.diff"
	maintainers "$2" --roles --no-rolestats "$q_tmp/set.diff" >"$q_tmp/roles"
	{
		sed -n -E 's/ \((supporter|maintainer)[:)].*//; t to; d; :to; s/^/To: /p' "$q_tmp/roles"
		cover_field "$file" To | sed 's/^/To: /'
		sed -E '/ \((supporter|maintainer)[:)]/d; s/ \(.*//; s/^/Cc: /' "$q_tmp/roles"
		cover_field "$file" Cc | sed 's/^/Cc: /'
	} | awk '{ who = $0; sub(/^[^ ]* /, "", who) } !seen[who]++'
}
