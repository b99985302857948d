# SPDX-License-Identifier: GPL-2.0
"""Common code of the programs that check the demo: reads the files that
demo-common.guest.sh writes, prints the table and the verdict."""

import argparse
import dataclasses
import json
import os
import re
import sys
import typing

# The guest measures these in every mode.
FACTS = ("files", "bytes", "checksums_equal", "files_extra", "server_memory_kb",
         "trace_lost")

SUBMIT = re.compile(r" io_uring_submit_req: ring (\S+), req (\S+),"
                    r" user_data 0x([0-9a-f]+), opcode (\w+),")
COMPLETE = re.compile(r" io_uring_complete: ring (\S+), req (\S+),"
                      r" user_data 0x([0-9a-f]+), result (-?\d+),")


@dataclasses.dataclass(frozen=True)
class Demo:
    """One table: its contents, and the checks of its numbers."""
    # directory: column heading
    modes: typing.Dict[str, str]
    # (text, function of a mode's dictionary, or None for a heading)
    rows: tuple
    legend: str
    # of a directory: the mode's dictionary, and a list of faults
    read_mode: typing.Callable
    # of name, mode, files, bytes: yields faults
    judge: typing.Callable
    # of all modes: yields faults between them
    judge_all: typing.Callable
    # characters a column
    width: int = 12


def read_pairs(path):
    with open(path, encoding="utf-8") as lines:
        return dict(line.rstrip("\n").split(" ", 1) for line in lines if line.strip())


def read_facts(directory, names):
    facts = read_pairs(os.path.join(directory, "facts"))
    return {name: int(facts[name]) for name in names}


def read_trace(directory):
    """Yield the lines of the trace."""
    with open(os.path.join(directory, "trace"), encoding="utf-8", errors="replace") as lines:
        yield from lines


def read_job(path):
    """The one job in a fio report."""
    with open(path, encoding="utf-8") as text:
        text = text.read()
    return json.loads(text[text.index("{"):])["jobs"][0]


def read_fio(directory):
    """Count the data that fio wrote, then read and verified."""
    wrote = read_job(os.path.join(directory, "fio-write.json"))
    read = read_job(os.path.join(directory, "fio-read.json"))
    return {
        "fio_bytes_written": wrote["write"]["io_bytes"],
        "fio_bytes_verified": read["read"]["io_bytes"],
        "fio_requests": wrote["write"]["total_ios"] + read["read"]["total_ios"],
        "fio_errors": wrote["error"] + read["error"],
    }


def differences(equal):
    """Yield a fault for each (what, got, want) that differs."""
    for what, got, want in equal:
        if got != want:
            yield "%s: %d, expected %d" % (what, got, want)


def judge_data(where, mode, files, size):
    """Check the copied tree and fio's data; yield faults."""
    yield from differences([
        ("files " + where, mode["files"], files),
        ("bytes " + where, mode["bytes"], size),
        ("files with equal checksums", mode["checksums_equal"], files),
        ("files that the source does not have", mode["files_extra"], 0),
        ("fio errors", mode["fio_errors"], 0),
        ("bytes fio verified", mode["fio_bytes_verified"], mode["fio_bytes_written"]),
        ("trace events lost", mode["trace_lost"], 0),
    ])
    if mode["fio_bytes_verified"] <= 0:
        yield "fio verified nothing"


def mb(value):
    return "%.1f" % (value / 1e6)


# Rows of every table.
DATA_ROWS = (
    ("Is the data right?", None),
    (" files copied", lambda m: "%d" % m["files"]),
    (" data in them, MB", lambda m: mb(m["bytes"])),
    (" random blocks fio verified, MB", lambda m: mb(m["fio_bytes_verified"])),
)


def table(demo, modes):
    lines = ["%-42s" % "" + "".join(head.rjust(demo.width) for head in demo.modes.values())]
    for text, value in demo.rows:
        cells = [value(modes[name]) for name in demo.modes] if value else []
        lines.append(("%-42s" % text + "".join(cell.rjust(demo.width) for cell in cells)).rstrip())
    return "\n".join(lines)


def run(demo, options):
    modes, faults = {}, []
    for name in demo.modes:
        modes[name], found = demo.read_mode(os.path.join(options.dir, name))
        found += demo.judge(name, modes[name], options.files, options.bytes)
        faults += ["%s mode: %s" % (name, fault) for fault in found]
    faults += demo.judge_all(modes)
    if options.json:
        kernel = read_pairs(os.path.join(options.dir, next(iter(demo.modes)), "facts"))["kernel"]
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"kernel": kernel, "ok": not faults, "faults": faults, "modes": modes},
                      out, indent=2)
            out.write("\n")
    print(table(demo, modes), demo.legend, sep="\n\n", flush=True)
    for fault in faults:
        print("error: demo: " + fault, file=sys.stderr)
    return 1 if faults else 0


def main(demo, doc):
    """Check and print the demo; doc is the program's docstring. Return the exit status."""
    parser = argparse.ArgumentParser(usage=doc.split("usage: ")[1].split("\n")[0])
    parser.add_argument("dir")
    parser.add_argument("--json")
    parser.add_argument("--files", type=int, required=True)
    parser.add_argument("--bytes", type=int, required=True)
    try:
        return run(demo, parser.parse_args())
    except (OSError, ValueError, KeyError, IndexError) as err:
        print("error: %s: %s: %s" % (os.path.basename(sys.argv[0]), type(err).__name__, err),
              file=sys.stderr)
        return 2
