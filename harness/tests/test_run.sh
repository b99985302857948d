#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of run.sh, which runs these tests: what it counts, and which results it keeps.
# The programs that it runs are stand-ins. Prints TAP.
# shellcheck disable=SC2016,SC2317 # a program, and functions handed over as arguments
set -uo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
out=$dir/out
src=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"
export KMBUF_CACHE=$dir/cache DIR=$dir
unset FRESH BASE
mkdir -p "$dir/repo/harness/tests"
cp -r "$src"/{lib.sh,bases,lint,setup} "$dir/repo/harness/"
cp "$src/tests/run.sh" "$dir/repo/harness/tests/"
cd "$dir/repo/harness/tests" || exit 1
: >fakequeue.sh

# program NAME LINE...: a test that notes that it ran.
program() {
	printf '%s\n' 'echo "$0" >>"$DIR/ran"' "${@:2}" >"$1"
}
runs() { : >"$dir/ran"; ./run.sh "$@" >"$out" 2>&1; }
fails() { ! runs "$@"; }
ran() { grep -q -x -F -- "./$1" "$dir/ran"; }
did_not_run() { ! ran "$1"; }
prints() { grep -q -x -F -- "$1" "$out"; }
fake='. "$(dirname "$0")/fakequeue.sh"'

program test_a.sh "$fake" 'echo "ok 1 - one"' 'echo 1..1'
program test_b.sh 'echo "ok 1 - two"' 'echo 1..1'
point "both pass" runs
point "... and are counted" prints "# 2 passed, 0 failed"
point "a second time" runs
point "... with the same points" prints "# 2 passed, 0 failed"
point "the one in a scratch repository is not run again" did_not_run test_a.sh
point "... and says so" grep -q -x -E 'ok [12] - test_a.sh: one \(unchanged since it passed\)' "$out"
point "the other one is" ran test_b.sh
FRESH=1 point "FRESH: a third time" runs
point "... the kept one runs" ran test_a.sh
echo "# more" >>../lib.sh
point "the harness has changed" runs
point "... and the kept one runs" ran test_a.sh

program test_a.sh "$fake" 'echo "ok 1 - one"' 'echo "not ok 2 - bad"' 'echo 1..2'
point "a point fails" fails
point "... and fails again" fails
point "... as the program runs again" ran test_a.sh
program test_a.sh "$fake" 'echo "ok 1 - one"' 'echo 1..2'
point "a program stops half way" fails
point "... and again" fails
point "... as it runs again" ran test_a.sh
program test_a.sh "$fake" 'echo "ok 1 - one"' 'echo 1..1' 'exit 3'
point "a program ends with an error" fails
point "... and again" fails
program test_a.sh "$fake" 'echo 1..0'
point "a program tests nothing" fails
point "... and again" fails

echo "1..$n"
exit "$failed"
