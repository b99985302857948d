# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # q_* go from script to script, BASES is of lib.sh
# Reads and writes patches/series, one contents page for all bases. Sourced after
# queue.sh.
#
# The page has comments ('# ...'), blank lines, names of patches, and below each patch
# one indented '+path' line for each new file that the patch adds. A line is for all
# bases, or a guard names its base:
#
#   name.patch                in patches/
#   7.2: 7.2/name.patch       in patches/7.2/
#
# '[set]' begins a set of mails (sets.sh), which ends at the next such line. All patches
# of a set stand together.
#
# No base has a name twice. New files live whole at their in-tree paths below the
# repository's root.

# The top directories of Linux that new files may be in.
QUEUE_DIRS=(arch block certs crypto Documentation drivers fs include init
	io_uring ipc kernel lib mm net rust samples scripts security sound
	tools usr virt)

# A line that begins a set.
QUEUE_SET='^\[([a-z0-9_-]+)\][[:space:]]*$'

# queue_read TOP: read TOP/patches/series into
#   q_lines    names in order, below patches/   q_guard[name]  the base, or nothing
#   q_patches  names for q_base                 q_new[name]    new files, one a line
#   q_head     leading paragraph                q_notes[name]  comment lines before it
#   q_tail     lines after the last             q_set[name]    its set, or nothing
#   q_sets     every set, in order
queue_read() {
	local line name='' pending='' set='' series=$1/patches/series
	local -a bases
	[ -f "$series" ] || die "$series is missing" "" "restore it from git"
	mapfile -t bases < <(bases_all)
	q_lines=() q_patches=() q_sets=() q_head='' q_tail=''
	declare -gA q_guard=() q_new=() q_notes=() q_set=()
	local -A seen=()
	while IFS= read -r line || [ -n "$line" ]; do
		if [[ $line =~ ^[[:space:]]*(#.*)?$ ]]; then
			pending+=$line$'\n'
			# The file's first paragraph belongs to no patch.
			if [ -z "$line" ] && [ -z "$name$q_head$set" ]; then
				q_head=$pending pending=
			fi
		elif [[ $line =~ $QUEUE_SET ]]; then
			set=${BASH_REMATCH[1]}
			[[ " ${q_sets[*]} " != *" $set "* ]] ||
				die "$series: [$set] begins twice" "the patches of a set stand together" \
					"put its patches below one '[$set]' line"
			q_sets+=("$set")
			pending+=$line$'\n'
		elif [[ $line =~ ^[[:space:]]+\+([^[:space:]].*)$ ]]; then
			[ -n "$name" ] || die "$series: '+${BASH_REMATCH[1]}' before any patch"
			q_new[$name]+=${BASH_REMATCH[1]}$'\n'
		elif [[ $line =~ ^(([^[:space:]:]+):[[:space:]]+)?([^[:space:]]+\.patch)[[:space:]]*$ ]]; then
			name=${BASH_REMATCH[3]}
			queue_read_name "${BASH_REMATCH[2]}"
			q_notes[$name]=$pending pending=
		else
			die "$series: cannot read the line '$line'" \
				"it is neither a comment, '[set]', a patch name nor an indented '+path'"
		fi
	done <"$series"
	if [ -n "$name" ]; then q_tail=$pending; else q_head+=$pending; fi
}

# queue_read_name GUARD: for queue_read, reads the line of a patch.
queue_read_name() {
	local base
	[[ -z $1 || " ${bases[*]} " == *" $1 "* ]] ||
		die "$series: there is no base '$1'" "it is the guard of $name" "the bases are ${bases[*]}"
	[ "$name" = "${1:+$1/}${name##*/}" ] ||
		die "$series: $name is in the wrong place" \
			"a patch for one base is in patches/<base>/, a patch for all bases in patches/" \
			"move it to patches/${1:+$1/}${name##*/}, with the line '${1:+$1: $1/}${name##*/}'"
	for base in ${1:-"${bases[@]}"}; do
		[ -z "${seen[$base/${name##*/}]:-}" ] ||
			die "$series names ${name##*/} twice" "for Linux $base"
		seen[$base/${name##*/}]=1
	done
	q_lines+=("$name")
	q_guard[$name]=$1 q_new[$name]='' q_set[$name]=$set
	[[ -n $1 && $1 != "$q_base" ]] || q_patches+=("$name")
}

# queue_print: print the contents page from the variables that queue_read sets.
queue_print() {
	local name set=''
	printf '%s' "$q_head"
	for name in "${q_lines[@]}"; do
		queue_print_notes "$name" "$set"
		set=${q_set[$name]:-}
		printf '%s%s\n' "${q_guard[$name]:+${q_guard[$name]}: }" "$name"
		printf '%s' "${q_new[$name]}" | sed 's/^/\t+/'
	done
	printf '%s' "$q_tail"
}

# queue_print_notes NAME SET: print the lines before patch NAME, which follows a patch
# of SET. If NAME begins another set, its '[set]' line goes where it was, or behind the
# blank lines.
queue_print_notes() {
	local line begin='' notes=${q_notes[$1]:-}
	[ "${q_set[$1]:-}" = "$2" ] || begin="[${q_set[$1]}]"
	if [[ -n $begin && $'\n'$notes != *$'\n'"$begin"* ]]; then
		while [[ $notes == $'\n'* ]]; do
			echo
			notes=${notes#?}
		done
		echo "$begin"
		begin=''
	fi
	while IFS= read -r line; do
		if [[ $line =~ $QUEUE_SET ]]; then
			[[ -n $begin && "[${BASH_REMATCH[1]}]" = "$begin" ]] || continue
			begin=''
		fi
		printf '%s\n' "$line"
	done < <(printf '%s' "$notes")
}

# queue_exact NAME: must the patch have exact line numbers on q_base? A patch for all
# bases has those of the default base, and no patch has those of an unpinned version.
queue_exact() {
	[[ $q_pinned -eq 1 && ( -n ${q_guard[$1]} || $q_base = "${BASES%% *}" ) ]]
}

# queue_files TOP: every file in the in-tree directories of the repository.
queue_files() {
	local dir
	local -a dirs=()
	for dir in "${QUEUE_DIRS[@]}"; do
		[ ! -d "$1/$dir" ] || dirs+=("$dir")
	done
	[ ${#dirs[@]} -eq 0 ] || (cd "$1" && find "${dirs[@]}" ! -type d ! -name '*~' \
		! -name '.*.sw?' ! -path '*/__pycache__/*' | sort)
}

# queue_all TOP: the same files, the patches of all bases and the contents page.
queue_all() {
	(cd "$1" && find patches -name '*.patch' -o -path patches/series | sort)
	queue_files "$1"
}

# queue_state TOP: one hash of the files of queue_all and their modes.
queue_state() {
	(cd "$1" && queue_all . | xargs -rd '\n' stat -c '%a %n' &&
		queue_all . | xargs -rd '\n' sha256sum --) | sha256sum | cut -d' ' -f1
}

# queue_named: the new files that the page on standard input names.
queue_named() {
	sed -n 's/^[[:space:]]\{1,\}+//p' | sort -u
}

# queue_own TOP: the files of queue_files except those that only other bases have.
queue_own() {
	queue_files "$1" | awk -v base="$q_base:" '
		FILENAME == "-" { if (!($0 in theirs) || $0 in ours) print; next }
		/^[^ \t]/ { is_ours = $1 !~ /^[0-9]+\.[0-9]+:$/ || $1 == base }
		sub(/^[ \t]+\+/, "") { if (is_ours) ours[$0]; else theirs[$0] }' \
		"$1/patches/series" -
}

# queue_stamp TOP BASE_ID: one hash of everything that the series of q_base is made of.
# Needs queue_tmp.
queue_stamp() {
	{
		echo "$2"
		base_lines "$q_base" "$1/patches/series"
		sed -n "/^$q_base:/p" "$1/patches/series"
		cd "$1" || exit
		find patches -type f \( -path "patches/$q_base/*.patch" -o \
			-path 'patches/*.patch' ! -path 'patches/*/*' \) -print0 |
			sort -z | xargs -0r sha256sum --
		queue_own . >"$q_tmp/own"
		xargs -rd '\n' stat -c '%a %n' -- <"$q_tmp/own"
		xargs -rd '\n' sha256sum -- <"$q_tmp/own"
	} | sha256sum | cut -d' ' -f1
}

# queue_strays TOP: stop at a patch or a new file that the series names for no base.
queue_strays() {
	local path
	while IFS= read -r path; do
		die "$path is in no patch" "patches/series has no '+$path' line" \
			"add the line below the patch that adds the file, or remove the file"
	done < <(comm -23 <(queue_files "$1") <(printf '%s' "${q_new[@]}" | sort -u))
	while IFS= read -r path; do
		[ -n "${q_notes[${path#patches/}]+x}" ] ||
			die "$path is not in patches/series" "" "add its line, or remove the file"
	done < <(cd "$1" && find patches -name '*.patch')
}
