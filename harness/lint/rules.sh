#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: the rules of this repository that no other tool knows.
#
#   rules.sh             one point a rule
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
. "$TOP/harness/bases/bases.sh"

lists=$TOP/harness/lists
lint_tmp
cd "$LINT_TOP"
mapfile -d '' -t files < <(git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
	while IFS= read -r -d '' file; do
		[[ ! -f $file || -L $file ]] || printf '%s\0' "$file"
	done)
[ "${#files[@]}" -gt 0 ] || die "no file in $LINT_TOP" "is it a git repository?"
# Files of this repository's own making: no licence texts, no foreign context.
own=()
for file in "${files[@]}"; do
	[[ $file == LICENSES/* || $file == *.patch ]] || own+=("$file")
done

# entries LIST: its first column; what follows '#' is the reason.
entries() {
	sed -E -e 's/(^|\s+)#.*//' -e '/^\s*$/d' "$lists/$1"
}

# rule TEXT FUNCTION: what the function prints are the defects.
rule() {
	local status=0
	"$2" >"$lint_tmp/out" 2>&1 || true
	[ ! -s "$lint_tmp/out" ] || status=1
	verdict "$status" "rule: $1" "$lint_tmp/out"
}

spdx() {
	local file pattern exempt
	for file in "${own[@]}"; do
		exempt=
		while IFS= read -r pattern; do
			# shellcheck disable=SC2053 # a pattern
			[[ $file != $pattern ]] || exempt=1
		done < <(entries spdx.lint)
		[ -n "$exempt" ] || head -n 5 "$file" | grep -q 'SPDX-License-Identifier: [A-Z(]' ||
			echo "$file: no SPDX-License-Identifier in its first five lines"
	done
}

# The texts of the licences that the SPDX lines name.
licenses() {
	local name
	[ -s LICENSES/GPL-2.0 ] || echo "LICENSES/GPL-2.0 is missing"
	while IFS= read -r name; do
		[ -s "LICENSES/${name%-only}" ] || echo "LICENSES/${name%-only} is missing, a file names it"
	done < <(for file in "${own[@]}"; do head -n 5 "$file"; done |
		sed -n -E 's/.*SPDX-License-Identifier: ([A-Za-z0-9.() -]*[A-Za-z0-9.)]).*/\1/p' |
		sed -E -e 's/ (WITH|OR|AND) /\n/g' | tr -d '() ' | sort -u)
}

signoff() {
	grep -n -i '^[>[:space:]]*signed-off-by:' -r patches userspace 2>/dev/null
}

creates() {
	grep -n -E '^(--- /dev/null|new file mode )' -r patches --include='*.patch'
}

reasons() {
	local list
	for list in harness/lists/*; do
		[ -f "$list" ] || continue
		grep -H -n -v -E '^\s*(#|$)|#\s*\S' "$list" | sed 's/$/   <- no reason/'
	done
}

# Lines for one base, in the lists that may have some. A script that meets a base
# that there is not may take the line for none.
guards() {
	local list
	for list in harness/lists/{kselftests,liburing,ublk,libfuse}.*; do
		[ -f "$list" ] || continue
		grep -H -n -E '^[^#[:space:]]+:\s' "$list" |
			grep -v -E ":[0-9]+:($(bases_all | sed 's/\./[.]/' | paste -sd'|')):\s" |
			sed 's/$/   <- no such base/'
	done
}

# Patches that one base has and another has not: a comment above them says why. One
# comment serves those of the same base that follow each other.
alone() {
	[ ! -f patches/series ] || awk '
		/^[ \t]+[+]/ { next }
		{ guard = ""; name = $1 }
		/^[0-9.]+:[ \t]/ { guard = $1; name = $2; sub(/.*\//, "", name) }
		{ said = /^#/ || (guard != "" && guard == last && why) }
		guard != "" {
			bases[name] = bases[name] " " guard
			if (!(comment || said))
				silent[name] = FILENAME ":" FNR ": " $0
		}
		{ why = comment || said; comment = /^#/; last = guard }
		END {
			for (name in silent)
				if (split(bases[name], list, " ") == 1)
					print silent[name] "   <- no comment says why for this base only"
		}' patches/series
}

# Hosts: those of this machine's apt, wherever they are named; and every URL
# whose host nobody vouched for.
hosts() {
	local host
	while IFS= read -r host; do
		grep -n -I -w -F -- "$host" "${files[@]}"
	done < <(find /etc/apt \( -name '*.list' -o -name '*.sources' \) -exec \
		sed -n -E 's|^[^#]*https?://([^/ :]+).*|\1|p' {} + 2>/dev/null | sort -u)
	grep -n -I -o -E '(https?|ftp|git)://[A-Za-z0-9.-]+' "${own[@]}" |
		grep -v -E "://($(entries hosts.lint | sed -e 's/\./[.]/g' -e 's/\*/[^\/]*/g' | paste -sd'|'))\$"
}

# This checkout, this user's home, and the usual places of others.
paths() {
	paths_found | sort -u | cut -c1-200
}

paths_found() {
	local place
	for place in "$TOP" "$CACHE" "$HOME"; do
		[ "${#place}" -lt 4 ] || grep -n -I -F -- "$place/" "${files[@]}"
	done
	grep -n -I -E '(^|[^A-Za-z0-9_.$}/*-])/(home|Users|root|work)/[A-Za-z0-9._]' "${own[@]}" |
		grep -v '^harness/lint/rules.sh:'
}

# Files and verbs that texts name. What a verb makes need not be there.
named() {
	local text name
	for text in "${own[@]}"; do
		[[ $text == *.md ]] || continue
		grep -o -E '[A-Za-z0-9_./-]*(harness|patches|userspace|docs)/[A-Za-z0-9_./-]+' "$text" |
			grep -E '^(harness|patches|userspace|docs)/' | sed 's/[.]*$//' | sort -u |
			while IFS= read -r name; do
				[ -e "$name" ] || echo "$text: there is no $name"
			done
		# shellcheck disable=SC2016 # backquotes of Markdown
		grep -o -E '`([A-Z_]+=[^ `]* )?make [a-z][a-z-]*' "$text" | sed 's/.* //' | sort -u |
			while IFS= read -r name; do
				grep -q "^$name:" Makefile || echo "$text: there is no 'make $name'"
			done
	done
}

rule "an SPDX line in every file (but harness/lists/spdx.lint)" spdx
rule "LICENSES has the text of each licence" licenses
rule "no Signed-off-by in patches" signoff
rule "no patch creates a file" creates
rule "a reason on every line of harness/lists" reasons
rule "a line for one base names one" guards
rule "a reason above patches of one base" alone
rule "no host that harness/lists/hosts.lint does not have" hosts
rule "files and verbs that texts name are there" named
rule "no path of one machine" paths
