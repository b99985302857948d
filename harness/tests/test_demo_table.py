#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/demo/demo_table.py. Run by run.sh; prints TAP."""

import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "demo"))
sys.path.insert(0, HERE)

import demo_case  # noqa: E402
import demo_table  # noqa: E402
from tapunit import main  # noqa: E402

READ, WRITTEN = 16384, 20480
USER_DATA = 0x8000000000000060


def submit(req, opcode, user_data=USER_DATA):
    return demo_case.submit(req, opcode, user_data)


def complete(req, result, user_data=USER_DATA):
    return demo_case.complete(req, result, user_data)


def command(req, number):
    return submit(req, "URING_CMD", USER_DATA | number << 16)


def traces():
    """Return the trace of each mode: READ bytes read, WRITTEN bytes written."""
    straight = ["# tracer: nop\n"]
    for opcode, size in ("READ_FIXED", READ), ("WRITE_FIXED", WRITTEN):
        straight += [
            command(1, 0x23), submit(2, opcode), command(3, 0x24), complete(2, size),
            complete(3, 0, USER_DATA | 0x240000),
            # A flush and a fetch: neither moves data.
            submit(4, "FSYNC"), complete(4, 0), command(5, 0x21)]
    copied = [submit(2, "READ"), submit(7, "WRITE"), complete(7, WRITTEN), complete(2, READ)]
    return {"zero-copy": straight, "copy": copied}


class Table(demo_case.DemoCase):
    judge = demo_table
    where = "on the disk"

    def setUp(self):
        super().setUp()
        for mode in demo_table.MODES:
            self.trace(mode, traces()[mode])

    def good_facts(self, mode):
        zero_copy = mode == "zero-copy"
        return {"disk_bytes_read": READ, "disk_bytes_written": WRITTEN,
                "flag_zero_copy": int(zero_copy),
                "server_memory_kb": 2000 if zero_copy else 30000}

    def trace(self, mode, lines):
        self.write(mode, "trace", "".join(lines))

    def test_good_run(self):
        rows = dict(self.assert_good())
        self.assertEqual(rows["files copied"], ["3", "3"])
        self.assertEqual(rows["moved straight, MB"], ["0.0", "0.0"])
        self.assertEqual(rows["their pages registered, then released"], ["2", "0"])
        self.assertEqual(rows["their pages copied"], ["0", "2"])
        modes = self.result()["modes"]
        self.assertEqual(modes["zero-copy"]["registered_bytes"], READ + WRITTEN)
        self.assertEqual(modes["copy"]["plain_bytes"], READ + WRITTEN)

    def test_data(self):
        self.check_data("zero-copy")
        self.check_data("copy")

    def test_fio(self):
        self.check_fio("copy")

    def test_one_byte_more_on_the_disk(self):
        self.facts("copy", disk_bytes_read=READ + 1)
        self.assert_fault("copy mode: bytes through the server's memory")

    def test_not_read_back(self):
        self.facts("zero-copy", disk_bytes_read=100)
        self.assert_fault("did not go through the disk both ways")

    def test_zero_copy_did_not_engage(self):
        self.trace("zero-copy", traces()["copy"])
        self.assert_fault("zero-copy mode: bytes through registered buffers: 0")
        self.trace("zero-copy", traces()["zero-copy"])
        self.facts("zero-copy", flag_zero_copy=0)
        self.assert_fault("zero-copy flag of the disk: 0, expected 1")

    def test_a_buffer_stays_registered(self):
        lines = traces()["zero-copy"]
        lines.remove(command(3, 0x24))
        self.trace("zero-copy", lines)
        self.assert_fault("buffers given back: 1, expected 2")

    def test_failed_request(self):
        self.trace("copy", traces()["copy"] + [submit(8, "READ"), complete(8, -5)])
        self.assert_fault("READ of the server (user_data 0x8000000000000060) failed with -5")

    def test_request_without_an_end(self):
        self.trace("copy", traces()["copy"] + [submit(8, "READ")])
        self.assert_fault("1 requests of the server never completed")

    def test_server_holds_the_data(self):
        self.facts("zero-copy", server_memory_kb=40000)
        self.assert_fault("holds as much memory")

    def test_unreadable(self):
        self.check_unreadable("copy")


if __name__ == "__main__":
    main()
