#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Everything that must pass before a change is done: "make test". All of it on this
# base; on each other base of the series (harness/bases/default) the steps
# of other_base below, with the base in front of their names. A base that is not in
# that list has a row that says so.
#
#   test.sh           the short form of the third-party suites, and on the debug
#                     kernel of the kselftests; few servers that die
#   test.sh --all     all of them, many such servers, the soak test, Debian packages and
#                     the bench ("make regress")
#
# A step that starts machines is not run again if it passed before and nothing
# that it reads has changed (passed.sh): the table says so and counts its points. In
# CI, with --all and with FRESH=1 every step runs. Lint and the harness's own tests remember
# by themselves what has not changed.
#
# A step that later ones need (tools, trees, kernels) ends the run when it
# fails; a failing test does not. At the end a table, the failed steps, and one line
# "N passed, N failed, N skipped". Fails if anything failed or was skipped.
# "known" counts what harness/lists/ explains: skips, and failures that the bare
# kernel shows as well. Logs of the steps: build/<base>/logs/step-*.log.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/bases/bases.sh"
. "$TOP/harness/suites/passed.sh"

all=() short=(--short) rounds=10
case ${1:-} in
'') ;;
--all)
	all=(--all) short=() rounds=200
	export FRESH=1
	;;
*) die "usage: test.sh [--all]" ;;
esac
here=$TOP/harness
results=$BUILD/results
steps=$results/steps.tsv
rm -rf "$results"
mkdir -p "$results"
: >"$steps"
stopped=''
# The base of the next steps, if it is another one.
on_base=''

# step KIND NAME COMMAND...: one line of the table. KIND says what counts:
#   need  the step itself, and without it there is no point in going on
#   once  the step itself
#   tap   the points that it prints
#   file  what it leaves in build/<base>/results/NAME.json
# Before KIND may stand "kernel:" or "all:": not again with the same inputs, as
# passed_key understands them.
step() {
	local kind=${1##*:} name=${on_base:+$on_base-}$2 start=$SECONDS status=0
	local log=$LOGS/step-$name.log json=$results/$name.json key=''
	[ "$kind" != file ] || json=$BUILDS/${on_base:-$BASE}/results/$2.json
	if [ -n "$stopped" ]; then
		printf '%s\tnot run\t0\t\t\n' "$name" >>"$steps"
		return 0
	fi
	# Of another base: that of an earlier run may still be there.
	[ "$kind" != file ] || rm -f "$json"
	if [[ $1 == *:* ]]; then
		key=$(passed_key "${on_base:-$BASE}" "${1%:*}" "${@:3}") || key=''
		if [ -n "$key" ] && passed_before "$key" "$name" "$json"; then
			say "=== $name: passed before, and nothing has changed since (FRESH=1 runs it again)"
			printf '%s\tbefore\t0\t%s\t\n' "$name" "$json" >>"$steps"
			return 0
		fi
	fi
	shift 2
	say "=== $name"
	wait_started "$name"
	set +e
	BASE=${on_base:-$BASE} "$@" </dev/null 2>&1 | tee "$log" | quiet "$kind"
	status=${PIPESTATUS[0]}
	set -e
	case $kind in
	tap) /usr/bin/python3 "$here/suites/tap.py" --name "$name" --json "$json" "$log" || status=$? ;;
	need | once) ;;
	file) [ -s "$json" ] || [ "$status" -ne 0 ] || status=1 ;;
	esac
	if [ "$status" -eq 0 ]; then
		say "=== $name: ok, $((SECONDS - start)) s"
		[ -z "$key" ] || passed_now "$key" "$name" "$json"
	else
		say "=== $name: FAILED, $((SECONDS - start)) s, log: $log"
		[ "$kind" != need ] || stopped=$name
	fi
	printf '%s\t%s\t%d\t%s\tBASE=%s %s\n' "$name" \
		"$([ "$status" -eq 0 ] && echo ok || echo failed)" $((SECONDS - start)) "$json" \
		"${on_base:-$BASE}" "${*//$TOP\//}" >>"$steps"
}

# ahead NAME COMMAND...: starts the work of the step NAME while others leave a CPU
# idle, as those do that compile little or run a machine. The step waits for it,
# and does what is left to do. Such work is done one after the other.
declare -A started=()
last_started=''
ahead() {
	local name=${on_base:+$on_base-}$1
	shift
	[ -z "$stopped" ] || return 0
	# In a session of its own, so that all of it can be ended. Where sessions share the
	# CPUs evenly (autogroup), what counts is the session's niceness.
	# shellcheck disable=SC2016 # the other shell's arguments
	BASE=${on_base:-$BASE} setsid nice -n 19 bash -c '
		[ -z "$1" ] || tail --pid="$1" -f /dev/null
		echo 19 2>/dev/null >/proc/self/autogroup
		exec "${@:2}"' - "$last_started" "$@" </dev/null >"$LOGS/ahead-$name.log" 2>&1 &
	started[$name]=$!
	last_started=$!
}

# wait_started NAME: wait for what ahead has started. Its number may then be another's.
wait_started() {
	local pid=${started[$1]:-}
	[ -n "$pid" ] || return 0
	wait "$pid" || true
	unset "started[$1]"
	[ "$last_started" != "$pid" ] || last_started=''
}

end_started() {
	local pid
	for pid in "${started[@]}"; do
		kill -- "-$pid" 2>/dev/null || true
	done
}
trap end_started EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Points that passed need no line on the terminal.
quiet() {
	if [ "$1" = tap ]; then
		grep --line-buffered -v -E '^(ok |TAP version|1\.\.)' || true
	else
		cat
	fi
}

# other_base_ahead BASE: starts what other_base compiles.
other_base_ahead() {
	local -x KERNEL_SRC=''
	# Without this base there is nothing to compile. The step will say so.
	BASE=$1 "$here/queue/base.sh" --only >"$LOGS/ahead-$1-base.log" 2>&1 || return 0
	on_base=$1
	ahead tree "$here/queue/tree.sh"
	ahead kernel-linux-base "$here/kernel/kernel.sh" linux base
	ahead kernel-bare-base "$here/kernel/kernel.sh" bare base
	ahead lint "$here/lint/lint.sh" warnings
	on_base=''
}

# other_base BASE: what has to pass on a base that is not this one.
other_base() {
	# That is a tree of this base.
	local -x KERNEL_SRC=''
	on_base=$1
	# Of this base: another one in its place would prove nothing.
	step need base "$here/queue/base.sh" --only
	step need tree "$here/queue/tree.sh"
	# Every patch compiles by itself; and no other step sees the patches that only
	# this base has. Lint writes the mails, and so does the round trip: it has to wait for
	# the lint that was started.
	step tap lint "$here/lint/lint.sh" subjects checkpatch warnings
	step tap roundtrip "$here/queue/roundtrip.sh"
	step need kernel-linux-base "$here/kernel/kernel.sh" linux base
	step need kernel-bare-base "$here/kernel/kernel.sh" bare base
	step kernel:file kselftests-linux-base "$here/suites/kselftests.sh" --plain linux base
	# On each base it takes the best that there is: buffer pools are in Linux 7.3.
	step all:tap userspace-libfuse "$here/suites/userspace-libfuse.sh" "${all[@]}" "${short[@]}"
	step all:once demo "$here/demo/demo.sh" --short
	on_base=''
}

# left_out: the bases that have no patches yet are in the table, too.
left_out() {
	local base
	for base in $(bases_all); do
		[[ " $BASES $BASE " == *" $base "* ]] ||
			printf '%s (no patches yet)\toff\t0\t\t\n' "$base" >>"$steps"
	done
}

step need setup "$here/setup/setup.sh"
step need base "$here/queue/base.sh"
step need tree "$here/queue/tree.sh"
ahead kernel-linux-base "$here/kernel/kernel.sh" linux base
step tap harness "$here/tests/run.sh"
step tap roundtrip "$here/queue/roundtrip.sh"
step tap lint "$here/lint/lint.sh"
step need kernel-linux-base "$here/kernel/kernel.sh" linux base
step need kernel-bare-base "$here/kernel/kernel.sh" bare base
ahead kernel-linux-debug "$here/kernel/kernel.sh" linux debug
for base in $(bases_other "$BASE"); do
	other_base_ahead "$base"
done
step kernel:file kselftests-linux-base "$here/suites/kselftests.sh" linux base
step kernel:tap recover "$here/suites/recover.sh" "$rounds"
step all:tap userspace-liburing "$here/suites/userspace-liburing.sh"
step all:tap userspace-libfuse "$here/suites/userspace-libfuse.sh" "${all[@]}"
step all:tap packaged-fs "$here/suites/packaged-fs.sh"
step all:tap tutorials "$here/suites/tutorials.sh"
step kernel:file liburing "$here/suites/liburing.sh" "${all[@]}"
step kernel:file ublk "$here/suites/ublk.sh" "${all[@]}"
step need kernel-linux-debug "$here/kernel/kernel.sh" linux debug
step kernel:file kselftests-linux-debug "$here/suites/kselftests.sh" "${short[@]}" linux debug
step kernel:file kselftests-linux-debug-nodes "$here/suites/kselftests.sh" --machine nodes linux debug
step kernel:tap modules "$here/suites/modules.sh"
if [ ${#all[@]} -gt 0 ]; then
	step tap soak "$here/suites/soak.sh"
	step tap deb "$here/deb/deb-test.sh"
	step once bench "$here/bench/bench.sh"
fi
for base in $(bases_other "$BASE"); do
	other_base "$base"
done
left_out

# exec runs no trap.
end_started
exec /usr/bin/python3 "$here/suites/table.py" "$steps"
