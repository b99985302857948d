#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/demo/demo_libfuse_table.py. Run by run.sh; prints TAP."""

import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "demo"))
sys.path.insert(0, HERE)

import demo_case  # noqa: E402
import demo_libfuse_table  # noqa: E402
from tapunit import main  # noqa: E402

FIO = 2 * demo_case.FIO_REQUESTS
NOTHING = dict.fromkeys(("none", "inline", "buffer", "zero_copy", "fallback", "buffer_wait"), 0)
# The kernel's counters after git and sqlite, and at the end.
PROGRAMS = {
    "plain": NOTHING,
    "kmbuf": {**NOTHING, "none": 5, "inline": 60, "buffer": 7},
    "zero-copy": {**NOTHING, "none": 5, "inline": 60, "buffer": 3, "zero_copy": 4},
}
END = {
    "plain": NOTHING,
    "kmbuf": {**PROGRAMS["kmbuf"], "buffer": 7 + FIO},
    "zero-copy": {**PROGRAMS["zero-copy"], "zero_copy": 4 + FIO},
}


def way(mode):
    return mode.split("-", 1)[1]


class Table(demo_case.DemoCase):
    judge = demo_libfuse_table

    def setUp(self):
        super().setUp()
        for mode in demo_libfuse_table.MODES:
            self.counters(mode)

    def good_facts(self, mode):
        return {"checksums_equal_behind": demo_case.FILES, "git_objects": 9, "sqlite_rows": 900,
                "kmbuf_bytes": 0 if way(mode) == "plain" else 8 << 20, "kmbuf_held": 0,
                "server_data_kb": 2048, "server_memory_kb": 3000}

    def counters(self, mode, programs=(), end=()):
        """Write both files, with changes."""
        self.write_pairs(mode, "counters.programs", {**PROGRAMS[way(mode)], **dict(programs)})
        self.write_pairs(mode, "counters.end", {**END[way(mode)], **dict(end)})

    def test_good(self):
        """a good run has no fault, and fits a terminal"""
        rows = dict(self.assert_good())
        self.assertEqual(rows["payload in a buffer"],
                         ["0", str(7 + FIO), "3", "0", str(7 + FIO), "3"])

    def test_data(self):
        """wrong data in any mode is a fault"""
        for mode in demo_libfuse_table.MODES:
            for name, value, text in (
                    ("checksums_equal", 2, "files with equal checksums: 2, expected 3"),
                    ("checksums_equal_behind", 2, "behind the server: 2, expected 3"),
                    ("sqlite_rows", 899, "rows of the database: 899, expected 900"),
                    ("git_objects", 1, "the clone has only 1 objects"),
                    ("kmbuf_held", 1, "an idle server holds: 1, expected 0")):
                self.facts(mode, **{name: value})
                self.assert_fault(mode + " mode: ")
                self.assert_fault(text)
                self.facts(mode)
            self.check_fio(mode)
            self.write(mode, "fio-read.json", demo_case.fio(0, demo_case.FIO))
            self.write(mode, "fio-write.json", demo_case.fio(demo_case.FIO, 0))

    def test_objects(self):
        """clones of one repository have the same objects"""
        self.facts("ll-kmbuf", git_objects=8)
        self.assert_fault("have [8, 9] objects")

    def test_way(self):
        """counters that do not agree with the mode are a fault"""
        self.counters("hp-plain", end={"inline": 1})
        self.assert_fault("hp-plain mode: kernel-managed buffers in a plain session")
        self.counters("hp-plain")
        self.counters("hp-kmbuf", end={"buffer": 7 + FIO - 1})
        self.assert_fault("hp-kmbuf mode: requests with a buffer that fio made")
        self.counters("hp-kmbuf")
        self.counters("ll-zero-copy", end={"zero_copy": 4 + FIO - 1})
        self.assert_fault("ll-zero-copy mode: requests without a copy that fio made")
        self.counters("ll-zero-copy", end={"fallback": 1})
        self.assert_fault("ll-zero-copy mode: requests copied after all: 1, expected 0")
        self.counters("ll-zero-copy", programs={"zero_copy": 0}, end={"zero_copy": FIO})
        self.assert_fault("ll-zero-copy mode: no request of git without a copy")
        self.counters("ll-zero-copy")
        self.facts("ll-kmbuf", kmbuf_bytes=0)
        self.assert_fault("ll-kmbuf mode: no kernel-managed buffers")

    def test_unreadable(self):
        """missing files have their own exit status"""
        self.remove("hp-plain", "counters.end")
        self.assert_unreadable()


if __name__ == "__main__":
    main()
