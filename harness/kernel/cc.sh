#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# gcc through the compiler cache, for Kbuild's CC. In depend mode the cache does not see
# files that .incbin includes, and would return an object with an older one, for example
# the compressed kernel. Sources with .incbin bypass the cache.
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
