#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""In the VM: test kernel-managed buffers through liburing-ffi, called as from
another language.

usage: liburing_ffi.py LIBRARY linux|bare

Exit status: 0 all checks passed, 1 a check failed.
"""

import ctypes
import errno
import mmap
import sys

RING_SIZE = 1024        # more than struct io_uring has
NR = 4
PAGE = mmap.PAGESIZE


class Reg(ctypes.Structure):
    """struct io_uring_kmbuf_reg"""
    _fields_ = [("buf_size", ctypes.c_uint32), ("resv0", ctypes.c_uint32),
                ("ring_entries", ctypes.c_uint32), ("bgid", ctypes.c_uint16),
                ("flags", ctypes.c_uint16), ("fixed_index", ctypes.c_uint32),
                ("resv1", ctypes.c_uint32), ("mmap_offset", ctypes.c_uint64),
                ("resv2", ctypes.c_uint64)]


class Query(ctypes.Structure):
    """struct io_uring_query_kmbuf"""
    _fields_ = [("register_flags", ctypes.c_uint32), ("max_entries", ctypes.c_uint32),
                ("max_bgid", ctypes.c_uint32), ("buf_alignment", ctypes.c_uint32),
                ("resv", ctypes.c_uint64 * 2)]


class Cqe(ctypes.Structure):
    """struct io_uring_cqe"""
    _fields_ = [("user_data", ctypes.c_uint64), ("res", ctypes.c_int32),
                ("flags", ctypes.c_uint32)]


def need(condition, what):
    if not condition:
        sys.exit(f"liburing_ffi.py: check failed: {what}")


def check_ring(lib, ring):
    """Check a KMBUF ring, on a kernel that has them."""
    reg = Reg(buf_size=PAGE, ring_entries=NR)
    err = ctypes.c_int(1)
    handle = lib.io_uring_setup_kmbuf_ring(ring, ctypes.byref(reg), ctypes.byref(err))
    need(handle and err.value == 0, f"a ring: {err.value}")
    first = lib.io_uring_kmbuf_addr(handle, 0)
    for bid in range(NR):
        address = lib.io_uring_kmbuf_addr(handle, bid)
        need(address == first + bid * PAGE, f"the address of buffer {bid}")
        need((lib.io_uring_kmbuf_fixed_addr(handle, bid) or 0) == bid * PAGE,
             f"the offset of buffer {bid}")
        need(ctypes.string_at(address, PAGE) == bytes(PAGE), f"buffer {bid} is zero")
        ctypes.memset(address, bid, PAGE)
    need(lib.io_uring_kmbuf_addr(handle, NR) is None, "there are no more buffers")
    need(lib.io_uring_free_kmbuf_ring(ring, handle) == 0, "it can be freed")
    need(lib.io_uring_unregister_kmbuf_ring(ring, 0) == -errno.ENOENT, "it is gone")
    need(lib.io_uring_register_kmbuf_ring(ring, ctypes.byref(reg)) == 0, "the call alone")
    need(reg.mmap_offset != 0, "an offset")
    need(lib.io_uring_unregister_kmbuf_ring(ring, 0) == 0, "and its end")


def check_no_ring(lib, ring):
    """Check a kernel without KMBUF rings."""
    reg = Reg(buf_size=PAGE, ring_entries=NR)
    err = ctypes.c_int(0)
    need(not lib.io_uring_setup_kmbuf_ring(ring, ctypes.byref(reg), ctypes.byref(err)),
         "no ring")
    need(err.value == -errno.EINVAL, f"why not: {err.value}")


def main():
    lib = ctypes.CDLL(sys.argv[1])
    for name in ("io_uring_setup_kmbuf_ring", "io_uring_kmbuf_addr",
                 "io_uring_kmbuf_fixed_addr"):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.io_uring_kmbuf_addr.argtypes = [ctypes.c_void_p, ctypes.c_ushort]
    lib.io_uring_kmbuf_fixed_addr.argtypes = [ctypes.c_void_p, ctypes.c_ushort]
    lib.io_uring_setup_kmbuf_ring.argtypes = [ctypes.c_void_p] * 3
    lib.io_uring_free_kmbuf_ring.argtypes = [ctypes.c_void_p] * 2

    need(lib.io_uring_cqe_kmbuf_id(ctypes.byref(Cqe(flags=65535 << 16))) == -1, "no buffer")
    for bid in (0, 1, 65535):
        cqe = Cqe(flags=bid << 16 | 1)
        need(lib.io_uring_cqe_kmbuf_id(ctypes.byref(cqe)) == bid, f"buffer {bid}")

    query = Query(max_entries=1)
    ret = lib.io_uring_query_kmbuf(ctypes.byref(query))
    ring = ctypes.create_string_buffer(RING_SIZE)
    need(lib.io_uring_queue_init(1, ring, 0) == 0, "an io_uring")
    if sys.argv[2] == "linux":
        need(ret == 0 and query.buf_alignment == 512, f"the kernel's answer: {ret}")
        check_ring(lib, ring)
    else:
        need(ret == -errno.EOPNOTSUPP and not query.max_entries, f"the kernel's answer: {ret}")
        check_no_ring(lib, ring)
    lib.io_uring_queue_exit(ring)


if __name__ == "__main__":
    main()
