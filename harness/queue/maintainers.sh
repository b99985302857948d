# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Runs Linux's get_maintainer.pl without a checkout. Sourced after queue.sh.

# maintainers_tree REPO COMMIT DIR: write COMMIT's MAINTAINERS into DIR, with the few
# files and directories that get_maintainer.pl wants in a tree.
maintainers_tree() {
	local -a files
	mapfile -t files < <(qgit -C "$1" ls-tree -r --name-only "$2" -- MAINTAINERS COPYING CREDITS \
		Kbuild Makefile README .get_maintainer.ignore scripts/get_maintainer.pl)
	[[ " ${files[*]} " == *" scripts/get_maintainer.pl "* ]] ||
		die "this Linux has no scripts/get_maintainer.pl" "it finds the recipients of the mails"
	mkdir -p "$3"
	qgit -C "$1" archive "$2" -- "${files[@]}" | tar -x -C "$3"
	(cd "$3" && mkdir -p Documentation arch include drivers fs init ipc kernel lib)
}

# maintainers DIR ARGUMENT...: run get_maintainer.pl in DIR, without git history.
maintainers() {
	local said
	said=$(cd "$1" && perl scripts/get_maintainer.pl --no-git --no-git-fallback "${@:2}" 2>&1) ||
		die "get_maintainer.pl does not run" "$(tail -n 1 <<<"$said")" "install perl (make setup)"
	[ -z "$said" ] || printf '%s\n' "$said"
}
