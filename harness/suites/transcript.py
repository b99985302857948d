#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Run the commands in Markdown texts, and compare their output with the text.

usage: transcript.py FILE.md...

Blocks that begin with "```console" are the text's terminal. Lines that begin
with "# " are commands. One shell runs all commands of a text in order, in the
directory with the text's name without ".md". The lines up to the next command are
the expected output, standard error included. The word N stands for any decimal
number.

Prints TAP, a point for each command. A command has to exit with 0. If a command
does not end within a minute, the text's later commands do not run, and fail.

Exit status: 0 all commands printed what their texts say, 1 a command did not,
2 usage, or a text has no command.
"""

import os
import re
import select
import subprocess
import sys
import time

DEADLINE = 60
MARK = "transcript.py: status"
NUMBER = re.compile(r"(?<![\w-])N(?![\w-])")
DONE = re.compile(rf"\n{MARK} (\d+)\n$".encode())


def steps(text):
    """Return the commands of a text, each with its expected output."""
    found, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("# "):
            found.append((line[2:], []))
        elif inside:
            if not found:
                raise ValueError(f"output without a command: {line}")
            found[-1][1].append(line)
    return found


def agrees(wanted, got):
    """Does the output agree with the text?"""
    if len(wanted) != len(got):
        return False
    return all(re.fullmatch(r"\d+".join(map(re.escape, NUMBER.split(line))), out)
               for line, out in zip(wanted, got))


class Shell:
    """One shell for all commands of a text. They do not read its input."""

    def __init__(self, directory):
        self.shell = subprocess.Popen(["bash", "--norc"], cwd=directory,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
        self.stuck = False

    def run(self, command, deadline=DEADLINE):
        """Return the exit status, or None if there is none, and the output lines."""
        if self.stuck:
            return None, ["not run"]
        # The output need not end in a newline.
        script = f'{{ {command}\n}} </dev/null; echo "\n{MARK} $?"\n'
        self.shell.stdin.write(script.encode())
        self.shell.stdin.flush()
        end, output = time.monotonic() + deadline, b""
        while True:
            found = DONE.search(output)
            if found:
                return int(found[1]), lines(output[:found.start()])
            more = self.read(end - time.monotonic())
            if not more:
                self.stuck = True
                self.shell.kill()
                return None, lines(output)
            output += more

    def read(self, seconds):
        """Wait that long for output and return it; return nothing at the end."""
        pipe = self.shell.stdout
        if not select.select([pipe], [], [], max(seconds, 0))[0]:
            return b""
        return os.read(pipe.fileno(), 65536)


def lines(output):
    return output.decode(errors="replace").splitlines()


def check(text, todo, number, deadline=DEADLINE):
    """Run the steps of a text, counting from number. Return how many failed."""
    shell, failed = Shell(os.path.splitext(os.path.basename(text))[0]), 0
    for number, (command, wanted) in enumerate(todo, number):
        status, got = shell.run(command, deadline)
        good = status == 0 and agrees(wanted, got)
        print(f"{'' if good else 'not '}ok {number} - {os.path.basename(text)}: {command}")
        if not good:
            failed += 1
            print(f"# status: {'none' if status is None else status}")
            for title, shown in ("the text", wanted), ("printed", got):
                for line in shown:
                    print(f"# {title}: {line}")
        sys.stdout.flush()
    shell.shell.kill()
    shell.shell.wait()
    return failed


def main(argv):
    if len(argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    number, failed = 0, 0
    for text in argv[1:]:
        with open(text, encoding="utf-8") as file:
            todo = steps(file.read())
        if not todo:
            print(f"{text}: no command in a block of ```console", file=sys.stderr)
            return 2
        failed += check(text, todo, number + 1)
        number += len(todo)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
