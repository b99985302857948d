# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # read by the tests
# Sourced by the tests of the patch queue: a copy of the scripts in a scratch
# directory, a tiny Linux, and its pinned versions in a cache, so that nothing is
# downloaded.

src=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
repo=$dir/repo
linux=$repo/build/7.2/linux
out=$dir/out
export KMBUF_CACHE=$dir/cache HOME=$dir LC_ALL=C
unset FORCE SIGNOFF GUARD BASE KERNEL_SRC
export GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME='' GIT_AUTHOR_EMAIL='' GIT_COMMITTER_NAME='' GIT_COMMITTER_EMAIL=''
unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"
run() { "$repo/harness/queue/$1.sh" "${@:2}" >"$out" 2>&1; }
# stops VERB PATTERN...: the verb fails, and its message matches every pattern.
stops() {
	local verb=$1 pattern
	shift
	! run "$verb" || return 1
	for pattern in "$@"; do
		grep -q -- "$pattern" "$out" || { echo "no '$pattern' in the message"; return 1; }
	done
}
g() { git -C "$linux" "$@"; }
commits() { g rev-list series; }
# snapshot: print the state of the series in the repository.
snapshot() {
	(cd "$repo" && find patches io_uring include fs tools -type f -exec sha256sum {} + 2>/dev/null | sort -k2
		stat -c '%a %n' io_uring/*)
}
same_as() { diff "$1" <(snapshot); }

mkdir -p "$repo"/{harness,patches,io_uring} "$dir/cache"
cp -r "$src"/{lib.sh,queue,bases,setup} "$repo/harness/"
# lives_on BASE...: set the bases of the series, the default first.
lives_on() { sed -i "s/^BASES=.*/BASES=\"$*\"/" "$repo/harness/bases/default"; }
lives_on 7.2

# header SUBJECT: print a patch without a diff.
header() {
	echo "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001"
	echo "From: io_uring kmbuf series <kmbuf@localhost>"
	echo "Date: Thu, 10 Sep 2026 00:26:40 +0000"
	printf 'Subject: [PATCH] %s\n\nWhy it is so.\n---\n' "$1"
}

# cover SET [FIELD...]: write the cover of a set of mails.
cover() {
	mkdir -p "$repo/patches/cover.d"
	{
		echo "Subject: io_uring: words about $1"
		printf '%s\n' "${@:2}" | sed '/^$/d'
		printf '\nThe text of %s.\n\nv2: better\n' "$1"
	} >"$repo/patches/cover.d/$1"
}

# fake_linux BASE DIR: make a tiny source tree.
fake_linux() {
	mkdir -p "$2"/{io_uring,tools/testing}
	seq 1 80 | sed 's/^/line /' >"$2/io_uring/rsrc.c"
	seq 1 30 | sed 's/^/obj /' >"$2/io_uring/Makefile"
	echo "# kbuild" >"$2/Kbuild"
	printf 'VERSION = %s\nPATCHLEVEL = %s\n' "${1%.*}" "${1#*.}" >"$2/Makefile"
	echo "int old;" >"$2/io_uring/old.c"
	{ printf 'int f(void)\n{\n'; seq 9; echo "unlock:"; seq 9; echo "}"; } >"$2/io_uring/f.c"
	echo '*.[ch] diff=cpp' >"$2/.gitattributes"
	printf '#!/bin/sh\n' >"$2/tools/run.sh"
	chmod +x "$2/tools/run.sh"
	ln -s run.sh "$2/tools/link.sh"
	mkdir "$2/scripts"
	echo "MAINTAINERS" >"$2/MAINTAINERS"
	cat >"$2/scripts/get_maintainer.pl" <<-'END'
		# io_uring/ has a maintainer, other files have none.
		open my $diff, "<", $ARGV[-1] or die "no diff";
		my @lines = <$diff>;
		print "U. Ring <uring\@example.org> (maintainer:IO_URING)\n" if grep { m{^\+\+\+ b/io_uring/} } @lines;
		print "R. Viewer <viewer\@example.org> (reviewer:IO_URING)\n";
		print "list\@example.org (open list:IO_URING)\n";
	END
	printf '*.o\n.*\n!.gitignore\n\n#\n# Debian packaging: ignore everything\n#\n/*\n!/debian/\n' >"$2/.gitignore"
}

# pinned BASE DIR: put the tree into the cache as that base's pinned version.
pinned() {
	# shellcheck source=harness/bases/7.2
	(. "$repo/harness/bases/$1"
		git init -q --bare "$dir/cache/base-$BASE_VERSION.git"
		tar -C "$(dirname "$2")" -cf - "$(basename "$2")" |
			python3 "$repo/harness/queue/import_tar.py" \
				"Linux $BASE_VERSION ($BASE_PACKAGE)" 1789000000 |
			git -C "$dir/cache/base-$BASE_VERSION.git" fast-import --quiet --done)
}
