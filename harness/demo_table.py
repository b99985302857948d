#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Judge what the demo measured, and print it as a table.

usage: demo_table.py [--json FILE] --files N --bytes N DIR

Reads what guest/demo.sh left in DIR, one directory for each mode:
    facts           "name value" lines
    trace           io_uring's submit and complete events of the server
    fio-write.json  fio-read.json
checks every number against the others, prints the table, and with --json
writes the same as JSON. N files of N bytes in all is the tree on the host.

Exit status: 0 all is well; 1 something does not agree (it says what); 2 the
files cannot be read.
"""

import argparse
import json
import os
import re
import sys

MODES = ("zero-copy", "copy")
FACTS = ("files", "bytes", "checksums_equal", "files_extra", "disk_bytes_read",
         "disk_bytes_written", "server_memory_kb", "server_cpu_ticks",
         "wall_seconds", "trace_lost", "flag_zero_copy")

SUBMIT = re.compile(r" io_uring_submit_req: ring (\S+), req (\S+),"
                    r" user_data 0x([0-9a-f]+), opcode (\w+),")
COMPLETE = re.compile(r" io_uring_complete: ring (\S+), req (\S+),"
                      r" user_data 0x([0-9a-f]+), result (-?\d+),")
OPCODES = ("READ", "WRITE", "READ_FIXED", "WRITE_FIXED")
# kublk keeps the number of the ublk command in bits 16 to 23 of user_data:
# UBLK_U_IO_REGISTER_IO_BUF, UBLK_U_IO_UNREGISTER_IO_BUF
COMMANDS = {0x23: "register", 0x24: "unregister"}


def read_trace(lines):
    """Requests and bytes of each of OPCODES and COMMANDS, and a list of faults."""
    sums = {kind: {"requests": 0, "bytes": 0} for kind in (*OPCODES, *COMMANDS.values())}
    under_way, faults = {}, []
    for line in lines:
        found = SUBMIT.search(line)
        if found:
            ring, req, user_data, opcode = found.groups()
            if opcode == "URING_CMD":
                opcode = COMMANDS.get(int(user_data, 16) >> 16 & 0xff)
            if opcode in sums:
                sums[opcode]["requests"] += 1
            if opcode in OPCODES:
                under_way[ring, req] = opcode
            continue
        found = COMPLETE.search(line)
        if not found:
            continue
        ring, req, user_data, result = found.groups()
        opcode = under_way.pop((ring, req), None)
        if int(result) < 0:
            faults.append("%s of the server (user_data 0x%s) failed with %s"
                          % (opcode or "a request", user_data, result))
        elif opcode:
            sums[opcode]["bytes"] += int(result)
    if under_way:
        faults.append("%d requests of the server never completed" % len(under_way))
    return sums, faults


def read_pairs(path):
    with open(path, encoding="utf-8") as lines:
        return dict(line.rstrip("\n").split(" ", 1) for line in lines if line.strip())


def read_fio(path):
    """Bytes written, bytes read, errors of the one job in a fio report."""
    with open(path, encoding="utf-8") as text:
        text = text.read()
    job = json.loads(text[text.index("{"):])["jobs"][0]
    return job["write"]["io_bytes"], job["read"]["io_bytes"], job["error"]


def read_mode(directory):
    """What one mode did, as a flat dictionary, and a list of faults."""
    facts = read_pairs(os.path.join(directory, "facts"))
    with open(os.path.join(directory, "trace"), encoding="utf-8", errors="replace") as lines:
        sums, faults = read_trace(lines)
    written, _, error_write = read_fio(os.path.join(directory, "fio-write.json"))
    _, verified, error_read = read_fio(os.path.join(directory, "fio-read.json"))

    def total(kind, *opcodes):
        return sum(sums[op][kind] for op in opcodes)

    mode = {name: int(facts[name]) for name in FACTS}
    mode.update(
        fio_bytes_written=written, fio_bytes_verified=verified,
        fio_errors=error_write + error_read,
        plain_requests=total("requests", "READ", "WRITE"),
        plain_bytes=total("bytes", "READ", "WRITE"),
        registered_requests=total("requests", "READ_FIXED", "WRITE_FIXED"),
        registered_bytes=total("bytes", "READ_FIXED", "WRITE_FIXED"),
        buffers_registered=total("requests", "register"),
        buffers_unregistered=total("requests", "unregister"))
    return mode, faults


def judge(name, mode, files, size):
    """Everything that has to hold for one mode; yields what does not."""
    disk = mode["disk_bytes_read"] + mode["disk_bytes_written"]
    zero_copy = name == "zero-copy"
    equal = [
        ("files on the disk", mode["files"], files),
        ("bytes on the disk", mode["bytes"], size),
        ("files with equal checksums", mode["checksums_equal"], files),
        ("files that the source does not have", mode["files_extra"], 0),
        ("fio errors", mode["fio_errors"], 0),
        ("bytes fio verified", mode["fio_bytes_verified"], mode["fio_bytes_written"]),
        ("trace events lost", mode["trace_lost"], 0),
        ("zero-copy flag of the disk", mode["flag_zero_copy"], int(zero_copy)),
        ("bytes through registered buffers", mode["registered_bytes"], disk if zero_copy else 0),
        ("bytes through the server's memory", mode["plain_bytes"], 0 if zero_copy else disk),
        ("buffers registered", mode["buffers_registered"], mode["registered_requests"]),
        ("buffers given back", mode["buffers_unregistered"], mode["registered_requests"]),
    ]
    for what, got, want in equal:
        if got != want:
            yield "%s: %d, expected %d" % (what, got, want)
    if mode["fio_bytes_verified"] <= 0:
        yield "fio verified nothing"
    if mode["disk_bytes_read"] < size or mode["disk_bytes_written"] < size:
        yield "the tree did not go through the disk both ways"


def judge_pair(modes):
    """What has to differ between the modes."""
    if modes["zero-copy"]["server_memory_kb"] >= modes["copy"]["server_memory_kb"]:
        yield "the zero-copy server holds as much memory as the copying one"


def mb(value):
    return "%.1f" % (value / 1e6)


ROWS = (
    ("Is the data right?", None),
    (" files copied", lambda m: "%d" % m["files"]),
    (" data in them, MB", lambda m: mb(m["bytes"])),
    (" SHA-256 equal after remount, files", lambda m: "%d" % m["checksums_equal"]),
    (" random blocks fio verified, MB", lambda m: mb(m["fio_bytes_verified"])),
    ("How did it travel?", None),
    (" all traffic of the disk, MB",
     lambda m: mb(m["disk_bytes_read"] + m["disk_bytes_written"])),
    ("   moved straight, MB", lambda m: mb(m["registered_bytes"])),
    ("   copied through the server, MB", lambda m: mb(m["plain_bytes"])),
    (" requests of the disk", lambda m: "%d" % (m["registered_requests"] + m["plain_requests"])),
    ("   their pages registered, then released", lambda m: "%d" % m["buffers_registered"]),
    ("   their pages copied", lambda m: "%d" % m["plain_requests"]),
    (" memory of the server, MB", lambda m: mb(m["server_memory_kb"] * 1024)),
    ("Time, which means little here", None),
    (" wall time, s", lambda m: "%d" % m["wall_seconds"]),
    (" processor time of the server, s", lambda m: "%.1f" % (m["server_cpu_ticks"] / 100)),
)

LEGEND = """\
 all traffic      what the block layer counted on the ublk disk, written and read
 moved straight   io_uring moved the request's own pages from or to the file
                  (READ_FIXED, WRITE_FIXED)
 copied           io_uring moved the server's memory from or to the file (READ, WRITE), and
                  the driver copied every byte between there and the request's pages
 requests         the server's reads and writes of the file: traced, as are their bytes.
                  Either sum equals all traffic to the byte, or the demo fails
 registered       io_buffer_register_request(), which only a kernel with this series has, put
                  the request's pages into the table of the server's ring
 memory           the most the server had resident: to copy, it has to hold the data
 time             the processor is emulated and shared: noise, not a benchmark"""


def table(modes):
    lines = ["%-42s%12s%12s" % ("", "zero copy", "copy")]
    for text, value in ROWS:
        cells = [value(modes[name]) for name in MODES] if value else []
        lines.append(("%-42s" % text + "".join("%12s" % cell for cell in cells)).rstrip())
    return "\n".join(lines)


def run(options):
    modes, faults = {}, []
    for name in MODES:
        modes[name], found = read_mode(os.path.join(options.dir, name))
        found += judge(name, modes[name], options.files, options.bytes)
        faults += ["%s mode: %s" % (name, fault) for fault in found]
    faults += judge_pair(modes)
    if options.json:
        kernel = read_pairs(os.path.join(options.dir, MODES[0], "facts")).get("kernel")
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"kernel": kernel, "ok": not faults, "faults": faults, "modes": modes},
                      out, indent=2)
            out.write("\n")
    print(table(modes), LEGEND, sep="\n\n", flush=True)
    for fault in faults:
        print("error: demo: " + fault, file=sys.stderr)
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("dir")
    parser.add_argument("--json")
    parser.add_argument("--files", type=int, required=True)
    parser.add_argument("--bytes", type=int, required=True)
    try:
        return run(parser.parse_args())
    except (OSError, ValueError, KeyError, IndexError) as err:
        print("error: demo_table.py: %s: %s" % (type(err).__name__, err), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
