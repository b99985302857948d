#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: Sphinx, called as by the kernel's "make htmldocs", builds the documentation that
# the series adds or changes, without a warning.
#
#   htmldocs.sh [DIR]...  one point for each DIR, below Documentation/
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
# shellcheck source=harness/queue/queue.sh
. "$TOP/harness/queue/queue.sh"

need sphinx-build python3-sphinx
python3 -c 'import yaml' 2>/dev/null || die "python3-yaml is missing" \
	"the kernel's Sphinx extensions need it" "make setup"
need_tree
lint_tmp
git=(qgit -C "$LINT_LINUX")
[ $# -gt 0 ] || set -- userspace-api/io_uring filesystems/fuse

# get FILE...: copy those FILEs that the series' tree has.
get() {
	local -a files
	mapfile -t files < <("${git[@]}" ls-tree --name-only "$LINT_TIP" -- "$@")
	[ "${#files[@]}" -eq 0 ] ||
		"${git[@]}" archive "$LINT_TIP" -- "${files[@]}" | tar -x -C "$tree"
}

# Runs the wrapper that the kernel's Makefile runs, without variables of a Makefile.
sphinx() {
	(cd "$tree" && env -u KERNELVERSION -u KERNELRELEASE -u KERNELDOC \
		-u SPHINXDIRS -u SPHINXBUILD -u DOCS_THEME -u MAKEFLAGS srctree="$tree" PYTHON3=python3 \
		KBUILD_VERBOSE=0 PYTHONDONTWRITEBYTECODE=1 SPHINXOPTS=-q TMPDIR="$lint_tmp" \
		timeout 300 /usr/bin/python3 tools/docs/sphinx-build-wrapper htmldocs \
		--sphinxdirs="$docs" --builddir="$lint_tmp/html")
}

# wanted PAGE: print the names in its kernel-doc directives. Sphinx does not warn about a
# name that the source does not document.
wanted() {
	local word rest file=
	while read -r word rest; do
		case $word in
		..) file=${rest#kernel-doc:: } ;;
		:identifiers:) tr -s ' ' '\n' <<<"$rest" ;;
		:export:) sed -n -E 's/^EXPORT_SYMBOL(_GPL)?\((\w+)\);/\2/p' "$tree/$file" ;;
		esac
	done < <(grep -E '^\s*(\.\. kernel-doc:: |:identifiers: |:export:)' "$tree/$source/$1")
}

# check DIR
check() {
	docs=$1
	source=Documentation/$docs
	point="htmldocs: $docs is free of warnings"
	tree=$lint_tmp/tree.${docs//\//.}
	html=$lint_tmp/html/$docs

	# Copy only files that Sphinx reads: its set-up, the documents, the sources they quote.
	mkdir -p "$tree" "$html"
	get Makefile MAINTAINERS Documentation/{conf.py,images,sphinx,sphinx-includes,sphinx-static} \
		tools/docs tools/lib/python tools/net/ynl/pyynl/lib scripts/kernel-doc "$source"
	mapfile -t pages < <(cd "$tree" && find "$source" -name '*.rst' 2>/dev/null | sort)
	if [ "${#pages[@]}" -eq 0 ]; then
		notok "htmldocs: the series has no $source"
		return
	fi
	mapfile -t quoted < <(cd "$tree" &&
		sed -n -E 's/^\s*\.\. kernel-doc::\s+(\S+).*/\1/p' "${pages[@]}" | sort -u)
	[ "${#quoted[@]}" -eq 0 ] || get "${quoted[@]}"

	status=0
	sphinx >"$lint_tmp/log" 2>&1 </dev/null || status=$?
	# Any output is a complaint, except the theme's name and a missing tool that draws
	# figures: no page has figures.
	sed -E -e '/^Using [a-z_]+ theme$/d' -e '/^WARNING: (dot|convert|rsvg-convert)\(1\)/d' \
		-e '/^\s*$/d' -e "s|^$tree/||" "$lint_tmp/log" >"$lint_tmp/out"
	[ "$status" -eq 0 ] || echo "sphinx-build-wrapper ended with status $status" >>"$lint_tmp/out"
	for page in "${pages[@]}"; do
		page=${page#"$source/"}
		made=$html/${page%.rst}.html
		if [ ! -s "$made" ]; then
			echo "$page: Sphinx made no HTML page of it"
			continue
		fi
		while read -r name; do
			grep -q "id=\"c\.$name\"" "$made" || echo "$page: $name is not described"
		done < <(wanted "$page")
	done >>"$lint_tmp/out"
	[ ! -s "$lint_tmp/out" ] || status=1
	verdict "$status" "$point" "$lint_tmp/out"
}

for dir in "$@"; do
	check "$dir"
done
