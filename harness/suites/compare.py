#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Compare the results of a test suite on the patched kernel and on the bare one.

usage: compare.py --name SUITE --tests FILE --known LIST --skips LIST
                  [--json FILE] PATCHED BARE

PATCHED and BARE have one line a test, tab separated: name, verdict (pass, fail,
skip), seconds, why. TESTS lists the tests that had to run, one a line. The lists
have lines "NAME  # reason", where NAME is a regex for the whole name.

The outcome of a test, by its verdict on the patched kernel:
  pass  passed; a list's line for the test is reported
  fail  known if the test fails on the bare kernel as well and LIST has a reason,
        failed otherwise; a new failure if it passes on the bare kernel
  skip  known if LIST has a reason, failed otherwise
A test without a result failed. Names that are not in TESTS (a splat of a whole
run) are judged in the same way; their absence is a pass.

A known line "NAME flaky  # reason" allows a failure on the patched kernel alone.

Exit status: 0 no test failed, 1 at least one failed, 2 an input file is unusable.
"""

import argparse
import json
import os
import re
import sys

LINE = re.compile(r"^(\S+)(\s+flaky)?\s{2,}#\s*(\S.*)$")


class InputError(Exception):
    """A file that cannot be used."""


def read_lines(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError as err:
        raise InputError(f"cannot read {path}: {err.strerror}") from err


def read_results(path):
    """Return {name: (verdict, seconds, why)}; of two results the worse one counts."""
    results = {}
    for number, line in enumerate(read_lines(path), 1):
        fields = line.split("\t")
        try:
            seconds = float(fields[2])
        except (IndexError, ValueError):
            fields = []
        if len(fields) != 4 or fields[1] not in ("pass", "fail", "skip"):
            raise InputError(f"{path}:{number}: not a result: {line!r}")
        name, verdict, why = fields[0], fields[1], fields[3]
        if results.get(name, ("", ""))[0] != "fail":
            results[name] = (verdict, seconds, why.strip())
    return results


class List:
    """Names with reasons."""

    def __init__(self, path):
        self.entries = []
        for number, line in enumerate(read_lines(path), 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = LINE.match(line)
            if not match:
                raise InputError(f"{path}:{number}: not 'NAME  # reason': {line!r}")
            try:
                pattern = re.compile(match.group(1))
            except re.error as err:
                raise InputError(f"{path}:{number}: {err}") from err
            self.entries.append((pattern, bool(match.group(2)), match.group(3)))

    def find(self, name):
        """(flaky, reason), or None."""
        for pattern, flaky, reason in self.entries:
            if pattern.fullmatch(name):
                return flaky, reason
        return None


def judge(name, patched, bare, known, skips):
    """Return (outcome, text): passed, failed or known, and a line for the report."""
    absent = ("fail", 0, "no result")
    verdict, _, why = patched.get(name, absent)
    bare_verdict, _, bare_why = bare.get(name, absent)
    listed = known.find(name)
    if verdict == "skip":
        allowed = skips.find(name)
        if allowed:
            return "known", f"{name}: skipped: {allowed[1]}"
        return "failed", f"{name}: unexpected SKIP: {why}"
    if verdict == "fail":
        if bare_verdict != "fail":
            if listed and listed[0]:
                return "known", f"{name}: fails at times: {listed[1]}"
            return "failed", f"{name}: new failure (bare: {bare_verdict}): {why}"
        if listed:
            return "known", f"{name}: fails on both: {listed[1]}"
        return "failed", f"{name}: fails on both, not listed: {why} / bare: {bare_why}"
    if bare_verdict == "fail":
        return "passed", f"{name}: passes, fails on the bare kernel: {bare_why}"
    if skips.find(name) or (listed and not listed[0]):
        return "passed", f"{name}: passes, but a list has a line for it"
    return "passed", ""


def compare(tests, patched, bare, known, skips):
    """Return {outcome: count} and the report's lines as [(outcome, text)]."""
    counts = {"passed": 0, "failed": 0, "known": 0}
    report = []
    others = [name for name in (*patched, *bare) if name not in tests]
    for name in dict.fromkeys(others):
        patched.setdefault(name, ("pass", 0, ""))
        bare.setdefault(name, ("pass", 0, ""))
    for name in dict.fromkeys([*tests, *others]):
        outcome, text = judge(name, patched, bare, known, skips)
        counts[outcome] += 1
        if text:
            report.append((outcome, text))
    return counts, report


def slowest(results, count=5):
    top = sorted(results.items(), key=lambda item: -item[1][1])[:count]
    return ", ".join(f"{name} {seconds:.0f} s" for name, (_, seconds, _) in top)


def main(argv=None):
    parser = argparse.ArgumentParser(description="patched and bare results of a suite")
    parser.add_argument("--name", required=True)
    parser.add_argument("--tests", required=True)
    parser.add_argument("--known", required=True)
    parser.add_argument("--skips", required=True)
    parser.add_argument("--json")
    parser.add_argument("patched")
    parser.add_argument("bare")
    args = parser.parse_args(argv)
    try:
        tests = [line for line in read_lines(args.tests) if line]
        if not tests:
            raise InputError(f"{args.tests} names no test")
        patched, bare = read_results(args.patched), read_results(args.bare)
        times = slowest(patched)
        counts, report = compare(tests, patched, bare,
                                 List(args.known), List(args.skips))
    except InputError as err:
        print(f"compare.py: {err}", file=sys.stderr)
        return 2
    for outcome in ("known", "passed", "failed"):
        mark = {"known": "known ", "passed": "notice", "failed": "FAILED"}[outcome]
        for found, text in report:
            if found == outcome:
                print(f"  {mark} {text}")
    total = sum(seconds for _, seconds, _ in patched.values())
    print(f"  {total / 60:.1f} minutes on the patched kernel; slowest: {times}")
    print(f"{args.name}: {counts['passed']} passed, {counts['failed']} failed, "
          f"0 skipped, {counts['known']} known")
    if args.json:
        os.makedirs(os.path.dirname(os.path.abspath(args.json)), exist_ok=True)
        result = {"name": args.name, **counts, "skipped": 0,
                  "failures": [text for found, text in report if found == "failed"],
                  "skips": [text for found, text in report if found == "known"]}
        with open(args.json, "w", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
