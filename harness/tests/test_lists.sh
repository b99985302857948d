#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of list lines for one base (harness/suites/thirdparty.sh). Prints TAP.
# shellcheck disable=SC2016,SC2317 # commands handed over as arguments
set -uo pipefail

. "$(dirname "$0")/fakequeue.sh"
mkdir "$repo/harness/lists"
cp -r "$src/suites" "$repo/harness/"
cat >"$repo/harness/lists/libfuse.known" <<'END'
# A comment: 7.2: of no base
base test_(a|b)  # for both
7.2: base test_c  # for 7.2
7.3:   base test_d  # for 7.3
END

# The part of a tree that lists need: the Makefile at its tag base.
git init -q "$linux"
git -C "$linux" config user.name t
git -C "$linux" config user.email t@localhost
is() {
	printf 'VERSION = %s\nPATCHLEVEL = %s\n' "${1%.*}" "${1#*.}" >"$linux/Makefile"
	git -C "$linux" add Makefile
	git -C "$linux" commit -q -m "Linux $1"
	git -C "$linux" tag -f base >/dev/null
}
in_suite() {
	bash -c 'set -euo pipefail; . "$1/harness/lib.sh"; . "$1/harness/suites/thirdparty.sh"; shift; "$@"' - "$repo" "$@"
}
lists() { diff <(printf '%s\n' "$@") <(in_suite list_lines libfuse.known | grep -v '^#'); }
reason() { test "$(in_suite list_reason libfuse.known "$1")" = "$2"; }
no_reason() { ! in_suite list_reason libfuse.known "$1"; }
refused() { ! in_suite list_lines libfuse.known && grep -q "harness/lists/libfuse.known: there is no base '7.9'" "$out"; }

is 7.2
point "7.2: its lines, without the guard" lists 'base test_(a|b)  # for both' 'base test_c  # for 7.2'
point "7.2: its own reason" reason "base test_c" "for 7.2"
point "7.2: a reason for all" reason "base test_b" "for both"
point "7.2: not a reason of 7.3" no_reason "base test_d"
is 7.3
point "7.3: its lines" lists 'base test_(a|b)  # for both' 'base test_d  # for 7.3'
point "7.3: not a reason of 7.2" no_reason "base test_c"
is 6.1
point "any other Linux: the lines of the requested base" reason "base test_c" "for 7.2"
echo "7.9: base test_e  # of a base that is unknown" >>"$repo/harness/lists/libfuse.known"
: >"$out"
point "an unknown guard is refused" refused

echo "1..$n"
exit "$failed"
