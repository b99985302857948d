# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the gates that build: compare what two builds complain about.

# messages LOG: the warnings and errors of gcc, sparse, kernel-doc, modpost and
# Kbuild, without what moves when code above them changes (line numbers, sizes).
# A header's complaint counts once, however many files include it; a second
# complaint of the same words in one file is another line ("#2").
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

# learn KNOWN NEW: report a message once, by the patch that brings it.
learn() {
	sort -u -o "$1" "$1" "$2"
}
