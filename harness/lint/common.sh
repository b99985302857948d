# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by every gate after lib.sh: test points, and the tree to check.
#
# A gate prints unnumbered points ("ok - text" or "not ok - text"), which lint.sh
# numbers, and lines that begin with "# ". With these variables the gates' own tests
# check something other than the repository's series:
#   LINT_LINUX            git repository with the commits (build/<base>/linux)
#   LINT_BASE, LINT_TIP   the series is the commits between these (base, series)
#   LINT_SERIES           the sets of mails (build/<base>/mails)
#   LINT_TOP              the repository whose files are checked (this one)

LINT_LINUX=${LINT_LINUX:-$LINUX}
LINT_BASE=${LINT_BASE:-refs/tags/base}
LINT_TIP=${LINT_TIP:-refs/heads/series}
LINT_SERIES=${LINT_SERIES:-$BUILD/mails}
LINT_TOP=${LINT_TOP:-$TOP}
# The work tree of the gates that build.
LINT_DIR=$BUILD/lint
export LINT_SERIES LINT_TOP LINT_DIR
# LANG as well: Kbuild unsets LC_ALL, and gcc's quotes then depend on LANG.
export LC_ALL=C LANG=C
unset LC_CTYPE LC_MESSAGES LANGUAGE
# Debian's python3 and its modules, whatever else is installed.
PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH

# ok TEXT: a check passed.
ok() {
	echo "ok - $*"
}

# notok TEXT [FILE]: a defect; FILE has the details.
notok() {
	echo "not ok - $1"
	[ -z "${2:-}" ] || sed -n '1,20s/^/#   /p' "$2"
}

# verdict STATUS TEXT FILE: ok when STATUS is 0.
verdict() {
	if [ "$1" -eq 0 ]; then ok "$2"; else notok "$2" "$3"; fi
}

# note TEXT: progress, no point.
note() {
	echo "# $(say "$@")"
}

# lint_tmp: make a scratch directory, lint_tmp, that is removed at exit.
lint_tmp() {
	lint_tmp=$(mktemp -d)
	trap 'rm -rf "$lint_tmp"' EXIT
}

# need COMMAND PACKAGE: a check whose tool is missing must not pass.
need() {
	command -v "$1" >/dev/null || die "$1 is not installed" \
		"Debian's package $2 has it" "make setup"
}

# need_tree: stop if there are no commits to check.
need_tree() {
	git -C "$LINT_LINUX" -c safe.directory='*' rev-parse -q --verify \
		"$LINT_TIP^{commit}" >/dev/null 2>&1 ||
		die "there is no series in $LINT_LINUX" "" "make tree"
}
