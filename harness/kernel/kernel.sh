#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds one kernel: build/<base>/TREE/.CONFIG/arch/x86/boot/bzImage, vmlinux, the
# exported headers in usr/include, and for debug the modules in modules.order.
#
#   kernel.sh [--fresh] TREE CONFIG
#
#   TREE      linux (patched) | bare (the base)
#   CONFIG    base | debug | cpus64: base, with room for 64 CPUs
#   --fresh   build even if the cache has this kernel
#
# The configuration is tinyconfig, harness/kernel/base.config, for debug also
# debug.config, and <base>.config if there is one. Nothing is built unless the final
# configuration has every symbol that a fragment asks for.
# The cache keeps the last kernels, each under a hash of its sources, configuration and
# tools, and an unchanged kernel is not built again.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/kernel/kconfig.sh"
. "$TOP/harness/queue/queue.sh"

fresh=0
if [ "${1:-}" = --fresh ]; then
	fresh=1
	shift
fi
[ $# -eq 2 ] || die "usage: kernel.sh [--fresh] linux|bare base|debug|cpus64"
case $1 in
linux) tree=$LINUX ;;
bare) tree=$BARE ;;
*) die "kernel.sh: no tree '$1'" "TREE is linux or bare" ;;
esac
goals=(bzImage headers)
case $2 in
base) fragments=("$TOP/harness/kernel/base.config") ;;
debug)
	fragments=("$TOP/harness/kernel/base.config" "$TOP/harness/kernel/debug.config")
	goals+=(modules)
	;;
cpus64) fragments=("$TOP/harness/kernel/base.config" "$TOP/harness/kernel/cpus64.config") ;;
*) die "kernel.sh: no configuration '$2'" "CONFIG is base, debug or cpus64" ;;
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

# The results of a build. Other files only speed up the next build.
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

# keep KEY: store the kernel in the cache, which holds the newest ten.
keep() {
	local old objects
	mkdir -p "$kept"
	mapfile -t objects < <(modules)
	tar -C "$out" -cf - "${made[@]}" "${objects[@]}" | gzip -1 >"$kept/$1.$$"
	mv "$kept/$1.$$" "$kept/$1.tar.gz"
	# shellcheck disable=SC2012 # names are hashes
	ls -t "$kept"/*.tar.gz | tail -n +11 | while IFS= read -r old; do rm -f "$old"; done
}

# restore KEY: unpack as new files, so that make remakes files that depend on changed
# sources.
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
# x86, not x86_64: tinyconfig is then a 32-bit configuration, and symbols that only 64
# bit has (a mapped stack, protection keys) get Linux's defaults, not "n".
run_logged "$name-config" kbuild_config "$tree" ".$2" x86 "${fragments[@]}"
kbuild_wanted "$tree" ".$2" "${fragments[@]}" >"$out/.config-wanted"
if [ -s "$out/.config-wanted" ]; then
	cat "$out/.config-wanted" >&2
	die "the configuration of $1/$2 lacks the symbols above" \
		"a dependency is missing, or Linux has no such symbol" \
		"see 'depends on' at its definition, then edit harness/kernel/*.config"
fi

say "$name: build (log: ${LOGS#"$TOP/"}/$name.log)"
rm -f "$CCACHE_STATSLOG"
run_logged "$name" kbuild_make "$tree" ".$2" -j"$(nproc)" "${goals[@]}" ||
	die "the $2 kernel of $1 does not build" "" "see $LOGS/$name.log"
warnings=$(grep -c ' warning: ' "$LOGS/$name.log") || true
hits=$(grep -c -E '^(direct|preprocessed)_cache_hit$' "$CCACHE_STATSLOG" 2>/dev/null) || true
misses=$(grep -c '^cache_miss$' "$CCACHE_STATSLOG" 2>/dev/null) || true
say "$name: done, ${hits:-0} of $((${hits:-0} + ${misses:-0})) objects from the compiler cache, $warnings warnings"
keep "$key"
