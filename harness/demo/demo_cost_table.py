#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Check and print the cost of 64 KiB in each mode of the demo.

usage: demo_cost_table.py [--json FILE] PREFIX

Reads PREFIX.non-copy and PREFIX.copied, which bench_counts.py writes, with rows
"demo | 64 KiB direct sequential read | MODE" for FUSE and "ublk | ..." for ublk.

Exit status: 0 all modes save copies; 1 a mode does not (a message names it);
2 a figure is missing or a file cannot be read.
"""

import argparse
import json
import sys

SIZE = 64 * 1024
OPERATIONS = ("read", "write")
# The name of a mode in the rows, and its column heading.
FUSE = {"entry": "plain", "kmbuf": "KMBUF", "zc": "zero copy"}
UBLK = {"copy": "copy", "zero-copy": "zero copy"}
WIDTH = 12

LEGEND = """\
 instructions     client, kernel and server instructions per request, 8 at a time, not
                  counting those that copy or clear memory
 copies           how many times the data was copied, including the copy between the page
                  cache or disk behind the server and its reader or writer
 plain            Linux's own FUSE over io_uring. ublk, copy: the same, through the
                  server's memory"""


def read(prefix, column):
    """Return a dictionary: row to figure."""
    with open(f"{prefix}.{column}", encoding="utf-8") as lines:
        return {row: int(figure) for row, figure in (line.rstrip("\n").split("\t") for line in lines)}


def figures(prefix, subsystem, modes):
    """Return a dictionary: (operation, mode) to instructions and copies."""
    instructions, copied = read(prefix, "non-copy"), read(prefix, "copied")
    found = {}
    for operation in OPERATIONS:
        for mode in modes:
            row = f"{subsystem} | 64 KiB direct sequential {operation} | {mode}"
            found[operation, mode] = (instructions[row], copied[row] / SIZE)
    return found


def judge(found, modes):
    """Each mode copies no more often than the one before, the last less often than the first."""
    names = list(modes)
    for operation in OPERATIONS:
        copies = [round(found[operation, name][1]) for name in names]
        if sorted(copies, reverse=True) != copies or copies[-1] >= copies[0]:
            yield "%s: copies in %s: %s" % (
                operation, ", ".join(modes.values()), ", ".join(map(str, copies)))


def table(title, found, modes):
    """Yield the lines of the table."""
    yield "%-42s" % title + "".join(head.rjust(WIDTH) for head in modes.values())
    for operation in OPERATIONS:
        cells = [found[operation, mode] for mode in modes]
        yield "%-42s" % f" 64 KiB {operation}, instructions" + "".join(
            f"{count:,}".rjust(WIDTH) for count, _ in cells)
        yield "%-42s" % "   copies" + "".join(f"{copies:.1f}".rjust(WIDTH) for _, copies in cells)


def main():
    """Return the exit status."""
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n", maxsplit=1)[0])
    parser.add_argument("--json")
    parser.add_argument("prefix")
    args = parser.parse_args()
    faults, result = [], {}
    try:
        for title, subsystem, modes in (("ublk, disk over a file", "ublk", UBLK),
                                        ("FUSE, file behind a server", "demo", FUSE)):
            found = figures(args.prefix, subsystem, modes)
            faults += [f"{title}: {fault}" for fault in judge(found, modes)]
            result[title] = {
                f"{operation} {mode}": {"instructions": count, "copies": round(copies, 2)}
                for (operation, mode), (count, copies) in found.items()}
            print("\n".join(table(title, found, modes)))
        if args.json:
            with open(args.json, "w", encoding="utf-8") as out:
                json.dump({"ok": not faults, "faults": faults, "figures": result}, out, indent=2)
                out.write("\n")
    except (OSError, ValueError, KeyError) as err:
        print("error: demo_cost_table.py: %s: %s" % (type(err).__name__, err), file=sys.stderr)
        return 2
    print("\n" + LEGEND, flush=True)
    for fault in faults:
        print("error: demo: " + fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
