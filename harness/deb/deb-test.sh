#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make deb-test: installs the packages of "make deb", with a small kernel, into a fresh
# Debian root directory, and boots a virtual machine from a disk with it: boot loader,
# initramfs, systemd. In the machine a FUSE file system and a ublk disk run from the
# packages; the packages are upgraded; the machine boots again; the packages are removed.
#
# The small kernel has the configuration of the harness's release kernel, as CONFIG=FILE,
# so that the compiler cache has its objects.
#
#   deb-test.sh            as root; prints TAP
#
# The effect of newer Debian packages, and building a module with the headers package,
# are tested in directories, without a machine.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
DEB_DIR=$BUILD/deb-test
. "$TOP/harness/kernel/kconfig.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/suites/userspace.sh"
. "$TOP/harness/suites/thirdparty.sh"
. "$TOP/harness/tests/points.sh"
. "$TOP/harness/deb/deblib.sh"
. "$TOP/harness/deb/disk.sh"

[ $# -eq 0 ] || die "usage: deb-test.sh"
here=$TOP/harness/deb
fragments=("$TOP/harness/kernel/base.config")
own=$TOP/harness/kernel/$BASE.config
[ ! -f "$own" ] || fragments+=("$own")
room=$DEB/test
tools=$DEB/test.tools
root=$room/root
disk=$room/disk.img
# Read by point.
export out=$LOGS/deb-test.out
: >"$out"

need_root_user "testing the packages"
for tool in qemu-system-x86_64 grub-mkimage mkfs.ext4 sfdisk; do
	command -v "$tool" >/dev/null || die "$tool is not installed" "" "make setup"
done

small_config() {
	kbuild_env
	run_logged deb-small-config kbuild_config "$LINUX" .deb-small x86 "${fragments[@]}"
}

# ours: print the packages for the machine, without headers, as it builds no modules.
ours() {
	deb_list 'liburing2_*.deb' 'libfuse3-4_*.deb' 'fuse3_*.deb' 'kmbuf-tools_*.deb' 'linux-image-*.deb'
}

install_into() {
	local to=$1
	shift
	mkdir -p "$to/opt/debs"
	cp "$@" "$to/opt/debs/"
	in_root "$to" sh -c 'apt-get install -y --no-install-recommends /opt/debs/*.deb'
}

# repack FROM TO VERSION [SED]: write the same package with another version, also in its
# dependencies on exactly its own version.
repack() {
	local dir=$room/repack old
	rm -rf "$dir"
	dpkg-deb -R "$1" "$dir"
	old=$(sed -n 's/^Version: //p' "$dir/DEBIAN/control")
	sed -i -e "s|^Version: .*|Version: $3|" -e "s|(= ${old//+/[+]})|(= $3)|g" -e "${4:-}" "$dir/DEBIAN/control"
	dpkg-deb --root-owner-group -Zgzip -z1 -b "$dir" "$2/" >/dev/null
	rm -rf "$dir"
}

version_of() {
	dpkg-deb -f "$1" Version
}

# next_packages TO: repack our packages with the next revision.
next_packages() {
	local deb version
	mkdir -p "$1"
	while IFS= read -r deb; do
		version=$(version_of "$deb")
		repack "$deb" "$1" "${version%+kmbuf*}+kmbuf$((DEB_REVISION + 1))" || return
	done < <(ours)
}

# newer_packages TO: repack our packages as Debian's later ones: with newer versions, and
# without our symbols.
newer_packages() {
	local deb none='/^Provides: .*-kmbuf-1/d; s/liburing2-kmbuf-1, //; s/, liburing2-kmbuf-1//'
	mkdir -p "$1"
	while IFS= read -r deb; do
		case ${deb##*/} in
		liburing2_*) repack "$deb" "$1" 2.16-1 "$none" || return ;;
		libfuse3-4_* | fuse3_*) repack "$deb" "$1" 3.19.0-1 "$none" || return ;;
		esac
	done < <(ours)
}

# programs: build a FUSE server, a ublk server and a module with nothing but the packages.
programs() {
	local build=$room/build status=0 debs key
	key=$(cat "$DEB"/.{liburing,fuse3,kernel} "$here/deb-programs.root.sh" "$here/hello.c" \
		"$TOP/userspace/libfuse.md" | sha256sum)
	[ "$(cat "$tools/.built" 2>/dev/null)" != "$key" ] || return 0
	rm -rf "$tools"
	deb_build_root "$build"
	mapfile -t debs < <(deb_list 'liburing2_*.deb' 'liburing-dev_*.deb' \
		'libfuse3-4_*.deb' 'libfuse3-dev_*.deb' 'fuse3_*.deb' 'linux-headers-*.deb')
	install_into "$build" "${debs[@]}"
	mkdir -p "$build/build/ublk" "$build/build/module"
	cp "$LINUX"/tools/testing/selftests/ublk/*.[ch] "$build/build/ublk/"
	cp -r "$LINUX/tools/testing/selftests"/kselftest*.h "$build/build/"
	cp -r "$LINUX/.${DEB##*/}/usr/include" "$build/build/uapi"
	userspace_program "$TOP/userspace/libfuse.md" kmbuf-file >"$build/build/kmbuf-file.c"
	cp "$here/hello.c" "$build/build/module/"
	echo 'obj-m := hello.o' >"$build/build/module/Makefile"
	cp "$here/deb-programs.root.sh" "$build/build/"
	in_root "$build" bash /build/deb-programs.root.sh && mkdir -p "$tools" &&
		cp "$build"/build/{kmbuf-file,kublk,module/hello.ko} "$tools/" &&
		echo "$key" >"$tools/.built" || status=1
	rm -rf "$build"
	return "$status"
}

# fresh_root: make a disk with Debian, our packages, and the test that runs at boot.
fresh_root() {
	local debs
	mapfile -t debs < <(ours)
	# The disk's boot loader comes from this machine, kernels and initramfs from dpkg.
	# Debian's own libraries are installed, so that ours replace them.
	deb_root test "$root" systemd-sysv udev kmod initramfs-tools apt e2fsprogs \
		libnuma1 mount procps iproute2 fuse3 liburing2 &&
		! dpkg-query --admindir="$root/var/lib/dpkg" -W '*kmbuf*' &&
		# The emulated machine builds the initramfs, too: keep it small and quick to pack.
		printf 'MODULES=list\nCOMPRESS=gzip\nCOMPRESSLEVEL=1\n' >"$root/etc/initramfs-tools/conf.d/test" &&
		install_into "$root" "${debs[@]}" &&
		rm -rf "$root/opt/debs" &&
		cp -r "$tools" "$root/opt/tools" &&
		cp -r "$room/next" "$root/opt/next" &&
		cp "$here/deb-test.guest.sh" "$TOP/harness/tests/points.sh" \
			"$TOP/harness/suites/fuse.guest.sh" "$root/opt/" &&
		cp "$here/deb-test.service" "$root/etc/systemd/system/" &&
		ln -s /etc/systemd/system/deb-test.service \
			"$root/etc/systemd/system/multi-user.target.wants/" &&
		ln -sf /dev/null "$root/etc/systemd/system/serial-getty@ttyS0.service" &&
		echo "/dev/vda1 / ext4 rw 0 1" >"$root/etc/fstab" &&
		echo kmbuf-deb >"$root/etc/hostname" &&
		disk_make "$disk" 3000 "$root" "$here/grub.cfg"
}

# with_newer FILE...: simulate apt's installation in the root. It may remove no package.
with_newer() {
	local to=$root/opt/newer
	mkdir -p "$to"
	cp "$@" "$to/"
	in_root "$root" sh -c 'apt-get install -s -y --no-remove /opt/newer/*.deb'
	local status=$?
	rm -rf "$to"
	return "$status"
}

refused_alone() {
	! with_newer "$room/newer"/liburing2_*.deb
}

# boot N: start the machine from its disk for the N-th time. Its points become points here.
boot() {
	local line status=0 console=$LOGS/deb-test-$1.console
	say "deb-test: boot $1 from the disk (console: ${console#"$TOP/"})" >&2
	disk_boot "$disk" "$console" 1500 || status=$?
	while IFS= read -r line; do
		if [[ $line =~ ^(ok|not\ ok)\ [0-9]+\ -\ (.*)$ ]]; then
			n=$((n + 1))
			echo "${BASH_REMATCH[1]} $n - boot $1: ${BASH_REMATCH[2]}"
			[ "${BASH_REMATCH[1]}" = ok ] || failed=1
		elif [[ $line == '# '* ]]; then
			echo "$line"
		fi
	done < <(tr -d '\r' <"$console" | sed -n 's/^.*KMBUF| //p')
	point "boot $1: the machine ended by itself" test "$status" -eq 0
	point "boot $1: everything ran" grep -a -q 'KMBUF-END status=0' "$console"
	point "boot $1: the kernel did not complain" /usr/bin/python3 "$TOP/harness/vm/splats.py" "$console"
}

mkdir -p "$room"
queue_tmp
small_config
CONFIG=$LINUX/.deb-small/.config DEB_DIR=$DEB "$here/deb-kernel.sh" >&2
DEB_DIR=$DEB "$here/deb-userspace.sh" >&2
rm -rf "$room/next" "$room/newer"

echo "TAP version 13"
say "deb-test: build servers and a module" >&2
point "a FUSE server, a ublk server and a module build with the packages" programs
point "the packages can be repacked as the next revision" next_packages "$room/next"
point "the packages can be repacked as newer ones without our symbols" newer_packages "$room/newer"
say "deb-test: install the packages into a fresh Debian on a disk" >&2
point "the packages install into a fresh Debian on a disk" fresh_root
point "a newer liburing2 without our symbols does not break libfuse" refused_alone
point "a newer liburing2 replaces ours together with a newer libfuse" with_newer "$room/newer"/*.deb
[ "$failed" -ne 0 ] || {
	boot 1
	[ "$failed" -ne 0 ] || boot 2
}
[ "$failed" -ne 0 ] || rm -rf "$root" "$disk"
echo "1..$n"
[ "$failed" -eq 0 ]
