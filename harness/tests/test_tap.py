#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/suites/tap.py. Run by run.sh; prints TAP."""

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

import tap  # noqa: E402
from tapunit import main  # noqa: E402

# What kselftest's runner prints around a kselftest_harness binary.
RUNNER = """TAP version 13
1..3
# timeout set to 45
# selftests: io_uring: bvec
# TAP version 13
# 1..3
# # Starting 3 tests from 2 test cases.
# #  RUN           bvec.read ...
# #            OK  bvec.read
# ok 1 bvec.read
# #  RUN           bvec.write ...
# # bvec.c:77:write:Expected 0 (0) == ret (-14)
# # write: Test failed
# #          FAIL  bvec.write
# not ok 2 bvec.write
# ok 3 bvec.huge # SKIP no huge pages
# # FAILED: 2 / 3 tests passed.
# # Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
not ok 1 selftests: io_uring: bvec # exit=1
# timeout set to 45
# selftests: io_uring: region
# TAP version 13
# 1..2
# ok 1 region.none
# ok 2 region.known # XFAIL one page only
ok 2 selftests: io_uring: region
# selftests: io_uring: needs_root
ok 3 selftests: io_uring: needs_root # SKIP
"""

FLAT = "1..3\nok 1 - one\nnot ok 2 - two # because\nok 3 three # SKIP why not\n"


def counts(text, top=False):
    """(passed, failed, skipped) of text."""
    results = tap.parse(text.encode() if isinstance(text, str) else text, top)
    return tuple(sum(1 for _, verdict, _ in results if verdict == kind)
                 for kind in (tap.PASSED, tap.FAILED, tap.SKIPPED))


def failures(text, top=False):
    return [(name, why) for name, verdict, why in tap.parse(text.encode(), top)
            if verdict == tap.FAILED]


def run(*argv):
    """(status, standard output, standard error) of the command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = tap.main(list(argv))
        except SystemExit as stop:
            status = stop.code
    return status, out.getvalue(), err.getvalue()


class Flat(unittest.TestCase):
    def test_counts_and_names(self):
        self.assertEqual(counts(FLAT), (1, 1, 1))
        self.assertEqual(failures(FLAT), [("two", "because")])

    def test_missing_point_is_a_failure(self):
        self.assertEqual(failures("1..3\nok 1 a\nok 2 b\n"),
                         [("plan", "3 planned, 2 reported")])

    def test_extra_point_is_a_failure(self):
        self.assertEqual(failures("1..1\nok 1 a\nok 2 b\n"),
                         [("plan", "1 planned, 2 reported")])

    def test_no_plan_is_a_failure(self):
        self.assertEqual(failures("ok 1 a\n"), [("plan", "no plan line")])

    def test_plan_may_come_last(self):
        self.assertEqual(counts("ok 1 a\nok 2 b\n1..2\n"), (2, 0, 0))

    def test_empty_plan_with_reason_is_a_skip(self):
        self.assertEqual(counts("TAP version 13\n1..0 # SKIP no io_uring\n"), (0, 0, 1))

    def test_bail_out_is_a_failure(self):
        self.assertEqual(failures("1..2\nok 1 a\nBail out! no memory\n"),
                         [("Bail out!", "no memory")])

    def test_two_streams_in_one_file(self):
        text = "TAP version 13\n1..2\nok 1 a\nTAP version 13\n1..1\nok 1 b\n"
        self.assertEqual(counts(text), (2, 1, 0))

    def test_two_streams_without_version_lines(self):
        self.assertEqual(counts("1..1\nok 1 a\n1..1\nok 1 b\n"), (2, 0, 0))

    def test_prose_is_not_a_result(self):
        text = "1..1\nok, let us start\nok\nnot ok at all\n# ok 5 not nested\nok 1 a\n"
        self.assertEqual(counts(text), (1, 0, 0))


class Directives(unittest.TestCase):
    def verdict(self, line):
        return tap.parse(f"1..1\n{line}\n".encode())[0][1]

    def test_skip(self):
        self.assertEqual(self.verdict("ok 1 a # SKIP"), tap.SKIPPED)
        self.assertEqual(self.verdict("ok 1 a # skip no hardware"), tap.SKIPPED)
        self.assertEqual(self.verdict("not ok 1 a # SKIP"), tap.SKIPPED)
        self.assertEqual(self.verdict("ok 1 # SKIP nothing said"), tap.SKIPPED)

    def test_xfail_passes(self):
        self.assertEqual(self.verdict("ok 1 a # XFAIL known"), tap.PASSED)
        self.assertEqual(self.verdict("not ok 1 a # XFAIL known"), tap.PASSED)

    def test_todo_is_skipped(self):
        self.assertEqual(self.verdict("not ok 1 a # TODO later"), tap.SKIPPED)

    def test_timeout_and_error_fail(self):
        self.assertEqual(self.verdict("not ok 1 a # TIMEOUT 45 seconds"), tap.FAILED)
        self.assertEqual(self.verdict("ok 1 a # ERROR set-up"), tap.FAILED)

    def test_word_inside_a_name_is_not_a_directive(self):
        self.assertEqual(self.verdict("not ok 1 SKIP flag is honoured"), tap.FAILED)
        self.assertEqual(self.verdict("not ok 1 a # exit=1 # SKIPPING nothing"), tap.FAILED)


class Nested(unittest.TestCase):
    def test_innermost(self):
        self.assertEqual(counts(RUNNER), (3, 1, 2))
        self.assertEqual([name for name, _ in failures(RUNNER)],
                         ["selftests: io_uring: bvec / bvec.write"])

    def test_top(self):
        self.assertEqual(counts(RUNNER, top=True), (1, 1, 1))

    def test_crashed_binary_is_a_failure(self):
        text = "1..1\n# TAP version 13\n# 1..2\n# ok 1 a\n# ok 2 b\nnot ok 1 bin # exit=139\n"
        self.assertEqual(failures(text), [("bin", "exit=139")])

    def test_binary_that_stopped_half_way(self):
        text = "1..1\n# TAP version 13\n# 1..5\n# ok 1 a\nnot ok 1 bin # TIMEOUT 45 seconds\n"
        self.assertEqual(failures(text), [("bin / plan", "5 planned, 1 reported")])

    def test_short_nested_plan_fails_even_if_the_holder_is_ok(self):
        text = "1..1\n# TAP version 13\n# 1..2\n# ok 1 a\nok 1 bin\n"
        self.assertEqual(failures(text), [("bin / plan", "2 planned, 1 reported")])

    def test_indented(self):
        text = ("KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n    KTAP version 1\n"
                "    1..1\n    ok 1 deep\n  ok 1 mid\n  not ok 2 other\nnot ok 1 suite\n")
        self.assertEqual(counts(text), (1, 1, 0))
        self.assertEqual(failures(text), [("suite / other", "")])

    def test_nested_without_holder_is_not_lost(self):
        text = "TAP version 13\n1..1\n# TAP version 13\n# 1..1\n# not ok 1 a\n"
        self.assertIn("a", [name for name, _ in failures(text)])


class Consoles(unittest.TestCase):
    def test_carriage_returns_and_nuls(self):
        raw = b"\0\0" + FLAT.replace("\n", "\r\r\n").encode() + b"\0"
        self.assertEqual(counts(raw), (1, 1, 1))

    def test_console_of_the_vm(self):
        lines = ["[    1.0] Linux version 7.2", "[    2.0] ok 9 said by the kernel"]
        lines += [f"[    3.{i:06}] | {line}" for i, line in enumerate(FLAT.splitlines())]
        lines += ["[    4.0] KMBUF-END status=0 plan=3"]
        self.assertEqual(counts("\r\n".join(lines)), (1, 1, 1))


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def file(self, name, text):
        path = os.path.join(self.dir.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_report(self):
        status, out, _ = run("--name", "x", self.file("o", FLAT))
        self.assertEqual(status, 1)
        self.assertIn("FAILED  two (because)", out)
        self.assertIn("skipped three (why not)", out)
        self.assertEqual(out.splitlines()[-1], "x: 1 passed, 1 failed, 1 skipped")

    def test_name_comes_from_the_directory_of_output(self):
        os.mkdir(os.path.join(self.dir.name, "bvec-base"))
        _, out, _ = run(self.file("bvec-base/output", "1..1\nok 1 a\n"))
        self.assertEqual(out, "bvec-base: 1 passed, 0 failed, 0 skipped\n")

    def test_nothing_to_count(self):
        self.assertEqual(run(self.file("o", "hello\n"))[0], 2)
        self.assertEqual(run(os.path.join(self.dir.name, "none"))[0], 2)
        self.assertEqual(run("--summary")[0], 2)

    def test_skip_that_is_not_listed_fails(self):
        output = self.file("o", "1..2\nok 1 a\nok 2 b # SKIP no disk\n")
        allowed = self.file("yes", "b no disk  # machines without a disk\n")
        other = self.file("no", "c  # something else\n")
        self.assertEqual(run("--skips", allowed, output)[0], 0)
        status, out, _ = run("--skips", other, output)
        self.assertEqual(status, 1)
        self.assertIn("unexpected SKIP: no disk", out)

    def test_list_without_reason_is_refused(self):
        output = self.file("o", FLAT)
        self.assertEqual(run("--skips", self.file("l", "three\n"), output)[0], 2)
        self.assertEqual(run("--skips", os.path.join(self.dir.name, "none"), output)[0], 2)

    def test_summary(self):
        path = os.path.join(self.dir.name, "results", "a.json")
        run("--json", path, "--name", "a", self.file("o", FLAT))
        run("--json", path, "--record", "lint", "5", "0", "0")
        status, out, _ = run("--summary", path)
        self.assertEqual(status, 1)
        self.assertIn("FAILED a: two (because)", out)
        self.assertEqual(out.splitlines()[-1], "6 passed, 1 failed, 1 skipped")

    def test_record_says_why(self):
        path = os.path.join(self.dir.name, "w.json")
        run("--json", path, "--record", "w", "0", "1", "0", "--why", "the machine: a splat")
        self.assertIn("FAILED w: the machine: a splat", run("--summary", path)[1])

    def test_summary_of_success(self):
        path = os.path.join(self.dir.name, "b.json")
        run("--json", path, "--record", "lint", "5", "0", "1")
        self.assertEqual(run("--summary", path)[:2], (0, "5 passed, 0 failed, 1 skipped\n"))

    def test_summary_of_a_broken_file(self):
        good = self.file("g.json", json.dumps(
            {"name": "g", "passed": 1, "failed": 0, "skipped": 0}) + "\n")
        self.assertEqual(run("--summary", good, self.file("b.json", "{"))[0], 2)
        self.assertEqual(run("--summary", good, self.file("c.json", '{"name": "c"}\n'))[0], 2)

    def test_summary_of_only_skips_is_not_success(self):
        path = os.path.join(self.dir.name, "s.json")
        run("--json", path, "--record", "s", "0", "0", "3")
        self.assertEqual(run("--summary", path)[0], 1)


if __name__ == "__main__":
    main()
