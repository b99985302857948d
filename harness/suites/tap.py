#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Count the test points of (K)TAP output, and add up such counts.

usage: tap.py [--name NAME] [--top] [--skips LIST] [--json FILE] OUTPUT
       tap.py --record NAME PASSED FAILED SKIPPED [--why TEXT] [--json FILE]
       tap.py --summary RESULT.json...

The first form reads the output of a test run (or a whole console log of
vm.sh), prints failing and skipped tests and "NAME: N passed, N failed,
N skipped". Nested results, indented or behind "# " as kselftest's runner
prints them, count instead of the test that holds them, unless --top.
What counts as failed:
  - "not ok" without SKIP, TODO or XFAIL; TIMEOUT and ERROR whatever the line says
  - a plan that was not fulfilled, or (outermost level) no plan; "Bail out!"
  - an outer test that failed although no test in it did: it crashed
  - with --skips: a SKIP whose "NAME REASON" no regex of LIST matches
XFAIL passes; TODO counts as skipped.

--record makes a result of counts from elsewhere; TEXT is what
failed. --json appends the result, as one line, to FILE. --summary adds results
up; its last line is "N passed, N failed, N skipped".

Exit status: 0 no failure, 1 at least one, 2 there was nothing to count.
"""

import argparse
import json
import os
import re
import sys

STAMPED = re.compile(r"^(?:<\d+>)?\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? \|(?: |$)")
PREFIX = re.compile(r"^(?:# |[ \t]{2})*")
VERSION = re.compile(r"^K?TAP version \d+\s*$", re.I)
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*(?:(SKIP)\S*\s*)?(.*))?$", re.I)
POINT = re.compile(r"^(not )?ok\s+(\d+)(?:\s+(.*))?$")
DIRECTIVE = re.compile(r"(?:^|\s)#\s*(SKIP|TODO|XFAIL|XPASS|TIMEOUT|ERROR)\b:?\s*(.*)$",
                       re.I)
BAIL = re.compile(r"^Bail out!\s*(.*)$")

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class TapError(Exception):
    """There is nothing to count."""


class Point:
    """One test: name, verdict, why, and the tests inside it."""

    def __init__(self, name, verdict, why="", children=()):
        self.name = name
        self.verdict = verdict
        self.why = why
        self.children = list(children)


class Block:
    """The tests of one level, under one plan."""

    def __init__(self, plan=None):
        self.plan = plan
        self.points = []

    def close(self, need_plan):
        """The points, and one more when the plan was not kept."""
        points = self.points
        if self.plan is None:
            if need_plan and points:
                points.append(Point("plan", FAILED, "no plan line"))
        elif self.plan != len(points):
            points.append(Point("plan", FAILED,
                                f"{self.plan} planned, {len(points)} reported"))
        return points


def read_lines(raw):
    """Bytes of an output file or a console log to text lines."""
    text = raw.decode("utf-8", "replace").replace("\0", "")
    lines = [line.replace("\r", "") for line in re.split(r"\r*\n", text)]
    stamped = [STAMPED.sub("", line) for line in lines if STAMPED.match(line)]
    return stamped or lines


def make_point(match, children):
    """A test point from its line."""
    bad, number, text = match.group(1), match.group(2), match.group(3) or ""
    directive, why = "", ""
    found = DIRECTIVE.search(text)
    if found:
        directive, why = found.group(1).upper(), found.group(2).strip()
        text = text[:found.start()]
    elif " # " in text:
        text, why = (part.strip() for part in text.split(" # ", 1))
    name = re.sub(r"^- *", "", text.strip()) or f"test {number}"
    if directive in ("TIMEOUT", "ERROR"):
        verdict, why = FAILED, f"{directive} {why}".strip()
    elif directive in ("SKIP", "TODO"):
        verdict = SKIPPED
    elif directive == "XFAIL":
        verdict = PASSED
    else:
        verdict = FAILED if bad else PASSED
    return Point(name, verdict, why, children)


class Parser:
    """Lines to a list of outermost points."""

    def __init__(self):
        self.blocks = {}        # level -> open Block
        self.done = []          # points of closed outermost blocks

    def close_below(self, level):
        """End the blocks inside level; return the points of the outer one."""
        children = []
        for inner in sorted((k for k in self.blocks if k > level), reverse=True):
            block = self.blocks.pop(inner)
            if children:        # nobody reported for them
                block.points.extend(children)
                if block.plan is not None:
                    block.plan += len(children)
            children = block.close(False)
        return children

    def open(self, level, plan):
        """A version or a plan line: a new block, unless it belongs to the open one."""
        block = self.blocks.get(level)
        if block and not block.points and (plan is None or block.plan is None):
            if plan is not None:
                block.plan = plan
            return
        if block and plan is not None and block.plan is None:
            block.plan = plan   # a plan may come last
            return
        if block:
            self.end(level)
        self.blocks[level] = Block(plan)

    def end(self, level):
        """Close one block for good."""
        rest = self.close_below(level)
        points = self.blocks.pop(level).close(level == 0) + rest
        if level == 0:
            self.done.extend(points)
            return
        outer = max((k for k in self.blocks if k < level), default=0)
        holder = self.blocks.setdefault(outer, Block())
        holder.points.extend(points)
        if holder.plan is not None:
            holder.plan += len(points)

    def feed(self, line):
        prefix = PREFIX.match(line).group(0)
        level = prefix.count("# ") + len(prefix.replace("# ", "").replace("\t", "  ")) // 2
        rest = line[len(prefix):].rstrip()
        match = PLAN.match(rest)
        if VERSION.match(rest):
            self.open(level, None)
        elif match:
            self.open(level, int(match.group(1)))
            if match.group(1) == "0":
                block = self.blocks[level]
                block.plan = 1
                block.points.append(Point("all", SKIPPED, match.group(3) or "empty plan"))
        elif BAIL.match(rest) and (level == 0 or level in self.blocks):
            block = self.blocks.setdefault(level, Block())
            block.points.append(Point("Bail out!", FAILED, BAIL.match(rest).group(1)))
            block.plan = len(block.points)
        else:
            match = POINT.match(rest)
            if match and (level == 0 or level in self.blocks):
                children = self.close_below(level)
                block = self.blocks.setdefault(level, Block())
                block.points.append(make_point(match, children))

    def finish(self):
        """All outermost points."""
        if 0 in self.blocks:
            self.end(0)
        elif self.blocks:
            self.done.extend(self.close_below(0))
        return self.done


def leaves(point, path=""):
    """(name, verdict, why) of the innermost tests of point."""
    name = f"{path}{point.name}"
    if not point.children:
        return [(name, point.verdict, point.why)]
    found = []
    for child in point.children:
        found.extend(leaves(child, f"{name} / "))
    if point.verdict == FAILED and all(verdict != FAILED for _, verdict, _ in found):
        found.append((name, FAILED, point.why or "failed outside its tests"))
    return found


def parse(raw, top=False):
    """Bytes to [(name, verdict, why)]."""
    parser = Parser()
    for line in read_lines(raw):
        parser.feed(line)
    results = []
    for point in parser.finish():
        if top:
            results.append((point.name, point.verdict, point.why))
        else:
            results.extend(leaves(point))
    return results


def load_list(path):
    """Regexes of a list; every line must have a reason."""
    patterns = []
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as err:
        raise TapError(f"cannot read list {path}: {err.strerror}") from err
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.match(r"^(\S.*?)\s{2,}#\s*\S", line)
        if not match:
            raise TapError(f"{path}:{number}: no '  # reason' after the pattern")
        patterns.append(re.compile(match.group(1)))
    return patterns


def judge_skips(results, patterns):
    """Turn skips that nobody allowed into failures."""
    judged = []
    for name, verdict, why in results:
        if verdict == SKIPPED and not any(p.search(f"{name} {why}") for p in patterns):
            verdict, why = FAILED, f"unexpected SKIP: {why}"
        judged.append((name, verdict, why))
    return judged


def summary(paths):
    """Add up result files. Returns the exit status."""
    total = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    failures = []
    count = 0
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                for line in file:
                    if not line.strip():
                        continue
                    result = json.loads(line)
                    for key in total:
                        total[key] += int(result[key])
                    failures += [(result["name"], text) for text in result.get("failures", [])]
                    count += 1
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise TapError(f"bad result file {path}: {err!r}") from err
    if not count:
        raise TapError("no results to add up")
    for name, text in failures:
        print(f"FAILED {name}: {text}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**total))
    return 1 if total[FAILED] or not total[PASSED] else 0


def report(result, path):
    """Print one result, keep it in a file if asked. Returns the exit status."""
    for text in result["failures"]:
        print(f"  FAILED  {text}")
    for text in result["skips"]:
        print(f"  skipped {text}")
    print("{name}: {passed} passed, {failed} failed, {skipped} skipped".format(**result))
    if path:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
    return 1 if result[FAILED] else 0


def main(argv=None):
    parser = argparse.ArgumentParser(description="count (K)TAP test points")
    parser.add_argument("--name", help="name of the result (default: from OUTPUT)")
    parser.add_argument("--top", action="store_true", help="count outermost tests only")
    parser.add_argument("--skips", metavar="LIST", help="skips that are allowed")
    parser.add_argument("--json", metavar="FILE", help="append the result to FILE")
    parser.add_argument("--summary", action="store_true", help="add up result files")
    parser.add_argument("--record", nargs=4, metavar=("NAME", "PASSED", "FAILED", "SKIPPED"))
    parser.add_argument("--why", metavar="TEXT", help="with --record: what failed")
    parser.add_argument("files", nargs="*", metavar="FILE")
    args = parser.parse_args(argv)
    try:
        if args.summary:
            return summary(args.files)
        if args.record:
            counts = dict(zip((PASSED, FAILED, SKIPPED), map(int, args.record[1:])))
            failures = [args.why] if args.why and counts[FAILED] else []
            return report({"name": args.record[0], **counts, "failures": failures, "skips": []},
                          args.json)
        if len(args.files) != 1:
            parser.error("one OUTPUT file, please")
        path = args.files[0]
        try:
            with open(path, "rb") as file:
                results = parse(file.read(), args.top)
        except OSError as err:
            raise TapError(f"cannot read {path}: {err.strerror}") from err
        if not results:
            raise TapError(f"{path} holds no test point")
        if args.skips:
            results = judge_skips(results, load_list(args.skips))
    except TapError as err:
        print(f"tap.py: {err}", file=sys.stderr)
        return 2
    except ValueError as err:
        parser.error(str(err))

    def names(verdict):
        return [f"{name}{' (' + why + ')' if why else ''}"
                for name, found, why in results if found == verdict]

    base = os.path.splitext(os.path.basename(path))[0]
    if base == "output":
        base = os.path.basename(os.path.dirname(os.path.abspath(path)))
    return report({
        "name": args.name or base,
        PASSED: sum(1 for _, verdict, _ in results if verdict == PASSED),
        FAILED: sum(1 for _, verdict, _ in results if verdict == FAILED),
        SKIPPED: sum(1 for _, verdict, _ in results if verdict == SKIPPED),
        "failures": names(FAILED),
        "skips": names(SKIPPED),
    }, args.json)


if __name__ == "__main__":
    sys.exit(main())
