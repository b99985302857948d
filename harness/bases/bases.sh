# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh: which bases there are, and which one a Linux is.

# bases_all: every base that has a file, oldest first.
bases_all() {
	find "$TOP/harness/bases" -regextype egrep -regex '.*/[0-9]+\.[0-9]+' -printf '%f\n' | sort -V
}

# bases_other BASE: those that the series lives on, without BASE.
bases_other() {
	local base
	for base in $BASES; do
		[ "$base" = "$1" ] || echo "$base"
	done
}

# base_version REPO: "7.2", as the Makefile of REPO's tag base says.
base_version() {
	git -C "$1" -c safe.directory='*' cat-file blob refs/tags/base:Makefile 2>/dev/null |
		sed -n -E 's/^(VERSION|PATCHLEVEL) = ([0-9]+)$/\2/p' | paste -sd.
}

# base_of REPO: the base whose patches REPO's tag base gets: that of its version,
# or the one that was asked for, when no base has this version.
base_of() {
	local version
	version=$(base_version "$1")
	if [ -n "$version" ] && [ -f "$TOP/harness/bases/$version" ]; then
		echo "$version"
	else
		# shellcheck disable=SC2153 # of lib.sh
		echo "$BASE"
	fi
}

# base_lines BASE FILE: the lines of FILE that BASE gets: those without a guard, and
# without it those that begin with "BASE: ". What is indented belongs to the line
# above it.
base_lines() {
	local guard
	while IFS= read -r guard; do
		[ -f "$TOP/harness/bases/$guard" ] ||
			die "${2#"$TOP/"}: there is no base '$guard'" "it guards a line" "there are: $(bases_all | paste -sd' ')"
	done < <(sed -n -E 's/^([0-9]+\.[0-9]+):\s.*/\1/p' "$2" | sort -u)
	awk -v base="$1:" '
		/^[ \t]/ { if (ours) print; next }
		{ ours = 1 }
		$1 ~ /^[0-9]+\.[0-9]+:$/ { ours = $1 == base; sub(/^[^ \t]+[ \t]+/, "") }
		ours' "$2"
}
