# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh: lists the bases, and finds the base of a Linux tree.

# bases_all: print every base that has a file, oldest first.
bases_all() {
	find "$TOP/harness/bases" -regextype egrep -regex '.*/[0-9]+\.[0-9]+' -printf '%f\n' | sort -V
}

# bases_other BASE: print the bases of the series, except BASE.
bases_other() {
	local base
	for base in $BASES; do
		[ "$base" = "$1" ] || echo "$base"
	done
}

# base_version REPO: print the version, such as "7.2", in the Makefile of REPO's tag base.
base_version() {
	git -C "$1" -c safe.directory='*' cat-file blob refs/tags/base:Makefile 2>/dev/null |
		sed -n -E 's/^(VERSION|PATCHLEVEL) = ([0-9]+)$/\2/p' | paste -sd.
}

# base_of REPO: print the base whose patches are for REPO's tag base: the base of its
# version, or BASE if no base has this version.
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

# base_lines BASE FILE: print FILE's lines for BASE: those without a guard, and those that
# begin with "BASE: ", with the guard removed. An indented line belongs to the line above.
base_lines() {
	local guard
	while IFS= read -r guard; do
		[ -f "$TOP/harness/bases/$guard" ] ||
			die "${2#"$TOP/"}: there is no base '$guard'" "it is the guard of a line" \
				"the bases are $(bases_all | paste -sd' ')"
	done < <(sed -n -E 's/^([0-9]+\.[0-9]+):\s.*/\1/p' "$2" | sort -u)
	awk -v base="$1:" '
		/^[ \t]/ { if (ours) print; next }
		{ ours = 1 }
		$1 ~ /^[0-9]+\.[0-9]+:$/ { ours = $1 == base; sub(/^[^ \t]+[ \t]+/, "") }
		ours' "$2"
}
