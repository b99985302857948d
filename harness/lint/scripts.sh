#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: every shell script passes bash -n and shellcheck, every Python file
# compiles and passes pyflakes.
#
#   scripts.sh           one point for each file that git knows or would add
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"

need shellcheck shellcheck
need pyflakes3 pyflakes3
lint_tmp
cd "$LINT_TOP"

kind() {
	local first
	case $1 in
	*.sh) echo shell ;;
	*.py) echo python ;;
	*.patch) ;;
	*)
		IFS= read -r first <"$1" || true
		case $first in
		'#!'*python*) echo python ;;
		'#!'*sh | '#!'*sh\ *) echo shell ;;
		esac
		;;
	esac
}

# -x and the path let it look into sourced files.
check_shell() {
	bash -n "$1" && shellcheck -x -P SCRIPTDIR -P "$LINT_TOP" "$1"
}

check_python() {
	/usr/bin/python3 - "$1" <<-'EOF' && pyflakes3 "$1"
		import sys
		with open(sys.argv[1], "rb") as f:
		    compile(f.read(), sys.argv[1], "exec")
	EOF
}

found=0
while IFS= read -r -d '' file; do
	[[ -f $file && ! -L $file ]] || continue
	kind=$(kind "$file" 2>/dev/null)
	[ -n "$kind" ] || continue
	found=1 status=0
	"check_$kind" "$file" >"$lint_tmp/out" 2>&1 || status=1
	verdict "$status" "$kind $file" "$lint_tmp/out"
done < <(git -c safe.directory='*' ls-files -z --cached --others --exclude-standard)
[ "$found" -eq 1 ] || die "no script in $LINT_TOP" "is it a git repository?"
