#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/demo_table.py. Run by run.sh; prints TAP."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

import demo_table  # noqa: E402
from tapunit import main  # noqa: E402

FILES, BYTES, FIO = 3, 9000, 4096
READ, WRITTEN = 16384, 20480
FACTS = {
    "kernel": "7.2.12-test", "files": FILES, "bytes": BYTES, "checksums_equal": FILES,
    "files_extra": 0, "disk_bytes_read": READ, "disk_bytes_written": WRITTEN,
    "server_cpu_ticks": 250, "wall_seconds": 12, "trace_lost": 0,
}
LINE = "           kublk-101     [001] .....    18.107058: "


def submit(req, opcode, user_data=0x8000000000000060):
    return (LINE + "io_uring_submit_req: ring 000000002b53c004, req %016x, user_data 0x%x, "
            "opcode %s, flags 0x400009, sq_thread 0\n" % (req, user_data, opcode))


def complete(req, result, user_data=0x8000000000000060):
    return (LINE + "io_uring_complete: ring 000000002b53c004, req %016x, user_data 0x%x, "
            "result %d, cflags 0x0 extra1 0 extra2 0 \n" % (req, user_data, result))


def command(req, number):
    return submit(req, "URING_CMD", 0x8000000000000060 | number << 16)


def traces():
    """What a run leaves for each mode: READ bytes read, WRITTEN bytes written."""
    straight = ["# tracer: nop\n"]
    for opcode, size in ("READ_FIXED", READ), ("WRITE_FIXED", WRITTEN):
        straight += [
            command(1, 0x23), submit(2, opcode), command(3, 0x24), complete(2, size),
            complete(3, 0, 0x8000000000240060),
            # A flush and a fetch: neither moves data.
            submit(4, "FSYNC"), complete(4, 0), command(5, 0x21)]
    copied = [submit(2, "READ"), submit(7, "WRITE"), complete(7, WRITTEN), complete(2, READ)]
    return {"zero-copy": straight, "copy": copied}


def fio(written, read, error=0):
    return json.dumps({"jobs": [{"error": error, "write": {"io_bytes": written},
                                 "read": {"io_bytes": read}}]})


class Table(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.json = os.path.join(self.dir.name, "result.json")
        traced = traces()
        for mode in demo_table.MODES:
            os.mkdir(os.path.join(self.dir.name, mode))
            self.write(mode, "trace", "".join(traced[mode]))
            self.write(mode, "fio-write.json", fio(FIO, 0))
            # fio may say something before the report
            self.write(mode, "fio-read.json", "note\n" + fio(0, FIO))
        self.facts("zero-copy")
        self.facts("copy")

    def write(self, mode, name, text):
        with open(os.path.join(self.dir.name, mode, name), "w", encoding="utf-8") as out:
            out.write(text)

    def facts(self, mode, **changes):
        zero_copy = mode == "zero-copy"
        facts = dict(FACTS, flag_zero_copy=int(zero_copy),
                     server_memory_kb=2000 if zero_copy else 30000)
        facts.update(changes)
        self.write(mode, "facts", "".join("%s %s\n" % pair for pair in facts.items()))

    def run_table(self, files=FILES, size=BYTES):
        out, err = io.StringIO(), io.StringIO()
        sys.argv = ["demo_table.py", "--json", self.json, "--files", str(files),
                    "--bytes", str(size), self.dir.name]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = demo_table.main()
        return status, out.getvalue(), err.getvalue()

    def assert_fault(self, text, **options):
        status, _, err = self.run_table(**options)
        self.assertEqual(status, 1)
        self.assertIn(text, err)
        with open(self.json, encoding="utf-8") as result:
            self.assertFalse(json.load(result)["ok"])

    def test_good_run(self):
        status, out, err = self.run_table()
        self.assertEqual((status, err), (0, ""))
        rows = {line[:42].strip(): line[42:].split() for line in out.splitlines()}
        self.assertEqual(rows["files copied"], ["3", "3"])
        self.assertEqual(rows["moved straight, MB"], ["0.0", "0.0"])
        self.assertEqual(rows["their pages registered, then released"], ["2", "0"])
        self.assertEqual(rows["their pages copied"], ["0", "2"])
        with open(self.json, encoding="utf-8") as result:
            result = json.load(result)
        self.assertTrue(result["ok"])
        self.assertEqual(result["kernel"], "7.2.12-test")
        self.assertEqual(result["modes"]["zero-copy"]["registered_bytes"], READ + WRITTEN)
        self.assertEqual(result["modes"]["copy"]["plain_bytes"], READ + WRITTEN)

    def test_table_fits_a_terminal(self):
        for line in self.run_table()[1].splitlines():
            self.assertLessEqual(len(line), 100)

    def test_one_byte_more_on_the_disk(self):
        self.facts("copy", disk_bytes_read=READ + 1)
        self.assert_fault("copy mode: bytes through the server's memory")

    def test_tree_differs(self):
        self.assert_fault("files on the disk: 3, expected 4", files=FILES + 1)
        self.assert_fault("bytes on the disk: 9000, expected 9001", size=BYTES + 1)

    def test_checksum_differs(self):
        self.facts("zero-copy", checksums_equal=FILES - 1)
        self.assert_fault("zero-copy mode: files with equal checksums: 2, expected 3")

    def test_not_read_back(self):
        self.facts("zero-copy", disk_bytes_read=100)
        self.assert_fault("did not go through the disk both ways")

    def test_fio(self):
        self.write("copy", "fio-read.json", fio(0, FIO - 1))
        self.assert_fault("bytes fio verified")
        self.write("copy", "fio-read.json", fio(0, FIO, error=84))
        self.assert_fault("fio errors: 84")
        self.write("copy", "fio-write.json", fio(0, 0))
        self.write("copy", "fio-read.json", fio(0, 0))
        self.assert_fault("fio verified nothing")

    def test_zero_copy_did_not_engage(self):
        self.write("zero-copy", "trace", "".join(traces()["copy"]))
        self.assert_fault("zero-copy mode: bytes through registered buffers: 0")
        self.write("zero-copy", "trace", "".join(traces()["zero-copy"]))
        self.facts("zero-copy", flag_zero_copy=0)
        self.assert_fault("zero-copy flag of the disk: 0, expected 1")

    def test_a_buffer_stays_registered(self):
        lines = traces()["zero-copy"]
        lines.remove(command(3, 0x24))
        self.write("zero-copy", "trace", "".join(lines))
        self.assert_fault("buffers given back: 1, expected 2")

    def test_failed_request(self):
        lines = traces()["copy"] + [submit(8, "READ"), complete(8, -5)]
        self.write("copy", "trace", "".join(lines))
        self.assert_fault("READ of the server (user_data 0x8000000000000060) failed with -5")

    def test_request_without_an_end(self):
        self.write("copy", "trace", "".join(traces()["copy"] + [submit(8, "READ")]))
        self.assert_fault("1 requests of the server never completed")

    def test_trace_with_holes(self):
        self.facts("copy", trace_lost=1)
        self.assert_fault("trace events lost: 1")

    def test_server_holds_the_data(self):
        self.facts("zero-copy", server_memory_kb=40000)
        self.assert_fault("holds as much memory")

    def test_unreadable(self):
        os.remove(os.path.join(self.dir.name, "copy", "trace"))
        self.assertEqual(self.run_table()[0], 2)
        self.write("copy", "trace", "")
        self.write("copy", "fio-read.json", "fio: died")
        self.assertEqual(self.run_table()[0], 2)
        self.write("copy", "facts", "files many\n")
        self.assertEqual(self.run_table()[0], 2)


if __name__ == "__main__":
    main()
