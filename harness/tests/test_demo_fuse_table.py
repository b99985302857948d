#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/demo/demo_fuse_table.py. Run by run.sh; prints TAP."""

import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "demo"))
sys.path.insert(0, HERE)

import demo_case  # noqa: E402
import demo_fuse_table  # noqa: E402
from tapunit import main  # noqa: E402

QUEUES, ENTRIES, PAYLOAD = 2, 4, 1 << 20
BUFFERS = {"plain": ENTRIES, "kmbuf": 2, "zero-copy": 1}
FIO = 2 * demo_case.FIO_REQUESTS
# Requests of the tree: 5 without payload, 6 inline, and these.
TREE_LARGE = 4
NOTHING = dict.fromkeys(("none", "inline", "buffer", "zero_copy", "fallback", "buffer_wait"), 0)
# The kernel's counters after the tree was checked, and at the end.
TREE = {
    "plain": NOTHING,
    "kmbuf": {**NOTHING, "none": 5, "inline": 6, "buffer": TREE_LARGE},
    "zero-copy": {**NOTHING, "none": 5, "inline": 6, "buffer": 1, "zero_copy": TREE_LARGE - 1},
}
END = {
    "plain": NOTHING,
    "kmbuf": {**TREE["kmbuf"], "buffer": TREE_LARGE + FIO, "buffer_wait": 2},
    "zero-copy": {**TREE["zero-copy"], "zero_copy": TREE_LARGE - 1 + FIO},
}
REQUESTS = 5 + 6 + TREE_LARGE + FIO


def trace(mode):
    """Return a line for each request, for each of the three commands that add a queue,
    and for each read or write of a slot."""
    came = REQUESTS + (0 if mode == "plain" else 3 * QUEUES)
    lines = ["# tracer: nop\n"] + [demo_case.complete(req, 0, 3) for req in range(came)]
    for req in range(END[mode]["zero_copy"]):
        opcode = "WRITE_FIXED" if req % 2 else "READ_FIXED"
        lines.append(demo_case.submit(req, opcode, 1 << 32 | 3))
    return lines


class Table(demo_case.DemoCase):
    judge = demo_fuse_table
    where = "in the directory"

    def setUp(self):
        super().setUp()
        for mode in demo_fuse_table.MODES:
            self.counters(mode)
            self.write(mode, "trace", "".join(trace(mode)))

    def good_facts(self, mode):
        plain = mode == "plain"
        own = QUEUES * ENTRIES * PAYLOAD if plain else 0
        return {"checksums_equal_behind": demo_case.FILES, "queues": QUEUES, "entries": ENTRIES,
                "buffers": BUFFERS[mode], "payload": PAYLOAD,
                "kmbuf_bytes": 0 if plain else QUEUES * BUFFERS[mode] * PAYLOAD,
                "kmbuf_held": 0, "server_data_kb": 2048 + own // 1024,
                "server_memory_kb": 3000}

    def counters(self, mode, tree=(), end=()):
        """Write both files, with changes."""
        self.write_pairs(mode, "counters.tree", {**TREE[mode], **dict(tree)})
        self.write_pairs(mode, "counters.end", {**END[mode], **dict(end)})

    def test_good_run(self):
        rows = self.assert_good()
        self.assertIn(("", ["plain", "KMBUF", "zero", "copy"]), rows)
        for row in (
                ("files copied", ["3", "3", "3"]),
                ("requests to the server", [str(REQUESTS)] * 3),
                ("without payload", ["0", "5", "5"]),
                ("payload inline", ["0", "6", "6"]),
                ("payload in a buffer", ["0", "12", "1"]),
                ("payload not copied", ["0", "0", "11"]),
                ("waited for a buffer", ["0", "2", "0"]),
                ("payload in a buffer", ["0", "8", "0"]),
                ("payload not copied", ["0", "0", "8"]),
                ("payload buffers, of 1 MiB", ["8", "4", "2"]),
                ("memory for payloads, MB", ["8.4", "4.2", "2.1"]),
                ("tied to waiting entries, MB", ["8.4", "0.0", "0.0"]),
                ("resident memory of the server, MB", ["3.1", "3.1", "3.1"])):
            self.assertIn(row, rows)
        self.assertEqual(self.result()["modes"]["zero-copy"]["zero_copy"], TREE_LARGE - 1 + FIO)

    def test_data(self):
        for mode in demo_fuse_table.MODES:
            self.check_data(mode)

    def test_fio(self):
        for mode in demo_fuse_table.MODES:
            self.check_fio(mode)

    def test_server_kept_something_to_itself(self):
        self.facts("kmbuf", checksums_equal_behind=demo_case.FILES - 1)
        self.assert_fault("kmbuf mode: files with equal checksums behind the server: 2")

    def test_plain_is_counted(self):
        for counter in NOTHING:
            self.counters("plain", end={counter: 1})
            self.assert_fault("plain mode: requests counted")

    def test_plain_went_another_way(self):
        self.write("plain", "trace", "")
        self.assert_fault("plain mode: only 0 requests came over the io_uring")

    def test_kmbuf_does_without_buffers(self):
        self.counters("kmbuf", tree={"buffer": 0}, end={"buffer": 0, "inline": 6 + 12})
        self.assert_fault("kmbuf mode: no request with a buffer")
        self.assert_fault("kmbuf mode: requests with a buffer that fio made: 0, expected 8")

    def test_kmbuf_does_without_copies(self):
        self.counters("kmbuf", end={"zero_copy": 1, "buffer": END["kmbuf"]["buffer"] - 1})
        self.assert_fault("kmbuf mode: requests without a copy: 1, expected 0")
        self.assert_fault("kmbuf mode: reads and writes of slots: 0, expected 1")

    def test_zero_copy_did_not_engage(self):
        self.counters("zero-copy", tree={"buffer": 4, "zero_copy": 0},
                      end={"buffer": 12, "zero_copy": 0})
        self.write("zero-copy", "trace", "".join(trace("kmbuf")))
        self.assert_fault("zero-copy mode: requests without a copy that fio made: 0, expected 8")

    def test_zero_copy_engaged_for_fio_only(self):
        self.counters("zero-copy", tree={"buffer": 4, "zero_copy": 0},
                      end={"buffer": 4, "zero_copy": 8})
        self.assert_fault("zero-copy mode: no request of the tree without a copy")

    def test_zero_copy_missed_one_request(self):
        self.counters("zero-copy", end={"buffer": 2, "zero_copy": END["zero-copy"]["zero_copy"] - 1})
        self.assert_fault("zero-copy mode: requests without a copy that fio made: 7, expected 8")
        self.assert_fault("zero-copy mode: requests with a buffer that fio made: 1, expected 0")

    def test_fallback(self):
        for mode in "kmbuf", "zero-copy":
            self.counters(mode, end={"fallback": 1})
            self.assert_fault(mode + " mode: requests copied after all: 1, expected 0")
            self.counters(mode)

    def test_slot_without_io(self):
        lines = trace("zero-copy")
        self.write("zero-copy", "trace", "".join(lines[:-1]))
        self.assert_fault("zero-copy mode: reads and writes of slots: 10, expected 11")

    def test_request_that_is_not_counted(self):
        for mode in "kmbuf", "zero-copy":
            self.counters(mode, end={"none": 4})
            self.assert_fault("%s mode: requests counted: %d, expected %d"
                              % (mode, REQUESTS - 1, REQUESTS))

    def test_memory(self):
        self.facts("kmbuf", kmbuf_bytes=PAYLOAD)
        self.assert_fault("kmbuf mode: bytes of kernel-managed buffers")
        self.facts("kmbuf", kmbuf_held=1)
        self.assert_fault("kmbuf mode: kernel-managed buffers that an idle server holds: 1")
        self.facts("kmbuf", server_data_kb=4096)
        self.assert_fault("kmbuf mode: the server has its own payload memory")
        self.facts("kmbuf")
        self.facts("plain", kmbuf_bytes=PAYLOAD)
        self.assert_fault("plain mode: bytes of kernel-managed buffers")
        self.facts("plain", server_data_kb=2048)
        self.assert_fault("plain mode: the server has less memory than")
        self.facts("plain", buffers=ENTRIES - 1)
        self.assert_fault("plain mode: not a buffer for each entry")

    def test_memory_does_not_shrink(self):
        self.facts("zero-copy", buffers=2, kmbuf_bytes=QUEUES * 2 * PAYLOAD)
        self.assert_fault("payload memory does not go down")

    def test_unreadable(self):
        self.check_unreadable("kmbuf")

    def test_unreadable_counters(self):
        self.write("kmbuf", "counters.end", "none 1\n")
        self.assert_unreadable()
        self.remove("kmbuf", "counters.end")
        self.assert_unreadable()


if __name__ == "__main__":
    main()
