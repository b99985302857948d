# SPDX-License-Identifier: GPL-2.0
"""Common code of the tests of the demo's checks: the files of a good run."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

FILES, BYTES, FIO = 3, 9000, 4096
# The number of requests in which fio writes that, and the number in which it reads it.
FIO_REQUESTS = 4
FACTS = {
    "kernel": "7.2.12-test", "files": FILES, "bytes": BYTES, "checksums_equal": FILES,
    "files_extra": 0, "trace_lost": 0,
}


def submit(req, opcode, user_data):
    return ("           server-101     [001] .....    18.107058: io_uring_submit_req: "
            "ring 000000002b53c004, req %016x, user_data 0x%x, opcode %s, flags 0x400009, "
            "sq_thread 0\n" % (req, user_data, opcode))


def complete(req, result, user_data):
    return ("           server-101     [001] .....    18.107058: io_uring_complete: "
            "ring 000000002b53c004, req %016x, user_data 0x%x, result %d, cflags 0x0 extra1 0 "
            "extra2 0 \n" % (req, user_data, result))


def fio(written, read, error=0):
    def side(size):
        return {"io_bytes": size, "total_ios": size * FIO_REQUESTS // FIO}

    return json.dumps({"jobs": [{"error": error, "write": side(written), "read": side(read)}]})


class DemoCase(unittest.TestCase):
    """A directory with the files of fio and the guest, for the module self.judge."""
    judge = None
    # The words for the tree's place in its faults.
    where = ""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.json = os.path.join(self.dir.name, "result.json")
        for mode in self.judge.MODES:
            os.mkdir(os.path.join(self.dir.name, mode))
            self.write(mode, "fio-write.json", fio(FIO, 0))
            # fio may print a note before the report
            self.write(mode, "fio-read.json", "note\n" + fio(0, FIO))
            self.facts(mode)

    def good_facts(self, mode):
        """Facts that only this module reads."""
        raise NotImplementedError

    def write(self, mode, name, text):
        with open(os.path.join(self.dir.name, mode, name), "w", encoding="utf-8") as out:
            out.write(text)

    def write_pairs(self, mode, name, pairs):
        self.write(mode, name, "".join("%s %s\n" % pair for pair in pairs.items()))

    def facts(self, mode, **changes):
        self.write_pairs(mode, "facts", {**FACTS, **self.good_facts(mode), **changes})

    def remove(self, mode, name):
        os.remove(os.path.join(self.dir.name, mode, name))

    def run_table(self, files=FILES, size=BYTES):
        out, err = io.StringIO(), io.StringIO()
        sys.argv = ["table.py", "--json", self.json, "--files", str(files),
                    "--bytes", str(size), self.dir.name]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = self.judge.main()
        return status, out.getvalue(), err.getvalue()

    def result(self):
        with open(self.json, encoding="utf-8") as result:
            return json.load(result)

    def assert_good(self):
        """Return the table: the cells of each row, in order."""
        status, out, err = self.run_table()
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(self.result()["ok"])
        self.assertEqual(self.result()["kernel"], "7.2.12-test")
        for line in out.splitlines():
            self.assertLessEqual(len(line), 100, "does not fit a terminal")
        return [(line[:42].strip(), line[42:].split()) for line in out.split("\n\n")[0].splitlines()]

    def assert_fault(self, text, **options):
        status, _, err = self.run_table(**options)
        self.assertEqual(status, 1)
        self.assertIn(text, err)
        self.assertFalse(self.result()["ok"])

    def assert_unreadable(self):
        self.assertEqual(self.run_table()[0], 2)

    # The faults that judge_data() has to find.

    def check_data(self, mode):
        where = mode + " mode: "
        self.assert_fault(where + "files %s: 3, expected 4" % self.where, files=FILES + 1)
        self.assert_fault(where + "bytes %s: 9000, expected 9001" % self.where, size=BYTES + 1)
        self.facts(mode, checksums_equal=FILES - 1)
        self.assert_fault(where + "files with equal checksums: 2, expected 3")
        self.facts(mode, files_extra=1)
        self.assert_fault(where + "files that the source does not have: 1, expected 0")
        self.facts(mode, trace_lost=1)
        self.assert_fault(where + "trace events lost: 1")
        self.facts(mode)

    def check_fio(self, mode):
        self.write(mode, "fio-read.json", fio(0, FIO - 1))
        self.assert_fault(mode + " mode: bytes fio verified")
        self.write(mode, "fio-read.json", fio(0, FIO, error=84))
        self.assert_fault(mode + " mode: fio errors: 84")
        self.write(mode, "fio-write.json", fio(0, 0))
        self.write(mode, "fio-read.json", fio(0, 0))
        self.assert_fault(mode + " mode: fio verified nothing")

    def check_unreadable(self, mode):
        self.write(mode, "fio-read.json", "fio: died")
        self.assert_unreadable()
        self.write(mode, "fio-read.json", fio(0, FIO))
        self.write(mode, "facts", "files many\n")
        self.assert_unreadable()
        self.facts(mode)
        self.remove(mode, "trace")
        self.assert_unreadable()
