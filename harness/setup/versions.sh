# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh by scripts that keep results: versions of the tools.

# package_versions: print the versions of the packages that the harness needs.
package_versions() {
	# shellcheck disable=SC2046 # names
	dpkg-query -W $(sed -E 's/\s*#.*//; /^$/d' "$TOP/harness/setup/packages") 2>&1
}
