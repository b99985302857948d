#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Check the results of real programs on libfuse's example file systems, and print them.

usage: demo_libfuse_table.py [--json FILE] --files N --bytes N DIR

Reads the files of demo-libfuse.guest.sh in DIR, one directory for each mode:
    facts              "name value" lines
    counters.programs  the kernel's counters of the mount after git and sqlite
    counters.end       and at the end: "name value" lines
    fio-write.json     fio-read.json
Checks every number against the others, prints the table, and with --json writes
the same as JSON. The repository has N files with N bytes in all.

Exit status: 0 all numbers agree; 1 some do not (a message names them); 2 the
files cannot be read.
"""

import os
import sys

import demo_common
from demo_common import mb
from demo_fuse_table import COUNTERS, SENT, read_counters

MODES = {program + "-" + way: "%s %s" % (program, head)
         for program in ("hp", "ll")
         for way, head in (("plain", "plain"), ("kmbuf", "KMBUF"), ("zero-copy", "zc"))}
FACTS = ("checksums_equal", "checksums_equal_behind", "git_objects", "sqlite_rows",
         "kmbuf_bytes", "kmbuf_held", "server_data_kb", "server_memory_kb")
# A thousand rows were written, a hundred of them deleted.
SQLITE_ROWS = 900


def read_mode(directory):
    """Return the results of one mode, a flat dictionary, and a list of faults."""
    mode = demo_common.read_facts(directory, FACTS)
    mode.update(demo_common.read_fio(directory))
    programs = read_counters(os.path.join(directory, "counters.programs"))
    end = read_counters(os.path.join(directory, "counters.end"))
    mode.update(end)
    mode.update({"fio_" + name: end[name] - programs[name] for name in COUNTERS})
    mode["requests_counted"] = sum(end[name] for name in SENT)
    return mode, []


def judge_way(name, mode):
    """Check that the kernel's counters agree with the mode; yield faults."""
    plain, zero_copy = name.endswith("plain"), name.endswith("zero-copy")
    fio = mode["fio_requests"]
    yield from demo_common.differences([
        ("requests with a buffer that fio made", mode["fio_buffer"],
         0 if plain or zero_copy else fio),
        ("requests without a copy that fio made", mode["fio_zero_copy"], fio if zero_copy else 0),
        ("requests copied after all", mode["fallback"], 0),
        ("kernel-managed buffers that an idle server holds", mode["kmbuf_held"], 0),
    ])
    if plain and (mode["requests_counted"] or mode["kmbuf_bytes"]):
        yield "kernel-managed buffers in a plain session"
    if not plain and not mode["kmbuf_bytes"]:
        yield "no kernel-managed buffers"
    # More than fio's requests: git and sqlite used this mode as well.
    if not plain and mode["inline"] <= mode["files"]:
        yield "fewer small requests than files"
    if zero_copy and mode["zero_copy"] <= fio:
        yield "no request of git without a copy"


def judge(name, mode, files, size):
    """Check everything that has to hold for one mode; yield faults."""
    mode["files"], mode["bytes"] = files, size
    yield from demo_common.differences([
        ("files with equal checksums", mode["checksums_equal"], files),
        ("files with equal checksums behind the server", mode["checksums_equal_behind"], files),
        ("rows of the database", mode["sqlite_rows"], SQLITE_ROWS),
        ("fio errors", mode["fio_errors"], 0),
        ("bytes fio verified", mode["fio_bytes_verified"], mode["fio_bytes_written"]),
    ])
    if mode["fio_bytes_verified"] <= 0:
        yield "fio verified nothing"
    # A file, its directories, and the commit.
    if mode["git_objects"] < 2:
        yield "the clone has only %d objects" % mode["git_objects"]
    yield from judge_way(name, mode)


def judge_all(modes):
    """Check the numbers that have to be equal in all modes."""
    objects = {mode["git_objects"] for mode in modes.values()}
    if len(objects) != 1:
        yield "clones of the same repository have %s objects" % sorted(objects)


ROWS = (
    ("Is the data right?", None),
    (" files that git cloned, SHA-256 equal", lambda m: "%d" % m["checksums_equal"]),
    (" objects that git fsck checked", lambda m: "%d" % m["git_objects"]),
    (" rows in sqlite's checked database", lambda m: "%d" % m["sqlite_rows"]),
    (" random blocks fio verified, MB", lambda m: mb(m["fio_bytes_verified"])),
    ("How did it travel?", None),
    (" requests without payload", lambda m: "%d" % m["none"]),
    (" payload inline", lambda m: "%d" % m["inline"]),
    (" payload in a buffer", lambda m: "%d" % m["buffer"]),
    (" payload not copied", lambda m: "%d" % m["zero_copy"]),
    (" to be copied after all (fallback)", lambda m: "%d" % m["fallback"]),
    (" waited for a buffer", lambda m: "%d" % m["buffer_wait"]),
    ("What memory does it take?", None),
    (" kernel-managed buffers, MB", lambda m: mb(m["kmbuf_bytes"])),
    (" data of the server's own, MB", lambda m: mb(m["server_data_kb"] * 1024)),
    (" resident memory of the server, MB", lambda m: mb(m["server_memory_kb"] * 1024)),
)

LEGEND = """\
 hp, ll           libfuse's passthrough_hp and passthrough_ll. They only allow zero copy for
                  each file they open; mount options choose the mode
 plain            -o io_uring: Linux's own FUSE over io_uring, which has no counters
 KMBUF            -o io_uring_kmbuf: payloads in kernel-managed buffers
 zc               -o io_uring_zero_copy: the same, but reads and writes from 16 KiB on go
                  between the client's pages and the file"""

DEMO = demo_common.Demo(modes=MODES, rows=ROWS, legend=LEGEND, read_mode=read_mode,
                        judge=judge, judge_all=judge_all, width=9)


def main():
    return demo_common.main(DEMO, __doc__)


if __name__ == "__main__":
    sys.exit(main())
