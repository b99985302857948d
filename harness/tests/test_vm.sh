#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of harness/vm/vm.sh that need no kernel: its errors, and its verdict on a run. A
# stand-in for virtme-run prints a console. Prints TAP.
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
vm=$top/harness/vm/vm.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"; rm -rf "$top"/build/*/vm/selftest-vm* "$top"/build/*/logs/selftest-vm*' EXIT

# The stand-in prints $dir/console and sleeps for the seconds in $dir/sleep.
mkdir -p "$dir/virtme/bin" "$dir/bin"
cat >"$dir/virtme/bin/virtme-run" <<PYTHON
import pathlib, sys, time
here = pathlib.Path("$dir")
sys.stdout.write((here / "console").read_text())
sys.stdout.flush()
time.sleep(float((here / "sleep").read_text()))
PYTHON
ln -s /bin/true "$dir/bin/qemu-system-x86_64"
export PATH=$PATH:$dir/bin VIRTME_NG=$dir/virtme
: >"$dir/bzImage"

n=0 failed=0
ok() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n $2"
	else
		printf '%s\n' "$out" | sed 's/^/# /'
		echo "not ok $n $2"
		failed=$((failed + 1))
	fi
}

# refuses NAME WORDS ARG...: vm.sh fails, with WORDS in its message.
refuses() {
	local name=$1 words=$2 status=0
	shift 2
	out=$("$vm" "$@" 2>&1) || status=$?
	[ "$status" -ne 0 ] && grep -q -F -e "$words" <<<"$out"
	ok $? "refuses $name"
}

# judges NAME STATUS WORDS CONSOLE [ARG...]: check the run's verdict and its reason.
judges() {
	local name=$1 want=$2 words=$3 status=0
	printf '%b' "$4" >"$dir/console"
	shift 4
	out=$("$vm" --kernel "$dir/bzImage" --name selftest-vm "$@" -- true 2>&1) || status=$?
	[ "$status" -eq "$want" ] && grep -q -F -e "$words" <<<"$out"
	ok $? "judges $name"
}

echo "TAP version 13"
refuses "no arguments" "no --kernel"
refuses "an unknown option" "unknown option '--kernal'" --kernal x -- true
refuses "an option without its value" "--kernel needs a value" --kernel
refuses "no command" "no command" --kernel "$dir/bzImage" --
refuses "a missing kernel" "has not been built" --kernel "$dir" -- true
refuses "a deadline that is not a number" "--timeout 'soon'" --kernel "$dir/bzImage" --timeout soon -- true
refuses "a plan that is not a number" "--plan 'many'" --kernel "$dir/bzImage" --plan many -- true
refuses "a share that is not a directory" "--share '$dir/bzImage'" --kernel "$dir/bzImage" --share "$dir/bzImage" -- true
refuses "a malformed variable" "--env 'a b'" --kernel "$dir/bzImage" --env 'a b' -- true
refuses "a name with a slash" "--name '../x'" --kernel "$dir/bzImage" --name ../x -- true
VIRTME_NG=$dir/none refuses "a missing virtme-ng" "make setup" --kernel "$dir/bzImage" -- true

boot='[    0.1] Linux version 7.2\r\n\0'
end='[    9.0] KMBUF-END status=0 plan=4\r\n'
splat='[    3.0] WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2\r\n'
echo 0 >"$dir/sleep"
judges "success" 0 "selftest-vm: ok" "$boot$end"
judges "the right plan" 0 "selftest-vm: ok" "$boot$end" --plan 4
judges "another plan" 1 "plan: expected 5, the guest reports 4" "$boot$end" --plan 5
judges "a missing plan" 1 "the guest reports -" "$boot${end/plan=4/plan=-}" --plan 5
judges "a failing command" 1 "the guest command returned 7" "$boot${end/status=0/status=7}"
judges "a missing end marker" 1 "no end marker" "$boot"
judges "an empty console" 1 "the splat scanner could not run" ""
judges "a splat" 1 "WARNING: CPU: 0 PID: 1 at x.c:1" "$boot$splat$end"
judges "a splat, its first line" 1 "fault: splat on the console: WARN_ON and lockdep: WARNING: CPU: 0" \
	"$boot$splat$end"
judges "an expected splat" 0 "selftest-vm: ok" "$boot$splat$end" --expect-splat
judges "an expected splat that did not come" 1 "a splat was expected" "$boot$end" --expect-splat
echo 30 >"$dir/sleep"
judges "a machine past its deadline" 1 "deadline: the host ended the machine after 1s" "$boot" --timeout 1
echo "1..$n"
[ "$failed" -eq 0 ]
