#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds one kernel: build/<base>/TREE/.CONFIG/arch/x86/boot/bzImage (and vmlinux, the
# exported headers in usr/include, and modules, which modules.order names, for the
# configuration that is to have some).
#
#   kernel.sh [--fresh] TREE CONFIG
#
#   TREE      linux (patched) | bare (the base)
#   CONFIG    base | debug
#   --fresh   build it, though the cache has one of the same sources
#
# The configuration is tinyconfig, harness/kernel/base.config and, for debug,
# debug.config on top, and <base>.config if there is one. Every symbol a fragment asks
# for has to be there in the end, or nothing is built.
# Nothing that has not changed is done again: the last kernels are kept, each by a
# hash of all that it is made of.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/kernel/kconfig.sh"
. "$TOP/harness/queue/queue.sh"

fresh=0
if [ "${1:-}" = --fresh ]; then
	fresh=1
	shift
fi
[ $# -eq 2 ] || die "usage: kernel.sh [--fresh] linux|bare base|debug"
case $1 in
linux) tree=$LINUX ;;
bare) tree=$BARE ;;
*) die "kernel.sh: no tree '$1'" "it is neither linux nor bare" ;;
esac
goals=(bzImage headers)
case $2 in
base) fragments=("$TOP/harness/kernel/base.config") ;;
debug)
	fragments=("$TOP/harness/kernel/base.config" "$TOP/harness/kernel/debug.config")
	goals+=(modules)
	;;
*) die "kernel.sh: no configuration '$2'" "it is neither base nor debug" ;;
esac
own=$TOP/harness/kernel/$BASE.config
[ ! -f "$own" ] || fragments+=("$own")
name=kernel-$1-$2
out=$tree/.$2
[ -f "$tree/Makefile" ] || die "no source tree in $tree" "" "make tree"
for tool in make gcc ld bison flex bc ccache; do
	command -v "$tool" >/dev/null || die "$tool is not installed" "" "make setup"
done
mkdir -p "$out"

exec 9>"$out/.lock"
flock -n 9 || die "another build is writing $out" "" "wait for it to end"

# What others need of a build; the rest only serves the next one.
made=(.config vmlinux System.map arch/x86/boot/bzImage usr/include)

modules() {
	[[ " ${goals[*]} " != *" modules "* ]] ||
		sed -e '1i modules.order' -e 's/\.o$/.ko/' "$out/modules.order"
}

key() {
	{
		queue_sources "$tree"
		cat "${fragments[@]}" "$TOP"/harness/kernel/{kernel,kconfig,cc}.sh
		gcc --version
		ld --version
	} | sha256sum | cut -d ' ' -f 1
}

# keep KEY: the kernel goes to the cache, which holds the newest ten.
keep() {
	local old objects
	mkdir -p "$kept"
	mapfile -t objects < <(modules)
	tar -C "$out" -cf - "${made[@]}" "${objects[@]}" | gzip -1 >"$kept/$1.$$"
	mv "$kept/$1.$$" "$kept/$1.tar.gz"
	# shellcheck disable=SC2012 # names are hashes
	ls -t "$kept"/*.tar.gz | tail -n +11 | while IFS= read -r old; do rm -f "$old"; done
}

# restore KEY: as new files, so that make remakes what comes to differ.
restore() {
	(cd "$out" && rm -rf "${made[@]}" .config-key)
	tar -C "$out" -xmzf "$kept/$1.tar.gz"
	touch "$kept/$1.tar.gz"
}

queue_tmp
kept=$CACHE/kernels
key=$(key)
if [ "$fresh" -eq 0 ] && [ -s "$kept/$key.tar.gz" ]; then
	restore "$key"
	say "$name: unchanged, the kernel is in the cache (--fresh builds it again)"
	exit
fi

kbuild_env
export CCACHE_STATSLOG=$LOGS/$name.ccache

say "$name: configure"
# Not x86_64: tinyconfig is a 32-bit one then, and what only 64 bit has (a
# mapped stack, protection keys) gets Linux's defaults, not "n".
run_logged "$name-config" kbuild_config "$tree" ".$2" x86 "${fragments[@]}"
kbuild_wanted "$tree" ".$2" "${fragments[@]}" >"$out/.config-wanted"
if [ -s "$out/.config-wanted" ]; then
	cat "$out/.config-wanted" >&2
	die "the configuration of $1/$2 is not what was asked for" \
		"a dependency is missing, or the symbol is gone" \
		"see 'depends on' where it is defined, then edit harness/kernel/*.config"
fi

say "$name: build (log: ${LOGS#"$TOP/"}/$name.log)"
rm -f "$CCACHE_STATSLOG"
run_logged "$name" kbuild_make "$tree" ".$2" -j"$(nproc)" "${goals[@]}" || {
	grep -n -E '(error|Error [0-9]|undefined reference)' "$LOGS/$name.log" | head -n 5 >&2
	die "the $2 kernel of $1 does not build" "" "see $LOGS/$name.log"
}
warnings=$(grep -c ' warning: ' "$LOGS/$name.log") || true
hits=$(grep -c -E '^(direct|preprocessed)_cache_hit$' "$CCACHE_STATSLOG" 2>/dev/null) || true
misses=$(grep -c '^cache_miss$' "$CCACHE_STATSLOG" 2>/dev/null) || true
say "$name: done, ${hits:-0} of $((${hits:-0} + ${misses:-0})) objects from the compiler cache, $warnings warnings"
keep "$key"
