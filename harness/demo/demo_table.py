#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Check the demo's ublk results, and print them as a table.

usage: demo_table.py [--json FILE] --files N --bytes N DIR

Reads the files of demo.guest.sh in DIR, one directory for each mode:
    facts           "name value" lines
    trace           io_uring's submit and complete events of the server
    fio-write.json  fio-read.json
Checks every number against the others, prints the table, and with --json
writes the same as JSON. The tree on the host has N files with N bytes in all.

Exit status: 0 all numbers agree; 1 some do not (a message names them); 2 the
files cannot be read.
"""

import sys

import demo_common
from demo_common import COMPLETE, DATA_ROWS, FACTS, SUBMIT, mb

MODES = {"zero-copy": "zero copy", "copy": "copy"}
DISK_FACTS = ("disk_bytes_read", "disk_bytes_written", "flag_zero_copy")

OPCODES = ("READ", "WRITE", "READ_FIXED", "WRITE_FIXED")
# kublk keeps the number of the ublk command in bits 16 to 23 of user_data:
# UBLK_U_IO_REGISTER_IO_BUF, UBLK_U_IO_UNREGISTER_IO_BUF
COMMANDS = {0x23: "register", 0x24: "unregister"}


def read_trace(lines):
    """Return requests and bytes of each of OPCODES and COMMANDS, and a list of faults."""
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


def read_mode(directory):
    """Return the results of one mode, a flat dictionary, and a list of faults."""
    sums, faults = read_trace(demo_common.read_trace(directory))

    def total(kind, *opcodes):
        return sum(sums[op][kind] for op in opcodes)

    mode = demo_common.read_facts(directory, FACTS + DISK_FACTS)
    mode.update(
        demo_common.read_fio(directory),
        plain_requests=total("requests", "READ", "WRITE"),
        plain_bytes=total("bytes", "READ", "WRITE"),
        registered_requests=total("requests", "READ_FIXED", "WRITE_FIXED"),
        registered_bytes=total("bytes", "READ_FIXED", "WRITE_FIXED"),
        buffers_registered=total("requests", "register"),
        buffers_unregistered=total("requests", "unregister"))
    return mode, faults


def judge(name, mode, files, size):
    """Check everything that has to hold for one mode; yield faults."""
    disk = mode["disk_bytes_read"] + mode["disk_bytes_written"]
    zero_copy = name == "zero-copy"
    yield from demo_common.judge_data("on the disk", mode, files, size)
    yield from demo_common.differences([
        ("zero-copy flag of the disk", mode["flag_zero_copy"], int(zero_copy)),
        ("bytes through registered buffers", mode["registered_bytes"], disk if zero_copy else 0),
        ("bytes through the server's memory", mode["plain_bytes"], 0 if zero_copy else disk),
        ("buffers registered", mode["buffers_registered"], mode["registered_requests"]),
        ("buffers given back", mode["buffers_unregistered"], mode["registered_requests"]),
    ])
    if mode["disk_bytes_read"] < size or mode["disk_bytes_written"] < size:
        yield "the tree did not go through the disk both ways"


def judge_pair(modes):
    """Check the numbers that have to differ between the modes."""
    if modes["zero-copy"]["server_memory_kb"] >= modes["copy"]["server_memory_kb"]:
        yield "the zero-copy server holds as much memory as the copying one"


ROWS = (
    *DATA_ROWS,
    (" SHA-256 equal after remount, files", lambda m: "%d" % m["checksums_equal"]),
    ("How did it travel?", None),
    (" all traffic of the disk, MB",
     lambda m: mb(m["disk_bytes_read"] + m["disk_bytes_written"])),
    ("   moved straight, MB", lambda m: mb(m["registered_bytes"])),
    ("   copied through the server, MB", lambda m: mb(m["plain_bytes"])),
    (" requests of the disk", lambda m: "%d" % (m["registered_requests"] + m["plain_requests"])),
    ("   their pages registered, then released", lambda m: "%d" % m["buffers_registered"]),
    ("   their pages copied", lambda m: "%d" % m["plain_requests"]),
    (" memory of the server, MB", lambda m: mb(m["server_memory_kb"] * 1024)),
)

LEGEND = """\
 all traffic      bytes read from and written to the ublk disk, counted by the block layer
 moved straight   io_uring moved the data between the request's own pages and the file
                  (READ_FIXED, WRITE_FIXED)
 copied           io_uring moved the data between the server's memory and the file (READ,
                  WRITE), and the driver copied every byte from or to the request's pages
 requests         the server's reads and writes of the file, traced with their bytes. The
                  demo fails unless their sum equals all traffic to the byte
 registered       io_buffer_register_request(), which Linux 7.2 has only with this series, put
                  the request's pages into the table of the server's ring
 memory           the server's peak resident memory; to copy the data, it has to hold it"""

DEMO = demo_common.Demo(modes=MODES, rows=ROWS, legend=LEGEND, read_mode=read_mode,
                        judge=judge, judge_all=judge_pair)


def main():
    return demo_common.main(DEMO, __doc__)


if __name__ == "__main__":
    sys.exit(main())
