# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the tests of the gates of harness/lint/: TAP points, and commits with
# planted defects on top of the base. No branch moves.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
gates=$top/harness/lint
# shellcheck source=harness/bases/default
. "$top/harness/bases/default"
linux=${LINT_LINUX:-$top/build/${BASE:-${BASES%% *}}/linux}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset LINT_BASE LINT_TIP LINT_SERIES LINT_TOP LINT_SPARSE
export LC_ALL=C

n=0
point() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# gate NAME ARG...: run it, with its output in $dir/out.
gate() {
	local name=$1
	shift
	"$gates/$name.sh" "$@" >"$dir/out" 2>&1 </dev/null
}
# says REGEX TEXT: a point; a line of the gate's output matches.
says() {
	local status=0
	grep -q -E -- "$1" "$dir/out" || status=1
	point "$status" "$2"
	[ "$status" -eq 0 ] || sed -n '1,25s/^/# /p' "$dir/out"
}

# never REGEX TEXT: a point; no line matches.
never() {
	local status=0
	! grep -E -- "$1" "$dir/out" >"$dir/found" || status=1
	point "$status" "$2"
	sed 's/^/# /' "$dir/found"
}

# needs_linux GATE...: skip these without build/<base>/linux.
needs_linux() {
	local name
	if [ ! -d "$linux/.git" ]; then
		for name in "$@"; do
			skip "$name" "there is no ${linux#"$top/"}: make tree"
		done
		echo "1..$n"
		exit
	fi
	export LINT_LINUX=$linux LINT_BASE=refs/tags/base
}

# commit PARENT TITLE: commit the files in $dir/tree, on no branch.
commit() {
	local index=$dir/index path id
	rm -f "$index"
	GIT_INDEX_FILE=$index git -C "$linux" read-tree "$1"
	while IFS= read -r path; do
		id=$(git -C "$linux" hash-object -w --stdin <"$dir/tree/$path")
		GIT_INDEX_FILE=$index git -C "$linux" update-index --add --cacheinfo "100644,$id,$path"
	done < <(cd "$dir/tree" && find . -type f -printf '%P\n')
	GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost GIT_COMMITTER_NAME=t \
	GIT_COMMITTER_EMAIL=t@localhost git -C "$linux" commit-tree -p "$1" -m "$2" \
		"$(GIT_INDEX_FILE=$index git -C "$linux" write-tree)"
}
# file PATH: copy the base's file to edit it, or make an empty one.
file() {
	mkdir -p "$dir/tree/$(dirname "$1")"
	git -C "$linux" show "refs/tags/base:$1" >"$dir/tree/$1" 2>/dev/null || true
}

# defects: set bad to a commit with defects, and worse to another one on top of it.
defects() {
	# Defects for gcc W=1, sparse, 32 bit and kernel-doc, and a file that no Makefile
	# names.
	file io_uring/nop.c
	cat >>"$dir/tree/io_uring/nop.c" <<'EOF'

/**
 * lint_w1 - a function with defects
 * @nothing: no such parameter
 */
static int __maybe_unused lint_w1(int __user *user)
{
	int set;

	set = 1;
	return *user;
}

static u64 __maybe_unused lint_i386(u64 address)
{
	return *(u8 *)address;
}
EOF
	file io_uring/orphan.c
	echo '// SPDX-License-Identifier: GPL-2.0' >"$dir/tree/io_uring/orphan.c"
	bad=$(commit refs/tags/base "io_uring/nop: defects")
	rm -rf "$dir/tree"
	# A stub that does not compile.
	file include/linux/io_uring/cmd.h
	cat >>"$dir/tree/include/linux/io_uring/cmd.h" <<'EOF'
#if !defined(CONFIG_IO_URING)
static inline int lint_stub(struct io_uring_cmd *cmd { return 0; }
#endif
EOF
	# A new file that no section of MAINTAINERS covers.
	file samples/orphan-lint.c
	echo '// SPDX-License-Identifier: GPL-2.0' >"$dir/tree/samples/orphan-lint.c"
	worse=$(commit "$bad" "io_uring: a broken stub")
	export LINT_TIP=$worse
}
