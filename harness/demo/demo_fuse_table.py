#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Check the demo's FUSE results, and print them as a table.

usage: demo_fuse_table.py [--json FILE] --files N --bytes N DIR

Reads the files of demo-fuse.guest.sh in DIR, one directory for each mode:
    facts           "name value" lines
    counters.tree   the kernel's counters of the mount after the tree was
    counters.end    copied and checked, and at the end: "name value" lines
    trace           completions of the server's queue entries, and its reads and
                    writes of slots
    fio-write.json  fio-read.json
Checks every number against the others, prints the table, and with --json
writes the same as JSON. The tree on the host has N files with N bytes in all.

Exit status: 0 all numbers agree; 1 some do not (a message names them); 2 the
files cannot be read.
"""

import os
import sys

import demo_common
from demo_common import COMPLETE, DATA_ROWS, FACTS, SUBMIT, mb

MODES = {"plain": "plain", "kmbuf": "KMBUF", "zero-copy": "zero copy"}
FUSE_FACTS = ("checksums_equal_behind", "queues", "entries", "buffers", "payload",
              "kmbuf_bytes", "kmbuf_held", "server_data_kb")
# The ways to send a request, and the kernel's other counters.
SENT = ("none", "inline", "buffer", "zero_copy")
COUNTERS = (*SENT, "fallback", "buffer_wait")
# Commands that add a queue with headers and kernel-managed buffers.
SETUP_COMMANDS = 3


def read_counters(path):
    counters = demo_common.read_pairs(path)
    return {name: int(counters[name]) for name in COUNTERS}


def read_trace(lines):
    """Count the server's requests, and its reads and writes of slots."""
    came = on_slots = 0
    for line in lines:
        if COMPLETE.search(line):
            came += 1
        else:
            found = SUBMIT.search(line)
            on_slots += found is not None and found.group(4) in ("READ_FIXED", "WRITE_FIXED")
    return came, on_slots


def read_mode(directory):
    """Return the results of one mode, a flat dictionary, and a list of faults."""
    mode = demo_common.read_facts(directory, FACTS + FUSE_FACTS)
    mode.update(demo_common.read_fio(directory))
    tree = read_counters(os.path.join(directory, "counters.tree"))
    end = read_counters(os.path.join(directory, "counters.end"))
    mode.update(end)
    mode.update({"fio_" + name: end[name] - tree[name] for name in COUNTERS})
    came, mode["slot_requests"] = read_trace(demo_common.read_trace(directory))
    # The server's own commands: ADD_QUEUE, ADD_HEADERS and ADD_KMBUF for each queue.
    mode["requests"] = came - (SETUP_COMMANDS * mode["queues"] if mode["kmbuf_bytes"] else 0)
    mode["requests_counted"] = sum(end[name] for name in SENT)
    own = not mode["kmbuf_bytes"]
    mode["payload_bytes"] = mode["queues"] * mode["buffers"] * mode["payload"]
    mode["payload_held"] = mode["payload_bytes"] if own else mode["kmbuf_held"] * mode["payload"]
    return mode, []


def judge_way(name, mode):
    """Check that the kernel's counters agree with the mode; yield faults."""
    plain, zero_copy = name == "plain", name == "zero-copy"
    fio = mode["fio_requests"]
    # Per-entry queues count nothing, so there the trace alone has the requests.
    yield from demo_common.differences([
        ("requests counted", mode["requests_counted"], 0 if plain else mode["requests"]),
        ("requests with a buffer that fio made", mode["fio_buffer"],
         fio if name == "kmbuf" else 0),
        ("requests without a copy that fio made", mode["fio_zero_copy"], fio if zero_copy else 0),
        ("reads and writes of slots", mode["slot_requests"], mode["zero_copy"]),
        ("requests copied after all", mode["fallback"], 0),
    ])
    if mode["requests"] < mode["files"] + fio:
        yield "only %d requests came over the io_uring" % mode["requests"]
    if plain and any(mode[counter] for counter in COUNTERS):
        yield "requests counted, of queues without kernel-managed buffers"
    if not plain and mode["buffer"] <= 0:
        yield "no request with a buffer"
    if not zero_copy and mode["zero_copy"]:
        yield "requests without a copy: %d, expected 0" % mode["zero_copy"]
    # More than fio's requests: the tree used zero copy as well.
    if zero_copy and mode["zero_copy"] <= fio:
        yield "no request of the tree without a copy"


def judge_memory(name, mode):
    plain = name == "plain"
    yield from demo_common.differences([
        ("bytes of kernel-managed buffers", mode["kmbuf_bytes"],
         0 if plain else mode["payload_bytes"]),
        ("kernel-managed buffers that an idle server holds", mode["kmbuf_held"], 0),
    ])
    if plain and mode["buffers"] != mode["entries"]:
        yield "not a buffer for each entry"
    if plain and mode["server_data_kb"] * 1024 < mode["payload_bytes"]:
        yield "the server has less memory than its entries have payload"


def judge(name, mode, files, size):
    """Check everything that has to hold for one mode; yield faults."""
    yield from demo_common.judge_data("in the directory", mode, files, size)
    yield from demo_common.differences([
        ("files with equal checksums behind the server", mode["checksums_equal_behind"], files)])
    yield from judge_way(name, mode)
    yield from judge_memory(name, mode)


def judge_all(modes):
    """Check the numbers that have to differ between the modes."""
    plain, kmbuf, zero_copy = (modes[name] for name in MODES)
    for name in "kmbuf", "zero-copy":
        saved = (plain["server_data_kb"] - modes[name]["server_data_kb"]) * 1024
        if saved < plain["payload_bytes"]:
            yield "%s mode: the server has its own payload memory" % name
    if not zero_copy["payload_bytes"] < kmbuf["payload_bytes"] < plain["payload_bytes"]:
        yield "payload memory does not go down from mode to mode"


ROWS = (
    *DATA_ROWS,
    (" SHA-256 equal after dropping caches", lambda m: "%d" % m["checksums_equal"]),
    (" SHA-256 equal behind the server", lambda m: "%d" % m["checksums_equal_behind"]),
    ("How did it travel?", None),
    (" requests to the server", lambda m: "%d" % m["requests"]),
    ("   without payload", lambda m: "%d" % m["none"]),
    ("   payload inline", lambda m: "%d" % m["inline"]),
    ("   payload in a buffer", lambda m: "%d" % m["buffer"]),
    ("   payload not copied", lambda m: "%d" % m["zero_copy"]),
    (" to be copied after all (fallback)", lambda m: "%d" % m["fallback"]),
    (" waited for a buffer", lambda m: "%d" % m["buffer_wait"]),
    (" fio's requests", lambda m: "%d" % m["fio_requests"]),
    ("   payload in a buffer", lambda m: "%d" % m["fio_buffer"]),
    ("   payload not copied", lambda m: "%d" % m["fio_zero_copy"]),
    ("What memory does it take?", None),
    (" payload buffers, of 1 MiB", lambda m: "%d" % (m["queues"] * m["buffers"])),
    (" memory for payloads, MB", lambda m: mb(m["payload_bytes"])),
    ("   tied to waiting entries, MB", lambda m: mb(m["payload_held"])),
    (" resident memory of the server, MB", lambda m: mb(m["server_memory_kb"] * 1024)),
)

LEGEND = """\
 plain            Linux's own FUSE over io_uring: each queue entry has a payload buffer in
                  the server's memory. The kernel does not count these requests: 0 is right
 KMBUF            payloads in kernel-managed buffers, from a ring that a queue's entries share
 zero copy        the same, but reads and writes from 16 KiB on go between the client's pages
                  and the file: READ_FIXED and WRITE_FIXED on a slot, as many as counted
 requests         traced completions of the server's io_uring. The demo fails unless their
                  number equals the kernel's four counters together
 inline           payload next to the request's header, where small payloads fit
 fio's requests   one FUSE request of 64 KiB for each of fio's; counted before and after
 memory           plain: a buffer for each entry, whether or not it is in use; KMBUF: the
                  server chooses the number. No entry has one while it waits for a request
 resident         the peak. A page of the server's own buffer is resident once it was used,
                  a kernel-managed buffer from the start"""

DEMO = demo_common.Demo(modes=MODES, rows=ROWS, legend=LEGEND, read_mode=read_mode,
                        judge=judge, judge_all=judge_all)


def main():
    return demo_common.main(DEMO, __doc__)


if __name__ == "__main__":
    sys.exit(main())
