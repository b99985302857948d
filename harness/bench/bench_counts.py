#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Compute the figures of a bench from the counts of plugin/count.c.

usage: bench_counts.py --runs RUNS --counts COUNTS --out PREFIX

RUNS has a line for each counted stretch, "row<tab>operations<tab>ticks of the
guest's clock"; COUNTS is the plugin's output for the same stretches. Consecutive
runs of a row repeat the same work. The first run warms up; of the others, the
cheapest one that another run agrees with counts. Writes PREFIX.COLUMN, with lines
"row<tab>figure" per operation, for each of the columns

  non-copy      instructions that neither copy nor clear memory
  copied        bytes that were copied
  cleared       bytes that were cleared
  charged       non-copy, plus one instruction for 8 bytes copied or cleared
  clock         all instructions, by the guest's clock

and PREFIX.stretches, "row<tab>number<tab>operations", for profiles.

Exit status: 0 all runs agree; 1 the clock and the count of a run are more than
0.05 % apart, or no two runs of a row agree to 1 % (a message names the row); 2 a
file cannot be read, or the files do not match.
"""

import argparse
import itertools
import sys

CLOCK_PERCENT = 0.05
RUNS_PERCENT = 1
COLUMNS = ("non-copy", "copied", "cleared", "charged", "clock")


class Run:
    """A stretch and its counts."""

    def __init__(self, line, counts):
        self.row, operations, ticks = line.rstrip("\n").split("\t")
        self.operations, self.ticks = int(operations), int(ticks)
        (self.number, self.other, self.copying, self.clearing,
         self.copied, self.cleared, _user) = map(int, counts.split())

    def clock_fault(self):
        """Return a message if clock and count differ, or None."""
        counted = self.other + self.copying + self.clearing
        apart = 100 * abs(counted - self.ticks) / self.ticks
        if apart <= CLOCK_PERCENT:
            return None
        return (f"{self.row}: {counted} instructions were counted, the clock says "
                f"{self.ticks}, {apart:.2f} % apart")

    def figures(self):
        """Return the figures per operation, in the order of COLUMNS."""
        charged = self.other + (self.copied + self.cleared) / 8
        return [number / self.operations
                for number in (self.other, self.copied, self.cleared, charged, self.ticks)]


def read(runs, counts):
    """Return the runs in order."""
    with open(runs, encoding="utf-8") as first, open(counts, encoding="utf-8") as second:
        pairs = list(itertools.zip_longest(first, second))
    if not pairs or any(None in pair for pair in pairs):
        raise ValueError(f"{runs} and {counts} differ in their number of lines, or are empty")
    return [Run(*pair) for pair in pairs]


def cheapest(row, runs):
    """Return the run of a row that counts, and a list of faults."""
    if len(runs) < 3:
        raise ValueError(f"{row}: {len(runs)} runs, at least three are needed")
    ordered = sorted(runs[1:], key=lambda run: run.other)
    gaps = [100 * (second.other - first.other) / first.other
            for first, second in zip(ordered, ordered[1:])]
    faults = [fault for fault in (run.clock_fault() for run in runs) if fault]
    for run, gap in zip(ordered, gaps):
        if gap <= RUNS_PERCENT:
            return run, faults
    faults.append(f"{row}: no two runs agree: {min(gaps):.2f} % apart at best")
    return ordered[0], faults


def main():
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for option in ("--runs", "--counts", "--out"):
        parser.add_argument(option, required=True)
    args = parser.parse_args()
    faults, best = [], {}
    try:
        for row, runs in itertools.groupby(read(args.runs, args.counts), lambda run: run.row):
            best[row], found = cheapest(row, list(runs))
            faults += found
        for i, column in enumerate(COLUMNS):
            with open(f"{args.out}.{column}", "w", encoding="utf-8") as file:
                for row, run in best.items():
                    file.write(f"{row}\t{run.figures()[i]:.0f}\n")
        with open(f"{args.out}.stretches", "w", encoding="utf-8") as file:
            for row, run in best.items():
                file.write(f"{row}\t{run.number}\t{run.operations}\n")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
