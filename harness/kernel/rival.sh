#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel that the bench compares with: a newer Linux, whose FUSE has buffer
# pools of its own. Unpacked in build/rival, built like the others.
#
#   rival.sh            unpack it and build its base kernel
#   rival.sh --tree     unpack it only
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
# Whatever version of it there is.
RIVAL_PACKAGE=linux-source-7.3

case ${1:-} in
'' | --tree) ;;
*) die "usage: rival.sh [--tree]" ;;
esac

# unpack DEB DIR
unpack() {
	dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$RIVAL_PACKAGE.tar.xz" |
		tar -xJf - -C "$2" --strip-components=1
}

# Any version will do, but it stays the one that is there: figures of two
# versions are not for one table. Remove build/rival to take a newer one.
get_tree() {
	local new=$RIVAL.new version deb
	if [ -s "$RIVAL/.package" ]; then
		say "rival: $(cat "$RIVAL/.package") is in build/rival"
		return
	fi
	need_space "$BUILDS" 4500 "a third checkout of Linux"
	version=$("$TOP/harness/setup/apt.sh" version "$RIVAL_PACKAGE")
	deb=$("$TOP/harness/setup/apt.sh" deb "$RIVAL_PACKAGE=$version" "$CACHE/download/rival")
	say "rival: unpacking $RIVAL_PACKAGE $version"
	rm -rf "$new"
	mkdir -p "$new"
	run_logged rival-unpack unpack "$deb" "$new" || {
		rm -rf "$new"
		die "cannot unpack $deb" "see the log: $LOGS/rival-unpack.log"
	}
	echo "$RIVAL_PACKAGE $version" >"$new/.package"
	rm -rf "$RIVAL"
	mv "$new" "$RIVAL"
}

get_tree
[ "${1:-}" = --tree ] || "$TOP/harness/kernel/kernel.sh" rival base
