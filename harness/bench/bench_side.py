#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Write the report of the side-by-side bench.

usage: bench_side.py --dir DIR --version KERNEL=TEXT... [--profiles PROFILES]

DIR has, for each KERNEL (7.2, 7.3, linux), the files that bench_counts.py writes with
--out DIR/KERNEL, and KERNEL.others with lines "row<tab>figure" for the cuts "two" and
"memory", which the plugin does not count. Writes results.json, which bench_plots.py
draws, and report.md to DIR. PROFILES/KERNEL/NUMBER.md, in the format of symbols.py, is
the profile of the stretch with that number in KERNEL.stretches.

Exit status: 0 written; 1 a row is missing that the comparison needs; 2 a file cannot be
read. A missed goal is reported, and is not an error.
"""

import argparse
import json
import os
import sys

COLUMNS = ("non-copy", "copied", "cleared", "charged", "clock")
KERNELS = ("7.2", "7.3", "linux")
# Columns of the tables: kernel, mode, heading.
SHOWN = (("linux", "native", "no FUSE"), ("7.2", "dev", "7.2 /dev/fuse"),
         ("7.2", "entry", "7.2 per entry"), ("7.3", "entry", "7.3 per entry"),
         ("7.3", "pool", "7.3 pool"), ("7.3", "registered", "7.3 registered pool"),
         ("7.3", "pool-zc", "7.3 zero copy"), ("linux", "entry", "ours, per entry"),
         ("linux", "kmbuf", "ours, KMBUF"), ("linux", "zc", "ours, zero copy"))
TITLES = {
    "ext4": "ext4 on a disk in memory, depth 8, 8 MiB for payloads",
    "null_blk": "A disk that moves no data (raw null_blk, O_DIRECT), depth 8",
    "tmpfs": "tmpfs, depth 8",
    "names": "Names and attributes, ext4",
    "depth": "Requests at a time",
    "buffers": "Buffers, for 32 requests at a time",
    "slots": "More slots in the table of registered buffers, depth 8",
    "equal": "32 requests at a time, 4 MiB for payloads",
    "two": "Two clients on two CPUs: all instructions by the guest's clock, for their ratios only",
    "memory": "Memory of a queue in KiB. Depths are for requests of 1 MiB, with 4 buffers in "
              "pools and KMBUF. For smaller requests, KMBUF has buffers of their sizes, and "
              "the others have 32 of 1 MiB",
}
UNITS = {"KiB": 1024, "MiB": 1024 * 1024}
BIG = ("64 KiB", "128 KiB", "1 MiB")


class Results:
    """All figures: by cut, operation, kernel and mode."""

    def __init__(self, where):
        self.rows = {}
        self.stretches = {}
        for kernel in KERNELS:
            for column in COLUMNS:
                for row, figure in read(f"{where}/{kernel}.{column}"):
                    self.rows.setdefault(self.key(kernel, row), {})[column] = float(figure)
            for row, number, _operations in read(f"{where}/{kernel}.stretches"):
                self.stretches[self.key(kernel, row)] = number
            for row, figure in read(f"{where}/{kernel}.others"):
                self.rows[self.key(kernel, row)] = {"figure": float(figure)}

    @staticmethod
    def key(kernel, row):
        """(cut, operation, kernel, mode)"""
        where, operation, mode = row.split(" | ")
        return where, operation, kernel, mode

    def get(self, where, operation, kernel, mode, column="non-copy"):
        """A figure, or None."""
        return self.rows.get((where, operation, kernel, mode), {}).get(column)

    def operations(self, where):
        """Return the operations of a cut, in order."""
        return list(dict.fromkeys(key[1] for key in self.rows if key[0] == where))


def read(path):
    """Return the tab-separated fields of each line."""
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def size_of(operation):
    """Return the bytes of an operation, or None."""
    words = operation.replace(",", "").split()
    for number, unit in zip(words, words[1:]):
        if unit in UNITS and number.isdigit() and words[-1] in ("read", "write"):
            return int(number) * UNITS[unit]
    return None


def cell(results, key):
    """Return a figure, and in brackets how many times the data was copied."""
    figure = results.get(*key, "figure")
    if figure is not None:
        return f"{figure:,.0f}"
    figure = results.get(*key)
    if figure is None:
        return ""
    size = size_of(key[1])
    if size is None:
        return f"{figure:,.0f}"
    copies = round(results.get(*key, "copied") / size, 1)
    return f"{figure:,.0f} ({copies:g})"


def table(results, where):
    """Return Markdown for one cut, with the columns that have figures."""
    operations = results.operations(where)
    shown = [(kernel, mode, name) for kernel, mode, name in SHOWN
             if any((where, operation, kernel, mode) in results.rows for operation in operations)]
    lines = ["| | " + " | ".join(name for *_, name in shown) + " |",
             "|---|" + "---:|" * len(shown)]
    for operation in operations:
        cells = [cell(results, (where, operation, kernel, mode)) for kernel, mode, _ in shown]
        lines.append(f"| {operation} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratio(figure, other):
    """Return figure / other, or None if one is missing."""
    return figure / other if figure and other else None


def at_least(what, limit, seen, key):
    """Return a goal, see goals()."""
    return what, f">= {limit}", seen, seen is not None and seen >= limit, key


def at_most(what, limit, seen, key):
    """Return a goal, see goals()."""
    return what, f"<= {limit:,}", seen, seen is not None and seen <= limit, key


def goals(results):
    """Yield (what, wanted, seen, met, key of ours) for each goal; seen None: no figure."""
    for size in ("4 KiB", *BIG):
        for rw in ("read", "write"):
            operation = f"{size} direct sequential {rw}"
            for mode, pool, wanted in (
                    ("kmbuf", "registered", 1.25 if size in BIG else 1.1),
                    ("zc", "pool-zc", 1.15 if size in BIG else 1.0)):
                key = ("ext4", operation, "linux", mode)
                theirs = results.get("ext4", operation, "7.3", pool)
                yield at_least(f"{operation}: 7.3's {pool} / our {mode}", wanted,
                               ratio(theirs, results.get(*key)), key)
    operation = "1 MiB direct sequential read"
    key = ("null_blk", operation, "linux", "zc")
    native = results.get("null_blk", operation, "linux", "native")
    yield at_most(f"{operation}, raw null_blk: our zc / native", 1.2,
                  ratio(results.get(*key), native), key)
    key = ("memory", "charged, depth 32", "linux", "kmbuf")
    entry = results.get("memory", "charged, depth 32", "linux", "entry", "figure")
    yield at_least("memory charged for a queue of depth 32: per entry / our kmbuf", 7,
                   ratio(entry, results.get(*key, "figure")), key)
    key = ("memory", "charged, 32 reads of 64 KiB", "linux", "kmbuf")
    ours = results.get(*key, "figure")
    process = results.get("memory", "charged, no queue", "linux", "dev", "figure")
    yield at_most("charged, 32 reads of 64 KiB: our kmbuf, less the server's process", 3276,
                  ours - process if ours and process else None, key)
    for what, limit in (("charged, 32 mixed reads", 3584), ("waits of 1,000 mixed reads", 50),
                        ("charged, idle, 2 queues for 64 CPUs", 9216)):
        key = ("memory", what, "linux", "kmbuf")
        yield at_most(f"{what}: our kmbuf", limit, results.get(*key, "figure"), key)


def amount(seen):
    """Return a ratio, or a figure, as text."""
    if seen is None:
        return "none"
    return f"{seen:.2f}" if seen < 10 else f"{seen:,.0f}"


def behind(results):
    """Return our rows by their ratio to the best of the others, worst first."""
    found = []
    for key in results.rows:
        where, operation, kernel, mode = key
        if kernel != "linux" or mode not in ("kmbuf", "zc") or key not in results.stretches:
            continue
        others = [results.get(where, operation, *other) for other in
                  (("7.2", "dev"), ("7.2", "entry"), ("7.3", "registered"),
                   ("7.3", "pool"), ("7.3", "pool-zc"))]
        others = [figure for figure in others if figure]
        if others:
            found.append((results.get(*key) / min(others), key))
    return sorted(found, reverse=True)


def name_of(key):
    """Return a readable name of a row."""
    where, operation, kernel, mode = key
    heading = next(name for *ids, name in SHOWN if ids == [kernel, mode])
    return f"{where}: {operation}: {heading}"


def profile(results, profiles, key):
    """Return the profile of a row as Markdown."""
    path = os.path.join(profiles, key[2], results.stretches[key] + ".md")
    with open(path, encoding="utf-8") as file:
        return f"### {name_of(key)}\n\n{file.read()}"


def report(results, versions, profiles):
    """Return the whole report as Markdown."""
    parts = ["# FUSE: ours, Linux 7.2 and Linux 7.3 side by side",
             "\n".join(f"* {kernel}: {text}" for kernel, text in versions.items()),
             "Each figure is the number of guest instructions per operation, not counting those "
             "that copy or clear memory; in brackets, how many times the data was copied."]
    for where, title in TITLES.items():
        if results.operations(where):
            parts += [f"## {title}", table(results, where)]
    lines = ["| goal | wanted | seen | |", "|---|---|---:|---|"]
    missed = []
    for what, wanted, seen, met, key in goals(results):
        lines.append(f"| {what} | {wanted} | {amount(seen)} | "
                     f"{'met' if met else '**missed**'} |")
        if not met:
            missed.append(key)
    parts += ["## Goals", "\n".join(lines)]
    ratios = behind(results)
    worst = [key for _, key in ratios[:3]]
    parts += ["## Where we are behind",
              "\n".join(["| row | ours / the best of the others |", "|---|---:|"] +
                        [f"| {name_of(key)} | {times:.2f} |" for times, key in ratios
                         if times > 1.01])]
    if profiles:
        parts += ["## Profiles of the worst rows, and of rows that miss a goal"]
        parts += [profile(results, profiles, key) for key in dict.fromkeys(worst + missed)
                  if key in results.stretches]
    return "\n\n".join(parts) + "\n"


def as_json(results, versions):
    """Return the results for bench_plots.py and for comparisons."""
    rows = [dict(zip(("cut", "operation", "kernel", "mode"), key), **figures)
            for key, figures in results.rows.items()]
    found = [{"goal": what, "wanted": wanted, "seen": seen, "met": met}
             for what, wanted, seen, met, _ in goals(results)]
    return {"versions": versions, "rows": rows, "goals": found}


def main():
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--dir", required=True)
    parser.add_argument("--version", action="append", default=[])
    parser.add_argument("--profiles")
    args = parser.parse_args()
    try:
        versions = dict(version.split("=", 1) for version in args.version)
        results = Results(args.dir)
        with open(f"{args.dir}/results.json", "w", encoding="utf-8") as file:
            json.dump(as_json(results, versions), file, indent=1)
            file.write("\n")
        with open(f"{args.dir}/report.md", "w", encoding="utf-8") as file:
            file.write(report(results, versions, args.profiles))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    missing = [what for what, _, seen, _, _ in goals(results) if seen is None]
    for what in missing:
        print(f"error: no figure for: {what}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
