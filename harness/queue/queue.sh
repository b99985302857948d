# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # q_* go from script to script
# The patch queue: git repositories on a base. Sourced after lib.sh. contents.sh
# reads and writes patches/series, import.sh turns patches into commits, stage.sh
# turns commits into patches, and patch.sh handles a single patch.

QUEUE_NAME="io_uring kmbuf series"
QUEUE_EMAIL=kmbuf@localhost
# The base's date; patch n is n minutes younger. Fixed dates make commit ids fixed.
QUEUE_EPOCH=1789000000

# shellcheck source=harness/bases/bases.sh
. "$TOP/harness/bases/bases.sh"
# shellcheck source=harness/queue/patch.sh
. "$TOP/harness/queue/patch.sh"

export LC_ALL=C
# A git hook may have called us: forget the hook's repository.
# shellcheck disable=SC2046 # a list of names
unset $(git rev-parse --local-env-vars)

# qgit: git without the user's configuration, so that it works the same everywhere.
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

# queue_sources TREE: print the id of a work tree's files, including uncommitted edits
# and new files. Needs queue_tmp.
queue_sources() {
	cp "$(qgit -C "$1" rev-parse --path-format=absolute --git-path index)" "$q_tmp/sources"
	GIT_INDEX_FILE=$q_tmp/sources qgit -C "$1" add -A
	GIT_INDEX_FILE=$q_tmp/sources qgit -C "$1" write-tree
}

# queue_tmp: make a scratch directory, q_tmp, that is removed at exit.
queue_tmp() {
	q_tmp=$(mktemp -d)
	trap 'rm -rf "$q_tmp"' EXIT
}

# queue_base REPO: sets q_base to the base of REPO's tag base, and q_pinned to 1 if that
# is the pinned version of the package, which the line numbers of patches are for.
queue_base() {
	local subject
	q_base=$(base_of "$1")
	subject=$(qgit -C "$1" log -1 --format=%s refs/tags/base)
	# shellcheck source=harness/bases/7.2
	. "$TOP/harness/bases/$q_base"
	q_pinned=0
	[ "$subject" != "Linux $BASE_VERSION ($BASE_PACKAGE)" ] || q_pinned=1
}

# queue_link REPO BASE: make BASE's objects and tag visible in REPO. Bases that were
# visible before stay so while they exist, as a work tree may still use one.
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
	# Attributes choose the function names in hunk headers, and a repository without a
	# work tree would not find them.
	mkdir -p "${list%/objects/*}/info"
	qgit -C "$2" cat-file blob refs/tags/base:.gitattributes 2>/dev/null \
		>"${list%/objects/*}/info/attributes" || true
	queue_base "$1"
}

# queue_scratch BASE: set q_repo to a bare repository for commits only.
queue_scratch() {
	q_repo=$BUILD/queue.git
	[ -d "$q_repo/refs" ] || qgit init -q --bare "$q_repo"
	queue_link "$q_repo" "$1"
}
