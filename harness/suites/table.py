#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Print the table that ends a test run.

usage: table.py STEPS

STEPS has one line a step, tab separated: name, state (ok, failed, before, not run,
off), seconds, result file, command. A step that is off was not requested: its row
says so. One that passed before, with the same inputs, counts what it counted then. A
failure is listed with the command that runs it again, alone. A result file holds
lines as tap.py and compare.py write them; a step without one counts as one test of
its own. The last line printed is "N passed, N failed, N skipped".

Exit status: 0 everything passed, 1 something failed, was skipped or not run,
2 STEPS is bad.
"""

import json
import os
import re
import sys

KEYS = ("passed", "failed", "skipped", "known")


def read_result(path):
    """Counts and failures of one result file."""
    counts = dict.fromkeys(KEYS, 0)
    failures = []
    with open(path, encoding="utf-8") as file:
        for line in filter(str.strip, file):
            result = json.loads(line)
            for key in KEYS:
                counts[key] += int(result.get(key, 0))
            failures += result.get("failures", [])
            if result.get("failed") and not result.get("failures"):
                failures.append(f"{result['name']}: see its log")
    return counts, failures


def only(command, failures):
    """The command, for the programs that failed if it takes their names."""
    programs = []
    for text in failures:
        found = re.match(r"selftests: io_uring: (\w+)", text)
        if found and found[1] not in programs:
            programs.append(found[1])
    if programs and "kselftests.sh" in command:
        command = " ".join([command.replace(" --short", ""), *programs])
    return command


def read_step(line, logs):
    """(name, state, seconds, counts, failures, command)."""
    name, state, seconds, path, command = line.rstrip("\n").split("\t")
    if state not in ("ok", "failed", "before", "not run", "off"):
        raise ValueError(f"state {state!r}")
    counts = dict.fromkeys(KEYS, 0)
    failures = []
    if path and os.path.exists(path) and os.path.getsize(path):
        counts, failures = read_result(path)
    elif state in ("ok", "before"):
        counts["passed"] = 1
    if state == "failed" and not counts["failed"]:
        counts["failed"] = 1
        failures = [f"the step failed, see {logs}/step-{name}.log"]
    return name, state, int(seconds), counts, failures, only(command, failures)


def row(name, counts, seconds, note=""):
    numbers = " ".join(f"{counts[key] or '-':>8}" for key in KEYS)
    return f"  {name:<24}{numbers}  {seconds // 60:>3}:{seconds % 60:02}  {note}".rstrip()


def table(steps):
    """Lines to print, and the exit status."""
    total = dict.fromkeys(KEYS, 0)
    lines = [f"  {'step':<24}" + " ".join(f"{key:>8}" for key in KEYS) + "    time"]
    failed = []
    before = 0
    not_run = False
    for name, state, seconds, counts, failures, command in steps:
        for key in KEYS:
            total[key] += counts[key]
        not_run = not_run or state == "not run"
        if state == "before":
            before += counts["passed"]
        note = {"ok": "", "failed": "FAILED", "before": "passed before",
                "not run": "not run", "off": "NOT TESTED"}[state]
        lines.append(row(name, counts, seconds, note))
        failed += [f"  FAILED {name}: {text}" for text in failures]
        if state == "failed" or failures:
            failed.append(f"         {name} alone: {command}")
    lines.append(row("all", total, sum(step[2] for step in steps)))
    lines += ["", *failed] if failed else [""]
    if before:
        lines.append(f"{before} of the points passed in an earlier run, with the same inputs; "
                     "FRESH=1 make test runs them again")
    lines.append("{passed} passed, {failed} failed, {skipped} skipped".format(**total))
    bad = total["failed"] or total["skipped"] or not_run or not total["passed"]
    return lines, 1 if bad else 0


def main(argv):
    if len(argv) != 2:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    # Beside the directory of results.
    logs = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(argv[1]))), "logs")
    try:
        with open(argv[1], encoding="utf-8") as file:
            steps = [read_step(line, logs) for line in file if line.strip()]
    except (OSError, ValueError, KeyError) as err:
        print(f"table.py: {argv[1]}: {err}", file=sys.stderr)
        return 2
    if not steps:
        print(f"table.py: {argv[1]} names no step", file=sys.stderr)
        return 2
    lines, status = table(steps)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
