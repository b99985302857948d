#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Print the figures of a bench as a table, and check their limits.

usage: bench_table.py --name NAME [--limits FILE] [--json FILE]
                      [--held COLUMN] [--unit UNIT] FIGURES...

Each FIGURES file is named NAME.COLUMN and has lines "row<tab>number", with the
same rows in each file. harness/lists/bench.limits describes the file of limits. The
columns are kernels to compare; with --held they are different figures of one
kernel, and the limits are for that COLUMN.

Exit status: 0 all limits are kept; 1 a figure exceeds a limit, or a limit matches
no row (a message names it); 2 a file cannot be read, or a row is not in every file.
"""

import argparse
import json
import os
import re
import sys

LIMIT = re.compile(r"^(?P<rows>[^#].*): (?P<rule>equal|most|flat) (?P<value>[\d.]+)  +# (?P<why>.+)$")


def read_figures(path):
    """Return {row: number}, in the order of the file."""
    figures = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            row, number = line.rstrip("\n").split("\t")
            if row in figures:
                raise ValueError(f"{path}: row '{row}' appears twice")
            figures[row] = float(number)
    if not figures:
        raise ValueError(f"{path}: no figures")
    return figures


def read_limits(path, name):
    """Return (pattern, rule, value, why) of the lines whose pattern begins with NAME."""
    limits = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            found = LIMIT.match(line.rstrip("\n"))
            if not found:
                raise ValueError(f"{path}: not a limit: {line.rstrip()}")
            if found["rows"].split()[0] == name:
                limits.append((found["rows"], found["rule"], float(found["value"]), found["why"]))
    return limits


def spread(numbers):
    """Return the difference of the largest and the least number, in percent of the least."""
    least = min(numbers)
    return 100 * (max(numbers) - least) / least if least else float("inf")


def check(limit, rows):
    """Check ROWS, {row: [number a column]}, against one limit. Return a list of faults."""
    pattern, rule, value, why = limit
    hit = {row: numbers for row, numbers in rows.items() if re.fullmatch(pattern, row)}
    if not hit:
        return [f"no row matches the limit '{pattern}'"]
    faults = []
    if rule == "flat":
        for column in zip(*hit.values()):
            if spread(column) > value:
                faults.append(f"'{pattern}': {min(column):g} to {max(column):g}, "
                              f"more than {value:g} % apart ({why})")
        return faults
    for row, numbers in hit.items():
        if rule == "equal" and spread(numbers) > value:
            faults.append(f"{row}: {spread(numbers):.2f} % apart, the limit is {value:g} % ({why})")
        if rule == "most" and max(numbers) > value:
            faults.append(f"{row}: {max(numbers):g}, the limit is {value:g} ({why})")
    return faults


def table(columns, rows, compare, unit):
    """Return Markdown. With COMPARE, add the difference of the last column and the first."""
    lines = [f"| {unit} | {' | '.join(columns)} |" + (" difference |" if compare else ""),
             "|---|" + "---:|" * (len(columns) + compare)]
    for row, numbers in rows.items():
        cells = " | ".join(f"{number:,.0f}" if number >= 100 else f"{number:g}"
                           for number in numbers)
        line = f"| {row} | {cells} |"
        if compare:
            line += f" {100 * (numbers[-1] - numbers[0]) / numbers[0]:+.2f} % |"
        lines.append(line)
    return "\n".join(lines)


def main():
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--name", required=True)
    parser.add_argument("--limits")
    parser.add_argument("--json")
    parser.add_argument("--held")
    parser.add_argument("--unit", default="instructions")
    parser.add_argument("figures", nargs="+")
    args = parser.parse_args()
    try:
        columns = [os.path.basename(path)[len(args.name) + 1:] for path in args.figures]
        files = [read_figures(path) for path in args.figures]
        if any(list(file) != list(files[0]) for file in files):
            raise ValueError(f"{args.name}: the kernels have different rows")
        if args.held and args.held not in columns:
            raise ValueError(f"{args.name}: there is no column {args.held}")
        limits = read_limits(args.limits, args.name) if args.limits else []
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = {row: [file[row] for file in files] for row in files[0]}
    print(table(columns, rows, len(columns) > 1 and not args.held, args.unit))
    held = rows
    if args.held:
        held = {row: [numbers[columns.index(args.held)]] for row, numbers in rows.items()}
    faults = [fault for limit in limits for fault in check(limit, held)]
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"name": args.name, "unit": args.unit,
                       "columns": columns, "rows": rows, "faults": faults}, file, indent=1)
            file.write("\n")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
