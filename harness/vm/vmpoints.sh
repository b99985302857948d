# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # n and failed belong to points.sh
# Sourced, after lib.sh, thirdparty.sh and tests/points.sh, by scripts with points
# that a virtual machine finds out.

# vm_points NAME TREE [--cpus N] COMMAND...: runs COMMAND on TREE's base kernel, in the
# machine NAME-TREE. The points it prints become points here, with the tree in front, and
# one more says that it got to its end.
vm_points() {
	local line status=0 name=$1 tree=$2 output=$BUILD/vm/$1-$2/output kernel cpus=()
	shift 2
	if [ "$1" = --cpus ]; then
		cpus=("$1" "$2")
		shift 2
	fi
	kernel=$(kernel_dir "$tree" base)
	# An earlier run's points must not pass for this one's.
	rm -f "$output"
	"$TOP/harness/vm/vm.sh" --kernel "$kernel" --name "$name-$tree" --timeout 900 \
		"${cpus[@]}" -- "$@" | sed 's/^/# /' || status=$?
	while IFS= read -r line; do
		if [[ $line =~ ^(ok|not\ ok)\ [0-9]+\ -\ (.*)$ ]]; then
			n=$((n + 1))
			echo "${BASH_REMATCH[1]} $n - $tree: ${BASH_REMATCH[2]}"
			[ "${BASH_REMATCH[1]}" = ok ] || failed=1
		elif [[ $line != 1..* ]]; then
			echo "# ${line#\# }"
		fi
	done < <(cat "$output")
	point "$tree: all of it ran, and the kernel did not complain" test "$status" -eq 0
}
