#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Print the plan of the side-by-side bench on one kernel, for bench-side.guest.sh.

usage: bench_plan.py KERNEL [CUT]...

KERNEL: 7.2 or 7.3, the bare kernels, or linux, the patched one. CUT: ext4, null_blk,
tmpfs, names, depth, buffers, slots, equal, which are the default; two, for a machine
with two CPUs; demo, for the demo; reader, one read at a time; libfuse, its examples next
to the bench's server; passthrough, an example next to no FUSE. Prints a line for each row, with fields
separated by tabs: "cut | operation | mode", the store with the files, the server's
arguments ("-": no server), the measured program, its arguments, and the number of
operations.
"""

import itertools
import sys

# The server's -m by kernel; native means no server.
MODES = {
    "7.2": ("native", "dev", "entry"),
    "linux": ("native", "entry", "kmbuf", "zc"),
    "7.3": ("native", "entry", "pool", "registered", "pool-zc"),
}
# Modes with memory of the kernel, and those in which requests share a pool of buffers.
KMBUF = ("kmbuf", "zc")
POOLED = ("pool", "registered", "pool-zc", *KMBUF)
KIB = 1024
# Bytes of an operation, its name, the number of measured operations.
SIZES = ((4 * KIB, "4 KiB", 1000), (64 * KIB, "64 KiB", 240),
         (128 * KIB, "128 KiB", 160), (1024 * KIB, "1 MiB", 60))
DEPTH = BUFFERS = 8
CUTS = {}


def cut(function):
    """Register a function that yields the rows of a cut for one mode."""
    CUTS[function.__name__] = function
    return function


def server(mode, *flags, depth=DEPTH, buffers=BUFFERS, queues=1):
    """Return the arguments of the server. With memory of the kernel it asks for as many
    queues as the machine has CPUs, like libfuse."""
    if mode == "native":
        return "-"
    words = ["-m", mode, "-d", depth, *flags]
    if mode in KMBUF:
        words += ["-q", queues]
    if mode in POOLED:
        words += ["-b", buffers]
    if mode != "dev":
        words.append("-t")
    return " ".join(map(str, words))


def client(rw, how, size, number, *, order="sequential", depth=DEPTH):
    """Return the arguments of the client."""
    return f"file {rw} {how} {size} {depth} {number} small {order}"


def files(store, mode, *flags, how=("direct", "buffered"), orders=("sequential", "random")):
    """Reads and writes of all sizes."""
    for rw, caching, order, (size, name, number) in itertools.product(
            ("read", "write"), how, orders, SIZES):
        yield (f"{name} {caching} {order} {rw}", store, server(mode, *flags),
               "client", client(rw, caching, size, number, order=order), number)


@cut
def ext4(mode):
    """A file system on a disk in memory."""
    yield from files("ext4", mode)


@cut
def null_blk(mode):
    """A disk that moves no data, so that all copies are FUSE's."""
    if mode != "dev":
        yield from files("raw", mode, "-D", how=("direct",), orders=("sequential",))


@cut
def tmpfs(mode):
    """A file system without asynchronous I/O."""
    if mode != "dev":
        yield from files("tmpfs", mode, how=("direct",), orders=("sequential",))


@cut
def names(mode):
    """Names and attributes, with little data."""
    for name, word, where, number in (
            ("readdir and stat of 1,000 files, a file", "list", "list", 1000),
            ("create and unlink", "create", ".", 300),
            ("set and get an attribute of 64 KiB", "xattr", ".", 60)):
        yield (name, "ext4", server(mode, "-n"), "names", f"{where} {word} {number}", number)


def read_64k(mode, what, *flags, depth=DEPTH, buffers=BUFFERS):
    """A row of a curve."""
    return (f"{what}, 64 KiB direct read", "ext4",
            server(mode, *flags, depth=depth, buffers=buffers), "client",
            client("read", "direct", 64 * KIB, 240, depth=depth), 240)


@cut
def depth(mode):
    """More requests at a time."""
    if mode not in ("native", "dev"):
        for number in (1, 2, 4, 16, 32, 64):
            yield read_64k(mode, number, depth=number, buffers=min(number, BUFFERS))


@cut
def buffers(mode):
    """32 requests at a time, with more or fewer buffers for them."""
    if mode in POOLED:
        for number in (2, 4, 16, 32, 64):
            yield read_64k(mode, number, depth=32, buffers=number)


@cut
def slots(mode):
    """A larger table of registered buffers."""
    if mode in ("zc", "registered", "pool-zc"):
        for number in (64, 1024, 15000):
            yield read_64k(mode, number, "-s", number)


@cut
def equal(mode):
    """4 MiB for payloads in every mode."""
    if mode in ("native", "dev"):
        return
    entries = 32 if mode in POOLED else 4
    for size, name, number in SIZES:
        yield (f"{name} direct sequential read", "ext4",
               server(mode, depth=entries, buffers=4), "client",
               client("read", "direct", size, number, depth=32), number)


@cut
def two(mode):
    """Two clients at a time, each on a CPU."""
    if mode != "dev":
        for size, name, number in SIZES:
            yield (f"{name} direct sequential read", "ext4", server(mode, buffers=16, queues=2),
                   "two", client("read", "direct", size, number), 2 * number)


@cut
def demo(mode):
    """Direct reads and writes of 64 KiB. Native ones drop the page cache that filling
    the file has left, in folios that are costly to write to."""
    yield from (row for row in files("ext4", mode, how=("direct",), orders=("sequential",))
                if row[0].startswith("64 KiB "))


@cut
def reader(mode):
    """One read at a time. Instead of no server, one over /dev/fuse."""
    if mode == "native":
        mode = "dev"
    for how, (size, name, number) in itertools.product(("direct", "buffered"), SIZES):
        yield (f"{name} {how} read", "ext4", server(mode), "client",
               client("read", how, size, number, depth=1), number)


# libfuse's examples, and their option for each mode of the server.
EXAMPLES = ("passthrough_ll", "passthrough_hp")
OPTIONS = {"entry": "io_uring", "kmbuf": "io_uring_kmbuf", "zc": "io_uring_zero_copy"}


def example(program, mode):
    """Return the program and its options."""
    words = [OPTIONS[mode], f"io_uring_q_depth={DEPTH}"]
    if mode in POOLED:
        words.append(f"io_uring_kmbuf_bufs={BUFFERS}")
    return f"{program} {','.join(words)}"


@cut
def libfuse(mode):
    """Direct reads and writes. The examples open a file as their client does."""
    if mode == "native":
        return
    for program in ("server", *EXAMPLES):
        flags = server(mode, "-D") if program == "server" else example(program, mode)
        for rw, (size, name, number) in itertools.product(("read", "write"), SIZES):
            yield (f"{name} {rw}, {program}", "ext4", flags, "client",
                   client(rw, "direct", size, number), number)


@cut
def passthrough(mode):
    """Direct reads that the kernel does for the file system. Writes are not measured: a
    direct write of 4 KiB takes a million instructions, with no request to the server."""
    if mode != "native":
        return
    for program, flags in (("none", server(mode)),
                           ("passthrough_hp", "passthrough_hp io_uring passthrough")):
        for size, name, number in SIZES:
            yield (f"{name} read, {program}", "ext4", flags, "client",
                   client("read", "direct", size, number), number)


# Cuts that are not part of the comparison of kernels.
OWN_MACHINE = ("two", "demo", "reader", "libfuse", "passthrough")


def main(argv):
    """Return the exit status."""
    if not argv or argv[0] not in MODES or set(argv[1:]) - set(CUTS):
        print(__doc__, file=sys.stderr)
        return 2
    rows = []
    for name in argv[1:] or [name for name in CUTS if name not in OWN_MACHINE]:
        for mode in MODES[argv[0]]:
            rows += [(f"{name} | {what} | {mode}", *rest) for what, *rest in CUTS[name](mode)]
    for row in rows:
        print(*row, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
