# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced in the VM by the scripts that run many test programs: one after the
# other, each in a control group and a session of its own, each with a deadline.
#
# Results go to $KMBUF_RW/results, a line a test: name, verdict (pass, fail,
# skip), seconds, why. $KMBUF_RW/current names the running test, so that the host
# knows which test ended the machine. The output of a failed test is kept in
# $KMBUF_RW/log/.

EACH_GROUP=/sys/fs/cgroup/test

# each LIST FUNCTION SKIP_STATUS: run the tests in LIST, which has one name a line.
# FUNCTION NAME runs the test program NAME, with "exec setsid". EACH_DEADLINE is in
# seconds. A function each_after, if there is one, cleans up after a test. If it cannot,
# it prints why and fails.
each() {
	local list=$1 run=$2 skip=$3 name status why took dirty
	mkdir -p "$EACH_GROUP" "$KMBUF_RW/log"
	: >"$KMBUF_RW/results"
	while read -r name; do
		echo "$name" >"$KMBUF_RW/current"
		echo "kmbuf: test $name" >/dev/kmsg
		dirty=''
		each_run "$run" "$name" >/tmp/each.log 2>&1
		if ! each_reap; then
			dirty="left a process that cannot be killed"
			each_stuck >>/tmp/each.log
		elif declare -F each_after >/dev/null; then
			dirty=$(each_after "$name") || status=1
		fi
		each_judge "$name" "$skip"
		[ -z "$dirty" ] || each_give_up
	done <"$list"
	rm -f "$KMBUF_RW/current"
}

# Runs one test. Sets status, took, and, after the deadline, why.
each_run() {
	local pid timer start=${EPOCHREALTIME/./}
	(
		echo "$BASHPID" >"$EACH_GROUP/cgroup.procs"
		"$1" "$2"
	) </dev/null &
	pid=$!
	sleep "$EACH_DEADLINE" &
	timer=$!
	status=0 why=''
	wait -n "$pid" "$timer" || status=$?
	if kill -0 "$pid" 2>/dev/null; then
		status=124 why="deadline of $EACH_DEADLINE s"
		each_stuck
	else
		kill "$timer"
	fi
	took=$(((${EPOCHREALTIME/./} - start) / 100000))
	took=$((took / 10)).$((took % 10))
}

# Kills processes that the test left behind. Fails if one cannot be killed.
each_reap() {
	local n populated
	for ((n = 0; n < 150; n++)); do
		read -r populated <"$EACH_GROUP/cgroup.events"
		[ "$populated" != "populated 0" ] || return 0
		echo 1 >"$EACH_GROUP/cgroup.kill"
		sleep 0.1
	done
	return 1
}

# Prints where the test's processes are in the kernel.
each_stuck() {
	local pid
	while read -r pid; do
		echo "running: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		cat "/proc/$pid/stack" 2>/dev/null || cat "/proc/$pid/wchan" 2>/dev/null
		echo
	done <"$EACH_GROUP/cgroup.procs"
}

each_judge() {
	local name=$1 skip=$2 verdict=fail last=''
	if [ "$status" -ne 0 ]; then
		last=$(grep -a -v '^[[:space:]]*$' /tmp/each.log | tail -n 1 | tr -c '[:print:]' ' ' | cut -c 1-120)
	fi
	if [ -n "$dirty" ]; then
		why="${why:-ended}; $dirty"
	elif [ "$status" -eq 0 ]; then
		verdict=pass
	elif [ "$status" -eq "$skip" ]; then
		verdict=skip why=$last
	else
		why=${why:-status $status: $last}
	fi
	printf '%s\t%s\t%s\t%s\n' "$name" "$verdict" "$took" "$why" >>"$KMBUF_RW/results"
	case $verdict in
	pass) echo "ok - $name # $took s" ;;
	skip) echo "ok - $name # SKIP $why" ;;
	fail)
		cp /tmp/each.log "$KMBUF_RW/log/$name"
		tail -n 12 /tmp/each.log | sed 's/^/#   /'
		echo "not ok - $name # $took s: $why"
		;;
	esac
}

# The test left a state that breaks later tests: power off, and the host continues in a
# new machine. No sync, which might hang for the same reason.
each_give_up() {
	sleep 1
	echo 1 >/proc/sys/kernel/sysrq
	echo o >/proc/sysrq-trigger
	sleep 60
}
