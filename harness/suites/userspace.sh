# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # q_* come from queue.sh, n and failed from points.sh
# Sourced, after lib.sh and queue.sh, by the scripts that build other projects
# with the patches of userspace/: NAME below is liburing or libfuse.

# The file with "HEAD STAMP" of the last import or export.
userspace_synced() {
	echo "$USERSPACE/$1/.git/kmbuf-synced"
}

userspace_patches() {
	(cd "$TOP" && find "userspace/$1" -name '*.patch' | sort)
}

# userspace_stamp NAME VERSION: one hash of everything that the tree is made of.
userspace_stamp() {
	{
		echo "$2"
		userspace_patches "$1" | (cd "$TOP" && xargs -rd '\n' sha256sum --)
	} | sha256sum | cut -d ' ' -f 1
}

# userspace_base NAME VERSION PRISTINE: commit the project's own source as the tag base.
# PRISTINE DIR writes that source into an empty directory.
userspace_base() {
	local repo=$USERSPACE/$1 source=$q_tmp/pristine commit
	mkdir -p "$source"
	"$3" "$source"
	mkdir -p "$repo"
	[ -d "$repo/.git" ] || qgit init -q -b series "$repo"
	qgit -C "$repo" config user.name "$QUEUE_NAME"
	qgit -C "$repo" config user.email "$QUEUE_EMAIL"
	rm -f "$q_tmp/index"
	GIT_INDEX_FILE=$q_tmp/index qgit --git-dir="$repo/.git" --work-tree="$source" add -A -f .
	commit=$(GIT_INDEX_FILE=$q_tmp/index qgit -C "$repo" write-tree)
	commit=$(GIT_AUTHOR_DATE="$QUEUE_EPOCH +0000" GIT_COMMITTER_DATE="$QUEUE_EPOCH +0000" \
		qgit -C "$repo" commit-tree -m "$1 $2" "$commit")
	qgit -C "$repo" tag -f base "$commit" >/dev/null
	rm -rf "$source"
}

# userspace_unborn REPO: true if an import began here and was interrupted.
userspace_unborn() {
	[ -d "$1/.git" ] && ! qgit -C "$1" rev-parse -q --verify HEAD >/dev/null
}

# userspace_import NAME VERSION PRISTINE: make build/userspace/NAME, a git tree with one
# commit a patch on the tag base. Stops at a patch that does not apply exactly. Never
# overwrites work that was not exported. Needs queue_tmp.
userspace_import() {
	local repo=$USERSPACE/$1 stamp head='' synced='' patch tree n=0
	stamp=$(userspace_stamp "$1" "$2")
	if [ -e "$(userspace_synced "$1")" ]; then
		read -r head synced <"$(userspace_synced "$1")"
		[ "$synced" != "$stamp" ] || return 0
		[[ $(qgit -C "$repo" rev-parse HEAD) = "$head" &&
			-z $(qgit -C "$repo" status --porcelain) ]] ||
			die "build/userspace/$1 would be overwritten" \
				"it was edited, and userspace/$1 changed as well" \
				"export your edits (harness/suites/userspace-export.sh $1), or remove the tree"
	elif [ -e "$repo" ] && ! userspace_unborn "$repo"; then
		die "build/userspace/$1 was not made by this script" "" "remove it"
	fi
	userspace_base "$@"
	q_commit=$(qgit -C "$repo" rev-parse 'refs/tags/base^{commit}')
	while IFS= read -r patch; do
		n=$((n + 1))
		queue_mail "$TOP" "$patch"
		queue_apply "$patch" "$q_tmp/diff" "$q_tmp/index" "$repo"
		tree=$(GIT_INDEX_FILE=$q_tmp/index qgit -C "$repo" write-tree)
		queue_commit "$repo" "$n" "$tree"
	done < <(userspace_patches "$1")
	[ "$n" -gt 0 ] || die "userspace/$1 has no patch"
	qgit -C "$repo" checkout -q -f -B series "$q_commit"
	qgit -C "$repo" clean -qfdx
	echo "$q_commit $stamp" >"$(userspace_synced "$1")"
	say "userspace: build/userspace/$1 has $n patches on $2"
}

# userspace_export NAME: turn the commits of build/userspace/NAME into the patches.
userspace_export() {
	local repo=$USERSPACE/$1 to=$TOP/userspace/$1 commit version n=0
	[ -d "$repo/.git" ] || die "there is no build/userspace/$1" "" "harness/suites/userspace-$1.sh makes it"
	[ -z "$(qgit -C "$repo" status --porcelain)" ] ||
		die "build/userspace/$1 has uncommitted changes" "" "commit them"
	mkdir -p "$q_tmp/out" "$to"
	for commit in $(qgit -C "$repo" rev-list --reverse --topo-order refs/tags/base..HEAD); do
		n=$((n + 1))
		queue_describe "$repo" "$commit"
		q_name=$(printf '%04d-%s' "$n" "$q_name")
		# New files are part of these patches.
		queue_write_patch "$repo" "$commit" --diff-filter=AMDT >"$q_tmp/out/$q_name"
	done
	[ "$n" -gt 0 ] || die "build/userspace/$1 has no commit on the tag base"
	rm -f "$to"/*.patch
	cp "$q_tmp/out"/*.patch "$to/"
	version=$(qgit -C "$repo" log -1 --format=%s refs/tags/base)
	echo "$(qgit -C "$repo" rev-parse HEAD) $(userspace_stamp "$1" "${version#"$1 "}")" \
		>"$(userspace_synced "$1")"
	say "export: userspace/$1 has $n patches"
}

# userspace_checkout NAME REVISION TO: write the files of a commit to a new directory.
userspace_checkout() {
	rm -rf "$3"
	mkdir -p "$3"
	qgit -C "$USERSPACE/$1" archive "$2" | tar -x -C "$3"
}

# userspace_once KEY COMMAND...: run COMMAND, unless it succeeded with this key before,
# in any checkout, and --fresh was not given.
userspace_once() {
	local mark=$CACHE/userspace/$1
	shift
	if [ "${fresh:-0}" -eq 0 ] && [ -e "$mark" ]; then
		touch "$mark"
		echo "unchanged since it succeeded"
		return
	fi
	"$@" || return
	mkdir -p "$CACHE/userspace"
	find "$CACHE/userspace" -type f -mtime +30 -delete
	touch "$mark"
}

# userspace_each NAME ARGUMENT...: build the tree after each patch except the last, with
# the script's compile SOURCE DIR ARGUMENT... If it has recompile DIR, that builds what a
# patch changes on top of the one before.
userspace_each() {
	local commit repo=$USERSPACE/$1 source=$made/each.source
	rm -rf "$made"/each "$made"/each.*
	mkdir -p "$source"
	for commit in $(qgit -C "$repo" rev-list --reverse refs/tags/base..HEAD~1); do
		qgit -C "$repo" log -1 --format=%s "$commit"
		GIT_INDEX_FILE=$made/each.index qgit --git-dir="$repo/.git" --work-tree="$source" \
			read-tree --reset -u "$commit" || return
		if [ -d "$made/each" ] && declare -F recompile >/dev/null; then
			recompile "$made/each" || return
		else
			compile "$source" "$made/each" "${@:2}" || return
		fi
	done
	rm -rf "$made"/each "$made"/each.*
}

# userspace_build: run the script's build_points, or, with --build, its library_points
# and exit. Does nothing if this checkout did the same with this $key, unless --fresh is
# given.
userspace_build() {
	if [ "$only_build" -eq 1 ]; then
		if ! grep -q -s -x -F -- "$key" "$made/.built" "$made/.library"; then
			rm -f "$made/.built" "$made/.library"
			library_points
			[ "$failed" -ne 0 ] || echo "$key" >"$made/.library"
		fi
		echo "1..$n"
		exit "$failed"
	fi
	if [ "$fresh" -eq 0 ] && [ "$key" = "$(cat "$made/.built" 2>/dev/null)" ]; then
		say "$name: unchanged since it was built (--fresh builds it again)"
		cat "$made/points"
		n=$(grep -c '^ok' "$made/points")
		return
	fi
	rm -f "$made/.built"
	say "$name: build"
	build_points >"$made/points.new"
	cat "$made/points.new"
	if [ "$failed" -ne 0 ]; then
		echo "Bail out! the library does not build, see $out"
		exit 1
	fi
	mv "$made/points.new" "$made/points"
	echo "$key" >"$made/.built"
}

# userspace_program FILE NAME: print the program in FILE, a Markdown text, whose first
# line is "/* NAME: ..." or "# NAME: ...". Fails if there is none.
userspace_program() {
	awk -v name="$2:" '
		/^```(c|make|diff)$/ { inside = 1; first = 1; next }
		/^```$/ { if (found) exit; inside = 0; next }
		inside && first { found = $2 == name && ($1 == "/*" || $1 == "#"); first = 0 }
		inside && found { print; printed = 1 }
		END { exit !printed }' "$1"
}

# userspace_recipe FILE: print the first commands below "Build it" in FILE, a Markdown
# text. Fails if there are none.
userspace_recipe() {
	awk '
		/^## / { inside = $0 == "## Build it" }
		inside && /^    / { found = 1; print substr($0, 5); next }
		found && inside && !/^$/ { exit }
		END { exit !found }' "$1"
}

# userspace_programs FILE: print the names of all programs in FILE.
userspace_programs() {
	awk '
		/^```(c|make|diff)$/ { first = 1; next }
		first { if (($1 == "/*" || $1 == "#") && sub(/:$/, "", $2)) print $2; first = 0 }' "$1"
}

# userspace_commands FILE: print the commands in FILE that build the programs.
userspace_commands() {
	awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside { print }' "$1"
}
