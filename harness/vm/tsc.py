#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Print the frequency of this processor's time stamp counter, in kHz.

usage: tsc.py

QEMU passes this counter to the guest. On a busy host, the guest's own calibration is
wrong by a factor of several, and its clock and every timeout would run fast. On a
machine that is not x86-64 this prints nothing, and the guest has to calibrate.
"""

import ctypes
import mmap
import platform
import sys
import time

# rdtsc; shl $32, %rdx; or %rdx, %rax; ret
CODE = bytes.fromhex("0f31 48c1e220 4809d0 c3")


def sample(rdtsc):
    """(ns, ticks) read together: the least disturbed of 20 tries."""
    best = None
    for _ in range(20):
        before = time.monotonic_ns()
        ticks = rdtsc()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, (before + after) // 2, ticks)
    return best[1:]


def main():
    if platform.machine() != "x86_64":
        return 0
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(CODE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
    start = sample(rdtsc)
    time.sleep(0.05)
    end = sample(rdtsc)
    print((end[1] - start[1]) * 1000000 // (end[0] - start[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
