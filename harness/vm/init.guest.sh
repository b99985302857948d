#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# First process of the VM (init=): prepares the system for tests, runs vm.sh's command,
# prints the end marker, powers off. Starting a program is slow on an emulated debug
# kernel, so this script starts few.
#
# Kernel arguments become its environment:
#   kmbuf_job=DIR        writable directory with vm.sh's file "job"; "shell" gives
#                        an interactive shell instead (boot.sh)
#   virtme_initmountN=D  writable host directories to mount, by 9p tag
set -uo pipefail

# vm.sh sets these in the job file.
guest_cmd=() guest_env=() keep=() kmemleak=1 modules=()

note() {
	printf '<6>kmbuf: %s\n' "$*" >/dev/kmsg
}

mount_tmp() {
	mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp
}

# Mount an empty /tmp. Directories below it that the run needs stay visible.
fresh_tmp() {
	local dir n held=()

	for dir in "$@"; do
		[[ $dir != /tmp/* || ! -d $dir ]] || held+=("$dir")
	done
	for n in "${!held[@]}"; do
		mkdir -p "/run/kmbuf/keep/$n"
		mount --rbind "${held[n]}" "/run/kmbuf/keep/$n"
	done
	mount_tmp
	for n in "${!held[@]}"; do
		mkdir -p "${held[n]}"
		mount --rbind "/run/kmbuf/keep/$n" "${held[n]}"
	done
}

mount_host_dirs() {
	local var

	for var in "${!virtme_initmount@}"; do
		mount -t 9p -o version=9p2000.L,trans=virtio,access=any,msize=262144 \
			"virtme.initmount${var#virtme_initmount}" "${!var}" ||
			note "cannot mount ${!var}"
	done
}

start_udevd() {
	local udevd

	for udevd in /usr/lib/systemd/systemd-udevd /lib/systemd/systemd-udevd /sbin/udevd; do
		[ -x "$udevd" ] || continue
		"$udevd" --daemon >/dev/null 2>&1 || note "$udevd does not start"
		return
	done
	note "no udevd: udevadm settle will not work"
}

# Let fail-nth reach every allocation, also those that may wait, without a stack trace
# for each. Nothing fails before a test asks for it.
fault_knobs() {
	local knob value

	while read -r knob value; do
		[ ! -e "/sys/kernel/debug/$knob" ] || echo "$value" >"/sys/kernel/debug/$knob"
	done <<-EOF
		failslab/ignore-gfp-wait N
		failslab/verbose 0
		fail_page_alloc/ignore-gfp-wait N
		fail_page_alloc/ignore-gfp-highmem N
		fail_page_alloc/min-order 0
		fail_page_alloc/verbose 0
		fail_usercopy/verbose 0
	EOF
}

base_setup() {
	local ctl controllers

	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	# With any other locale, every program would load a dozen files.
	export HOME=/tmp TMPDIR=/tmp LC_ALL=C TERM=${TERM:-linux}
	umask 022
	# Mounted first, by itself: until then /proc is the host's, seen through 9p.
	mount -t proc -o nosuid,noexec,nodev proc /proc
	mount -a -T "${0%/*}/fstab"
	ln -s /proc/self/fd /dev/fd
	{ ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr; } &
	mkdir -p /run/kmbuf || { echo "init.guest.sh: mounting failed"; power_off; }
	echo "${virtme_hostname:-kmbuf}" >/proc/sys/kernel/hostname
	# Children of the root group may use these controllers; this shell stays in the root.
	read -ra controllers </sys/fs/cgroup/cgroup.controllers
	for ctl in "${controllers[@]}"; do
		case $ctl in
		memory | pids | io) echo "+$ctl" >/sys/fs/cgroup/cgroup.subtree_control ;;
		esac
	done
	ip link set lo up
	echo 32 >/proc/sys/vm/nr_hugepages
	fault_knobs
	ulimit -n 65536
	ulimit -c 0
	mount_host_dirs
	start_udevd
}

# load_modules FILE...: load all modules, from a directory where modprobe will find them
# later. It is not in /lib/modules, which the host need not have.
load_modules() {
	local root=/run/kmbuf/modules dir module

	[ $# -gt 0 ] || return 0
	dir=$root/lib/modules/$(uname -r)
	mkdir -p "$dir"
	cp "$@" "$dir"
	touch "$dir/modules."{order,builtin,builtin.modinfo}
	depmod -b "$root" || note "depmod fails"
	export MODPROBE_OPTIONS="-d $root"
	for module; do
		module=${module##*/}
		modprobe "${module%.ko}" || note "cannot load $module"
	done
}

# Report leaked memory. kmemleak reports an object that is 5 s old and unchanged in two
# scans. It can miss the last few objects of a size, whose addresses are still in the
# allocator's per-CPU arrays.
leaks() {
	local file=/sys/kernel/debug/kmemleak

	[ -w "$file" ] || return 0
	[ "$kmemleak" -eq 1 ] && [ ! -e /run/kmbuf/no-kmemleak ] || return 0
	note "kmemleak scan"
	echo scan >"$file" || return 0
	sleep 6
	echo scan >"$file"
	sed -u 's/^/<4>kmemleak: /' <"$file" >/dev/kmsg
	note "kmemleak scan done"
}

power_off() {
	echo 1 >/proc/sys/kernel/sysrq
	echo o >/proc/sysrq-trigger
	# Init must not exit before power off, and no program can be started any more.
	while :; do :; done
}

run_job() {
	local job=$1 status=0 out writer n seen=0 lines plan=-

	fresh_tmp "${keep[@]}" "$job"
	load_modules "${modules[@]}"
	export KMBUF_RW=$job KMBUF_PLAN=/run/kmbuf/plan
	[ ${#guest_env[@]} -eq 0 ] || export "${guest_env[@]?}"
	cd /tmp || power_off
	note "KMBUF-BEGIN ${guest_cmd[*]}"

	# /dev/kmsg refuses records of more than 1024 bytes.
	exec {out}> >(exec env LC_ALL=C sed -u -e "w $job/output" \
		-e 's/^\(.\{900\}\).\+/\1.../; s/^/<6>| /' >/dev/kmsg)
	writer=$!
	setsid --wait "${guest_cmd[@]}" </dev/null >&"$out" 2>&1 || status=$?
	exec {out}>&-
	# A process that the command left behind may keep the pipe open: stop waiting when the
	# output ends.
	for ((n = 0; n < 50; n++)); do
		kill -0 "$writer" 2>/dev/null || break
		sleep 0.1
		mapfile -t lines <"$job/output"
		[ ${#lines[@]} -eq "$seen" ] || n=0 seen=${#lines[@]}
	done
	leaks
	if [ -e /run/kmbuf/plan ]; then
		read -r plan </run/kmbuf/plan
		plan=${plan//[^0-9]/}
	fi
	printf '<2>KMBUF-END status=%d plan=%s\n' "$status" "${plan:--}" >/dev/kmsg
	power_off
}

run_shell() {
	fresh_tmp "${virtme_initmount0:-}"
	cd /tmp || power_off
	# shellcheck disable=SC2086 # words for stty
	stty ${virtme_stty_con:-sane} </dev/ttyS0
	PS1='[\h \w]# ' setsid --ctty --wait bash --norc -i <>/dev/ttyS0 >&0 2>&1
	power_off
}

if [ $$ -ne 1 ]; then
	echo "init.guest.sh: runs only as the first process of a VM; see vm.sh" >&2
	exit 2
fi
base_setup
for name in "${!virtme_@}" raid nr_open; do export -n "${name?}"; done
case ${kmbuf_job:-} in
shell)
	run_shell
	;;
/*)
	# shellcheck disable=SC1091 # written by vm.sh for this run
	. "$kmbuf_job/job"
	run_job "$kmbuf_job"
	;;
*)
	note "no kmbuf_job= on the kernel command line"
	power_off
	;;
esac
