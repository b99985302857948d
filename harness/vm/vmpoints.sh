# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # n and failed belong to points.sh
# Sourced, after lib.sh, thirdparty.sh and tests/points.sh, by scripts that take points
# from a virtual machine.

# vm_begin NAME TREE [--cpus N] COMMAND...: starts COMMAND on TREE's base kernel, in the
# machine NAME-TREE. vm_points takes its points later. Two machines run at a time, as
# most of these keep one processor busy. When the script ends, so do its machines.
declare -A vm_begun=()
vm_begin() {
	local name=$1 tree=$2 kernel cpus=() trap_of_script
	shift 2
	if [ "$1" = --cpus ]; then
		cpus=("$1" "$2")
		shift 2
	fi
	kernel=$(kernel_dir "$tree" base)
	# Do not mistake an earlier run's points for this run's.
	rm -f "$BUILD/vm/$name-$tree/output"
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n || true
	done
	if [ ${#vm_begun[@]} -eq 0 ]; then
		eval "trap_of_script=($(trap -p EXIT))"
		# shellcheck disable=SC2064 # the script's own trap, as it is now
		trap "vm_end; ${trap_of_script[2]:-:}" EXIT
	fi
	# The lock of the script (8) is not the machine's.
	"$TOP/harness/vm/vm.sh" --kernel "$kernel" --name "$name-$tree" --timeout 900 \
		"${cpus[@]}" -- "$@" > >(sed -u 's/^/# /') 8>&- &
	vm_begun[$name-$tree]=$!
}

vm_end() {
	[ ${#vm_begun[@]} -eq 0 ] || kill "${vm_begun[@]}" 2>/dev/null || true
}

# vm_points NAME TREE [[--cpus N] COMMAND...]: runs COMMAND likewise, unless vm_begin has
# started it. Each point that COMMAND prints becomes a point here, with the tree in
# front. One more point says that the machine ran to its end.
vm_points() {
	local line status=0 tree=$2
	[ -n "${vm_begun[$1-$2]:-}" ] || vm_begin "$@"
	wait "${vm_begun[$1-$2]}" || status=$?
	unset "vm_begun[$1-$2]"
	while IFS= read -r line; do
		if [[ $line =~ ^(ok|not\ ok)\ [0-9]+\ -\ (.*)$ ]]; then
			n=$((n + 1))
			echo "${BASH_REMATCH[1]} $n - $tree: ${BASH_REMATCH[2]}"
			[ "${BASH_REMATCH[1]}" = ok ] || failed=1
		elif [[ $line != 1..* ]]; then
			echo "# ${line#\# }"
		fi
	done < <(cat "$BUILD/vm/$1-$2/output")
	point "$tree: everything ran, and the kernel did not complain" test "$status" -eq 0
}
