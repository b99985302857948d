# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the gates that build, after common.sh: build/<base>/lint, a work tree that
# steps through the series. It has its own index, and changes neither HEAD nor a branch of
# build/<base>/linux. Only files that differ get new times.

# shellcheck source=harness/queue/queue.sh
. "$TOP/harness/queue/queue.sh"

lint_git() {
	GIT_INDEX_FILE=$BUILD/lint.index qgit --git-dir="$lint_gitdir" \
		--work-tree="$LINT_DIR" "$@"
}

# lint_open: lock the work tree, and set lint_gitdir.
lint_open() {
	need_tree
	need_space "$BUILD" 2500 "a work tree of Linux to check the patches in"
	mkdir -p "$LINT_DIR"
	exec 8>"$BUILD/lint.lock"
	flock -n 8 || die "another lint is using $LINT_DIR" "" "wait for it to end"
	lint_gitdir=$(qgit -C "$LINT_LINUX" rev-parse --absolute-git-dir)
}

# lint_commit REV: print its full commit id.
lint_commit() {
	qgit --git-dir="$lint_gitdir" rev-parse --verify "$1^{commit}"
}

# lint_checkout REV: check out the files of REV, and undo edits.
lint_checkout() {
	(
		cd "$LINT_DIR" || exit
		lint_git update-index -q --refresh >/dev/null || true
		lint_git read-tree --reset -u "$1"
	)
}

# lint_series: print the commits of the series, oldest first.
lint_series() {
	qgit --git-dir="$lint_gitdir" rev-list --reverse "$LINT_BASE..$LINT_TIP"
}

# lint_changed FROM TO: print the files that differ, also those that TO lacks.
lint_changed() {
	qgit --git-dir="$lint_gitdir" diff --no-renames --name-only "$1" "$2"
}

# lint_touched FROM TO: print the files of TO that differ from FROM.
lint_touched() {
	qgit --git-dir="$lint_gitdir" diff --no-renames --diff-filter=d \
		--name-only "$1" "$2"
}

# lint_title N COMMIT: print a patch's name for a test point.
lint_title() {
	printf '%04d %s' "$1" "$(qgit --git-dir="$lint_gitdir" log -1 --format=%s "$2")"
}
