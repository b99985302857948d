# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # rounds and source belong to the scripts
# Sourced, after points.sh, by guest scripts that kill FUSE servers: the load, the deaths
# and what has to be true after them. The scripts set rounds, how often a server is killed,
# source, a directory that is copied, and maybe check, a command that has to succeed for the
# last server. They work in a directory of their own.

check=()

# mount_it HOLDER SERVER [ARGUMENT]...: the file system is mounted, by a server that will
# be killed. HOLDER starts the next one.
mount_it() {
	local i
	rm -rf backing && mkdir -p backing mnt || return
	"$@" backing mnt >held 2>&1 &
	holder=$!
	for ((i = 0; i < 100; i++)); do
		! mountpoint -q mnt || return 0
		kill -0 "$holder" || return
		sleep 0.1
	done
	return 1
}

# verify_data DIRECT: data of each block is compared with what was written, by offset. Each
# fio has a file of its own: it removes what is there, and a removed file that is open
# dies with its server.
verify_data() {
	while [ -e going ]; do
		fio --name="verify-$1" --directory=mnt --size=8m --bsrange=4k-128k --rw=randrw \
			--ioengine=psync --direct="$1" --verify=crc32c --verify_fatal=1 \
			--minimal --numjobs=1 >>fio.out 2>&1 || return
		echo "fio: $1" >>loops
	done
}

copy_tree() {
	while [ -e going ]; do
		rm -rf mnt/tree && cp -r "$source" mnt/tree && diff -r "$source" mnt/tree ||
			return
		echo copy >>loops
	done
}

# takeovers: kill as many servers as there are rounds, at different points of their work.
takeovers() {
	local i
	for ((i = 0; i < rounds; i++)); do
		sleep "0.$((RANDOM % 5 + 1))"
		# The next one may not have been started yet.
		until pkill -9 -P "$holder"; do
			kill -0 "$holder" || return
			sleep 0.02
		done
	done
}

# all_is_well: nothing fails and nothing hangs while servers die.
all_is_well() {
	local pid pids=() status=0
	: >going
	: >loops
	: >fio.out
	verify_data 0 & pids+=($!)
	verify_data 1 & pids+=($!)
	copy_tree & pids+=($!)
	takeovers || status=$?
	rm going
	for pid in "${pids[@]}"; do
		wait "$pid" || status=$?
	done
	cat fio.out
	sort loops | uniq -c
	return "$status"
}

# Each kind of load has been through at least once.
all_ran() {
	[ "$(sort -u loops | wc -l)" = 3 ]
}

ends_well() {
	umount mnt && wait "$holder" && cat held && grep -qx ".*: $((rounds + 1)) servers" held
}

# recover NAME HOLDER SERVER [ARGUMENT]...
recover() {
	local name=$1
	shift
	point "$name: mount" mount_it "$@"
	point "$name: $rounds servers die, and no request fails or hangs" all_is_well
	point "$name: all of the load ran to its end" all_ran
	[ ${#check[@]} -eq 0 ] || point "$name: the last server is like the first" "${check[@]}"
	point "$name: unmount, and the last server exits" ends_well
}
