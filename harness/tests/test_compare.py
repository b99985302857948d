#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/suites/compare.py and of the lists it reads. Run by run.sh; prints TAP."""

import contextlib
import glob
import io
import json
import os
import re
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "suites"))
sys.path.insert(0, HERE)

import compare  # noqa: E402
from tapunit import main  # noqa: E402

LISTS = os.path.join(os.path.dirname(HERE), "lists")
PASS, FAIL, SKIP = ("pass", 1.0, ""), ("fail", 1.0, "status 1"), ("skip", 0.1, "no device")


class Files(unittest.TestCase):
    """A directory for inputs."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def write(self, name, text):
        path = os.path.join(self.dir.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def list(self, text):
        return compare.List(self.write("list", text))


class Judge(Files):
    def outcome(self, patched, bare, known="", skips=""):
        results = [{"t": verdict} if verdict else {} for verdict in (patched, bare)]
        return compare.judge("t", *results, self.list(known), self.list(skips))

    def test_pass_on_both_passes(self):
        self.assertEqual(self.outcome(PASS, PASS), ("passed", ""))

    def test_failure_on_patched_alone_is_new(self):
        outcome, text = self.outcome(FAIL, PASS)
        self.assertEqual(outcome, "failed")
        self.assertIn("new failure", text)

    def test_new_failure_cannot_be_listed(self):
        self.assertEqual(self.outcome(FAIL, PASS, known="t  # reason\n")[0], "failed")

    def test_failure_is_new_when_bare_skips(self):
        self.assertEqual(self.outcome(FAIL, SKIP, known="t  # reason\n")[0], "failed")

    def test_flaky_line_allows_it(self):
        self.assertEqual(self.outcome(FAIL, PASS, known="t flaky  # reason\n")[0], "known")

    def test_failure_on_both_needs_a_line(self):
        self.assertEqual(self.outcome(FAIL, FAIL)[0], "failed")
        self.assertEqual(self.outcome(FAIL, FAIL, known="t  # reason\n"),
                         ("known", "t: fails on both: reason"))

    def test_line_is_for_the_whole_name(self):
        self.assertEqual(self.outcome(FAIL, FAIL, known="tt  # reason\n")[0], "failed")
        results = {"tt": FAIL}
        self.assertEqual(compare.judge("tt", results, results, self.list("t  # r\n"),
                                       self.list(""))[0], "failed")

    def test_listed_test_that_passes_is_reported(self):
        outcome, text = self.outcome(PASS, PASS, known="t  # reason\n")
        self.assertEqual(outcome, "passed")
        self.assertIn("a list has a line for it", text)

    def test_pass_where_bare_fails_is_reported(self):
        outcome, text = self.outcome(PASS, FAIL)
        self.assertEqual(outcome, "passed")
        self.assertIn("fails on the bare kernel", text)

    def test_skip_needs_a_line(self):
        self.assertEqual(self.outcome(SKIP, SKIP)[0], "failed")
        self.assertEqual(self.outcome(SKIP, SKIP, skips="t  # reason\n")[0], "known")

    def test_known_failure_does_not_excuse_a_skip(self):
        self.assertEqual(self.outcome(SKIP, SKIP, known="t  # reason\n")[0], "failed")

    def test_no_result_is_a_failure(self):
        self.assertEqual(self.outcome(None, PASS)[0], "failed")


class Inputs(Files):
    def test_line_without_a_reason_is_refused(self):
        for text in ("t\n", "t # one blank\n", "t  #\n", "t  # ok\nu\n"):
            with self.assertRaises(compare.InputError):
                self.list(text)

    def test_malformed_result_is_refused(self):
        for text in ("t\tpass\t1\n", "t\tokay\t1\t\n", "t\tpass\tx\t\n"):
            with self.assertRaises(compare.InputError):
                compare.read_results(self.write("r", text))

    def test_failure_stays_when_a_test_has_two_results(self):
        path = self.write("r", "t\tfail\t1\tx\nt\tpass\t1\t\n")
        self.assertEqual(compare.read_results(path)["t"][0], "fail")


class Whole(Files):
    def run_main(self, patched, bare, tests="a\nb\n"):
        args = ["--name", "suite", "--tests", self.write("tests", tests),
                "--known", self.write("known", ""), "--skips", self.write("skips", ""),
                "--json", os.path.join(self.dir.name, "json"),
                self.write("patched", patched), self.write("bare", bare)]
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = compare.main(args)
        return status, out.getvalue()

    def test_good_run(self):
        good = "a\tpass\t1\t\nb\tpass\t2.5\t\n"
        status, out = self.run_main(good, good)
        self.assertEqual(status, 0)
        self.assertEqual(out.splitlines()[-1], "suite: 2 passed, 0 failed, 0 skipped, 0 known")
        with open(os.path.join(self.dir.name, "json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["passed"], 2)

    def test_splat_on_patched_alone_fails(self):
        good = "a\tpass\t1\t\nb\tpass\t1\t\n"
        status, out = self.run_main(good + "kernel-log\tfail\t0\tsplat\n", good)
        self.assertEqual(status, 1)
        self.assertIn("kernel-log: new failure", out)

    def test_splat_on_bare_alone_does_not(self):
        good = "a\tpass\t1\t\nb\tpass\t1\t\n"
        self.assertEqual(self.run_main(good, good + "kernel-log\tfail\t0\tsplat\n")[0], 0)

    def test_test_that_did_not_run_fails(self):
        status, out = self.run_main("a\tpass\t1\t\n", "a\tpass\t1\t\nb\tpass\t1\t\n")
        self.assertEqual(status, 1)
        self.assertIn("b: new failure", out)

    def test_no_tests_is_an_error(self):
        self.assertEqual(self.run_main("", "", tests="")[0], 2)


class Lists(unittest.TestCase):
    """The lists in harness/lists/."""

    def test_every_line_has_a_reason(self):
        for suite in ("liburing", "ublk"):
            for kind in ("known", "skip"):
                compare.List(os.path.join(LISTS, f"{suite}.{kind}"))

    def test_default_sets_name_each_test_once(self):
        for path in glob.glob(os.path.join(LISTS, "*.default")):
            with open(path, encoding="utf-8") as file:
                lines = [line for line in file if line.strip() and not line.startswith("#")]
            for line in lines:
                self.assertRegex(line, r"^\S+\s+# \S")
            names = [line.split()[0] for line in lines]
            self.assertEqual(len(names), len(set(names)), path)
            self.assertTrue(names, path)

    def test_kselftest_lines_name_a_configuration(self):
        for kind in ("skip", "notrun"):
            path = os.path.join(LISTS, f"kselftests.{kind}")
            for line in compare.read_lines(path):
                if line.strip() and not line.startswith("#"):
                    self.assertTrue(re.match(r"(base|debug) \S.*\s{2,}# \S", line), line)


if __name__ == "__main__":
    main()
