# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # read by the scripts that source this file
# Sourced, after lib.sh, by the scripts that make and test Debian packages: the packages'
# directory and versions, and Debian root directories to build and test them in.

# The Debian release of the packages, and their directory.
DEB_SUITE=bookworm
DEB=${DEB_DIR:-$BUILD/deb}
DEB_REVISION=${DEB_REVISION:-1}
[[ $DEB_REVISION =~ ^[1-9][0-9]*$ ]] ||
	die "DEB_REVISION=$DEB_REVISION is not a number" "it is the N of +kmbufN at the end of each version" \
		"DEB_REVISION=2 make deb"
mkdir -p "$DEB"

# deb_version VERSION: print the version of our package for Debian's VERSION. It is above
# Debian's, including rebuilds (+b1), and below Debian's next revision or release.
deb_version() {
	echo "$1+kmbuf$DEB_REVISION"
}

# need_root_user TASK: stop if not root. A root directory takes mknod, mount and chroot.
need_root_user() {
	[ "$(id -u)" -eq 0 ] || die "$1 needs root" "it unpacks Debian into a directory and runs programs in it" \
		"sudo make deb"
}

# deb_root NAME TO PACKAGE...: unpack a fresh Debian with these packages into the
# directory TO. debootstrap makes it once; the cache keeps it for each list of packages.
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
		# Packages are installed into it only from files.
		: >"$new/etc/apt/sources.list"
		tar -C "$new" --one-file-system -cf "$tar.new" .
		mv "$tar.new" "$tar"
		rm -rf "$new"
	fi
	rm -rf "$to"
	mkdir -p "$to"
	tar -C "$to" -xf "$tar"
}

# deb_build_root TO: make a root to build in.
deb_build_root() {
	deb_root build "$1" build-essential debhelper meson pkgconf procps udev \
		python3 python3-pytest libnuma-dev libselinux1-dev
}

# in_root ROOT COMMAND...: run COMMAND in ROOT, with its own mounts and without a network.
# The mounts go away with the last process.
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

# deb_list PATTERN...: print our packages that match, or stop.
deb_list() {
	local pattern found
	for pattern in "$@"; do
		found=$(find "$DEB" -maxdepth 1 -name "$pattern" | sort -V | tail -n 1)
		[ -n "$found" ] || die "no package $pattern in ${DEB#"$TOP/"}" "it has not been built" "make deb"
		echo "$found"
	done
}

# deb_collect FROM PATTERN...: move files to DEB, and remove older ones of the same name.
deb_collect() {
	local from=$1 pattern file name
	shift
	for pattern in "$@"; do
		# shellcheck disable=SC2086 # a pattern
		for file in "$from"/$pattern; do
			[ -f "$file" ] || die "no $pattern in $from" "" "see the build's log"
			name=${file##*/}
			case $name in
			*.deb) rm -f "$DEB/${name%%_*}"_*.deb ;;
			*.dsc) rm -f "$DEB/${name%%_*}"_*.dsc ;;
			esac
			mv "$file" "$DEB/"
		done
	done
}
