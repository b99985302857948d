# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # q_* go from script to script
# patches/ and the new files -> commits. Sourced after queue.sh.

# shellcheck source=harness/queue/contents.sh
. "$TOP/harness/queue/contents.sh"

# queue_import REPO TOP: commit TOP's series for q_base on REPO's tag base. Sets
# q_commit to the last commit and q_moved to the patches whose line numbers are not
# those of the base. Touches no branch and no work tree. Needs queue_tmp.
#
# REPO remembers its last import, and the same series is not imported again.
queue_import() {
	local repo=$1 top=$2 memory key known
	declare -gA q_owner=()
	queue_read "$top"
	q_commit=$(qgit -C "$repo" rev-parse 'refs/tags/base^{commit}')
	memory=$(qgit -C "$repo" rev-parse --absolute-git-dir)/kmbuf-imported
	key=$(queue_import_key "$top")
	mapfile -t known < <(cat "$memory" 2>/dev/null)
	if [ "${known[0]:-}" = "$key" ] && qgit -C "$repo" cat-file -e "${known[1]}^{tree}" 2>/dev/null; then
		q_commit=${known[1]} q_moved=("${known[@]:2}")
		queue_owner
	else
		queue_import_patches "$repo" "$top"
		printf '%s\n' "$key" "$q_commit" "${q_moved[@]}" >"$memory.$$"
		mv "$memory.$$" "$memory"
	fi
	queue_strays "$top"
}

# queue_import_key TOP: print a hash of everything that an import depends on.
queue_import_key() {
	{
		queue_stamp "$1" "$q_commit"
		echo "${q_author_name:-} ${q_author_email:-}"
		cat "$TOP"/harness/queue/{contents,import,patch,queue}.sh
	} | sha256sum | cut -d ' ' -f 1
}

# queue_owner: fill q_owner with the new files of the series.
queue_owner() {
	local name path
	for name in "${q_patches[@]}"; do
		while IFS= read -r path; do
			[ -z "$path" ] || q_owner[$path]=$name
		done <<<"${q_new[$name]}"
	done
}

queue_import_patches() {
	local repo=$1 top=$2 index=$q_tmp/index n=0 name tree before q_may_move=1
	q_moved=()
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
}

# queue_import_scratch REPO TOP BASE: the same through the scratch repository of BASE,
# whose import other scripts use, too.
queue_import_scratch() {
	local q_repo
	queue_scratch "$3"
	queue_import "$q_repo" "$2"
	printf '%s\n^refs/tags/base\n' "$q_commit" |
		qgit -C "$q_repo" pack-objects --revs --stdout -q |
		qgit -C "$1" unpack-objects -q
}

# queue_add NAME TOP INDEX REPO: put the patch's new files into the index.
queue_add() {
	local name=$1 top=$2 path mode id
	while IFS= read -r path; do
		[ -n "$path" ] || continue
		[[ -f $top/$path && ! -L $top/$path ]] ||
			die "patches/series: new file $path is missing" \
				"$name adds it, but it is not in the repository" \
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

# queue_check NAME REPO BEFORE AFTER: stop if the diff touched files that are not
# Linux's own.
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
				"${q_owner[$path]} adds that file, whole" \
				"change $path itself"
			;;
		esac
	done < <(qgit -C "$2" diff-tree -r --no-renames --name-status "$3" "$4")
}
