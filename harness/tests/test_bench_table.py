#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/bench/bench_table.py. Prints TAP."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import tapunit

HARNESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TOOL = os.path.join(HARNESS, "bench", "bench_table.py")
LIMITS = os.path.join(HARNESS, "lists", "bench.limits")


class BenchTable(unittest.TestCase):
    """Each test writes figures and limits, and reads the output."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.json = os.path.join(self.dir.name, "out.json")

    def write(self, name, text):
        """Return the path of a file with this text."""
        path = os.path.join(self.dir.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_tool(self, limits, **columns):
        """Run the tool on columns of a bench named b."""
        paths = [self.write(f"b.{name}", text) for name, text in columns.items()]
        return subprocess.run(
            [sys.executable, TOOL, "--name", "b", "--json", self.json,
             "--limits", self.write("limits", limits), *paths],
            capture_output=True, text=True, check=False)

    def test_table_and_json(self):
        done = self.run_tool("", bare="x\t1000\ny\t50\n", linux="x\t1010\ny\t50\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("| x | 1,000 | 1,010 | +1.00 % |", done.stdout)
        self.assertIn("| y | 50 | 50 | +0.00 % |", done.stdout)
        with open(self.json, encoding="utf-8") as file:
            found = json.load(file)
        self.assertEqual(found["columns"], ["bare", "linux"])
        self.assertEqual(found["rows"], {"x": [1000, 1010], "y": [50, 50]})
        self.assertEqual(found["faults"], [])

    def test_equal(self):
        limit = "b x.*: equal 1  # why\n"
        self.assertEqual(self.run_tool(limit, a="b x\t1000\n", c="b x\t990\n").returncode, 1)
        self.assertEqual(self.run_tool(limit, a="b x\t1000\n", c="b x\t991\n").returncode, 0)

    def test_most(self):
        limit = "b x: most 80  # why\n"
        self.assertEqual(self.run_tool(limit, a="b x\t80\n").returncode, 0)
        done = self.run_tool(limit, a="b x\t81\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("b x: 81, the limit is 80 (why)", done.stderr)

    def test_flat(self):
        limit = "b x, .*: flat 5  # why\n"
        self.assertEqual(self.run_tool(limit, a="b x, 1\t60\nb x, 2\t63\n").returncode, 0)
        self.assertEqual(self.run_tool(limit, a="b x, 1\t60\nb x, 2\t64\n").returncode, 1)

    def test_limit_without_row(self):
        done = self.run_tool("b z: most 1  # why\n", a="b x\t1\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no row matches", done.stderr)

    def test_limit_of_another_bench(self):
        self.assertEqual(self.run_tool("c z: most 1  # why\n", a="b x\t1\n").returncode, 0)

    def test_bad_input(self):
        for figures in ("", "x\n", "x\tmany\n", "x\t1\nx\t2\n"):
            with self.subTest(figures=figures):
                self.assertEqual(self.run_tool("", a=figures).returncode, 2)
        self.assertEqual(self.run_tool("", a="x\t1\n", c="y\t1\n").returncode, 2)
        self.assertEqual(self.run_tool("x: best 1\n", a="x\t1\n").returncode, 2)

    def test_own_limits_are_read(self):
        figures = self.write("none.a", "x\t1\n")
        done = subprocess.run([sys.executable, TOOL, "--name", "none", "--limits", LIMITS,
                               figures], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    tapunit.main()
