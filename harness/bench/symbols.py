#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Translate kernel addresses for plugin/count.c and its profiles.

usage: symbols.py ranges SYSTEM.MAP LIST
       symbols.py profile SYSTEM.MAP PROFILE OPERATIONS [MOST]

ranges: print the file of ranges for the plugin, from a list of routines such as
harness/lists/bench.copying. profile: print a table of the MOST (15) routines with
the most instructions per operation, from a PROFILE that the plugin wrote.

Exit status: 0, or 2 with a message.
"""

import bisect
import re
import sys

ROUTINE = re.compile(r"^(?P<name>\S+) (?P<kind>copy|clear)  +# (?P<why>.+)$")


class Symbols:
    """The routines of a kernel."""

    def __init__(self, path):
        found = {}
        self.marks = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                address, kind, name = line.split()
                address = int(address, 16)
                if name in ("_stext", "_etext"):
                    self.marks[name] = address
                elif kind in "tTwW":
                    found.setdefault(address, []).append(name)
        if len(self.marks) != 2:
            raise ValueError(f"{path}: no _stext or no _etext")
        self.addresses = sorted(found)
        self.names = [found[address] for address in self.addresses]

    def range(self, name):
        """Return (start, end) of a routine; it ends where the next one starts."""
        hits = [i for i, names in enumerate(self.names) if name in names]
        if len(hits) != 1:
            raise ValueError(f"routine {name}: the kernel has {len(hits)} with that name, not one")
        return self.addresses[hits[0]], self.addresses[hits[0] + 1]

    def name(self, address):
        """Return the shortest name of the routine at an address."""
        i = bisect.bisect_right(self.addresses, address) - 1
        return min(self.names[i], key=len) if i >= 0 else hex(address)


def print_ranges(symbols, path):
    """Print the plugin's file of ranges."""
    print(f"text {symbols.marks['_stext']:x} {symbols.marks['_etext']:x}")
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            found = ROUTINE.match(line.rstrip("\n"))
            if not found:
                raise ValueError(f"{path}: not a routine: {line.rstrip()}")
            start, end = symbols.range(found["name"])
            print(f"{found['kind']} {start:x} {end:x}")


def print_profile(symbols, path, operations, most):
    """Print a Markdown table."""
    counts = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            address, count = line.split()
            name = symbols.name(int(address, 16))
            counts[name] = counts.get(name, 0) + int(count)
    print("| routine | instructions an operation |\n|---|---:|")
    for name in sorted(counts, key=counts.get, reverse=True)[:most]:
        print(f"| {name} | {counts[name] / operations:,.0f} |")
    print(f"| all {len(counts)} of the kernel | {sum(counts.values()) / operations:,.0f} |")


def main(argv):
    """Return the exit status."""
    try:
        if len(argv) == 3 and argv[0] == "ranges":
            print_ranges(Symbols(argv[1]), argv[2])
        elif len(argv) in (4, 5) and argv[0] == "profile":
            print_profile(Symbols(argv[1]), argv[2], int(argv[3]),
                          int(argv[4]) if len(argv) == 5 else 15)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
