#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the io_uring kselftests of a tree and runs them on one of its kernels,
# with kselftest's own runner (base) or several at a time (debug, --plain).
#
#   kselftests.sh [--build | --plain | --short | --machine NAME] TREE CONFIG [TEST]...
#
#   TREE      linux | bare
#   CONFIG    base | debug
#   TEST      names of programs, default all
#   --build   build and install them, and run none
#   --plain   several at a time, which takes half as long
#   --short   without those in harness/lists/kselftests.long, and, for debug, with the
#             arguments that harness/lists/kselftests.args has for "short"
#   --machine run the tests that harness/lists/kselftests.machines lists for NAME, in
#             a machine with its kernel arguments
#
# They are built against the tree's exported headers and the harness' liburing,
# and installed in build/<base>/kselftests/TREE-CONFIG/install. The tests that a
# configuration cannot run are in harness/lists/kselftests.notrun; any SKIP that
# harness/lists/kselftests.skip does not explain is a failure.
# The result, innermost test points, goes to build/<base>/results/.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/kernel/kconfig.sh"
. "$TOP/harness/suites/thirdparty.sh"

run=1 short=0 plain=0 machine=''
case ${1:-} in
--build) run=0; shift ;;
--plain) plain=1; shift ;;
--short) short=1; shift ;;
--machine) machine=${2:-}; shift 2 ;;
esac
[ $# -ge 2 ] || die "usage: kselftests.sh [--build | --plain | --short | --machine NAME] linux|bare base|debug [TEST]..."
tree=$1 config=$2
shift 2
[ "$config" != debug ] || plain=1
src=$(tree_dir "$tree")
kernel=$(kernel_dir "$tree" "$config")
name=kselftests-$tree-$config${machine:+-$machine}
result=$BUILD/results/$name.json
out=$BUILD/kselftests/$tree-$config
# What only builds has no result, and leaves that of an earlier run.
[ "$run" -eq 0 ] || rm -f "$result"
[ -d "$src/tools/testing/selftests/io_uring" ] ||
	die "no tools/testing/selftests/io_uring in $src" "the tree has none of our tests"
need_liburing

build() {
	# Removed tests must not stay installed.
	rm -rf "$out/install"
	kbuild_env
	make -C "$src/tools/testing/selftests" TARGETS=io_uring FORCE_TARGETS=1 \
		O="$out" KSFT_INSTALL_PATH="$out/install" CC="$TOP/harness/kernel/cclink.sh" \
		KHDR_INCLUDES="-isystem $kernel/usr/include" \
		USERCFLAGS="-Werror -I$TOOLS/liburing/include" \
		USERLDFLAGS="-static -L$TOOLS/liburing/lib" \
		-j"$(nproc)" install
}

mkdir -p "$out"
say "$name: build the tests"
run_logged "$name-build" build ||
	die "the kselftests of $tree do not build" "" "see $LOGS/$name-build.log"

[ "$run" -eq 1 ] || exit 0

# Tests that need another machine than the usual one: program by program, which
# one it is, and the arguments of its kernel.
machine_of() {
	local its_config its_name its_args pattern
	while read -r its_config its_name its_args pattern _; do
		if [ "$its_config" = "$config" ] && [[ $1 =~ ^($pattern)$ ]]; then
			echo "$its_name $its_args"
			return
		fi
	done < <(list_lines kselftests.machines)
}

# args_of CONFIG TEST: print the arguments that harness/lists/kselftests.args lists.
args_of() {
	list_lines kselftests.args | sed -n "s/^$1 $2 \(.*[^ ]\)  *# .*/ \1/p"
}

# What to run: the installed list, without what this configuration lacks.
list=$out/install/kselftest-list.txt
mapfile -t all < <(sed -n 's/^io_uring://p' "$list")
wanted=("$@")
tests=() append=()
for test in "${all[@]}"; do
	read -r its_machine its_args <<<"$(machine_of "$test")"
	if [ "$its_machine" != "$machine" ]; then
		[ -n "$machine" ] || say "$name: not run: $test (for machine '$its_machine')"
		continue
	fi
	[ -z "$machine" ] || mapfile -t append < <(tr ',' '\n' <<<"$its_args" | sed 's/^/--append\n/')
	if [ ${#wanted[@]} -gt 0 ]; then
		[[ " ${wanted[*]} " != *" $test "* ]] || tests+=("$test")
	elif why=$(list_reason kselftests.notrun "$config $test"); then
		say "$name: not run: $test ($why)"
	elif [ "$short" -eq 1 ] && why=$(list_reason kselftests.long "$config $test"); then
		say "$name: left to make regress: $test ($why)"
	else
		args=''
		[ "$plain" -eq 0 ] || args=$(args_of "$config" "$test")
		[[ $short,$config != 1,debug ]] || args+=$(args_of short "$test")
		[ -z "$args" ] || say "$name: with arguments: $test$args"
		tests+=("$test$args")
	fi
done
[ ${#tests[@]} -gt 0 ] || die "$name: no test to run" "none of ${wanted[*]:-the installed ones} is in $list"

# Two at a time end together if the last ones are short, as those are that come
# first by name.
runner=()
if [ "$plain" -eq 1 ]; then
	runner=(--plain)
	mapfile -t tests < <(printf '%s\n' "${tests[@]}" | tac)
fi
say "$name: ${#tests[@]} test programs"
status=0
"$TOP/harness/vm/vm.sh" --kernel "$kernel" --name "$name" --plan ${#tests[@]} \
	--timeout "${KMBUF_KSELFTEST_DEADLINE:-2400}" "${append[@]}" \
	-- bash "$TOP/harness/suites/kselftests.guest.sh" "${runner[@]}" "$out/install" "${tests[@]}" || status=$?

output=$BUILD/vm/$name/output
skips=$BUILD/kselftests/skip.$config
list_lines kselftests.skip | sed -n "s/^$config  *//p" >"$skips"
counted=0
/usr/bin/python3 "$TOP/harness/suites/tap.py" --name "$name" --json "$result" \
	--skips "$skips" "$output" || counted=$?
# A splat or a dead machine is a failure that no test point tells.
if [ "$counted" -ne 1 ] && [ "$status" -ne 0 ]; then
	/usr/bin/python3 "$TOP/harness/suites/tap.py" --record "$name-machine" 0 1 0 --json "$result" \
		--why "the machine: $(paste -sd';' "$BUILD/vm/$name/faults")"
fi
if [ "$counted" -ne 0 ] || [ "$status" -ne 0 ]; then
	printf 'error: %s failed\n  output:  %s\n  console: %s\n' \
		"$name" "$output" "$LOGS/$name.console" >&2
	exit 1
fi
