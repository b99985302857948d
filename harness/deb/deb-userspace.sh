#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes Debian packages of liburing, libfuse and kmbuf-tools in build/<base>/deb, with
# their source packages. Builds in a fresh Debian root directory with their Build-Depends,
# without a network.
#
#   deb-userspace.sh [--fresh]      as root
#
#   --fresh          build again even if nothing changed
#   DEB_REVISION=N   the N of +kmbufN at the end of the packages' versions
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/deb/deblib.sh"

fresh=0
case $#,${1:-} in
0,) ;;
1,--fresh) fresh=1 ;;
*) die "usage: deb-userspace.sh [--fresh]" ;;
esac
need_root_user "building the packages"
fuse3_stamp=$TOOLS/libfuse-3.18.3.stamp
[ -f "$fuse3_stamp" ] || die "no libfuse in $TOOLS" "" "make setup"
need_liburing

root=$DEB/root
probe=$TOP/userspace/probe
# NAME SOURCE_PACKAGE VERSION OF_USERSPACE
liburing=(liburing "$(liburing_version)" liburing)
fuse3=(fuse3 "$(cat "$fuse3_stamp")" libfuse)

# changelog SOURCE VERSION TEXT: print one entry.
changelog() {
	cat <<-END
		$1 ($2) $DEB_SUITE; urgency=medium

		  * $3

		 -- $QUEUE_NAME <$QUEUE_EMAIL>  $(date -u -R -d "@$QUEUE_EPOCH")

	END
}

# patched_source PACKAGE VERSION NAME: put Debian's source, with the patches of
# userspace/NAME and userspace/debian, into the root's /build/PACKAGE.
patched_source() {
	local dsc to=$root/build/$1 patch
	dsc=$("$TOP/harness/setup/apt.sh" source "$1=$2" "$root/build")
	# apt has checked the signature; the maintainer's own key is not needed here.
	dpkg-source --no-check --no-copy -x "$dsc" "$to"
	patch --fuzz=0 -d "$to" -p1 <"$TOP/userspace/debian/$1.patch"
	# Debian's maintainer is not responsible for these packages.
	sed -i "s/^Maintainer: \(.*\)/Maintainer: $QUEUE_NAME <$QUEUE_EMAIL>\nXSBC-Original-Maintainer: \1/" \
		"$to/debian/control"
	mkdir -p "$to/debian/patches"
	while IFS= read -r patch; do
		cp "$TOP/$patch" "$to/debian/patches/"
		echo "${patch##*/}"
	done < <(userspace_patches "$3") >>"$to/debian/patches/series"
	changelog "$1" "$(deb_version "$2")" "Kernel-managed buffers: debian/patches." >"$q_tmp/changelog"
	cat "$to/debian/changelog" >>"$q_tmp/changelog"
	cp "$q_tmp/changelog" "$to/debian/changelog"
}

tools_source() {
	cp -r "$probe" "$root/build/kmbuf-tools"
	make -s -C "$root/build/kmbuf-tools" clean
	changelog kmbuf-tools "$(deb_version 1.0)" "See the series." >"$root/build/kmbuf-tools/debian/changelog"
}

# build PACKAGE: build with the packages that are installed, and no others.
build() {
	in_root "$root" sh -c "cd /build/$1 && DEB_BUILD_OPTIONS='nocheck noautodbgsym parallel=$(nproc)' \
		DEB_BUILD_PROFILES=nocheck dpkg-buildpackage -us -uc --build=source,any"
}

install_liburing() {
	cp "$DEB"/liburing2_*.deb "$DEB"/liburing-dev_*.deb "$root/build/"
	in_root "$root" sh -c 'dpkg -i /build/liburing2_*.deb /build/liburing-dev_*.deb'
}

# need_root_dir: make the build root when the first package needs it.
need_root_dir() {
	[ ! -d "$root/build" ] || return 0
	deb_build_root "$root"
	mkdir -p "$root/build"
}

# package NAME KEY PREPARE...: build the .deb, unless it was built from the same sources.
package() {
	local name=$1 key=$2 mark=$DEB/.$1
	shift 2
	if [ "$fresh" -eq 0 ] && [ "$(cat "$mark" 2>/dev/null)" = "$key" ]; then
		say "deb: $name: unchanged since it was built (--fresh builds it again)"
		return
	fi
	rm -f "$mark"
	need_root_dir
	[ "$name" != fuse3 ] || run_logged deb-install-liburing install_liburing
	say "deb: $name: build (log: ${LOGS#"$TOP/"}/deb-$name.log)"
	run_logged "deb-$name-source" "$@" || die "the source of $name cannot be prepared" "" "see $LOGS/deb-$name-source.log"
	run_logged "deb-$name" build "$name" || die "$name does not build" "" "see $LOGS/deb-$name.log"
	deb_collect "$root/build" "${debs[$name]}_*.deb" "${name}_*+kmbuf*.tar.xz" "${name}_*+kmbuf*.dsc"
	[ "$name" = kmbuf-tools ] || deb_collect "$root/build" "${name}_*.orig.tar.gz"
	echo "$key" >"$mark"
}

# key TEXT...: a hash of TEXT and of everything that all packages depend on.
key() {
	{
		printf '%s\n' "$@"
		deb_version 0
		cat "$TOP/harness/deb/deb-userspace.sh"
	} | sha256sum | cut -d ' ' -f 1
}

# .deb files of each source, as patterns.
declare -A debs=([liburing]='liburing*' [fuse3]='*fuse3*' [kmbuf-tools]='kmbuf-tools')
uring_key=$(key "$(userspace_stamp liburing "${liburing[1]}")" "$(cat "$TOP/userspace/debian/liburing.patch")")
fuse_key=$(key "$uring_key" "$(userspace_stamp libfuse "${fuse3[1]}")" "$(cat "$TOP/userspace/debian/fuse3.patch")")
tools_key=$(key "$(cd "$probe" && find . -type f -not -name '*.o' -not -name kmbuf-probe |
	LC_ALL=C sort | xargs -rd '\n' sha256sum --)")

say "deb: user space: about $((60 + 300 / $(nproc))) s and 1000 MiB of disk in ${DEB#"$TOP/"} if nothing is built yet;" \
	"once 2 minutes and 1000 MiB more for Debian's own packages"
need_space "$BUILD" 1000 "the user-space packages"
queue_tmp
rm -rf "$root"
package liburing "$uring_key" patched_source "${liburing[@]}"
package fuse3 "$fuse_key" patched_source "${fuse3[@]}"
package kmbuf-tools "$tools_key" tools_source
rm -rf "$root"
