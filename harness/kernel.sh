#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds one kernel: build/TREE/.CONFIG/arch/x86/boot/bzImage (and vmlinux, and
# the exported headers in usr/include).
#
#   kernel.sh TREE CONFIG     TREE: linux (patched) | bare (the base)
#                             CONFIG: base | debug
#
# The configuration is tinyconfig, harness/configs/base.config and, for debug,
# debug.config on top. Every symbol a fragment asks for has to be there in the
# end, or nothing is built. Nothing that has not changed is done again. The
# output directory is inside the source tree because kbuild then names sources
# by relative paths, and the compiler cache serves any clone.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -eq 2 ] || die "usage: kernel.sh linux|bare base|debug"
case $1 in
linux) tree=$LINUX ;;
bare) tree=$BARE ;;
*) die "kernel.sh: no tree '$1'" "it is neither linux nor bare" ;;
esac
case $2 in
base) fragments=("$TOP/harness/configs/base.config") ;;
debug) fragments=("$TOP/harness/configs/base.config" "$TOP/harness/configs/debug.config") ;;
*) die "kernel.sh: no configuration '$2'" "it is neither base nor debug" ;;
esac
name=kernel-$1-$2
out=$tree/.$2
[ -f "$tree/Makefile" ] || die "no source tree in $tree" "" "make tree"
for tool in make gcc ld bison flex bc ccache; do
	command -v "$tool" >/dev/null || die "$tool is not installed" "" "make setup"
done
mkdir -p "$out"

exec 9>"$out/.lock"
flock -n 9 || die "another build is writing $out" "" "wait for it to end"

# Depend mode: a miss is not preprocessed first, a fifth of its time.
export CCACHE_DIR=$CACHE/ccache CCACHE_DEPEND=1 CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G
export CCACHE_STATSLOG=$LOGS/$name.ccache
export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC'
export KBUILD_BUILD_USER=kmbuf KBUILD_BUILD_HOST=kmbuf KBUILD_BUILD_VERSION=1
# Set, though empty: without it a git tree adds "+" to the release.
export LOCALVERSION=
unset KBUILD_OUTPUT MAKEFLAGS MFLAGS

kmake() {
	make -C "$tree" O=".$2" CC='ccache gcc' HOSTCC='ccache gcc' "${@:3}" 9>&-
}

# What the configuration depends on: the fragments, every Kconfig file, the
# compiler (Kconfig probes it), and this script.
config_key() {
	{
		cat "${fragments[@]}" "$0"
		gcc --version
		cd "$tree"
		find . -path "./.*" -prune -o -name 'Kconfig*' -type f -print0 |
			LC_ALL=C sort -z | xargs -0 cat
	} | sha256sum | cut -d ' ' -f 1
}

# Of two values for a symbol Kconfig takes the last one, so appending merges.
# merge_config.sh does the same with a hundred greps a fragment.
configure() {
	kmake "$@" tinyconfig
	cat "${fragments[@]}" >>"$out/.config"
	kmake "$@" olddefconfig
}

# Every symbol of the fragments, the last word on each winning, against .config.
check_config() {
	local line symbol want got bad=0
	declare -A asked=()

	while read -r line; do
		[[ $line =~ ^(CONFIG_[A-Za-z0-9_]+)=(.*)$ ]] || continue
		asked[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
	done < <(cat "${fragments[@]}")
	for symbol in "${!asked[@]}"; do
		want=${asked[$symbol]}
		got=$(sed -n "s/^$symbol=//p" "$out/.config")
		[ "${got:-n}" != "$want" ] || continue
		bad=$((bad + 1))
		printf 'error: %s=%s was asked for, the configuration has %s\n' \
			"$symbol" "$want" "${got:-n}" >&2
		grep -H -n "^$symbol=" "${fragments[@]}" | tail -n 1 | sed 's/^/  asked in:   /' >&2
		(cd "$tree" && grep -r -n -E "^\s*(menu)?config ${symbol#CONFIG_}\$" \
			--include='Kconfig*' --exclude-dir='.[a-z]*' . || echo "nowhere") |
			sed -n '1s/^/  defined in: /p' >&2
	done
	[ "$bad" -eq 0 ] || die "$bad symbol(s) of $1/$2 were not taken" \
		"a dependency is missing, or the symbol is gone" \
		"see 'depends on' where it is defined, then edit harness/configs/"
}

key=$(config_key)
if [ "$(cat "$out/.config-key" 2>/dev/null)" != "$key" ] || [ ! -f "$out/.config" ]; then
	rm -f "$out/.config-key"
	say "$name: configure"
	run_logged "$name-config" configure "$@"
	check_config "$@"
	echo "$key" >"$out/.config-key"
fi

say "$name: build (log: build/logs/$name.log)"
rm -f "$CCACHE_STATSLOG"
run_logged "$name" kmake "$@" -j"$(nproc)" bzImage headers || {
	grep -n -E '(error|Error [0-9]|undefined reference)' "$LOGS/$name.log" | head -n 5 >&2
	die "the $2 kernel of $1 does not build" "" "see $LOGS/$name.log"
}
warnings=$(grep -c ' warning: ' "$LOGS/$name.log") || true
hits=$(grep -c -E '^(direct|preprocessed)_cache_hit$' "$CCACHE_STATSLOG" 2>/dev/null) || true
misses=$(grep -c '^cache_miss$' "$CCACHE_STATSLOG" 2>/dev/null) || true
say "$name: done, ${hits:-0} of $((${hits:-0} + ${misses:-0})) objects from the compiler cache, $warnings warnings"
