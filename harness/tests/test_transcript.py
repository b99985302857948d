#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/suites/transcript.py. Run by run.sh; prints TAP."""

import contextlib
import io
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "suites"))
sys.path.insert(0, HERE)

import transcript  # noqa: E402
from tapunit import main  # noqa: E402


class Agrees(unittest.TestCase):
    def test_same_lines(self):
        self.assertTrue(transcript.agrees(["a.b", ""], ["a.b", ""]))
        self.assertFalse(transcript.agrees(["a.b"], ["axb"]))

    def test_number_of_lines(self):
        self.assertFalse(transcript.agrees(["a"], ["a", "b"]))
        self.assertFalse(transcript.agrees(["a", "b"], ["a"]))

    def test_n_is_a_number(self):
        self.assertTrue(transcript.agrees(["id=N size N"], ["id=12 size 0"]))
        self.assertFalse(transcript.agrees(["id=N"], ["id="]))
        self.assertFalse(transcript.agrees(["id=N"], ["id=x"]))

    def test_n_in_a_word_is_none(self):
        self.assertTrue(transcript.agrees(["NONE a-N"], ["NONE a-N"]))
        self.assertFalse(transcript.agrees(["NONE"], ["1ONE"]))


class Texts(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.dir.name)

    def text(self, content, name="text"):
        os.mkdir(name)
        with open(f"{name}.md", "w", encoding="utf-8") as file:
            file.write(content)
        return f"{name}.md"

    def run_main(self, *texts):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = transcript.main(["transcript.py", *texts])
        return status, out.getvalue().splitlines()

    def test_what_the_text_says(self):
        text = self.text("```console\n# echo 5 >&2; echo b\nN\nb\n```\n# heading\n")
        self.assertEqual(self.run_main(text),
                         (0, ["ok 1 - text.md: echo 5 >&2; echo b", "1..1"]))

    def test_other_output_fails(self):
        status, lines = self.run_main(self.text("```console\n# echo a\nb\n```\n"))
        self.assertEqual(status, 1)
        self.assertIn("not ok 1 - text.md: echo a", lines)
        self.assertIn("# the text: b", lines)
        self.assertIn("# printed: a", lines)

    def test_exit_status_fails(self):
        self.assertEqual(self.run_main(self.text("```console\n# false\n```\n"))[0], 1)

    def test_one_shell_for_all_blocks(self):
        text = self.text("```console\n# x=3\n```\n\n```console\n# echo $x\n3\n```\n")
        self.assertEqual(self.run_main(text)[0], 0)

    def test_shell_that_ends_fails_the_rest(self):
        status, lines = self.run_main(self.text("```console\n# exit 0\n# true\n```\n"))
        self.assertEqual(status, 1)
        self.assertIn("not ok 2 - text.md: true", lines)

    def test_directory_of_each_text(self):
        body = "```console\n# basename $PWD\n{}\n```\n"
        status, lines = self.run_main(self.text(body.format("a"), "a"),
                                      self.text(body.format("b"), "b"))
        self.assertEqual(status, 0)
        self.assertIn("ok 2 - b.md: basename $PWD", lines)
        self.assertEqual(lines[-1], "1..2")

    def test_no_newline_at_the_end(self):
        self.assertEqual(self.run_main(self.text("```console\n# printf a\na\n```\n"))[0], 0)

    def test_commands_read_nothing(self):
        self.assertEqual(self.run_main(self.text("```console\n# cat\n# true\n```\n"))[0], 0)

    def test_deadline(self):
        out = io.StringIO()
        self.text("")
        with contextlib.redirect_stdout(out):
            failed = transcript.check("text.md", [("sleep 30", []), ("true", [])], 1, 0.2)
        self.assertEqual(failed, 2)
        self.assertIn("not run", out.getvalue())

    def test_nothing_to_run(self):
        self.assertEqual(self.run_main(self.text("```c\n# no\n```\n"))[0], 2)

    def test_output_without_command(self):
        with self.assertRaises(ValueError):
            transcript.steps("```console\nwhat\n```\n")


if __name__ == "__main__":
    main()
