#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/bench/bench_counts.py. Prints TAP."""

import os
import subprocess
import sys
import tempfile
import unittest

import tapunit

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "bench_counts.py")


class BenchCounts(unittest.TestCase):
    """Each test writes runs and their counts."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name):
        """Return the path of a file of this test."""
        return os.path.join(self.dir.name, name)

    def run_tool(self, others, ticks=0, runs=None):
        """Write runs of one row, of 10 operations each, that differ in OTHERS."""
        with open(self.path("runs"), "w", encoding="utf-8") as file:
            for other in others[:runs]:
                file.write(f"b x\t10\t{ticks or other + 300}\n")
        with open(self.path("counts"), "w", encoding="utf-8") as file:
            for number, other in enumerate(others, 1):
                file.write(f"{number} {other} 200 100 1600 800 7\n")
        return subprocess.run(
            [sys.executable, TOOL, "--runs", self.path("runs"),
             "--counts", self.path("counts"), "--out", self.path("b")],
            capture_output=True, text=True, check=False)

    def figure(self, column):
        """Return the tool's output for a column."""
        with open(self.path(f"b.{column}"), encoding="utf-8") as file:
            return file.read()

    def test_figures(self):
        done = self.run_tool([100, 50030, 50000, 60000])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.figure("non-copy"), "b x\t5000\n")
        self.assertEqual(self.figure("copied"), "b x\t160\n")
        self.assertEqual(self.figure("cleared"), "b x\t80\n")
        self.assertEqual(self.figure("charged"), "b x\t5030\n")
        self.assertEqual(self.figure("clock"), "b x\t5030\n")
        self.assertEqual(self.figure("stretches"), "b x\t3\t10\n")

    def test_clock_disagrees(self):
        done = self.run_tool([50000] * 3, ticks=50330)
        self.assertEqual(done.returncode, 1)
        self.assertIn("0.06 % apart", done.stderr)
        self.assertEqual(self.run_tool([50000] * 3, ticks=50320).returncode, 0)

    def test_runs_disagree(self):
        done = self.run_tool([50000, 50000, 50600])
        self.assertEqual(done.returncode, 1)
        self.assertIn("no two runs agree", done.stderr)

    def test_one_run_is_by_itself(self):
        done = self.run_tool([50000, 40000, 60000, 60100])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.figure("non-copy"), "b x\t6000\n")

    def test_bad_input(self):
        self.assertEqual(self.run_tool([50000, 50000]).returncode, 2)
        self.assertEqual(self.run_tool([50000] * 4, runs=3).returncode, 2)


if __name__ == "__main__":
    tapunit.main()
