#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of points that come from virtual machines (harness/vm/vmpoints.sh). The machine is
# a stand-in. Prints TAP.
# shellcheck disable=SC2317 # functions handed over as arguments
set -uo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
src=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=harness/tests/points.sh
. "$src/tests/points.sh"
out=$dir/out
mkdir -p "$dir/vm"

# The machine NAME: prints what $dir/NAME says, and ends as that says.
cat >"$dir/vm/vm.sh" <<'END'
#!/bin/bash
trap 'echo ended >>"$DIR/$name.ended"; exit 143' TERM
while [ $# -gt 0 ]; do
	[ "$1" != --name ] || name=$2
	shift
done
mkdir -p "$DIR/build/vm/$name"
. "$DIR/$name" >"$DIR/build/vm/$name/output"
END
chmod +x "$dir/vm/vm.sh"
export DIR=$dir

# script LINE...: runs a script that sources vmpoints.sh. Its output goes to $dir/said.
script() {
	cat >"$dir/script" <<-END
		set -euo pipefail
		TOP=$dir BUILD=$dir/build n=0 failed=0 out=$dir/log
		mkdir -p $dir/harness && ln -sfn $dir/vm $dir/harness/vm
		kernel_dir() { [ "\$1" != missing ] || exit 1; echo "\$1"; }
		. "$src/tests/points.sh"
		trap 'touch $dir/own-trap' EXIT
		. "$src/vm/vmpoints.sh"
		$(printf '%s\n' "$@")
		echo "1..\$n"
		exit "\$failed"
	END
	bash "$dir/script" >"$dir/said" 2>&1
}
fails() { ! script "$@"; }
said() { grep -q -x -F -- "$1" "$dir/said"; }
# eventually COMMAND...: within ten seconds.
eventually() {
	local i
	for ((i = 0; i < 100; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}

echo 'echo "ok 1 - one"; echo "# words"; echo 1..1' >"$dir/a-linux"
echo 'echo "ok 1 - two"; echo 1..1; exit 3' >"$dir/b-linux"
echo 'echo "not ok 1 - three"; echo 1..1' >"$dir/c-linux"
echo 'echo "ok 1 - four"; sleep 60 & wait' >"$dir/long-linux"

point "a machine" script 'vm_points a linux true'
point "... its point" said "ok 1 - linux: one"
point "... and that it ended well" said "ok 2 - linux: everything ran, and the kernel did not complain"
point "... its words" said "# words"
point "the script's own trap runs" test -e "$dir/own-trap"
point "a machine that ends badly" fails 'vm_points b linux true'
point "... is a point" said "not ok 2 - linux: everything ran, and the kernel did not complain"
point "a point that fails" fails 'vm_points c linux true'
point "three machines, two at a time" fails 'vm_begin a linux true' 'vm_begin b linux true' \
	'vm_begin c linux true' 'vm_points a linux' 'vm_points b linux' 'vm_points c linux'
point "... the first is well" said "ok 2 - linux: everything ran, and the kernel did not complain"
point "... the second not, though others ended since" \
	said "not ok 4 - linux: everything ran, and the kernel did not complain"
point "... the third is, but for its point" said "ok 6 - linux: everything ran, and the kernel did not complain"
point "the same machine twice" script 'vm_points a linux true' 'vm_points a linux true'
point "... gives its points twice" said "ok 3 - linux: one"
point "a script that stops" fails 'vm_begin long linux true' \
	"until grep -q four $dir/build/vm/long-linux/output; do sleep 0.1; done" 'vm_begin x missing true'
point "... ends its machine" eventually test -e "$dir/long-linux.ended"

echo "1..$n"
exit "$failed"
