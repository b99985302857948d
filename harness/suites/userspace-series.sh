#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# userspace/NAME/*.patch -> build/userspace/series/NAME/, mails from you like the
# kernel's (harness/queue/series.sh): a cover, whole patches, and the recipients.
#
#   userspace-series.sh [NAME...]   default: liburing libfuse
#   SIGNOFF=1 userspace-series.sh   with your Signed-off-by
#
# userspace/cover.d/NAME is the cover (harness/queue/mail.sh).
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/queue/mail.sh"
. "$TOP/harness/suites/userspace.sh"

[ $# -gt 0 ] || set -- liburing libfuse
mail_identity
queue_tmp
for name; do
	cover=$TOP/userspace/cover.d/$name
	out=$USERSPACE/series/$name
	cover_check "$cover" To Cc
	[ -n "$(cover_field "$cover" To)" ] ||
		die "the patches of $name have no recipient" "" "add one to userspace/cover.d/$name: 'To: NAME <ADDRESS>'"
	"$TOP/harness/suites/userspace-$name.sh" --tree
	read -r head _ <"$(userspace_synced "$name")"
	[ "$(qgit -C "$USERSPACE/$name" rev-parse HEAD)" = "$head" ] ||
		die "build/userspace/$name has commits that are not exported" "" \
			"harness/suites/userspace-export.sh $name"
	qgit clone -q --bare --shared "$USERSPACE/$name" "$q_tmp/$name.git"
	rm -rf "$out" "$out.new"
	mkdir -p "$out.new"
	{
		cover_field "$cover" To | sed 's/^/To: /'
		cover_field "$cover" Cc | sed 's/^/Cc: /'
	} >"$out.new/recipients"
	{
		cover_field "$cover" Subject
		echo
		cover_text "$cover"
		echo
		echo "Base: $(qgit -C "$USERSPACE/$name" log -1 --format=%s refs/tags/base)"
	} >"$q_tmp/cover"
	mail_needs=''
	mail_write "$q_tmp/$name.git" "$(qgit -C "$q_tmp/$name.git" rev-parse refs/tags/base)" "$head" \
		"$out.new" "$name" "PATCH $name"
	mv "$out.new" "$out"
	say "series: $(find "$out" -name '*.patch' | wc -l) patches of $name in ${out#"$TOP/"}, from $q_author_name"
done
