#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: rules of this repository that no other tool checks.
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
# This repository's own texts: no licences, and no patches, which have foreign context.
own=()
for file in "${files[@]}"; do
	[[ $file == LICENSES/* || $file == *.patch ]] || own+=("$file")
done

# entries LIST: print its first column, without the reason behind '#'.
entries() {
	sed -E -e 's/(^|\s+)#.*//' -e '/^\s*$/d' "$lists/$1"
}

# rule TEXT FUNCTION: a point; each line that FUNCTION prints is a defect.
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
		[ -n "$exempt" ] || grep -q 'SPDX-License-Identifier: [A-Z(]' < <(head -n 5 "$file") ||
			echo "$file: no SPDX-License-Identifier in its first five lines"
	done
}

# The texts of the licences that the SPDX lines name.
licenses() {
	local name
	[ -s LICENSES/GPL-2.0 ] || echo "LICENSES/GPL-2.0 is missing"
	while IFS= read -r name; do
		[ -s "LICENSES/${name%-only}" ] || echo "LICENSES/${name%-only} is missing, but a file's SPDX line names it"
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

# Lines for one base, in the lists that may have some, name an existing base. A script may
# ignore a line for an unknown base.
guards() {
	local list
	for list in harness/lists/{kselftests,liburing,ublk,libfuse}.*; do
		[ -f "$list" ] || continue
		grep -H -n -E '^[^#[:space:]]+:\s' "$list" |
			grep -v -E ":[0-9]+:($(bases_all | sed 's/\./[.]/' | paste -sd'|')):\s" |
			sed 's/$/   <- no such base/'
	done
}

# A patch that only some bases have needs a comment above it that says why. One comment
# serves consecutive patches of the same base.
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

# Reports the hosts of this machine's apt anywhere, and URLs whose host hosts.lint does
# not list.
hosts() {
	local host
	while IFS= read -r host; do
		grep -n -I -w -F -- "$host" "${files[@]}"
	done < <(find /etc/apt \( -name '*.list' -o -name '*.sources' \) -exec \
		sed -n -E 's|^[^#]*https?://([^/ :]+).*|\1|p' {} + 2>/dev/null | sort -u)
	grep -n -I -o -E '(https?|ftp|git)://[A-Za-z0-9.-]+' "${own[@]}" |
		grep -v -E "://($(entries hosts.lint | sed -e 's/\./[.]/g' -e 's/\*/[^\/]*/g' | paste -sd'|'))\$"
}

# Reports paths of this checkout, this user's home, and the usual places of others.
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

# Files and 'make' targets that texts name have to exist, except files in build/.
named() {
	local text name
	for text in "${own[@]}"; do
		[[ $text == *.md ]] || continue
		grep -o -E '[A-Za-z0-9_./-]*(harness|patches|userspace|docs)/[A-Za-z0-9_./-]+' "$text" |
			grep -E '^(harness|patches|userspace|docs)/' | sed 's/[.]*$//' | sort -u |
			while IFS= read -r name; do
				[ -e "$name" ] || echo "$text: there is no $name"
			done
		# shellcheck disable=SC2016 # backticks of Markdown
		grep -o -E '`([A-Z_]+=[^ `]* )?make [a-z][a-z-]*' "$text" | sed 's/.* //' | sort -u |
			while IFS= read -r name; do
				grep -q "^$name:" Makefile || echo "$text: there is no 'make $name'"
			done
	done
}

# Shell scripts, their continued lines joined, whose pipe ends in a program that stops
# reading early. With pipefail the writer's SIGPIPE makes the pipe fail, sometimes:
# 'grep -q x < <(writer)' cannot.
pipes() {
	local script
	for script in "${own[@]}"; do
		[[ $script == *.sh || $(head -n 1 "$script" | tr -d '\0') == '#!'*sh* ]] || continue
		sed -E -e ':join' -e '/(\\|\|)$/{N;s/\\?\n\s*/ /;b join' -e '}' "$script" |
			grep -E '(^|[^|])\|\s*(head\b|e?grep(\s+-\S+)*\s+-[A-Za-z]*[qm]|sed\s[^|]*[0-9;/{$]q\b)' |
			sed "s|^\s*|$script: |"
	done
}

rule "an SPDX line in every file (except harness/lists/spdx.lint)" spdx
rule "LICENSES has the text of each licence" licenses
rule "no Signed-off-by in patches" signoff
rule "no patch creates a file" creates
rule "no pipe into a program that stops reading early" pipes
rule "a reason on every line of harness/lists" reasons
rule "a line for one base names an existing base" guards
rule "a reason above patches of one base" alone
rule "no host that is not in harness/lists/hosts.lint" hosts
rule "files and verbs that texts name exist" named
rule "no path of one machine" paths
