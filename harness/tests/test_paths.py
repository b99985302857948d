#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Every path below harness/ that a file of this repository names exists.

Run by run.sh; prints TAP. Names in the form of the shell are understood:
variables that hold $TOP/harness or a directory in it, {a,b}, and any other
variable as "*". Patches and recorded consoles are not looked at, nor are paths
in the scratch repositories of tests ($repo/harness/...).
"""

import glob
import os
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

from tapunit import main  # noqa: E402

# After the directory: names, "*", variables, {a,b}.
REST = r'((?:[\w./*-]|\$\w+|\$?\{[^{}\s"]*\})*)'
DIRECT = re.compile(r'(?:(?<![\w/.-])|(?<=\$TOP/)|(?<=\$TOP"/)|(?<=\$top/))(harness/)' + REST)
BESIDE = re.compile(r'\$\(dirname "\$0"\)/([\w./-]+\.(?:sh|py))')
# here=$TOP/harness, here=$(dirname "$0"), src=$(cd "$(dirname "$0")/.." && pwd)
HOLDS = re.compile(r'^\s*(?:local )?(\w+)=(?:\$(?:TOP|top)/(harness[\w./-]*)'
                   r'|(?:\$\(cd ")?\$\(dirname "\$0"\)(?:(/[./]+)" && pwd\))?)$', re.M)
FOREIGN = re.compile(r'\.patch$|^harness/tests/consoles/')


def expand(path):
    """Expand {a,b}."""
    found = re.search(r'(?<!\$)\{([^{}]*)\}', path)
    if not found:
        return [path]
    return [one for word in found[1].split(",")
            for one in expand(path[:found.start()] + word + path[found.end():])]


def paths(name, text):
    """Return the paths in this text of the file with this name."""
    directory = os.path.dirname(name)
    said = ["".join(found) for found in DIRECT.findall(text)]
    said += [os.path.join(directory, found) for found in BESIDE.findall(text)]
    for variable, below, up in HOLDS.findall(text):
        value = below or os.path.normpath(directory + up)
        said += [value + rest for rest in
                 re.findall(r'\$\{?%s\}?"?(?=/)%s' % (variable, REST), text)]
    said = [re.sub(r"\$\w+|\$\{[^}]*\}", "*", one.rstrip("."))
            for path in said for one in expand(path)]
    return [path for path in said if path.startswith("harness/")]


def missing(name, text):
    """Return the paths that do not exist."""
    return [path for path in paths(name, text) if not glob.glob(os.path.join(TOP, path))]


def repository():
    """Yield name and text of every file that git knows or would add."""
    names = subprocess.run(
        ["git", "-C", TOP, "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        path = os.path.join(TOP, name)
        if os.path.isfile(path) and not FOREIGN.search(name):
            with open(path, encoding="utf-8", errors="replace") as file:
                yield name, file.read()


class Paths(unittest.TestCase):
    """The repository's own, and some that are misspelt."""

    def test_all_exist(self):
        found = [f"{name}: {path}" for name, text in repository() for path in missing(name, text)]
        self.assertEqual(found, [])

    def test_each_kind_is_looked_at(self):
        count = {name: len(paths(name, text)) for name, text in repository()}
        for name in ("Makefile", "README.md", "BENCHMARKS.md", "userspace/README.md",
                     "harness/lists/kselftests.notrun", "harness/suites/test.sh",
                     "harness/kernel/build.sh", "harness/bench/bench_table.py"):
            self.assertGreater(count[name], 0, name)

    def test_every_room_is_in_the_map(self):
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
            text = file.read()
        for room in glob.glob(os.path.join(TOP, "harness", "*", "")):
            self.assertIn(f"\n    {os.path.relpath(room, TOP)}/ ", text)

    def test_misspelt(self):
        # Not spelt out, or this file would name them.
        for line in ("\t@%s/queue/nothing.sh", "see `%s/lists/nothing`.", '"$TOP/%s/vm/nothing.sh"',
                     '"$TOP"/%s/kernel/{kernel,nothing}.sh', '"$TOP/%s/nothing/$name.sh"',
                     '"$TOP"/%s/nothing/fuse_*.c', "x=$TOP/%s\n$x/nothing.sh",
                     'x=$TOP/%s\n"$x/vm/$1.nothing"', 'x=$TOP/%s/lint\n"$x"/nothing.sh',
                     '. "%d/nothing.sh"', 'x=%d\n"$x/nothing.sh"',
                     'x=$(cd "%d/.." && pwd)\n. "$x/vm/nothing.sh"'):
            line = line.replace("%s", "harness").replace("%d", '$(dirname "$0")')
            self.assertEqual(len(missing("harness/vm/vm.sh", line)), 1, line)

    def test_well_spelt(self):
        for line in ("In harness/lint/.", "(harness/lists/ublk.*, build/ublk/)", "$repo/harness/none",
                     '"$TOP"/harness/kernel/{kernel,cc}.sh', '"$TOP/harness/lists/$suite.known"',
                     '. "$(dirname "$0")/../lib.sh"', 'kselftest_harness.h'):
            self.assertEqual(missing("harness/vm/vm.sh", line), [], line)


if __name__ == "__main__":
    main()
