#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's part with real programs: libfuse's own passthrough_hp and passthrough_ll
# mount a directory, with the patched libfuse, over Linux's own FUSE io_uring, with
# kernel-managed buffers, and with zero copy. In it git clones and checks a repository,
# sqlite fills and checks a database, and fio verifies its writes.
#
#   demo-libfuse.guest.sh DIR     DIR, read-only: lib/, passthrough_hp, passthrough_ll,
#                                 repository, fuse.sha256
#
# Writes the files that demo_libfuse_table.py reads to $KMBUF_RW, a directory for each
# mode.
set -euo pipefail
# shellcheck source=harness/demo/demo-common.guest.sh
. "$(dirname "$0")/demo-common.guest.sh"
# shellcheck source=harness/demo/demo-mounts.guest.sh
. "$(dirname "$0")/demo-mounts.guest.sh"

dir=$1
mnt=/tmp/mnt
shown=$store/shown
export LD_LIBRARY_PATH=$dir/lib
# git refuses directories of another owner.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

# serve PROGRAM OPTIONS: start the server on an empty directory, mounted on $mnt.
serve() {
	rm -rf "$shown"
	mkdir "$shown"
	case $1 in
	hp) exec "$dir/passthrough_hp" --foreground --nopassthrough -o "$2" "$shown" "$mnt" ;;
	ll) exec "$dir/passthrough_ll" -f -o "source=$shown,$2" "$mnt" ;;
	esac >"$out/server" 2>&1 &
	server=$!
	await "$server" is_mounted
	await "$server" is_served
}

is_served() {
	[ -n "$(rings)" ]
}

unmount() {
	umount "$mnt"
	wait "$server" || fail "the server ended with $?: $(tail -n 1 "$out/server")"
}

clone() {
	git clone -q --no-hardlinks "$dir/repository" "$mnt/clone"
	drop_caches
	git -C "$mnt/clone" fsck --full --strict --no-progress >"$out/fsck" 2>&1 ||
		fail "git fsck: $(head -n 1 "$out/fsck")"
	git -C "$mnt/clone" diff --quiet HEAD || fail "git: files of the clone differ"
	fact git_objects "$(git -C "$mnt/clone" count-objects -v | awk '/^(count|in-pack):/ { n += $2 } END { print n }')"
	count_equal checksums_equal "$dir/fuse.sha256" "$mnt/clone"
}

database() {
	fact sqlite_rows "$(/usr/bin/python3 - "$mnt/database" <<-'PYTHON'
		import hashlib, sqlite3, sys

		def content(n):
		    return hashlib.sha512(b"%d" % n).digest() * 16

		db = sqlite3.connect(sys.argv[1])
		db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, content BLOB, hash TEXT)")
		db.execute("CREATE INDEX i ON t (hash)")
		for first in range(0, 1000, 250):
		    with db:
		        db.executemany("INSERT INTO t VALUES (?, ?, ?)", (
		            (n, content(n), content(n)[:8].hex()) for n in range(first, first + 250)))
		with db:
		    db.execute("DELETE FROM t WHERE n % 10 = 3")
		db.close()
		db = sqlite3.connect(sys.argv[1])
		assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
		print(sum(c == content(n) for n, c in db.execute("SELECT n, content FROM t")))
	PYTHON
	)"
}

# run PROGRAM WAY OPTIONS
run() {
	begin "$1-$2"
	say "libfuse, $mode: git clone, git fsck"
	serve "$1" "$3"
	clone
	say "libfuse, $mode: sqlite"
	database
	snapshot programs
	say "libfuse, $mode: fio random write, then random read, with crc32c"
	run_fio "$mnt/fio" 64k
	snapshot end
	measure
	unmount
	count_equal checksums_equal_behind "$dir/fuse.sha256" "$shown/clone"
	end
}

need_queues
echo Y >/sys/module/fuse/parameters/enable_uring
say "Linux $(uname -r) is up"
make_store
mkdir -p "$mnt"
for program in hp ll; do
	run "$program" plain io_uring
	run "$program" kmbuf io_uring,io_uring_kmbuf
	run "$program" zero-copy io_uring,io_uring_zero_copy
done
say "libfuse: all done"
