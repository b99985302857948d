#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: the tree's own checkpatch.pl --strict --codespell passes on every mail of the
# series. harness/lists/checkpatch.ignore has message types that are ignored,
# harness/lists/checkpatch.lines messages that are wrong about a line. A mail that passed
# is not checked again while the mail, the tree, the lists and the tools are the same.
#
#   checkpatch.sh        one point a mail of build/<base>/mails
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
# shellcheck source=harness/queue/queue.sh
. "$TOP/harness/queue/queue.sh"

dictionary=/usr/lib/python3/dist-packages/codespell_lib/data/dictionary.txt
need perl perl
need codespell codespell
[ -f "$dictionary" ] || die "codespell's dictionary is not in $dictionary" \
	"checkpatch would silently check no spelling" "make setup"
# checkpatch runs spdxcheck.py, and mistakes its crash for a good licence.
python3 -c 'import git, ply' 2>/dev/null || die "python3-ply or python3-git is missing" \
	"checkpatch's check of licences needs them" "make setup"
need_tree
lint_tmp
q_tmp=$lint_tmp

ignored=$(sed -E -e 's/\s*#.*//' -e '/^$/d' "$TOP/harness/lists/checkpatch.ignore" | paste -sd,)

# words MAIL: print the lines of the dictionary that can match in MAIL. checkpatch spends
# two thirds of its time comparing each word with all sixty thousand. A match is between
# characters that no word has, so it is one of MAIL's words. A mail that is not plain
# ASCII needs the whole dictionary.
words() {
	if LC_ALL=C grep -q '[^[:print:][:space:]]' "$1"; then
		cat "$dictionary"
		return
	fi
	tr -c "[:alnum:]_'\`-" '\n' <"$1" | tr '[:upper:]' '[:lower:]' | sort -u |
		awk -F '->' 'NR == FNR { has[$0]; next }
			tolower($1) in has || $1 ~ /[^a-zA-Z0-9_\x27`-]/' - "$dictionary"
}

# Runs in the work tree, because checkpatch reads its rules and licences there.
check() {
	words "$1" >"$lint_tmp/words" || return
	cd "$LINT_LINUX" && perl scripts/checkpatch.pl --strict --codespell \
		--codespellfile="$lint_tmp/words" --show-types --terse --no-summary \
		--ignore "$ignored" "$1"
}

# mistaken MAIL: drop those of checkpatch's messages that checkpatch.lines lists.
mistaken() {
	local line kind text type regex
	while IFS= read -r line; do
		if [[ $line =~ ^[^:]+:([0-9]+):\ [A-Z]+:([A-Z_]+): ]]; then
			kind=${BASH_REMATCH[2]}
			text=$(sed -n "${BASH_REMATCH[1]}p" "$1")
			while IFS=$'\t' read -r type regex _; do
				[[ $type != "$kind" || ! $text =~ $regex ]] || continue 2
			done < <(grep -v '^#' "$TOP/harness/lists/checkpatch.lines")
		fi
		printf '%s\n' "$line"
	done
}

# A hash of everything that a verdict depends on, except the mail.
all=$({
	queue_sources "$LINT_LINUX"
	cat "${BASH_SOURCE[0]}" "$TOP"/harness/lists/checkpatch.* "$dictionary"
	perl --version
	python3 --version
} | sha256sum)
passed=$CACHE/lint/checkpatch
mkdir -p "$passed"
find "$passed" -type f -mtime +30 -delete

found=0
for mail in "$LINT_SERIES"/*/*.patch; do
	[ -f "$mail" ] || continue
	found=1 status=0 name=${mail#"$LINT_SERIES/"}
	key=$({ echo "$all"; cat "$mail"; } | sha256sum | cut -d ' ' -f 1)
	if [ -e "$passed/$key" ]; then
		touch "$passed/$key"
		ok "checkpatch $name (unchanged since it passed)"
		continue
	fi
	# checkpatch fails for any message; only the remaining ones count.
	{ check "$mail" 2>&1 || true; } | mistaken "$mail" >"$lint_tmp/out"
	# Any output is a complaint, including checkpatch's own crash.
	if [ -s "$lint_tmp/out" ]; then status=1; else touch "$passed/$key"; fi
	sed -i "s|^$LINT_SERIES/||" "$lint_tmp/out"
	verdict "$status" "checkpatch $name" "$lint_tmp/out"
done
[ "$found" -eq 1 ] || die "no mails in $LINT_SERIES" "" "harness/queue/series.sh --check"
