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
# end, or nothing is built. Nothing that has not changed is done again.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$TOP/harness/kconfig.sh"

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
		"see 'depends on' where it is defined, then edit harness/configs/"
fi

say "$name: build (log: build/logs/$name.log)"
rm -f "$CCACHE_STATSLOG"
run_logged "$name" kbuild_make "$tree" ".$2" -j"$(nproc)" bzImage headers || {
	grep -n -E '(error|Error [0-9]|undefined reference)' "$LOGS/$name.log" | head -n 5 >&2
	die "the $2 kernel of $1 does not build" "" "see $LOGS/$name.log"
}
warnings=$(grep -c ' warning: ' "$LOGS/$name.log") || true
hits=$(grep -c -E '^(direct|preprocessed)_cache_hit$' "$CCACHE_STATSLOG" 2>/dev/null) || true
misses=$(grep -c '^cache_miss$' "$CCACHE_STATSLOG" 2>/dev/null) || true
say "$name: done, ${hits:-0} of $((${hits:-0} + ${misses:-0})) objects from the compiler cache, $warnings warnings"
