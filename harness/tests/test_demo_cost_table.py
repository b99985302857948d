#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/demo/demo_cost_table.py. Prints TAP."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import tapunit

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "demo", "demo_cost_table.py")
SIZE = 64 * 1024
# Copies by mode.
GOOD = {("demo", "entry"): 2, ("demo", "kmbuf"): 2, ("demo", "zc"): 1,
        ("ublk", "copy"): 2, ("ublk", "zero-copy"): 1}


class DemoCost(unittest.TestCase):
    """Each test writes figures, and reads the output."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name):
        """Return the path of a file of this test."""
        return os.path.join(self.dir.name, name)

    def run_tool(self, copies, left_out=None):
        """Run the tool, for that many copies in each mode."""
        rows = [(f"{subsystem} | 64 KiB direct sequential {operation} | {mode}", number)
                for (subsystem, mode), number in copies.items() for operation in ("read", "write")]
        for column, figure in (("non-copy", lambda _: 12345), ("copied", lambda n: n * SIZE + 9)):
            with open(self.path("c." + column), "w", encoding="utf-8") as file:
                file.writelines(f"{row}\t{figure(number):.0f}\n" for row, number in rows
                                if row != left_out)
        return subprocess.run(
            [sys.executable, TOOL, "--json", self.path("json"), self.path("c")],
            capture_output=True, text=True, check=False)

    def test_good(self):
        """Figures are printed, and are in the JSON."""
        end = self.run_tool(GOOD)
        self.assertEqual((end.returncode, end.stderr), (0, ""))
        self.assertIn("12,345", end.stdout)
        with open(self.path("json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertTrue(result["ok"])
        self.assertEqual(result["figures"]["ublk, disk over a file"]["read zero-copy"],
                         {"instructions": 12345, "copies": 1.0})

    def test_nothing_saved(self):
        """Zero copy that copies as much as the rest."""
        for mode in ("demo", "zc"), ("ublk", "zero-copy"):
            end = self.run_tool({**GOOD, mode: 2})
            self.assertEqual(end.returncode, 1)
            self.assertIn("copies in", end.stderr)

    def test_more_copies(self):
        """A mode that copies more than the one before it."""
        end = self.run_tool({**GOOD, ("demo", "kmbuf"): 3})
        self.assertEqual(end.returncode, 1)
        self.assertIn("plain, KMBUF, zero copy: 2, 3, 1", end.stderr)

    def test_missing(self):
        """A missing row."""
        end = self.run_tool(GOOD, left_out="demo | 64 KiB direct sequential write | kmbuf")
        self.assertEqual(end.returncode, 2)
        self.assertIn("KeyError", end.stderr)


if __name__ == "__main__":
    tapunit.main()
