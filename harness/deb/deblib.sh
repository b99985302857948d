# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # read by the scripts that source this file
# Sourced, after lib.sh, by the scripts that make and test Debian packages: where they
# are, their versions, and Debian root directories to build and to try them in.

# The Debian that the packages are for, and what is made: *.deb in DEB.
DEB_SUITE=bookworm
DEB=${DEB_DIR:-$BUILD/deb}
DEB_REVISION=${DEB_REVISION:-1}
[[ $DEB_REVISION =~ ^[1-9][0-9]*$ ]] ||
	die "DEB_REVISION=$DEB_REVISION is not a number" "it is the N of +kmbufN, the end of each version" \
		"DEB_REVISION=2 make deb"
mkdir -p "$DEB"

# deb_version VERSION: that of our package made of Debian's VERSION. It is above
# Debian's, rebuilds (+b1) included, and below Debian's next revision or release.
deb_version() {
	echo "$1+kmbuf$DEB_REVISION"
}

# need_root_user WHAT: a root directory takes mknod, mount and chroot.
need_root_user() {
	[ "$(id -u)" -eq 0 ] || die "$1 needs root" "it unpacks Debian into a directory and runs programs in there" \
		"sudo make deb"
}

# deb_root NAME TO PACKAGE...: a fresh Debian with these packages in the directory TO.
# Made once with debootstrap; kept in the cache for each list of packages.
deb_root() {
	local name=$1 to=$2 key tar uri new
	shift 2
	key=$(printf '%s\n' "$DEB_SUITE" "$@" | sha256sum | cut -c 1-16)
	tar=$CACHE/deb/$name-$key.tar
	if [ ! -s "$tar" ]; then
		command -v debootstrap >/dev/null || die "debootstrap is not installed" "" "make setup"
		mkdir -p "$CACHE/deb"
		need_space "$CACHE" 2500 "a Debian root directory"
		uri=$("$TOP/harness/setup/apt.sh" mirror)
		new=$tar.root
		rm -rf "$new" "$CACHE/deb/$name"-*.tar
		say "deb: unpacking Debian $DEB_SUITE for $name, once"
		run_logged "deb-root-$name" debootstrap --variant=minbase \
			--include="$(IFS=,; echo "$*")" "$DEB_SUITE" "$new" "$uri" ||
			die "debootstrap failed" "" "see $LOGS/deb-root-$name.log and $new/debootstrap/debootstrap.log"
		rm -f "$new"/var/cache/apt/archives/*.deb
		# What is installed in it comes from files.
		: >"$new/etc/apt/sources.list"
		tar -C "$new" --one-file-system -cf "$tar.new" .
		mv "$tar.new" "$tar"
		rm -rf "$new"
	fi
	rm -rf "$to"
	mkdir -p "$to"
	tar -C "$to" -xf "$tar"
}

# deb_build_root TO: a root to build in.
deb_build_root() {
	deb_root build "$1" build-essential debhelper meson pkgconf procps udev \
		python3 python3-pytest libnuma-dev libselinux1-dev
}

# in_root ROOT COMMAND...: with its own mounts, and without a network. What is mounted
# goes away with the last process.
in_root() {
	local root=$1
	shift
	# shellcheck disable=SC2016 # the inner shell's
	unshare --mount --net --pid --ipc --fork --kill-child bash -c '
		set -e
		root=$1
		shift
		mount -t proc proc "$root/proc"
		mkdir -p "$root/dev/pts"
		mount -t devpts devpts "$root/dev/pts"
		exec chroot "$root" env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
		' in_root "$root" "$@" </dev/null
}

# deb_list PATTERN...: our packages, or stop.
deb_list() {
	local pattern found
	for pattern in "$@"; do
		found=$(find "$DEB" -maxdepth 1 -name "$pattern" | sort -V | tail -n 1)
		[ -n "$found" ] || die "no package $pattern in ${DEB#"$TOP/"}" "it has not been built" "make deb"
		echo "$found"
	done
}

# deb_collect FROM PATTERN...: files go to DEB; older ones of the same name go.
deb_collect() {
	local from=$1 pattern file name
	shift
	for pattern in "$@"; do
		# shellcheck disable=SC2086 # a pattern
		for file in "$from"/$pattern; do
			[ -f "$file" ] || die "no $pattern in $from" "" "the build's log says why"
			name=${file##*/}
			case $name in
			*.deb) rm -f "$DEB/${name%%_*}"_*.deb ;;
			*.dsc) rm -f "$DEB/${name%%_*}"_*.dsc ;;
			esac
			mv "$file" "$DEB/"
		done
	done
}
