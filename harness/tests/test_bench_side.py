#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/bench/bench_plan.py, bench_side.py and bench_plots.py. Prints TAP."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import tapunit

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench")
KERNELS = ("7.2", "7.3", "linux")
COLUMNS = ("non-copy", "copied", "cleared", "charged", "clock")


def run_tool(name, *args):
    """Run one of the tools."""
    return subprocess.run([sys.executable, os.path.join(TOOLS, name), *args],
                          capture_output=True, text=True, check=False)


def plan(*args):
    """Return the rows of a plan, split."""
    done = run_tool("bench_plan.py", *args)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


class Plan(unittest.TestCase):
    """The plan."""

    def test_rows_are_unique(self):
        for kernel in KERNELS:
            rows = [row[0] for row in plan(kernel)]
            self.assertEqual(len(rows), len(set(rows)))

    def test_same_work_on_all_kernels(self):
        work = {}
        for kernel in KERNELS:
            for row, store, _, *client in plan(kernel):
                where, operation, _ = row.split(" | ")
                work.setdefault((where, operation), set()).add((store, *client))
        self.assertEqual([what for what, ways in work.items() if len(ways) != 1], [])

    def test_only_what_a_kernel_has(self):
        for kernel, no in (("7.2", "kmbuf"), ("linux", "pool"), ("7.3", "kmbuf")):
            self.assertFalse([row for row in plan(kernel) if f"-m {no} " in row[2]])

    def test_equal_memory(self):
        for row, _, flags, *_ in plan("linux", "equal"):
            words = flags.split()
            held = words[words.index("-b" if "-b" in words else "-d") + 1]
            self.assertEqual(held, "4", row)

    def test_bad_input(self):
        self.assertEqual(run_tool("bench_plan.py", "other").returncode, 2)
        self.assertEqual(run_tool("bench_plan.py", "linux", "no cut").returncode, 2)


class Side(unittest.TestCase):
    """The report and the plots."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        for kernel in KERNELS:
            rows = [row[0] for row in plan(kernel)]
            for column in COLUMNS:
                self.write(f"{kernel}.{column}", [f"{row}\t{self.cost(row)}" for row in rows])
            self.write(f"{kernel}.others",
                       ["memory | charged, depth 32 | kmbuf\t4000",
                        "memory | charged, depth 32 | entry\t33000",
                        "memory | charged, no queue | dev\t200",
                        "memory | charged, 32 reads of 64 KiB | kmbuf\t3350",
                        "memory | charged, 32 mixed reads | kmbuf\t3300",
                        "memory | waits of 1,000 mixed reads | kmbuf\t51",
                        "memory | charged, idle, 2 queues for 64 CPUs | kmbuf\t9000"])
            self.write(f"{kernel}.stretches", [f"{row}\t{i}\t10" for i, row in enumerate(rows)])
            os.makedirs(self.path("profiles", kernel))
            for i, row in enumerate(rows):
                self.write(f"profiles/{kernel}/{i}.md", [f"profile of {row}"])

    @staticmethod
    def cost(row):
        """Write figures: ours 1,000, theirs 2,000, except one row."""
        mode = row.split(" | ")[2]
        if row == "ext4 | 1 MiB direct sequential write | kmbuf":
            return 3000
        return 1000 if mode in ("native", "kmbuf", "zc") else 2000

    def path(self, *names):
        """Return the path of a file of this test."""
        return os.path.join(self.dir.name, *names)

    def write(self, name, lines):
        """Write a file of lines."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def side(self):
        """Run the report."""
        return run_tool("bench_side.py", "--dir", self.dir.name, "--version", "linux=ours",
                        "--profiles", self.path("profiles"))

    def test_report(self):
        done = self.side()
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("report.md"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("* linux: ours", text)
        self.assertIn("| 64 KiB direct sequential read: 7.3's registered / our kmbuf "
                      "| >= 1.25 | 2.00 | met |", text)
        self.assertIn("| 1 MiB direct sequential write: 7.3's registered / our kmbuf "
                      "| >= 1.25 | 0.67 | **missed** |", text)
        self.assertIn("1 MiB direct sequential write: ours, KMBUF | 1.50 |", text)
        self.assertIn("per entry / our kmbuf | >= 7 | 8.25 | met |", text)
        self.assertIn("| charged, 32 reads of 64 KiB: our kmbuf, less the server's process "
                      "| <= 3,276 | 3,150 | met |", text)
        self.assertIn("| waits of 1,000 mixed reads: our kmbuf | <= 50 | 51 | **missed** |", text)
        self.assertIn("profile of ext4 | 1 MiB direct sequential write | kmbuf", text)
        self.assertNotIn("profile of ext4 | 64 KiB direct sequential write | zc", text)

    def test_results(self):
        self.side()
        with open(self.path("results.json"), encoding="utf-8") as file:
            found = json.load(file)
        self.assertEqual(len(found["rows"]),
                         sum(len(plan(kernel)) + 7 for kernel in KERNELS))
        self.assertEqual(len([goal for goal in found["goals"] if not goal["met"]]), 2)
        self.assertEqual(found["rows"][0]["non-copy"], 1000)

    def test_plots(self):
        self.side()
        done = run_tool("bench_plots.py", self.path("results.json"), self.dir.name)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("sizes.svg", "growth.svg"):
            with open(self.path(name), encoding="utf-8") as file:
                self.assertIn("ours, zero copy", file.read())

    def test_missing_row(self):
        lines = [row for row in ("ext4 | 4 KiB direct sequential read | zc",)]
        for column in (*COLUMNS, "stretches"):
            self.write(f"linux.{column}", [f"{lines[0]}\t5\t5"[:None if column == "stretches"
                                                              else -2]])
        done = self.side()
        self.assertEqual(done.returncode, 1)
        self.assertIn("no figure for: 1 MiB direct sequential read: 7.3's registered", done.stderr)

    def test_missing_file(self):
        os.remove(self.path("7.3.copied"))
        self.assertEqual(self.side().returncode, 2)


if __name__ == "__main__":
    tapunit.main()
