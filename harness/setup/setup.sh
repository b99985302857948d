#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs what the other verbs need, once: Debian packages (harness/setup/packages),
# and in the cache's tools/ programs that Debian 12 lacks or has too old a version of:
#   virtme-ng/        unpacked; runs from there
#   sparse/bin/       built; Debian 12's sparse cannot check Linux 7.2
#   liburing-2.15/    built source tree, with the sources of its test programs
#   liburing/         include/ and lib/ of liburing-2.15
#   libfuse-3.18.3/   source
#   sshfs/            unpacked, with the libraries it needs; Debian 12's sshfs is for
#                     an older libfuse
#
#   setup.sh          as root, install missing packages; as a user, only name them
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
apt=$TOP/harness/setup/apt.sh

missing_packages() {
	local pkg
	sed 's/#.*//' "$TOP/harness/setup/packages" | xargs -n1 | while read -r pkg; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$pkg" 2>/dev/null)" = installed ] || echo "$pkg"
	done
}

install_packages() {
	local -a missing
	mapfile -t missing < <(missing_packages)
	if [ ${#missing[@]} -eq 0 ]; then
		say "setup: every package is installed"
		return
	fi
	[ "$(id -u)" -eq 0 ] ||
		die "these packages are missing: ${missing[*]}" \
			"only root can install them" \
			"sudo apt-get install --no-install-recommends ${missing[*]}"
	"$apt" install "${missing[@]}"
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -eq 0 ] ||
		die "still missing after the installation: ${missing[*]}" \
			"" "see $LOGS/apt.log"
}

# done_before NAME: true if this tool is installed already.
done_before() {
	[ -e "$TOOLS/$1.stamp" ] || return 1
	say "setup: $1 $(cat "$TOOLS/$1.stamp") is installed"
}

# fresh NAME: makes an empty directory to build the tool in, and sets new to it.
fresh() {
	new=$TOOLS/$1.new
	rm -rf "$new"
	mkdir -p "$new"
}

# finish NAME VERSION DIR: moves DIR into place. Only now the tool counts as installed.
finish() {
	rm -rf "${TOOLS:?}/$1"
	mv "$3" "$TOOLS/$1"
	rm -rf "$new"
	echo "$2" >"$TOOLS/$1.stamp"
	say "setup: $1 $2"
}

# pick_version PKG WANTED: prints version WANTED, or else the newest, with a notice.
pick_version() {
	local all version
	all=$("$apt" versions "$1")
	version=$(grep -m1 "^$2" <<<"$all" || true)
	if [ -z "$version" ]; then
		version=${all%%$'\n'*}
		dpkg --compare-versions "$version" gt "$2" ||
			die "no ${1#src:} $2 or newer" "the suites have ${all//$'\n'/, }"
		say "setup: notice: ${1#src:} $2 is gone; taking $version" >&2
	fi
	echo "$version"
}

virtme_ng() {
	local version deb
	! done_before virtme-ng || return 0
	version=$(pick_version virtme-ng 1.41)
	fresh virtme-ng
	deb=$("$apt" deb "virtme-ng=$version" "$CACHE/download")
	dpkg-deb -x "$deb" "$new"
	rm -f "$deb"
	PYTHONPATH=$new/usr/lib/python3/dist-packages /usr/bin/python3 \
		"$new/usr/bin/vng" --version >/dev/null ||
		die "virtme-ng $version does not run" "see above"
	finish virtme-ng "$version" "$new"
}

# unpack_source PKG VERSION: unpacks Debian's source, without Debian's patches, into
# $new/src.
unpack_source() {
	local dsc
	dsc=$("$apt" source "$1=$2" "$new/download")
	# apt has checked the signature; the maintainer's own key is not needed here.
	(cd "$new" && run_logged "setup-unpack-$1" \
		dpkg-source --no-copy --skip-patches -x "$dsc" src)
	rm -rf "$new/download"
}

# Runs the kernel's own probe (scripts/checker-valid.sh), and plants a fault that sparse
# must find: Kbuild succeeds silently when its checker cannot run.
probe_sparse() {
	local dir=$LOGS status=0
	printf 'int u(const int *q);\nint u(const int *q)\n{\n\t__typeof_unqual__(*q) v = *q;\n\treturn v;\n}\n' \
		>"$dir/sparse-good.c"
	printf 'int f(int __attribute__((noderef)) *p);\nint f(int __attribute__((noderef)) *p)\n{\n\treturn *p;\n}\n' \
		>"$dir/sparse-bad.c"
	"$1" "$dir/sparse-good.c" >"$dir/sparse-good.log" 2>&1 || status=1
	[ "$status" -eq 0 ] && [ ! -s "$dir/sparse-good.log" ] || return 1
	grep -q 'dereference of noderef' < <("$1" "$dir/sparse-bad.c" 2>&1)
}

sparse() {
	local version upstream
	! done_before sparse || return 0
	version=$(pick_version src:sparse '0.6.5~rc1')
	upstream=${version%-*}
	fresh sparse
	unpack_source sparse "$version"
	say "setup: building sparse $upstream"
	# sparse's Makefile still says 0.6.4. Debian overrides the version in the same way.
	run_logged setup-sparse make -C "$new/src" -j"$(nproc)" HAVE_LLVM=no \
		SPARSE_VERSION="$upstream" sparse
	mkdir "$new/bin"
	mv "$new/src/sparse" "$new/bin/sparse"
	rm -rf "$new/src"
	[[ $("$new/bin/sparse" --version) = "$upstream" ]] || die "sparse $upstream does not run"
	probe_sparse "$new/bin/sparse" ||
		die "sparse $upstream was built but does not check" \
			"it fails the kernel's probe, or misses a planted fault" "see $LOGS/setup-sparse.log"
	finish sparse "$version" "$new"
}

liburing() {
	local version
	! done_before liburing-2.15 || return 0
	version=$(pick_version src:liburing 2.15)
	fresh liburing-2.15
	unpack_source liburing "$version"
	say "setup: building liburing ${version%-*}"
	rm -rf "$TOOLS/liburing"
	run_logged setup-liburing build_liburing
	finish liburing-2.15 "$version" "$new/src"
}

build_liburing() {
	cd "$new/src" &&
	./configure --prefix="$TOOLS/liburing" &&
	make -C src -j"$(nproc)" &&
	make -C src install
}

libfuse() {
	local version
	! done_before libfuse-3.18.3 || return 0
	version=$(pick_version src:fuse3 3.18.3)
	fresh libfuse-3.18.3
	unpack_source fuse3 "$version"
	rm -rf "$new/src/debian"
	finish libfuse-3.18.3 "$version" "$new/src"
}

# sshfs, the libraries it loads except libfuse, and the SFTP server. Of each package the
# newest version, as their versions belong together.
sshfs() {
	local version pkg deb
	! done_before sshfs || return 0
	version=$(pick_version sshfs 3.7.3)
	fresh sshfs
	for pkg in "sshfs=$version" openssh-sftp-server libglib2.0-0t64 libpcre2-8-0 \
		libatomic1 libc6; do
		deb=$("$apt" deb "$pkg" "$CACHE/download")
		dpkg-deb -x "$deb" "$new"
		# shellcheck disable=SC2016 # dpkg-deb expands these
		dpkg-deb -W --showformat '${Package} ${Version}\n' "$deb" >>"$new/packages"
		[ "$pkg" != "sshfs=$version" ] || dpkg-deb -I "$deb" md5sums >"$new/sshfs.md5sums"
		rm -f "$deb"
	done
	probe_sshfs "$new/usr" ||
		die "sshfs $version lacks more libraries than libfuse" \
			"the packages that setup.sh downloads for it are not enough" \
			"see $LOGS/sshfs-libraries.log"
	finish sshfs "$version" "$new"
}

# True if only libfuse is missing, and no library comes from this machine.
probe_sshfs() {
	local lib=$1/lib/x86_64-linux-gnu list=$LOGS/sshfs-libraries.log
	local load=("$lib/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$lib")
	LD_TRACE_LOADED_OBJECTS=1 "${load[@]}" "$1/bin/sshfs" >"$list" 2>&1 || true
	"${load[@]}" "$1/lib/openssh/sftp-server" -Q requests >>"$list" 2>&1 &&
		grep -q -x -P '\tlibfuse3\.so\.4 => not found' "$list" &&
		[ "$(grep -c ' => not found' "$list")" -eq 1 ] &&
		! grep ' => /' "$list" | grep -v -F -e " => $lib/" -e ld-linux-x86-64.so.2
}

command -v dpkg-query apt-get >/dev/null ||
	die "this is not a Debian machine" "dpkg or apt is missing" \
		"use Debian 12, for instance in a container"
install_packages
mkdir -p "$TOOLS"
exec 8>"$TOOLS/lock"
flock 8
virtme_ng
sparse
liburing
libfuse
sshfs
say "setup: ready"
