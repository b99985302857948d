#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots a built kernel with this machine's own root file system, runs one
# command in it, and judges the run.
#
#   vm.sh --kernel DIR [option]... -- COMMAND [ARG]...
#
#   --kernel DIR      a kernel output directory (build/<base>/linux/.base) or a bzImage
#   --name NAME       names the logs (default: last two parts of DIR)
#   --timeout S       the host ends the machine after S seconds (default 900)
#   --cpus N          default 2
#   --mem SIZE        default 4G
#   --append ARGS     more kernel arguments; may be repeated
#   --share DIR       DIR is writable in the guest, at the same path; repeatable
#   --env NAME=VALUE  an environment variable of COMMAND; may be repeated
#   --icount          a clock of one nanosecond an instruction; default 1 CPU
#   --plugin SPEC     a QEMU plugin, FILE[,ARGUMENT=VALUE]...
#   --plan N          COMMAND has to report a plan of N (see below)
#   --no-kmemleak     no leak scan at the end (debug kernels only have one)
#   --expect-splat    the run must produce a splat: fail when there is none
#
# In the guest the host's files are read-only at the same paths; /tmp, /run,
# /var/tmp and /dev/shm are fresh memory file systems. The kernel's modules
# are loaded, and modprobe finds them. There is no network but loopback. COMMAND runs
# as root. Its output, without kernel messages, goes to build/<base>/vm/NAME/output,
# and line by line to the console log, behind "| ". It may write files to "$KMBUF_RW"
# (build/<base>/vm/NAME on the host) and its plan, a number, to "$KMBUF_PLAN".
#
# Exit status: 0 only when the end marker came, COMMAND returned 0, the plan
# (if asked for) agrees and the console holds no splat. 1 otherwise; then
# build/<base>/vm/NAME/faults says why, a line each.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

usage() {
	sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
}

kernel='' name='' timeout=900 cpus='' mem=4G plan='' kmemleak=1 expect_splat=0 icount=0 plugin=()
append=() share=() guest_env=()

while [ $# -gt 0 ]; do
	case $1 in
	--) shift; break ;;
	--help | -h) usage ;;
	--no-kmemleak) kmemleak=0; shift; continue ;;
	--expect-splat) expect_splat=1; shift; continue ;;
	--icount) icount=1; shift; continue ;;
	--kernel | --name | --timeout | --cpus | --mem | --append | --share | --env | --plan | --plugin) ;;
	*) die "vm.sh: unknown option '$1'" "" "vm.sh --help lists the options" ;;
	esac
	[ $# -ge 2 ] || die "vm.sh: $1 needs a value" "" "vm.sh --help lists the options"
	case $1 in
	--kernel) kernel=$2 ;;
	--name) name=$2 ;;
	--timeout) timeout=$2 ;;
	--cpus) cpus=$2 ;;
	--mem) mem=$2 ;;
	--append) append+=("$2") ;;
	--share) share+=("$2") ;;
	--env) guest_env+=("$2") ;;
	--plan) plan=$2 ;;
	--plugin) plugin+=(-plugin "file=$2") ;;
	esac
	shift 2
done
[ -n "$kernel" ] || die "vm.sh: no --kernel" "" "vm.sh --help lists the options"
[ $# -gt 0 ] || die "vm.sh: no command to run in the guest" "" "put it after '--'"
case $timeout in '' | *[!0-9]*) die "vm.sh: --timeout '$timeout' is not a number of seconds" ;; esac
case $plan in *[!0-9]*) die "vm.sh: --plan '$plan' is not a number" ;; esac
for var in "${guest_env[@]}"; do
	[[ $var =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || die "vm.sh: --env '$var' is not NAME=VALUE"
done
for dir in "${share[@]}"; do
	[ -d "$dir" ] || die "vm.sh: --share '$dir' is not a directory"
done

image=$kernel
[ ! -d "$kernel" ] || image=$kernel/arch/x86/boot/bzImage
[ -f "$image" ] || die "no kernel image $image" "it has not been built" "make build"
image=$(realpath "$image")
if [ -z "$name" ]; then
	name=$(realpath "$kernel")
	name=$(basename "$(dirname "$name")")-$(basename "$name")
	name=${name//[^A-Za-z0-9-]/}
fi
case $name in *[!A-Za-z0-9._-]* | .*) die "vm.sh: --name '$name' has characters a file name should not have" ;; esac

virtme=${VIRTME_NG:-$TOOLS/virtme-ng/usr}
[ -f "$virtme/bin/virtme-run" ] || die "virtme-ng is not in $virtme" "" "make setup"
command -v qemu-system-x86_64 >/dev/null || die "qemu-system-x86_64 is not installed" "" "make setup"

console=$LOGS/$name.console
rw=$BUILD/vm/$name
mkdir -p "$BUILD/vm"
exec 8>"$BUILD/vm/.$name.lock"
flock -n 8 || die "vm.sh: a machine named $name is running" "" "give this one another --name"
rm -rf "$rw"
mkdir -p "$rw"
: >"$console"

modules=()
if [ -s "$kernel/modules.order" ]; then
	mapfile -t modules < <(sed "s|^|$(realpath "$kernel")/|; s/\.o\$/.ko/" "$kernel/modules.order")
fi

# What the guest has to know goes through a file: a command line has no room.
{
	echo "# written by vm.sh, read by init.guest.sh"
	guest_cmd=("$@")
	keep=("$TOP" "$CACHE" "$virtme")
	for dir in "${share[@]}"; do keep+=("$(realpath "$dir")"); done
	declare -p guest_cmd guest_env keep kmemleak modules
} >"$rw/job"

# The guest's counter runs at the host's rate, or counts instructions.
tcg=(-accel "tcg,thread=multi,tb-size=512")
if [ "$icount" -eq 1 ]; then
	tcg=(-accel "tcg,thread=single,tb-size=512" -icount "shift=0,sleep=off")
	cpus=${cpus:-1} tsc=1000000
else
	cpus=${cpus:-2}
	tsc=$(/usr/bin/python3 "$TOP/harness/vm/tsc.py") || true
fi
# Leak tracking is half of a debug kernel's boot time: off when nobody looks.
[ "$kmemleak" -eq 1 ] || append+=(kmemleak=off)
args=(--kimg "$image" --mods none --force-9p --disable-microvm --disable-kvm
	--no-virtme-ng-init --show-boot-console --name "${name//[._]/-}"
	--memory "$mem" --cpus "$cpus" --rwdir "$rw=$rw")
for dir in "${share[@]}"; do
	dir=$(realpath "$dir")
	args+=(--rwdir "$dir=$dir")
done
# Splats have to reach the console, whole and in order; everything a test
# prints goes through the log as well, so no rate limit. Read-only host files
# may be cached without asking the host again. What virtme-run puts after "--",
# its own slower init, becomes an argument of ours; the tab is a separator to
# the kernel and, unlike a blank, nothing special to virtme-run. The timer check
# at boot is a race that an emulator on a busy host loses. Without random
# addresses the emulator translates a program once, not at every start.
[ -z "$tsc" ] || append+=("tsc_early_khz=$tsc")
for arg in no_timer_check norandmaps loglevel=7 log_buf_len=4M printk.devkmsg=on panic=-1 oops=panic tsc=reliable \
	"rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose" \
	"${append[@]}" "kmbuf_job=$rw" "init=$TOP/harness/vm/init.guest.sh"$'\t--'; do
	args+=("--kopt=$arg")
done
# 5-level paging and byte-wise string copies are slow to emulate.
args+=(--script-sh true
	--qemu-opts "${tcg[@]}" "${plugin[@]}" -cpu "max,-la57,-erms,-fsrm")

# A pipe, because several devices of the machine open this output anew and
# would write over each other in a file.
mkfifo "$rw/pipe"
cat <"$rw/pipe" >"$console" &
reader=$!
start=$SECONDS
PYTHONPATH=$virtme/lib/python3/dist-packages \
	timeout --kill-after=10 "$timeout" \
	/usr/bin/python3 "$virtme/bin/virtme-run" "${args[@]}" \
	</dev/null >"$rw/pipe" 2>&1 8>&- &
vm=$!
trap 'kill "$vm" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "$name: booting ${kernel#"$TOP"/}, at most ${timeout}s"
beat=30
while kill -0 "$vm" 2>/dev/null; do
	sleep 0.2
	now=$((SECONDS - start))
	if [ "$now" -ge "$beat" ]; then
		beat=$((beat + 30))
		last=$( (tail -n 1 "$rw/output" 2>/dev/null || true) | tr -cd '[:print:]' | cut -c 1-100)
		say "  ... $name: ${now}s: ${last:-booting}"
	fi
done
status=0
wait "$vm" || status=$?
wait "$reader" || true
rm -f "$rw/pipe"
trap - EXIT
now=$((SECONDS - start))

# The reason of the first splat, and its first line, without the console's path.
splat_headline() {
	sed -n -E -e '1{s/^splat: (.*) \(.*/\1/;h}' -e '1b' -e '/={20}/b' \
		-e 's/^\[ *[0-9.]+\] //' -e 'H;x;s/\n/: /p;q' <<<"$splats"
}

# Judge.
faults=()
marker=$(grep -a -o 'KMBUF-END status=[0-9]* plan=[0-9-]*' "$console" | tail -n 1) || true
if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
	faults+=("deadline: the host ended the machine after ${timeout}s")
fi
if [ -z "$marker" ]; then
	faults+=("no end marker: the guest did not finish")
else
	guest_status=${marker#*status=} guest_status=${guest_status%% *}
	guest_plan=${marker#*plan=}
	[ "$guest_status" -eq 0 ] || faults+=("the guest command returned $guest_status")
	if [ -n "$plan" ] && [ "$plan" != "$guest_plan" ]; then
		faults+=("plan: expected $plan, the guest reports $guest_plan")
	fi
fi
splat=0
splats=$(/usr/bin/python3 "$TOP/harness/vm/splats.py" "$console" 2>&1) || splat=$?
case $splat,$expect_splat in
0,0 | 1,1) ;;
0,1) faults+=("a splat was expected, there is none") ;;
1,0) faults+=("splat on the console: $(splat_headline)") ;;
*) faults+=("the splat scanner could not run") ;;
esac

if [ ${#faults[@]} -eq 0 ]; then
	say "$name: ok, ${now}s"
	exit 0
fi
{
	say "$name: FAILED, ${now}s"
	printf '%s\n' "${faults[@]}" | tee "$rw/faults" | sed 's/^/  fault: /'
	if [ "$splat" -ne 0 ] && [ -n "$splats" ]; then
		printf '%s\n' "$splats" | sed 's/^/    /'
	fi
	if [ -s "$rw/output" ]; then
		grep -a -m 20 -E '^[[:space:]#]*not ok ' "$rw/output" | sed 's/^/    /' || true
	fi
	if [ -z "$marker" ]; then
		echo "  end of the console:"
		tr -d '\000\r' <"$console" | tail -n 15 | sed 's/^/    /'
	fi
	printf '  output:  %s\n  console: %s\n' "$rw/output" "$console"
} >&2
exit 1
