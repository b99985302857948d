#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# gcc through the compiler cache, for Kbuild's CC. In its depend mode the cache
# does not see what .incbin pulls in: it would serve an object that holds an
# older file, the compressed kernel for one. Sources that have it go past it.
#
#   cc.sh ARG...

for source in "$@"; do :; done
case ${source:-} in
*.S)
	if grep -q '\.incbin' "$source"; then
		exec gcc "$@"
	fi
	;;
esac
exec ccache gcc "$@"
