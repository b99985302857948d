#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of the errors of apt.sh, base.sh and setup.sh: messages must name the thing,
# the cause and the next step. apt, dpkg and the like are stubs in PATH; nothing is
# downloaded. Prints TAP.
# shellcheck disable=SC2016,SC2317 # stubs in quotes, commands as arguments
set -uo pipefail

src=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
out=$dir/out
bin=$dir/bin
export KMBUF_CACHE=$dir/cache HOME=$dir LC_ALL=C DIR=$dir
unset KERNEL_SRC BASE
mkdir -p "$dir/repo/harness" "$bin" "$dir/cache"
cp -r "$src"/{lib.sh,setup,queue,bases} "$dir/repo/harness/"
# lives_on BASE...: set the bases of the series, the default first.
lives_on() { sed -i "s/^BASES=.*/BASES=\"$*\"/" "$dir/repo/harness/bases/default"; }
lives_on 7.2
PATH=$bin:$PATH

# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"
run() { local verb=$1; shift; bash "$dir"/repo/harness/*/"$verb.sh" "$@" >"$out" 2>&1; }
# stops "VERB ARGS" PATTERN...: the verb fails, and its message matches every pattern.
stops() {
	local pattern
	local -a call
	read -ra call <<<"$1"
	shift
	! run "${call[@]}" || return 1
	grep -q '^error: ' "$out" || return 1
	for pattern in "$@"; do
		grep -q -- "$pattern" "$out" || { echo "no '$pattern' in the message"; return 1; }
	done
}
stub() {
	{ echo '#!/bin/bash'; cat; } >"$bin/$1"
	chmod +x "$bin/$1"
}

# A stub of apt, controlled by files: targets, madison, update, download.
stub apt-get <<'END'
echo "apt-get $*" >>"$DIR/calls"
for verb; do
	case $verb in
	indextargets) [[ "$*" == *no-release-info* ]] && cat "$DIR/targets.unread" || cat "$DIR/targets"; exit 0 ;;
	update | install | download | source) break ;;
	esac
done
[ ! -s "$DIR/$verb.error" ] || { cat "$DIR/$verb.error"; exit 100; }
case $verb in
download) echo deb >"${!#%%=*}_1_all.deb" ;;
source) echo dsc >"${!#%%=*}_1.dsc" ;;
esac
END
stub apt-cache <<'END'
grep -E "^ *${!#} \\|" "$DIR/madison"
END
calls() { grep -c "apt-get .*$1" "$dir/calls"; }
reset() {
	rm -rf "$dir/cache" "$dir"/*.error "$dir/calls"
	mkdir "$dir/cache"
	cat >"$dir/targets" <<-END
	Vendor|Vendor|bookworm|main|http://vendor.example/apt/
	Debian|Debian-Security|bookworm-security|main|http://mirror.example/debian-security/
	Debian|Debian|bookworm-updates|main|http://mirror.example/debian/
	Debian|Debian|bookworm|main|http://mirror.example/debian/
	END
	: >"$dir/targets.unread"
	cat >"$dir/madison" <<-END
	 linux-source-7.2 | 7.2.12-1 | http://mirror.example/debian sid/main amd64 Packages
	 linux-source-7.2 | 7.2.9-1~bpo13+1 | http://mirror.example/debian trixie-backports/main amd64 Packages
	      liburing | 2.15-1 | http://mirror.example/debian sid/main Sources
	END
}
sources=$dir/cache/apt/sources.list

reset
point "version: the newest" run apt version linux-source-7.2
point "version: printed" test "$(tail -n 1 "$out")" = 7.2.12-1
point "mirror: the Debian archive, not a vendor's or the security one" \
	test "$(grep -c ' http://mirror.example/debian/ ' "$sources")" = 5
point "suites in their order" \
	test "$(awk '/^deb / { printf "%s ", $(NF-1) }' "$sources")" = "trixie-backports forky sid "
point "versions: of a source" run apt versions src:liburing
point "versions: printed" test "$(tail -n 1 "$out")" = 2.15-1
point "lists are read once" test "$(calls update)" = 1
touch -d '2 days ago' "$dir/cache/apt/stamp"
run apt version linux-source-7.2
point "... and again when old" test "$(calls update)" = 2
point "deb: prints the path" run apt deb linux-source-7.2=7.2.12-1 "$dir/d"
point "deb: ... of the file" test -s "$(tail -n 1 "$out")"
point "source: prints the path" run apt source liburing "$dir/d"
point "source: ... of the .dsc" test "$(tail -n 1 "$out")" = "$dir/d/liburing_1.dsc"

reset
: >"$dir/targets"
cat >"$dir/targets.unread" <<'END'
$(ORIGIN)|$(LABEL)|bookworm|main|http://vendor.example/apt/
$(ORIGIN)|$(LABEL)|bookworm|main|http://mirror.example/debian/
END
run apt version linux-source-7.2
point "mirror: on a machine that never read its lists" grep -q ' http://mirror.example/debian/ ' "$sources"
: >"$dir/targets.unread"
reset
: >"$dir/targets"
point "mirror: none" stops "apt version x" 'no Debian mirror found' 'apt-get indextargets'

reset
: >"$dir/madison"
point "have: nothing, and no error" run apt have nonesuch
point "have: ... is what it prints" test "$(grep -vc '^\[' "$out")" = 0
point "have: ... without fresh lists each time" run apt have nonesuch
point "have: ..." test "$(calls update)" = 1
echo "E: Temporary failure resolving 'mirror.example'" >"$dir/update.error"
rm "$dir/cache/apt/stamp"
point "have: unreadable lists are an error" stops "apt have nonesuch" 'cannot read the package lists' 'no network'
reset
echo "E: Temporary failure resolving 'mirror.example'" >"$dir/update.error"
point "have: a package in older lists is no error" run apt have linux-source-7.2
point "have: ... but there is a notice" grep -q 'notice: not every list could be read' "$out"
reset
: >"$dir/madison"
point "no such package" stops "apt version nonesuch" 'no such package: nonesuch' 'trixie-backports forky sid' 'next:'
point "... was looked for in fresh lists only once" test "$(calls update)" = 1
reset
point "no such version" stops "apt deb linux-source-7.2=7.2.99-1 $dir/d" \
	'no such version: linux-source-7.2 7.2.99-1' '7.2.12-1'
reset
: >"$dir/madison"
echo "E: Temporary failure resolving 'mirror.example'" >"$dir/update.error"
point "no network, no lists" stops "apt version linux-source-7.2" 'no network' 'resolving' 'next:.*proxy'
reset
echo "E: Temporary failure resolving 'mirror.example'" >"$dir/update.error"
point "no network, but known from older lists" run apt version linux-source-7.2
point "... with a notice" grep -q 'notice' "$out"
reset
echo "E: Failed to fetch http://mirror.example/x  Could not connect to mirror.example:80" >"$dir/download.error"
point "no network while downloading" stops "apt deb linux-source-7.2 $dir/d" \
	'download failed: linux-source-7.2 7.2.12-1' 'no network'
echo "E: Failed to fetch http://mirror.example/x  Hash Sum mismatch" >"$dir/download.error"
point "a damaged download" stops "apt deb linux-source-7.2 $dir/d" 'checksum mismatch'
echo "E: Write error - write (28: No space left on device)" >"$dir/download.error"
point "disk full while downloading" stops "apt deb linux-source-7.2 $dir/d" 'disk full' 'KMBUF_CACHE'
echo "E: Failed to fetch http://mirror.example/x  404  Not Found" >"$dir/download.error"
: >"$dir/calls"
point "gone from the mirror" stops "apt deb linux-source-7.2 $dir/d" '404'
point "... tried again with new lists" test "$(calls update) $(calls download)" = "1 2"
reset
stub df <<'END'
echo head; echo fs 100 99 7 99% /
END
point "disk full before the lists" stops "apt version linux-source-7.2" 'disk full' '7 MiB free' 'KMBUF_CACHE'
point "disk full before the base" stops base 'disk full' 'linux-source-7.2'
rm "$bin/df"

# The base's own checksum.
reset
point "base: checksum mismatch" stops base 'checksum mismatch: linux-source-7.2' \
	'6ea01e48037651b01076e4a369d1c76051c97c3cce6f87d48b7f3a9f5fac46a8' 'harness/bases/7.2'
point "base: ... the file is not kept" test -z "$(find "$dir/cache/download" -name '*.deb')"
point "base: ... no repository is made" test -z "$(find "$dir/cache" -maxdepth 1 -name 'base-*.git')"

# A later 7.2.x in place of the pinned one: a real package of a tiny tree.
reset
sed -i 's/7\.2\.12-1/7.2.14-1/' "$dir/madison"
mkdir -p "$dir/l/linux-source-7.2" "$dir/deb/usr/src" "$dir/deb/DEBIAN"
echo x >"$dir/l/linux-source-7.2/Kbuild"
tar -C "$dir/l" -cJf "$dir/deb/usr/src/linux-source-7.2.tar.xz" linux-source-7.2
printf 'Package: linux-source-7.2\nVersion: 7.2.14-1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n' \
	>"$dir/deb/DEBIAN/control"
dpkg-deb -b "$dir/deb" "$dir/later.deb" >/dev/null
sed -i 's,^download).*,download) cp "$DIR/later.deb" "${!#%%=*}_1_all.deb" ;;,' "$bin/apt-get"
point "base: a later version when the pin is gone" run base
point "base: ... with a notice" grep -q 'notice: .*7.2.12-1 is gone; taking 7.2.14-1' "$out"
: >"$dir/calls"
point "base: ... is used again" run base
point "base: ... without apt" test ! -s "$dir/calls"
point "base: ... with a notice" grep -q 'notice: using 7.2.14-1' "$out"
point "base: ... is of this base" run base --only

# fake_deb PACKAGE VERSION: a package of a tiny Linux, the only one that there is.
fake_deb() {
	local name=${1#linux-source-} deb=$dir/fake/deb
	rm -rf "$dir/fake"
	mkdir -p "$dir/fake/$1" "$deb/usr/src" "$deb/DEBIAN"
	echo x >"$dir/fake/$1/Kbuild"
	printf 'VERSION = %s\nPATCHLEVEL = %s\n' "${name%.*}" "${name#*.}" >"$dir/fake/$1/Makefile"
	tar -C "$dir/fake" -cJf "$deb/usr/src/$1.tar.xz" "$1"
	printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n' \
		"$1" "$2" >"$deb/DEBIAN/control"
	dpkg-deb -b "$deb" "$dir/later.deb" >/dev/null
	echo " $1 | $2 | http://mirror.example/debian sid/main amd64 Packages" >"$dir/madison"
}

# The package is gone: another base of the series.
lives_on 7.2 7.3
reset
fake_deb linux-source-7.3 7.3.9-1
point "base: the package is gone, another base of the series" run base
point "base: ... with a notice" \
	test "$(grep -c 'notice: linux-source-7.2 is gone from .*; taking linux-source-7.3' "$out")" = 1
point "base: ... nor its pinned version" grep -q 'notice: .*7.3.4-1~bpo13+1 is gone; taking 7.3.9-1' "$out"
point "base: ... and which patches it gets" grep -q 'notice: this is Linux 7.3, not 7.2: .* in build/7.2' "$out"
: >"$dir/calls"
point "base: ... is used again" run base
point "base: ... with a notice" grep -q 'notice: using 7.3.9-1.git in place of the pinned 7.2.12-1' "$out"
BASE=7.3 point "base: ... as the newest 7.3 as well" run base --only
point "base: ... without apt" test ! -s "$dir/calls"
point "base: ... but not with --only" stops "base --only" 'no linux-source-7.2$' \
	'KERNEL_SRC=.*/linux-7.2.12.tar.xz'
fake_deb linux-source-7.2 7.2.9-2
point "base: 7.2 is back, with --only" run base --only
cp -a "$dir/cache/base-7.2.9-2.git" "$dir/cache/base-7.2.14-1.git"
point "base: ... and without it, the newest" run base
point "base: ..." grep -q 'notice: using 7.2.14-1.git in place' "$out"
reset
: >"$dir/madison"
point "base: both are gone" stops base 'no linux-source-7.2 and no linux-source-7.3' \
	'trixie-backports forky sid' 'kernel.org' 'KERNEL_SRC=.*/linux-7.2.12.tar.xz' \
	'KERNEL_SRC=.*/linux-7.3.4.tar.xz'
echo "E: Temporary failure resolving 'mirror.example'" >"$dir/update.error"
rm "$dir/cache/apt/stamp"
point "base: without a network no package counts as gone" stops base 'cannot read the package lists' 'no network'
reset
fake_deb linux-source-7.2 7.2.14-1
lives_on 7.3 7.2
point "base: the first of the list is the default" run base
point "base: ..." grep -q 'notice: linux-source-7.3 is gone .* taking linux-source-7.2' "$out"
lives_on 7.3
point "base: one that is not in the list replaces no other" stops base 'no linux-source-7.3$'
lives_on 7.2
cp "$dir/repo/harness/bases/7.2" "$dir/repo/harness/bases/7.2~"
BASE=7.1 point "base: an unknown one" stops base "no base '7.1'" '7.2 7.3$'
point "base: an editor's backup file is no base" test "$(TOP=$dir/repo bash -c '. "$TOP/harness/bases/bases.sh" && bases_all | paste -sd" "')" = "7.2 7.3"
rm "$dir/repo/harness/bases/7.2~"

# A tarball of kernel.org.
fake_deb linux-source-7.3 7.3.4-1
tar -C "$dir/fake" -cJf "$dir/linux-7.3.4.tar.xz" --transform 's,^linux-source-7.3,linux-7.3.4,' linux-source-7.3
export KERNEL_SRC=$dir/linux-7.3.4.tar.xz
BASE=7.3 point "base: a tarball" run base --only
point "base: a tarball of another base" run base
point "base: ... with a notice" grep -q 'notice: this is Linux 7.3, not 7.2' "$out"
point "base: ... and it is refused with --only" stops "base --only" 'is Linux 7.3, not 7.2' 'BASE=7.3'
fake_deb linux-source-7.9 7.9.1-1
KERNEL_SRC=$dir/fake/linux-source-7.9 point "base: a tree of a version without a base" run base
point "base: ... with a notice" grep -q 'notice: harness/bases has no file for Linux 7.9: .* patches for 7.2' "$out"
unset KERNEL_SRC

# Missing packages.
reset
stub dpkg-query <<'END'
[ "${!#}" = fio ] || [ "${!#}" = busybox-static ] || echo installed
END
stub id <<'END'
echo 1000
END
point "setup: a user is told which packages" stops setup \
	'missing: busybox-static fio' 'only root' 'apt-get install --no-install-recommends busybox-static fio'
point "setup: ... and nothing is installed" test ! -e "$dir/calls"
stub id <<'END'
echo 0
END
echo "E: Unable to locate package fio" >"$dir/install.error"
point "setup: a package that the release lacks" stops setup 'no such package' 'fio' 'harness/setup/packages'
point "setup: root, the lists were read first" \
	test "$(grep -oE ' (update|install) ' "$dir/calls" | paste -sd' ' | tr -s ' ')" = " update install "
rm "$dir/install.error"
point "setup: root, still missing afterwards" stops setup 'still missing'

echo "1..$n"
exit $failed
