# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the gates that build: compares the warnings of two builds.

# messages LOG: print the warnings and errors of gcc, sparse, kernel-doc, modpost and
# Kbuild, without numbers that change with the code above them (lines, sizes). A
# header's warning counts once, however many files include it. A second warning with the
# same words in one file is another line ("#2").
messages() {
	sed -n -E -e 's/^(Warning|Error): (\S+:[0-9]+) /\2: warning: kernel-doc: /' \
		-e '/(: |^)(fatal error|error|warning|ERROR|WARNING): /p' "$1" |
		sort -u |
		sed -E -e 's/^(\.\.\/)+//' -e 's/^(\S+\.[chS]):[0-9]+(:[0-9]+)?:/\1:/' \
			-e 's/\b[0-9]+\b/N/g' |
		sort | awk '{ print $0 " #" ++n[$0] }' | sort
}

# new_messages OLD NEW: the lines of NEW that are not in OLD (sorted files).
new_messages() {
	comm -13 "$1" "$2"
}

# learn KNOWN NEW: add NEW to KNOWN, so that only the first patch with a message reports it.
learn() {
	sort -u -o "$1" "$1" "$2"
}
