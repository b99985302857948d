# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, after lib.sh, by the scripts that configure and build kernels: Kbuild
# with the compiler cache, in output directories inside the source tree (names of
# sources are then relative, so that all clones share the cache).

# Depend mode skips preprocessing, a fifth of the time of a cache miss.
kbuild_env() {
	export CCACHE_DIR=$CACHE/ccache CCACHE_DEPEND=1 CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G
	export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC'
	export KBUILD_BUILD_USER=kmbuf KBUILD_BUILD_HOST=kmbuf KBUILD_BUILD_VERSION=1
	# Set, though empty: without it a git tree adds "+" to the release.
	export LOCALVERSION=
	unset KBUILD_OUTPUT MAKEFLAGS MFLAGS ARCH
}

# kbuild_make TREE OUT ARGS...: OUT is relative to TREE.
kbuild_make() {
	make -C "$1" O="$2" CC="$TOP/harness/kernel/cc.sh" HOSTCC='ccache gcc' "${@:3}" \
		</dev/null 8>&- 9>&-
}

# kbuild_objects TREE OUT ARGS...: the same where kbuild_make ran before, without what
# Kbuild makes for every goal ("prepare": headers, scripts, objtool), which takes seconds
# even if nothing of it has changed.
kbuild_objects() {
	make -C "$1/$2" --no-print-directory -o prepare \
		CC="$TOP/harness/kernel/cc.sh" HOSTCC='ccache gcc' "${@:3}" \
		</dev/null 8>&- 9>&-
}

# kbuild_key TREE ARCH FRAGMENT...: a hash of everything that a configuration depends
# on: the fragments, every Kconfig file, and the compiler (Kconfig probes it).
kbuild_key() {
	{
		echo "$2"
		sed '/^#/d' "${@:3}"
		gcc --version
		cd "$1" || exit
		find . -path './.*' -prune -o -name 'Kconfig*' -type f -print0 |
			LC_ALL=C sort -z | xargs -0 cat
	} | sha256sum | cut -d ' ' -f 1
}

# kbuild_config TREE OUT ARCH FRAGMENT...: makes tinyconfig with the fragments on top,
# if any input changed. Appending merges, because Kconfig uses the last of two values
# for a symbol; merge_config.sh does the same with a hundred greps a fragment.
kbuild_config() {
	local tree=$1 out=$2 arch=$3 config=$1/$2/.config key
	shift 3
	mkdir -p "$tree/$out"
	key=$(kbuild_key "$tree" "$arch" "$@")
	if [ -f "$config" ] && [ "$(cat "$config-key" 2>/dev/null)" = "$key" ]; then
		return 0
	fi
	rm -f "$config-key"
	kbuild_make "$tree" "$out" ARCH="$arch" tinyconfig &&
		cat "$@" >>"$config" &&
		kbuild_make "$tree" "$out" ARCH="$arch" olddefconfig &&
		echo "$key" >"$config-key"
}

# kbuild_wanted TREE OUT FRAGMENT...: prints each symbol whose value differs from that in
# the last fragment that names it, with the fragment's line and the place of the
# symbol's definition.
kbuild_wanted() {
	local line symbol value tree=$1 config=$1/$2/.config
	declare -A asked=()
	shift 2
	while read -r line; do
		[[ $line =~ ^(CONFIG_[A-Za-z0-9_]+)=(.*)$ ]] || continue
		asked[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
	done < <(cat "$@")
	for symbol in "${!asked[@]}"; do
		value=$(sed -n "s/^$symbol=//p" "$config")
		[ "${value:-n}" != "${asked[$symbol]}" ] || continue
		echo "error: a fragment asks for $symbol=${asked[$symbol]}, the configuration has ${value:-n}"
		grep -H -n "^$symbol=" "$@" | tail -n 1 | sed 's/^/  asked in:   /'
		(cd "$tree" && grep -r -n -E "^\s*(menu)?config ${symbol#CONFIG_}\$" \
			--include='Kconfig*' --exclude-dir='.[a-z]*' . || echo "nowhere") |
			sed -n '1s/^/  defined in: /p'
	done
}
