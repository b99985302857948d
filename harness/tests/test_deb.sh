#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of the packages' versions and their directory. Prints TAP.
# shellcheck disable=SC2317 # commands as arguments
set -uo pipefail

src=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export out=$dir/out DEB_DIR=$dir/debs KMBUF_CACHE=$dir/cache
# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"
# shellcheck source=harness/lib.sh
. "$src/lib.sh"
# shellcheck source=harness/deb/deblib.sh
. "$src/deb/deblib.sh"

# orders LOWER HIGHER: as dpkg compares versions.
orders() {
	dpkg --compare-versions "$1" lt "$2" || { echo "$1 is not below $2"; return 1; }
}

order() {
	local version
	for version in "$@"; do
		orders "$(deb_version 2.15-1)" "$version" || return
	done
}

above() {
	local version
	for version in "$@"; do
		orders "$version" "$(deb_version 2.15-1)" || return
	done
}

revisions() {
	local first
	first=$(DEB_REVISION=9 deb_version 7.3.4-1~bpo13+1)
	orders "$first" "$(DEB_REVISION=10 deb_version 7.3.4-1~bpo13+1)" &&
		orders "$first" "$(DEB_REVISION=1 deb_version 7.3.5-1~bpo13+1)"
}

# The minimum version in symbols files has to be that of the first revision.
minimum() {
	local version versions
	mapfile -t versions < <(sed -n -E 's/^\+.*KMBUF_1\.0 (.*) 1$/\1/p' "$TOP"/userspace/debian/*.patch | sort -u)
	[ ${#versions[@]} -gt 0 ] || return
	for version in "${versions[@]}"; do
		orders "$version" "$(DEB_REVISION=1 deb_version "${version%+kmbuf*}")" || return
	done
}

refuses_revision() {
	! DEB_REVISION=$1 bash -c '. "$1/lib.sh"; . "$1/deb/deblib.sh"' sh "$src"
}

collects() {
	mkdir -p "$dir/from"
	touch "$DEB/a_1_amd64.deb" "$DEB/a-dev_1_amd64.deb" "$dir/from/a_2_amd64.deb"
	deb_collect "$dir/from" 'a_*.deb' && [ "$(cd "$DEB" && echo *)" = "a-dev_1_amd64.deb a_2_amd64.deb" ]
}

misses() {
	local message
	message=$( (deb_list 'b_*.deb') 2>&1) && return 1
	grep -q 'no package b_' <<<"$message" && grep -q 'next:.*make deb' <<<"$message"
}

point "our version is above Debian's, its rebuilds and its updates of a release" \
	above 2.15-1 2.15-1+b1 2.15-1+deb14u1 2.15-1~bpo13+1
point "it is below Debian's next versions" order 2.15-2 2.15-1.1 2.16-1 2.16-1~bpo14+1
point "revisions are in order" revisions
point "the symbols files ask for the first revision" minimum
for revision in 0 x 1.5; do
	point "DEB_REVISION=$revision is refused" refuses_revision "$revision"
done
point "a new package replaces the one of the same name" collects
point "the error for a missing package says how to build it" misses
echo "1..$n"
[ "$failed" -eq 0 ]
