#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# gcc through the compiler cache for rules that compile several sources and link them in
# one command, which the cache does not handle: compiles each source by itself, then
# links. Other commands go to the cache unchanged.
#
#   cclink.sh ARG...
set -euo pipefail

sources=()
for arg in "$@"; do
	case $arg in
	-c | -E | -S | -M* | -x | @*) exec ccache gcc "$@" ;;
	*.c) sources+=("$arg") ;;
	esac
done
[ ${#sources[@]} -gt 0 ] || exec ccache gcc "$@"

objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
compile=() link=() last='' n=0
for arg in "$@"; do
	case $arg in
	*.c)
		n=$((n + 1))
		link+=("$objects/$n.o")
		continue
		;;
	-[lL]* | -Wl,* | -o | *.[aoS] | *.so) ;;
	# A word without a dash is the argument of -o or -isystem.
	*) [ "$last" = -o ] || compile+=("$arg") ;;
	esac
	link+=("$arg") last=$arg
done
n=0
for source in "${sources[@]}"; do
	n=$((n + 1))
	ccache gcc "${compile[@]}" -c -o "$objects/$n.o" "$source"
done
gcc "${link[@]}"
