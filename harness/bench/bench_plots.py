#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Draw the results of the side-by-side bench.

usage: bench_plots.py RESULTS.JSON DIR

Writes DIR/sizes.svg, the cost of reads and writes by size in each mode, and
DIR/growth.svg, the cost with more requests, buffers or slots.

Exit status: 0, or 2 with a message.
"""

import io
import json
import sys

import matplotlib
matplotlib.use("Agg")
# pylint: disable-next=wrong-import-position # the backend has to be set first
from matplotlib import pyplot

# Text stays text, and the same figures give the same file.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9})

WAYS = (("7.2", "entry", "7.2 per entry", "#9e9e9e"),
        ("7.3", "registered", "7.3 registered pool", "#f4a261"),
        ("7.3", "pool-zc", "7.3 zero copy", "#c1440e"),
        ("linux", "kmbuf", "ours, KMBUF", "#7bb0e0"),
        ("linux", "zc", "ours, zero copy", "#14508c"))
LICENCE = "SPDX-License-Identifier: GPL-2.0"
SIZES = ("4 KiB", "64 KiB", "128 KiB", "1 MiB")
GROWTH = (("depth", "requests at a time"), ("buffers", "buffers, 32 requests at a time"),
          ("slots", "more slots in the table"))


def figure_of(rows, *key):
    """Non-copy instructions, or None."""
    row = rows.get(key)
    return row["non-copy"] if row else None


def save(figure, path):
    """Save without a time stamp and with a licence."""
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight",
                   metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    pyplot.close(figure)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    lines.insert(1, f"<!-- {LICENCE} -->")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def draw_sizes(rows, path):
    """Draw bars, each relative to 7.2 per entry."""
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.6), sharey=True)
    for panel, rw in zip(panels, ("read", "write")):
        for i, (kernel, mode, name, color) in enumerate(WAYS):
            heights = []
            for size in SIZES:
                operation = f"{size} direct sequential {rw}"
                base = figure_of(rows, "ext4", operation, "7.2", "entry")
                heights.append(100 * (figure_of(rows, "ext4", operation, kernel, mode) or 0) / base)
            panel.bar([x + (i - 2) * 0.17 for x in range(len(SIZES))], heights, 0.16,
                      label=name, color=color)
        panel.set_xticks(range(len(SIZES)), SIZES)
        panel.set_title(f"direct {rw}, ext4 in memory")
        panel.axhline(100, color="black", linewidth=0.5)
    panels[0].set_ylabel("non-copy instructions,\n% of 7.2 per entry")
    panels[1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    save(figure, path)


def curve(rows, cut, kernel, mode):
    """Return [(x, instructions)]."""
    points = [(int(key[1].split(",")[0]), row["non-copy"]) for key, row in rows.items()
              if (key[0], *key[2:]) == (cut, kernel, mode)]
    return sorted(points)


def draw_growth(rows, path):
    """Draw a panel for the payload, and one for each other number that grows."""
    figure, panels = pyplot.subplots(1, 4, figsize=(14, 3.2))
    for kernel, mode, name, color in WAYS:
        points = [(kib, figure_of(rows, "ext4", f"{size} direct sequential read", kernel, mode))
                  for kib, size in zip((4, 64, 128, 1024), SIZES)]
        panels[0].plot(*zip(*points), marker="o", markersize=3, color=color, label=name)
        for panel, (cut, _) in zip(panels[1:], GROWTH):
            points = curve(rows, cut, kernel, mode)
            if points:
                panel.plot(*zip(*points), marker="o", markersize=3, color=color)
    panels[0].set_yscale("log")
    for panel, title in zip(panels, ("KiB of a direct read", *(title for _, title in GROWTH))):
        panel.set_xscale("log", base=2)
        panel.xaxis.set_major_formatter("{x:g}")
        panel.set_xlabel(title)
    for panel in panels[1:]:
        panel.set_ylim(bottom=0)
        panel.set_title("64 KiB direct read")
    panels[0].set_title("any size")
    panels[0].set_ylabel("non-copy instructions")
    figure.legend(loc="lower center", ncol=len(WAYS), bbox_to_anchor=(0.5, -0.14), frameon=False)
    save(figure, path)


def main(argv):
    """Return the exit status."""
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(argv[0], encoding="utf-8") as file:
            found = json.load(file)
        rows = {(row["cut"], row["operation"], row["kernel"], row["mode"]): row
                for row in found["rows"]}
        draw_sizes(rows, f"{argv[1]}/sizes.svg")
        draw_growth(rows, f"{argv[1]}/growth.svg")
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
