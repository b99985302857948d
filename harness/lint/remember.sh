# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh and common.sh: keeps the output of gates that passed, as long as
# nothing changes that gates depend on.

. "$TOP/harness/setup/versions.sh"

GATES_PASSED=$CACHE/lint/gates

# gates_key: a hash of the series with its base, the scripts, lists and configurations
# that gates read, and the packages that they need.
gates_key() {
	{
		git -C "$LINT_LINUX" -c safe.directory='*' rev-parse \
			"$LINT_BASE^{tree}" "$LINT_TIP^{commit}" 2>&1 || true
		cd "$TOP/harness" || exit
		find lib.sh bases kernel lint lists queue setup -type f -exec sha256sum {} + | sort -k 2
		package_versions
	} | sha256sum | cut -d ' ' -f 1
}

# gate_passed KEY GATE: did the gate pass with this key?
gate_passed() {
	[ -s "$GATES_PASSED/$2-$1" ]
}

# gate_points KEY GATE: print the kept output again
gate_points() {
	sed 's/$/ (unchanged since it passed)/' "$GATES_PASSED/$2-$1"
	touch "$GATES_PASSED/$2-$1"
}

# gate_remember KEY GATE OUTPUT: keep the output of a gate that succeeded, unless a point
# failed
gate_remember() {
	! grep -q '^not ok' "$3" && grep -q '^ok - ' "$3" || return 0
	mkdir -p "$GATES_PASSED"
	find "$GATES_PASSED" -type f -mtime +30 -delete
	grep '^ok - ' "$3" >"$GATES_PASSED/.$2-$1.$$"
	mv "$GATES_PASSED/.$2-$1.$$" "$GATES_PASSED/$2-$1"
}
