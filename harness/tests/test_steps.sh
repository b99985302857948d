#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of the steps of harness/suites/test.sh on each base. The scripts that it starts
# are stand-ins. Prints TAP.
# shellcheck disable=SC2016,SC2317 # commands handed over as arguments
set -uo pipefail

. "$(dirname "$0")/fakequeue.sh"
mkdir -p "$repo"/harness/{demo,kernel,lint,suites,tests}
cp "$src"/suites/{test.sh,passed.sh,table.py,tap.py} "$repo/harness/suites/"

# A stand-in prints its arguments, and fails if $dir/broken says so.
stand_in() {
	cat >"$repo/harness/$1" <<-'END'
		#!/bin/bash
		TOP=$(cd "$(dirname "$0")/../.." && pwd)
		call="$BASE $(basename "$0" .sh) $*"
		echo "$call" >>"$DIR/calls"
		! grep -qxF -- "$call" "$DIR/dead" || exit 1
		case $call in
		*' kselftests '*)
			mkdir -p "$TOP/build/$BASE/results"
			name=kselftests-linux-${3:-base}
			[ "$2" != nodes ] || name=kselftests-linux-debug-nodes
			[ $# -ne 2 ] || name=kselftests-linux-$2
			echo '{"name": "'"$name"'", "passed": 7, "failed": 0, "skipped": 0}' >"$TOP/build/$BASE/results/$name.json"
			;;
		*' ublk '* | *' liburing '*)
			echo '{"name": "x", "passed": 1, "failed": 0, "skipped": 0}' >"$TOP/build/$BASE/results/$(basename "$0" .sh).json"
			;;
		*) printf 'TAP version 13\nok 1 - %s\n1..1\n' "$call" ;;
		esac
		! grep -qxF -- "$call" "$DIR/broken"
	END
	chmod +x "$repo/harness/$1"
}
for script in setup/setup queue/base queue/tree queue/roundtrip tests/run lint/lint kernel/kernel demo/demo \
	suites/{kselftests,recover,userspace-liburing,userspace-libfuse,packaged-fs,tutorials,liburing,ublk,modules}; do
	stand_in "$script.sh"
done
export DIR=$dir
: >"$dir/broken"
: >"$dir/dead"
# Every step runs, whatever passed before.
export CI=true
unset FRESH
tests() { : >"$dir/calls"; "$repo/harness/suites/test.sh" "$@" >"$out" 2>&1; }
fails() { ! tests; }
called() { grep -qxF -- "$1" "$dir/calls"; }
row() { grep -q -E -- "^  $1 " "$out"; }
no_row() { ! row "$1"; }

point "one base: everything passes" tests
point "one base: its kselftests" called "7.2 kselftests linux base"
point "one base: the tutorials" called "7.2 tutorials "
point "one base: few servers die" called "7.2 recover 10"
point "one base: long ones of the debug kernel are left to make regress" called "7.2 kselftests --short linux debug"
point "one base: no step of another base" test "$(grep -vc '^7.2 ' "$dir/calls")" = 0
point "one base: the table says what is not tested" grep -q '^  7.3 (no patches yet) .*NOT TESTED' "$out"

lives_on 7.2 7.3
point "two bases: everything passes" tests
point "two bases: the table has no NOT TESTED" test "$(grep -c 'NOT TESTED' "$out")" = 0
for step in base tree roundtrip lint kernel-linux-base kernel-bare-base userspace-libfuse demo; do
	point "two bases: $step" row "7.3-$step +1 "
done
point "two bases: kselftests are counted" row "7.3-kselftests-linux-base +7 "
for call in "base --only" "tree " "roundtrip " "lint subjects checkpatch warnings" \
	"kernel linux base" "kernel bare base" "kselftests --plain linux base" "userspace-libfuse --short" \
	"demo --short" "lint warnings"; do
	point "two bases: on the other one, $call" called "7.3 $call"
done
point "two bases: no other step on the other one" test "$(grep '^7.3 ' "$dir/calls" | sort -u | wc -l)" = 10
point "two bases: results side by side" test -s "$repo/build/7.2/results/kselftests-linux-base.json" -a \
	-s "$repo/build/7.3/results/kselftests-linux-base.json"
point "two bases: logs side by side" test -s "$repo/build/7.2/logs/step-tree.log" -a \
	-s "$repo/build/7.2/logs/step-7.3-tree.log"
BASE=7.3 point "two bases: the other way round" tests
point "two bases: ..." row "7.2-kselftests-linux-base +7 "

echo "7.3 kselftests --plain linux base" >"$dir/dead"
point "kselftests of the other base die before they begin: a failure" fails
point "... and an earlier run's result is not used" row "7.3-kselftests-linux-base +- +1 "
: >"$dir/dead"

echo "7.3 base --only" >"$dir/broken"
point "the other base is not available: a failure" fails
point "... and its steps were not run" row "7.3-kselftests-linux-base .*not"
point "... its name is in the table" grep -q 'FAILED 7.3-base: ' "$out"

echo "7.2 kernel linux debug" >"$dir/broken"
nothing_left() { sleep 0.5; test -z "$(pgrep -f "$repo/harness/")"; }
point "a kernel does not build: a failure" fails
point "... what was started for later steps has ended" nothing_left

: >"$dir/broken"

# --- steps that passed before ---
outside() { CI='' tests "$@"; }
not_called() { ! called "$1"; }
git -C "$repo" init -q
mkdir -p "$repo/docs" "$repo/userspace"
echo build >"$repo/.gitignore"
echo text | tee "$repo/README.md" "$repo/docs/a.md" "$repo/userspace/a.patch" >/dev/null
point "no file is known to git: everything passes" outside
point "... and everything again" outside
point "... as nobody knows what has changed" called "7.2 kselftests linux base"
git -C "$repo" add .
point "passed before: the first time every step runs" outside
point "passed before: ... a machine" called "7.2 kselftests linux base"
point "passed before: the second time passes" outside
for call in "kselftests linux base" "userspace-libfuse " "modules " "kselftests --machine nodes linux debug"; do
	point "passed before: not again, $call" not_called "7.2 $call"
done
point "passed before: not again on the other base" not_called "7.3 demo --short"
for call in "setup " "lint " "kernel linux base"; do
	point "passed before: what starts no machine runs, $call" called "7.2 $call"
done
point "passed before: the table says so" grep -q -E "^  kselftests-linux-base +7 .*passed before" "$out"
point "passed before: its last line is the usual one" grep -q ' passed, 0 failed, 0 skipped$' "$out"
point "passed before: so many as in the first run" grep -q '^[0-9]* of the points passed in an earlier run' "$out"
point "CI: every step runs" tests
point "CI: ... a machine" called "7.2 kselftests linux base"
FRESH=1 point "FRESH: every step runs" outside
point "FRESH: ... a machine" called "7.2 kselftests linux base"
echo more >>"$repo/README.md"
point "a text that no step reads has changed" outside
point "... no step runs for it" not_called "7.2 tutorials "
echo more >>"$repo/docs/a.md"
point "a tutorial has changed" outside
point "... its step runs" called "7.2 tutorials "
point "... and not the kselftests" not_called "7.2 kselftests linux base"
echo more >>"$repo/harness/vm.sh"
echo "7.2 kselftests linux base" >"$dir/broken"
point "a new file of the harness, and a step fails" fails
point "... that step ran" called "7.2 kselftests linux base"
: >"$dir/broken"
point "a step that failed runs again" outside
point "... it ran" called "7.2 kselftests linux base"
point "... and one that had passed did not" not_called "7.2 modules "

echo "1..$n"
exit "$failed"
