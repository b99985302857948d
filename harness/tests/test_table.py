#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/suites/table.py. Run by run.sh; prints TAP."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "suites"))
sys.path.insert(0, HERE)

import table  # noqa: E402
from tapunit import main  # noqa: E402


class Table(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def result(self, **counts):
        path = os.path.join(self.dir.name, f"{counts['name']}.json")
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(counts) + "\n")
        return path

    def file(self, name, text):
        path = os.path.join(self.dir.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_main(self, *steps):
        path = os.path.join(self.dir.name, "steps.tsv")
        with open(path, "w", encoding="utf-8") as file:
            for step in steps:
                file.write("\t".join((*step, "run me")[:5]) + "\n")
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = table.main(["table.py", path])
        return status, out.getvalue().splitlines()

    def test_steps_and_results_add_up(self):
        suite = self.result(name="s", passed=7, failed=0, skipped=0, known=2)
        status, lines = self.run_main(("setup", "ok", "3", ""), ("s", "ok", "61", suite))
        self.assertEqual(status, 0)
        self.assertEqual(lines[-1], "8 passed, 0 failed, 0 skipped")
        self.assertIn("1:01", lines[2])

    def test_known_does_not_count(self):
        suite = self.result(name="s", passed=1, failed=0, skipped=0, known=9)
        self.assertEqual(self.run_main(("s", "ok", "1", suite))[0], 0)

    def test_failure_ends_with_its_own_command(self):
        suite = self.result(name="s", passed=1, failed=2, skipped=0,
                            failures=["selftests: io_uring: test_a / a.one", "selftests: io_uring: test_a / a.two"])
        lines = self.run_main(("s", "failed", "1", suite, "BASE=7.3 kselftests.sh --short linux debug"),
                              ("t", "ok", "1", "", "other"))[1]
        self.assertIn("         s alone: BASE=7.3 kselftests.sh linux debug test_a", lines)
        self.assertFalse(any("other" in line for line in lines))
        lines = self.run_main(("s", "failed", "1", "", "BASE=7.3 soak.sh"))[1]
        self.assertIn("         s alone: BASE=7.3 soak.sh", lines)

    def test_failure_is_listed_and_fails(self):
        suite = self.result(name="s", passed=1, failed=1, skipped=0, failures=["bvec.read"])
        status, lines = self.run_main(("s", "failed", "1", suite))
        self.assertEqual(status, 1)
        self.assertTrue(any("FAILED s: bvec.read" in line for line in lines))
        self.assertEqual(lines[-1], "1 passed, 1 failed, 0 skipped")

    def test_unexplained_skip_fails(self):
        suite = self.result(name="s", passed=1, failed=0, skipped=1)
        self.assertEqual(self.run_main(("s", "ok", "1", suite))[0], 1)

    def test_failed_step_without_result_counts(self):
        status, lines = self.run_main(("kernel", "failed", "9", ""), ("s", "not run", "0", ""))
        self.assertEqual(status, 1)
        self.assertEqual(lines[-1], "0 passed, 1 failed, 0 skipped")

    def test_step_that_failed_though_its_tests_passed_counts(self):
        suite = self.result(name="s", passed=5, failed=0, skipped=0)
        status, lines = self.run_main(("s", "failed", "9", suite))
        self.assertEqual(status, 1)
        self.assertEqual(lines[-1], "5 passed, 1 failed, 0 skipped")

    def test_step_not_run_fails(self):
        self.assertEqual(self.run_main(("a", "ok", "1", ""), ("s", "not run", "0", ""))[0], 1)

    def test_passed_before_counts_and_is_said(self):
        status, lines = self.run_main(
            ("a", "ok", "1", ""), ("vm", "before", "0", self.result(name="vm", passed=5, failed=0, skipped=0)),
            ("demo", "before", "0", self.file("demo.json", "")))
        self.assertEqual(status, 0)
        self.assertIn("passed before", lines[2])
        self.assertIn("6 of the points passed in an earlier run", lines[-2])
        self.assertEqual(lines[-1], "7 passed, 0 failed, 0 skipped")

    def test_what_is_off_is_shown_and_does_not_count(self):
        status, lines = self.run_main(("a", "ok", "1", ""), ("7.9, which has no patches", "off", "0", ""))
        self.assertEqual(status, 0)
        self.assertTrue(any("7.9, which has no patches" in line and "NOT TESTED" in line
                            for line in lines))
        self.assertEqual(lines[-1], "1 passed, 0 failed, 0 skipped")

    def test_nothing_is_an_error(self):
        self.assertEqual(self.run_main()[0], 2)


if __name__ == "__main__":
    main()
