#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# patches/ and the new files -> build/<base>/series/, the mails of the series: for each
# set (sets.sh) a directory with a cover, whole patches, and the recipients. The mails
# are from you (git's user.name, user.email).
#
#   series.sh            write the mails
#   SIGNOFF=1 series.sh  the same, with your Signed-off-by
#   series.sh --check    the same mails for lint and the round trip, without sender
#                        and recipients, in build/<base>/mails/
#
# The file "order" lists the sets in the order for 'git am'.
# 'git send-email build/<base>/series/SET/0*' sends one set, cover first.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$TOP/harness/queue/queue.sh"
. "$TOP/harness/queue/import.sh"
. "$TOP/harness/queue/mail.sh"
. "$TOP/harness/queue/maintainers.sh"
. "$TOP/harness/queue/sets.sh"

check=0
case $#,${1:-} in
0,)
	OUT=$BUILD/series
	mail_identity
	;;
1,--check)
	OUT=$BUILD/mails
	check=1 SIGNOFF=''
	;;
*) die "usage: series.sh [--check]" ;;
esac

# recipients SET: print the recipients, or stop if there are none.
recipients() {
	sets_recipients "$1" "$q_tmp/maintainers" >"$q_tmp/recipients"
	grep '^To: ' "$q_tmp/recipients" ||
		die "the set [$1] has no recipient" "MAINTAINERS names no maintainer of its files" \
			"add one to patches/cover.d/$1: 'To: NAME <ADDRESS>'"
	grep '^Cc: ' "$q_tmp/recipients" || true
}

queue_tmp
queue_scratch "$("$TOP/harness/queue/base.sh" --path)"
queue_import "$q_repo" "$TOP"
[ "${#q_patches[@]}" -gt 0 ] || die "the series is empty" "patches/series names no patch"
sets_read "$TOP"
if [ "$check" -eq 0 ]; then
	maintainers_tree "$q_repo" "$q_commit" "$q_tmp/maintainers"
fi
rm -rf "$OUT.new"
for set in "${set_names[@]}"; do
	sets_stack "$set"
	mkdir -p "$OUT.new/$set"
	if [ "$check" -eq 0 ]; then
		recipients "$set" >"$OUT.new/$set/recipients"
	fi
	sets_cover "$set" >"$q_tmp/cover"
	mail_needs=${set_needs[$set]}
	mail_write "$q_repo" "$set_from" "$set_tip" "$OUT.new/$set" "$set" PATCH
	echo "$set" >>"$OUT.new/order"
done
rm -rf "$OUT"
mv "$OUT.new" "$OUT"
say "series: ${#q_patches[@]} patches in ${#set_names[@]} sets in ${OUT#"$TOP/"}," \
	"${q_author_name:+from }${q_author_name:-for checks only}${SIGNOFF:+, signed off}"
