# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # n and failed belong to points.sh
# Sourced, after lib.sh, thirdparty.sh and tests/points.sh, by scripts that take points
# from a virtual machine.

# vm_begin NAME TREE [--cpus N] COMMAND...: starts COMMAND on TREE's base kernel, in the
# machine NAME-TREE. vm_points takes its points later. Two machines run at a time, as
# most of these keep one processor busy.
vm_begin() {
	local name=$1 tree=$2 kernel cpus=()
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
	{
		local status=0
		"$TOP/harness/vm/vm.sh" --kernel "$kernel" --name "$name-$tree" --timeout 900 \
			"${cpus[@]}" -- "$@" | sed 's/^/# /' || status=$?
		exit "$status"
	} &
	vm_begun[$name-$tree]=$!
}
declare -A vm_begun=()

# vm_points NAME TREE [[--cpus N] COMMAND...]: runs COMMAND likewise, unless vm_begin has
# started it. Each point that COMMAND prints becomes a point here, with the tree in
# front. One more point says that the machine ran to its end.
vm_points() {
	local line status=0 tree=$2
	[ -n "${vm_begun[$1-$2]:-}" ] || vm_begin "$@"
	wait "${vm_begun[$1-$2]}" || status=$?
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
