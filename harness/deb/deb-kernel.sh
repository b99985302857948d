#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes Debian packages of the patched kernel in build/<base>/deb:
# linux-image-VERSION-kmbuf and linux-headers-VERSION-kmbuf, with the kernel's own
# bindeb-pkg.
#
#   deb-kernel.sh               use Debian's configuration (linux-config-<base>), without
#                               debug information
#   deb-kernel.sh --estimate    only print the time and the disk space that it takes
#
#   CONFIG=running              use the configuration of the running kernel
#   CONFIG=FILE                 use this configuration; only the local version is changed
#   LOCALMODCONFIG=1            build only the modules loaded here (or those in LSMOD=FILE,
#                               an output of lsmod), and those that the packages need
#   DEB_REVISION=N              the N of +kmbufN at the end of the packages' version
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/kernel/kconfig.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/deb/deblib.sh"

estimate=0
case $#,${1:-} in
0,) ;;
1,--estimate) estimate=1 ;;
*) die "usage: [CONFIG=running|FILE] [LOCALMODCONFIG=1] deb-kernel.sh [--estimate]" ;;
esac
here=$TOP/harness/deb
flavour=-kmbuf
# Right below the tree, like the other kernels' objects: names of sources are relative, so
# that all share the compiler cache. bindeb-pkg leaves packages in the directory above.
out=.${DEB##*/}

# debian_config TO: write the configuration in Debian's newest package for this base.
debian_config() {
	local deb dir=$q_tmp/config
	deb=$("$TOP/harness/setup/apt.sh" deb "linux-config-$q_base" "$q_tmp/download")
	dpkg-deb -x "$deb" "$dir"
	xzcat "$dir/usr/src/linux-config-$q_base/config.amd64_none_amd64.xz" >"$1" ||
		die "no configuration for amd64 in ${deb##*/}" "" "CONFIG=FILE make deb"
}

running_config() {
	local file
	file=/boot/config-$(uname -r)
	if [ -r /proc/config.gz ]; then
		zcat /proc/config.gz >"$1"
	elif [ -r "$file" ]; then
		cp "$file" "$1"
	else
		die "the running kernel's configuration is not available" \
			"there is neither /proc/config.gz nor $file" "CONFIG=FILE make deb"
	fi
}

# get_config TO: write the configuration that CONFIG selects. Our own settings are
# appended, as Kconfig uses the last value.
get_config() {
	case ${CONFIG:-debian} in
	debian) debian_config "$1" ;;
	running) running_config "$1" ;;
	*)
		[ -r "$CONFIG" ] || die "CONFIG=$CONFIG cannot be read" "" \
			"CONFIG=FILE is a kernel's configuration, as in /boot/config-*"
		cp "$CONFIG" "$1"
		;;
	esac
	echo "CONFIG_LOCALVERSION=\"$flavour\"" >>"$1"
	case ${CONFIG:-debian} in
	debian | running) cat "$here/distribution.config" >>"$1" ;;
	esac
}

# wanted FILE: print the symbols of wanted.config that FILE lacks. A module may be built
# in.
wanted() {
	local line symbol value
	while IFS= read -r line; do
		[[ $line == CONFIG_* ]] || continue
		symbol=${line%%=*}
		value=$(sed -n "s/^$symbol=//p" "$1" | tail -n 1)
		[[ $value = y || $value = "${line#*=}" ]] || echo "$symbol"
	done <"$here/wanted.config"
}

lsmod_lines() {
	if [ -n "${LSMOD:-}" ]; then
		cat "$LSMOD"
	elif [ -r /proc/modules ]; then
		lsmod
	else
		die "LOCALMODCONFIG=1 finds no modules" "the running kernel has no modules" \
			"set LSMOD=FILE, with the output of lsmod on the machine that the kernel is for"
	fi
}

# seconds_and_space FILE: estimate seconds and MiB. A symbol "=y" is about one object, a
# module about four, and there are always 800 more. An object takes 1.2 s and 0.25 MiB, as
# measured with the harness's release kernel, gcc 12.2, 1519 objects.
seconds_and_space() {
	local loaded=-1
	[ -z "${LOCALMODCONFIG:-}" ] || loaded=$(wc -l <"$q_tmp/lsmod")
	awk -v cpus="$(nproc)" -v loaded="$loaded" '
		/=y$/ { y++ } /=m$/ { m++ }
		END {
			if (loaded >= 0 && loaded < m)
				m = loaded
			objects = y + 4 * m + 800
			printf "%d %d\n", objects * 1.2 / cpus + 120, 400 + objects * 0.25
		}' "$1"
}

say_estimate() {
	local seconds space
	read -r seconds space < <(seconds_and_space "$1")
	say "deb: kernel: about $(((seconds + 59) / 60)) minutes on $(nproc) CPUs if the compiler cache is empty," \
		"and $space MiB of disk in ${LINUX#"$TOP/"}/$out"
	need_space "$BUILD" "$space" "the kernel's objects and packages"
}

# Debian's version of the base, or, if the base is not a package, the tree's own version.
debian_version() {
	local subject
	subject=$(qgit -C "$LINUX" log -1 --format=%s refs/tags/base)
	if [[ $subject =~ ^Linux\ ([^ ]+)\ \(linux-source- ]]; then
		echo "${BASH_REMATCH[1]}"
	else
		echo "$(make -s -C "$LINUX" kernelversion | sed 's/-rc/~rc/')-0"
	fi
}

only_loaded() {
	# localmodconfig asks about new symbols.
	{ yes '' 2>/dev/null || true; } | LSMOD=$q_tmp/lsmod make -s -C "$LINUX" O="$out" localmodconfig 8>&- 9>&- || return
	cat "$here/wanted.config" >>"$LINUX/$out/.config"
}

configure() {
	local config=$LINUX/$out/.config
	cp "$q_tmp/asked" "$config"
	if [ -n "${LOCALMODCONFIG:-}" ]; then
		only_loaded || return
	fi
	kbuild_make "$LINUX" "$out" olddefconfig
}

# CC and HOSTCC are the same, or the headers' programs would be built again.
package() {
	local cc=$TOP/harness/kernel/cc.sh
	make -C "$LINUX" O="$out" CC="$cc" HOSTCC="$cc" -j"$(nproc)" \
		KDEB_PKGVERSION="$version" KDEB_SOURCENAME=linux-kmbuf KDEB_CHANGELOG_DIST="$DEB_SUITE" \
		bindeb-pkg </dev/null 8>&- 9>&-
}

queue_tmp
q_base=$BASE
[ ! -d "$LINUX/.git" ] || queue_base "$LINUX"
get_config "$q_tmp/asked"
: >"$q_tmp/lsmod"
[ -z "${LOCALMODCONFIG:-}" ] || lsmod_lines >"$q_tmp/lsmod"
if [ "$estimate" -eq 1 ]; then
	say_estimate "$q_tmp/asked"
	exit
fi
[ -f "$LINUX/Makefile" ] || die "no source tree in $LINUX" "" "make tree"
for tool in make gcc ld bison flex bc ccache dpkg-buildpackage dh_builddeb; do
	command -v "$tool" >/dev/null || die "$tool is not installed" "" "make setup"
done

mkdir -p "$LINUX/$out"
exec 9>"$LINUX/$out/.lock"
flock -n 9 || die "another build is writing $LINUX/$out" "" "wait for it to end"
version=$(deb_version "$(debian_version)")
key=$({
	queue_sources "$LINUX"
	cat "$q_tmp/asked" "$here/deb-kernel.sh" "$here"/*.config
	cat "$q_tmp/lsmod"
	echo "$version"
	gcc --version
} | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$DEB/.kernel" 2>/dev/null)" = "$key" ]; then
	say "deb: kernel: unchanged since it was built (to build it again: rm ${DEB#"$TOP/"}/.kernel)"
	exit
fi
rm -f "$DEB/.kernel"
say_estimate "$q_tmp/asked"
kbuild_env
export DEBFULLNAME=$QUEUE_NAME DEBEMAIL=$QUEUE_EMAIL
# Better compression would take minutes.
export DPKG_DEB_COMPRESSOR_TYPE=zstd DEB_BUILD_OPTIONS=terse

say "deb: kernel: configure"
run_logged deb-kernel-config configure || die "the kernel cannot be configured" "" "see $LOGS/deb-kernel-config.log"
missing=$(wanted "$LINUX/$out/.config")
[ -z "$missing" ] || die "the configuration lacks ${missing//$'\n'/, }" \
	"the packages are useless without these" "set the symbols in harness/deb/wanted.config, and their dependencies"
say "deb: kernel: build $version (log: ${LOGS#"$TOP/"}/deb-kernel.log)"
left_over() {
	rm -f "$LINUX"/linux-{image,headers,libc-dev,kmbuf}[-_]*.{deb,changes,buildinfo}
	rm -rf "$q_tmp"
}
trap left_over EXIT
run_logged deb-kernel package ||
	die "the kernel's packages do not build" "" "see $LOGS/deb-kernel.log"
# Not linux-libc-dev: the C library's headers stay the distribution's.
deb_collect "$LINUX" 'linux-image-*.deb' 'linux-headers-*.deb'
echo "$key" >"$DEB/.kernel"
for package in $(deb_list "linux-image-*_${version}_*.deb" "linux-headers-*_${version}_*.deb"); do
	say "deb: ${package#"$TOP/"}: $(du -h "$package" | cut -f 1)"
done
