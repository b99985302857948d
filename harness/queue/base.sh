#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes the base, the Linux below the series, as a bare git repository in the
# cache: one commit with the tag "base" and the same id everywhere. It is
# downloaded once.
#
#   base.sh                        make sure that the base is there
#   base.sh --path                 the same, and print its path on stdout
#   base.sh --only [--path]        this base or none: fail rather than use another
#   KERNEL_SRC=<tarball or tree>   use this instead of the pinned package
#
# If Debian's archive has dropped the pinned version, the newest version of the
# package is used; if it has dropped the package, another base of the series. A
# notice says so.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"

apt=$TOP/harness/setup/apt.sh
# Bases that may replace the requested one.
others=$(bases_other "$BASE" | paste -sd' ')
only=0
exec 3>/dev/null
for option; do
	case $option in
	--only) only=1 others='' ;;
	--path) exec 3>&1 1>&2 ;;
	*) die "usage: base.sh [--only] [--path]" ;;
	esac
done

LOG=$LOGS/base-import.log

# import_tree REPO SUBJECT COMMAND...: turn the tar stream that COMMAND prints into a
# commit.
import_tree() {
	local repo=$1 subject=$2
	shift 2
	"$@" |
	python3 "$TOP/harness/queue/import_tar.py" "$subject" "$QUEUE_EPOCH" |
	qgit -C "$repo" fast-import --quiet --done --depth=0
}

# make_repo REPO SUBJECT COMMAND...: REPO appears only when it is complete.
make_repo() {
	local repo=$1 subject=$2 new=$1.new
	shift 2
	need_space "$CACHE" 700 "the base's git repository"
	rm -rf "$new"
	qgit init -q --bare "$new"
	qgit -C "$new" config gc.auto 0
	say "base: importing $subject into git"
	if ! run_logged base-import import_tree "$new" "$subject" "$@" 2>"$LOG.err" ||
		! qgit -C "$new" rev-parse -q --verify 'refs/tags/base^{tree}' >/dev/null; then
		rm -rf "$new"
		! grep -qiE 'no space left|out of diskspace' "$LOG" "$LOG.err" ||
			die "disk full while importing $subject" "no space left under $CACHE" \
				"free some space, or move the cache with KMBUF_CACHE=<dir>"
		cat "$LOG.err" >&2
		die "cannot import $subject" "see the log: $LOG"
	fi
	rm -rf "$repo"
	mv "$new" "$repo"
	say "base: $repo ($(du -sh "$repo" | cut -f1))"
}

unpack_deb() {
	dpkg-deb --fsys-tarfile "$1" |
	tar -xO "./usr/src/$BASE_PACKAGE.tar.xz" | xz -dc -T0
}

unpack_tarball() {
	case $1 in
	*.xz) xz -dc -T0 "$1" ;;
	*.gz | *.tgz) gzip -dc "$1" ;;
	*.bz2) bzip2 -dc "$1" ;;
	*.zst) zstd -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# KERNEL_SRC: the repository's name has a hash of the source's state, so a changed
# source is imported again.
from_kernel_src() {
	local src state key
	src=$(realpath -e "$KERNEL_SRC" 2>/dev/null) ||
		die "KERNEL_SRC=$KERNEL_SRC does not exist" "" "name a tarball or a source tree"
	local -a cmd
	if [ -f "$src" ]; then
		state=$(stat -c '%s %Y' "$src")
		cmd=(unpack_tarball "$src")
	elif [ ! -f "$src/Kbuild" ]; then
		die "KERNEL_SRC=$src is not a Linux tree" "it has no Kbuild file"
	elif [ -e "$src/.git" ]; then
		say "base: KERNEL_SRC is a git tree: using its HEAD commit"
		state=$(qgit -C "$src" rev-parse HEAD)
		cmd=(qgit -C "$src" archive --format=tar --prefix=linux/ HEAD)
	elif [ -e "$src/.config" ] || [ -e "$src/vmlinux" ]; then
		die "KERNEL_SRC=$src contains a build" "its object files would become part of the base" \
			"use a clean tree ('make mrproper' there), a git tree or a tarball"
	else
		state=$(find "$src" -printf '%P %s %T@\n' | sort | sha256sum)
		cmd=(tar -C "$(dirname "$src")" -cf - "$(basename "$src")")
	fi
	key=$(printf '%s\n' "$src" "$state" | sha256sum | cut -c1-12)
	REPO=$CACHE/base-src-$key.git
	[ -d "$REPO" ] || make_repo "$REPO" "Linux from KERNEL_SRC" "${cmd[@]}"
}

# stood_in REPO PIN: whether REPO is recorded as a replacement of PIN.
stood_in() {
	grep -qxF -- "$2" < <(qgit -C "$1" config --get-all kmbuf.instead-of 2>/dev/null)
}

# Prints a repository that replaced this pinned version before: the newest of the
# requested base, else one of another permitted base.
stand_in() {
	local repo is
	while IFS= read -r repo; do
		stood_in "$repo" "$BASE_VERSION" || continue
		is=$(base_of "$repo")
		if [ "$is" = "$BASE" ]; then
			echo "1 $repo"
		elif [[ " $others " == *" $is "* ]]; then
			echo "2 $repo"
		fi
	done < <(printf '%s\n' "$CACHE"/base-[0-9]*.git | sort -rV) |
		sort -s -n -k 1,1 | sed -n '1s/^. //p'
}

# stands_in PIN: record that REPO replaces PIN, so that later runs work offline.
stands_in() {
	[ "$REPO" = "$CACHE/base-$1.git" ] ||
		stood_in "$REPO" "$1" ||
		qgit -C "$REPO" config --add kmbuf.instead-of "$1"
}

# cached: sets REPO to the cached repository of the base whose file was read last.
cached() {
	REPO=$CACHE/base-$BASE_VERSION.git
	[ ! -d "$REPO" ] || return 0
	REPO=$(stand_in)
	[ -n "$REPO" ] || return 1
	say "base: notice: using ${REPO##*/base-} in place of the pinned $BASE_VERSION"
}

# download VERSIONS: makes REPO of the pinned version if VERSIONS has it, else of the
# newest.
download() {
	local version=${1%%$'\n'*} deb sum
	if grep -qxF -- "$BASE_VERSION" <<<"$1"; then
		version=$BASE_VERSION
	else
		say "base: notice: $BASE_PACKAGE $BASE_VERSION is gone; taking $version," \
			"whose checksum is not pinned (apt's signatures still hold)"
	fi
	REPO=$CACHE/base-$version.git
	[ ! -d "$REPO" ] || return 0
	deb=$("$apt" deb "$BASE_PACKAGE=$version" "$CACHE/download")
	sum=$(sha256sum "$deb" | cut -d' ' -f1)
	if [ "$version" = "$BASE_VERSION" ] && [ "$sum" != "$BASE_SHA256" ]; then
		rm -f "$deb"
		die "checksum mismatch: ${deb##*/}" \
			"sha256 is $sum, harness/bases/$base says $BASE_SHA256" \
			"try again; if the mismatch persists, do not trust this mirror"
	fi
	make_repo "$REPO" "Linux $version ($BASE_PACKAGE)" unpack_deb "$deb"
	rm -f "$deb"
}

# The requested base, else another base of the series.
from_package() {
	local versions base pin='' gone=() tarballs=()
	for base in "$BASE" $others; do
		# shellcheck source=harness/bases/7.2
		. "$TOP/harness/bases/$base"
		pin=${pin:-$BASE_VERSION}
		if ! cached; then
			need_space "$CACHE" 900 "$BASE_PACKAGE and its git repository"
			versions=$("$apt" have "$BASE_PACKAGE")
			if [ -z "$versions" ]; then
				gone+=("$BASE_PACKAGE")
				tarballs+=("KERNEL_SRC=<directory>/linux-${BASE_VERSION%%-*}.tar.xz")
				continue
			fi
			download "$versions"
		fi
		[ ${#gone[@]} -eq 0 ] ||
			say "base: notice: ${gone[*]} is gone from Debian's archive; taking $BASE_PACKAGE"
		stands_in "$BASE_VERSION"
		stands_in "$pin"
		return
	done
	versions=${gone[*]}
	die "there is no Linux to put the patches on: no ${versions// / and no }" \
		"Debian's archive has dropped it (suites $BASE_SUITES)" \
		"use a tarball of kernel.org: ${tarballs[*]}"
}

mkdir -p "$CACHE"
# Two checkouts may share the cache.
exec 9>"$CACHE/base.lock"
flock 9
if [ -n "${KERNEL_SRC:-}" ]; then
	from_kernel_src
else
	from_package
fi
is=$(base_of "$REPO") version=$(base_version "$REPO") || true
[[ -z $version || $is = "$version" ]] ||
	say "base: notice: harness/bases has no file for Linux $version: using the patches for $is, which may not apply"
if [ "$is" != "$BASE" ]; then
	[ "$only" -eq 0 ] || die "KERNEL_SRC=$KERNEL_SRC is Linux $is, not $BASE" "" "BASE=$is"
	say "base: notice: this is Linux $is, not $BASE: using the patches for $is, in ${BUILD#"$TOP/"}"
fi
say "base: $(qgit -C "$REPO" log -1 --format=%s refs/tags/base) is in ${REPO##*/}"
echo "$REPO" >&3
