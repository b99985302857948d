# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the gates that build: Kbuild with the compiler cache, in output
# directories inside the source tree (the names of sources are then relative,
# and the cache serves any clone).

kbuild_env() {
	export CCACHE_DIR=$CACHE/ccache CCACHE_DEPEND=1 CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G
	export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC'
	export KBUILD_BUILD_USER=kmbuf KBUILD_BUILD_HOST=kmbuf KBUILD_BUILD_VERSION=1
	export LOCALVERSION=
	unset KBUILD_OUTPUT MAKEFLAGS MFLAGS ARCH
}

# kbuild_make TREE OUT ARGS...: OUT is relative to TREE.
kbuild_make() {
	make -C "$1" O="$2" CC='ccache gcc' HOSTCC='ccache gcc' "${@:3}" \
		</dev/null 8>&- 9>&-
}

# kbuild_config TREE OUT ARCH FRAGMENT...: configure, if any input changed.
kbuild_config() {
	local tree=$1 out=$2 arch=$3 key
	shift 3
	mkdir -p "$tree/$out"
	key=$({
		echo "$arch"
		sed '/^#/d' "$@"
		gcc --version
		cd "$tree" || exit
		find . -path './.*' -prune -o -name 'Kconfig*' -type f -print0 |
			sort -z | xargs -0 cat
	} | sha256sum)
	[ "$(cat "$tree/$out/.config-key" 2>/dev/null)" != "$key" ] || return 0
	rm -f "$tree/$out/.config-key"
	kbuild_make "$tree" "$out" ARCH="$arch" tinyconfig &&
		(cd "$tree" && scripts/kconfig/merge_config.sh -m -O "$out" "$out/.config" "$@") &&
		kbuild_make "$tree" "$out" ARCH="$arch" olddefconfig &&
		echo "$key" >"$tree/$out/.config-key"
}

# kbuild_wanted TREE OUT FRAGMENT...: prints symbols that did not get the value
# that the last fragment to name them asks for.
kbuild_wanted() {
	local line symbol value config=$1/$2/.config
	declare -A asked=()
	shift 2
	while read -r line; do
		[[ $line =~ ^(CONFIG_[A-Za-z0-9_]+)=(.*)$ ]] || continue
		asked[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
	done < <(cat "$@")
	for symbol in "${!asked[@]}"; do
		value=$(sed -n "s/^$symbol=//p" "$config")
		[ "${value:-n}" = "${asked[$symbol]}" ] ||
			echo "$symbol=${asked[$symbol]} was asked for, it is ${value:-n}"
	done
}
