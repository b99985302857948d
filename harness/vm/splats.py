#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Look for kernel splats in a console log.

usage: splats.py [--deny FILE] [--allow FILE] [--count] CONSOLE

A splat is a line that a pattern in harness/lists/splats.deny matches, and none in
splats.allow.
Exit status: 0 no splat, 1 at least one (the first one is printed whole),
2 the scan is impossible: no such file, an empty log, no usable list.
"""

import argparse
import os
import re
import sys

LISTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lists")
STAMP = re.compile(r"^(?:<\d+>)?\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ?")
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Lines that are not the kernel's: a guest command's output, the harness's notes.
FOREIGN = re.compile(r"^(?:\| |\|$|kmbuf: |KMBUF-)")
BLOCK_END = re.compile(r"---\[ end (?:trace|Kernel panic)|^={20,}$")
BLOCK_MAX = 100
# A pause of this many seconds (kernel time) ends a block.
GAP = 1.0


class ScanError(Exception):
    """The scan is impossible."""


def load_patterns(path):
    """Return [(regex, reason)] of one list; every line must have a reason."""
    patterns = []
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as err:
        raise ScanError(f"cannot read list {path}: {err.strerror}") from err
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.match(r"^(\S.*?)\s{2,}#\s*(\S.*)$", line)
        if not match:
            raise ScanError(f"{path}:{number}: no '  # reason' after the pattern")
        try:
            patterns.append((re.compile(match.group(1)), match.group(2)))
        except re.error as err:
            raise ScanError(f"{path}:{number}: bad pattern: {err}") from err
    return patterns


def clean(raw):
    """Return the console's lines as (seconds or None, text)."""
    text = raw.decode("utf-8", "replace").replace("\0", "")
    lines = []
    for line in re.split(r"\r*\n", text):
        line = COLOUR.sub("", line).replace("\r", "")
        match = STAMP.match(line)
        if match:
            seconds = float(re.search(r"\d+\.\d+", match.group(0)).group(0))
            lines.append((seconds, line[match.end():]))
        else:
            lines.append((None, line))
    return lines


def matches(patterns, text):
    """The reason of the first pattern found in text, or None."""
    for regex, reason in patterns:
        if regex.search(text):
            return reason
    return None


def block_end(lines, first):
    """Index after the last line of the block that starts at first."""
    last_time = lines[first][0]
    for i in range(first + 1, min(first + BLOCK_MAX, len(lines))):
        seconds, text = lines[i]
        if FOREIGN.match(text):
            continue
        if seconds is not None and last_time is not None:
            if seconds - last_time > GAP:
                return i
            last_time = seconds
        if BLOCK_END.search(text) and i > first + 3:
            return i + 1
    return min(first + BLOCK_MAX, len(lines))


def scan(lines, deny, allow):
    """Yield (first, end, reason) for each splat."""
    i = 0
    while i < len(lines):
        text = lines[i][1]
        reason = None if FOREIGN.match(text) else matches(deny, text)
        if reason is None:
            i += 1
            continue
        end = block_end(lines, i)
        if matches(allow, text) is None:
            yield i, end, reason
        i = end


def main(argv=None):
    parser = argparse.ArgumentParser(description="look for kernel splats")
    parser.add_argument("--deny", default=os.path.join(LISTS, "splats.deny"))
    parser.add_argument("--allow", default=os.path.join(LISTS, "splats.allow"))
    parser.add_argument("--count", action="store_true",
                        help="print one line for each splat, not the first one whole")
    parser.add_argument("console")
    args = parser.parse_args(argv)
    try:
        deny = load_patterns(args.deny)
        allow = load_patterns(args.allow)
        if not deny:
            raise ScanError(f"{args.deny} has no pattern")
        try:
            with open(args.console, "rb") as file:
                raw = file.read()
        except OSError as err:
            raise ScanError(f"cannot read {args.console}: {err.strerror}") from err
        lines = clean(raw)
        if not any(text.strip() for _, text in lines):
            raise ScanError(f"{args.console} is empty: the machine printed nothing")
    except ScanError as err:
        print(f"splats.py: {err}", file=sys.stderr)
        return 2

    splats = list(scan(lines, deny, allow))
    if not splats:
        return 0
    if args.count:
        for first, _, reason in splats:
            print(f"{args.console}:{first + 1}: {lines[first][1].strip()}  ({reason})")
        return 1
    first, end, reason = splats[0]
    print(f"splat: {reason} ({args.console}:{first + 1}; {len(splats)} in all)")
    # A headline framed by "=====" starts a line earlier.
    if first and re.match(r"^={20,}$", lines[first - 1][1]):
        first -= 1
    for seconds, text in lines[first:end]:
        if FOREIGN.match(text):
            continue
        stamp = "" if seconds is None else f"[{seconds:10.3f}] "
        print(stamp + text.rstrip())
    return 1


if __name__ == "__main__":
    sys.exit(main())
