# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by test.sh, after lib.sh: the results of steps that passed, for as long
# as no file that the step reads has changed.

. "$TOP/harness/setup/versions.sh"

PASSED=$CACHE/passed

# passed_key BASE WHICH COMMAND...: a hash of everything that the command reads: the
# base and the series, the files of this repository, and the installed packages.
# Without git there is none, since it is git that knows the files. WHICH says which:
#   all      all but those that only people and lint read
#   kernel   of these, not the libraries of userspace/ nor the tutorials of docs/
passed_key() {
	local base=$1 which=$2
	local -a out=(':!harness/lint' ':!harness/deb' ':!benchmarks' ':!BENCHMARKS.md'
		':!CONTRIBUTING.md' ':!README.md' ':!patches/cover.d' ':!userspace/cover.d')
	shift 2
	git -C "$TOP" -c safe.directory='*' ls-files --error-unmatch harness/suites/passed.sh \
		>/dev/null 2>&1 || return
	[ "$which" != kernel ] || out+=(':!userspace' ':!docs')
	{
		echo "$base $*"
		git -C "$BUILDS/$base/linux" -c safe.directory='*' rev-parse 'refs/tags/base^{tree}'
		cd "$TOP" && git -c safe.directory='*' ls-files -z --cached --others \
			--exclude-standard -- . "${out[@]}" | sort -z | xargs -0 -r sha256sum
		package_versions
	} 2>&1 | sha256sum | cut -d ' ' -f 1
}

# passed_before KEY NAME RESULT: whether it passed with that key, which counts
# neither in CI nor with FRESH=1. Its result is RESULT then.
passed_before() {
	[ -z "${CI:-}${FRESH:-}" ] && [ -e "$PASSED/$2-$1" ] || return 1
	touch "$PASSED/$2-$1"
	cp "$PASSED/$2-$1" "$3"
}

# passed_now KEY NAME RESULT: keeps the result. A step that counts no points has none.
passed_now() {
	mkdir -p "$PASSED"
	find "$PASSED" -type f -mtime +30 -delete
	[ -e "$3" ] || set -- "$1" "$2" /dev/null
	cp "$3" "$PASSED/.$2-$1.$$"
	mv "$PASSED/.$2-$1.$$" "$PASSED/$2-$1"
}
