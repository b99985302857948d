# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by every script of the harness: paths, progress lines, errors.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=harness/bases/default
. "$TOP/harness/bases/default"
# The Linux version to work on: a file in harness/bases.
BASE=${BASE:-${BASES%% *}}
# Build results: BUILDS has those that all bases share, BUILD those of this base.
BUILDS=$TOP/build
BUILD=$BUILDS/$BASE
LOGS=$BUILD/logs
CACHE=${KMBUF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kmbuf}
TOOLS=$CACHE/tools
# The patched, editable tree, and a worktree of its repository without the patches.
LINUX=$BUILD/linux
BARE=$BUILD/bare
# liburing and libfuse with our patches.
USERSPACE=$BUILDS/userspace
# Read by the scripts that source this file.
export TOP BASE BASES BUILDS BUILD LOGS CACHE TOOLS LINUX BARE USERSPACE

# Scratch files in memory, if /dev/shm has room for 4 GiB and can hold programs: the queue
# and the tests write and remove thousands of small files.
if [ -z "${TMPDIR:-}" ] && awk '$2 == "/dev/shm" && $4 !~ /noexec/ { found = 1 }
	END { exit !found }' /proc/mounts && [ -w /dev/shm ] &&
	[ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -ge 4096 ]; then
	export TMPDIR=/dev/shm
fi

# A chain of scripts shares one clock, which the first script starts.
export KMBUF_T0=${KMBUF_T0:-$(date +%s)}

# say TEXT...: a progress line with the seconds since the chain started.
say() {
	printf '[%5ds] %s\n' "$(($(date +%s) - KMBUF_T0))" "$*"
}

# die ERROR [CAUSE] [NEXT STEP]: print all three and stop.
die() {
	printf 'error: %s\n' "$1" >&2
	[ -z "${2:-}" ] || printf '  cause: %s\n' "$2" >&2
	[ -z "${3:-}" ] || printf '  next:  %s\n' "$3" >&2
	exit 1
}

[[ $BASE =~ ^[0-9]+\.[0-9]+$ && -f $TOP/harness/bases/$BASE ]] ||
	die "there is no base '$BASE'" "" \
		"BASE=<version>, one of: $(cd "$TOP/harness/bases" && echo [0-9]*[0-9])"
mkdir -p "$LOGS"

# run_logged NAME COMMAND...: send the output to a log and print a progress line every
# half minute. On failure, print the log's first errors, its end and its path, and return
# the command's status.
run_logged() {
	local name=$1 log=$LOGS/$1.log pid status=0 waited=0
	shift
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		waited=$((waited + 1))
		[ $((waited % 30)) -ne 0 ] || say "  ... $name: ${waited}s, $(wc -l <"$log") lines of output"
	done
	wait "$pid" || status=$?
	if [ "$status" -ne 0 ]; then
		grep -n -m 5 -E '(error:|Error [0-9]|Unmet build|undefined reference)' "$log" >&2 || true
		tail -n 25 "$log" >&2
		printf 'error: %s failed with status %d\n  log:   %s\n' \
			"$name" "$status" "$log" >&2
	fi
	return "$status"
}

# need_space DIR MIB THING: stop before a long step that would fill the disk.
need_space() {
	local free
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] || die "disk full: no room for $3" \
		"$2 MiB needed in $1, $free MiB free" \
		"free some space, or move the cache with KMBUF_CACHE=<dir>"
}
