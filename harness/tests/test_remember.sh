#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of the gates' outputs that lint keeps, in a scratch cache. Prints TAP.
# shellcheck disable=SC2317 # functions handed over as arguments
set -uo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
out=$dir/out
export KMBUF_CACHE=$dir/cache
src=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"

# A copy, so that a list can change.
mkdir -p "$dir/repo"
cp -r "$src" "$dir/repo/harness"
cd "$dir/repo" || exit 1
git init -q linux
git -C linux config user.name t
git -C linux config user.email t@localhost
git -C linux commit -q --allow-empty -m base
git -C linux tag base
git -C linux commit -q --allow-empty -m patch
git -C linux branch series
export LINT_LINUX=$dir/repo/linux
# shellcheck source=harness/lib.sh
. harness/lib.sh
# shellcheck source=harness/lint/common.sh
. harness/lint/common.sh
# shellcheck source=harness/lint/remember.sh
. harness/lint/remember.sh

says() {
	printf '%s\n' "$@" >"$dir/said"
}
same_key() { [ "$(gates_key)" = "$key" ]; }
other_key() { ! same_key; }
forgotten() { ! gate_passed "$@"; }
marked() { [ "$(gate_points "$key" good)" = 'ok - a point (unchanged since it passed)' ]; }

key=$(gates_key)
point "the same tree and scripts have one key" same_key
point "a gate that never ran has not passed" forgotten "$key" good
says '# a note' 'ok - a point'
gate_remember "$key" good "$dir/said"
point "a gate that passed is remembered" gate_passed "$key" good
point "its points are marked as unchanged" marked
point "with another key it is not remembered" forgotten "0$key" good
point "another gate is not remembered" forgotten "$key" bad
says 'ok - a point' 'not ok - a defect'
gate_remember "$key" bad "$dir/said"
point "a gate with a defect is not remembered" forgotten "$key" bad
says '# nothing'
gate_remember "$key" empty "$dir/said"
point "a gate that checked nothing is not remembered" forgotten "$key" empty
git -C linux commit -q --allow-empty -m more
git -C linux branch -f series
point "another series is another key" other_key
key=$(gates_key)
echo >>harness/lists/checkpatch.lines
point "a list that changed is another key" other_key
key=$(gates_key)
echo >>harness/lint/builds.sh
point "a gate that changed is another key" other_key
key=$(gates_key)
echo >>harness/kernel/base.config
point "a configuration that changed is another key" other_key
echo "1..$n"
exit "$failed"
