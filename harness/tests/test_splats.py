#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/vm/splats.py on recorded consoles. Run by run.sh; prints TAP.

consoles/clean-* have no splat, consoles/splat-* one or more. They were recorded
from the kernels of this repository and cut to the relevant part.
"""

import contextlib
import glob
import io
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vm"))
sys.path.insert(0, HERE)

import splats  # noqa: E402
from tapunit import main  # noqa: E402

CONSOLES = os.path.join(HERE, "consoles")

# The kernel's first line in the report, by recorded console.
RECORDED = {
    "splat-atomic": "BUG: scheduling while atomic: insmod/",
    "splat-kasan": "BUG: KASAN: slab-out-of-bounds in lkdtm_SLAB_LINEAR_OVERFLOW",
    "splat-kmemleak": "kmemleak: unreferenced object 0x",
    "splat-list": "list_add corruption. next->prev should be prev",
    "splat-lockdep": "WARNING: possible circular locking dependency detected",
    "splat-panic": "Kernel panic - not syncing: sysrq triggered crash",
    "splat-refcount": "refcount_t: underflow; use-after-free.",
    "splat-ubsan": "UBSAN: array-index-out-of-bounds in",
    "splat-warning": "WARNING: drivers/misc/lkdtm/bugs.c:169",
}

# One line each, in the kernel's words.
LINES = [
    "WARNING: io_uring/rsrc.c:812 at io_buffer_register+0x1a/0x90, CPU#1: test/77",
    "Oops: int3: 0000 [#1] SMP KASAN",
    "WARNING: CPU: 1 PID: 77 at io_uring/rsrc.c:812 io_buffer_register+0x1a/0x90",
    "WARNING: possible circular locking dependency detected",
    "WARNING: possible recursive locking detected",
    "WARNING: inconsistent lock state",
    "WARNING: suspicious RCU usage",
    "WARNING: bad unlock balance detected!",
    "WARNING: lock held when returning to user space!",
    "BUG: KASAN: slab-use-after-free in io_kmbuf_put+0x10/0x20",
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "BUG: unable to handle page fault for address: ffffc90000000000",
    "BUG: sleeping function called from invalid context at mm/slab.h:1",
    "BUG: scheduling while atomic: test/77/0x00000002",
    "BUG: Bad page state in process test  pfn:12345",
    "BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:1",
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",
    "BUG kmalloc-64 (Not tainted): Poison overwritten",
    "UBSAN: array-index-out-of-bounds in io_uring/kbuf.c:1:2",
    "kernel BUG at io_uring/io_uring.c:100!",
    "Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1]",
    "Oops: invalid opcode: 0000 [#1] SMP KASAN",
    "Kernel panic - not syncing: Fatal exception",
    "refcount_t: underflow; use-after-free.",
    "list_del corruption. prev->next should be ffff8880, but was 0",
    "INFO: task kublk:77 blocked for more than 120 seconds.",
    "INFO: rcu_preempt self-detected stall on CPU",
    "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [test:77]",
    "INFO: trying to register non-static key.",
    "ODEBUG: free active (active state 0) object: 0 object type: work_struct",
    "kmemleak: unreferenced object 0xffff888012345678 (size 128):",
    "usercopy: Kernel memory exposure attempt detected from SLUB object",
    "pagealloc: memory corruption",
    "test invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0",
    "BUG: MAX_LOCKDEP_ENTRIES too low!",
    "BUG: memory leak",
    "BUG: using smp_processor_id() in preemptible [00000000] code: test/77",
    "memcpy: detected field-spanning write (size 8) of single field \"x\"",
]

HARMLESS = [
    "test_region_cpu invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0",
    "EXT4-fs (loop0): warning: mounting unchecked fs, running e2fsck is recommended",
    "EXT4-fs warning (device loop0): ext4_resize_fs:1: no change",
    "ACPI BIOS Warning (bug): optional field has zero address",
    "x86/bugs: no mitigation needed",
    "kmemleak: Kernel memory leak detector initialized (mem pool available: 31000)",
    "kasan: KernelAddressSanitizer initialized (generic)",
    "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
    "rcu: Hierarchical RCU implementation.",
    "rcu: \tRCU lockdep checking is enabled.",
    "debug: unmapping init [mem 0x1000-0x2000]",
    "Kernel command line: oops=panic panic=-1 hung_task_panic=1",
    "sysrq: Show Blocked State",
    "panic_on_warn is off, kernel panics on oops",
    "FAULT_INJECTION: forcing a failure.",
    "kmbuf: KMBUF-BEGIN sh -c 'echo BUG: WARNING: KASAN:'",
    "| WARNING: printed by a test, not by the kernel",
    "| BUG: KASAN: in the name of a test",
    "random: crng init done",
    "workqueue: io_kmbuf_work hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
]


def run(*argv):
    """Return (status, output) of the command line."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = splats.main(list(argv))
    return status, out.getvalue()


class Temporary(unittest.TestCase):
    """Tests that write their own consoles and lists."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def file(self, content, name="console"):
        path = os.path.join(self.dir.name, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def scan(self, *lines):
        return run(self.file("".join(f"[    1.{i:06}] {line}\r\n"
                                     for i, line in enumerate(lines))))


class Scan(Temporary):
    def test_every_kind_of_splat_is_seen(self):
        for line in LINES:
            with self.subTest(line=line):
                status, out = self.scan("booting", line, "Call Trace:")
                self.assertEqual(status, 1, out)
                self.assertIn(line, out)

    def test_lookalikes_are_not(self):
        for line in HARMLESS:
            with self.subTest(line=line):
                status, out = self.scan("booting", line, "more")
                self.assertEqual(status, 0, out)

    def test_patterns_match_no_empty_line(self):
        deny = splats.load_patterns(os.path.join(splats.LISTS, "splats.deny"))
        self.assertGreater(len(deny), 20)
        for regex, reason in deny:
            self.assertFalse(regex.search(""), f"{regex.pattern} matches anything")
            self.assertTrue(reason)

    def test_splat_in_the_middle_of_an_output_line(self):
        status, out = run(self.file("half a li[    5.0] BUG: KASAN: x in y\nne\n"))
        self.assertEqual(status, 1, out)

    def test_without_time_stamps_with_nuls_and_colour(self):
        raw = b"\0\0boot\r\n\x1b[31mWARNING: CPU: 0 PID: 1 at x.c:1\x1b[0m\r\nfoo\0\r\n"
        status, out = run(self.file(raw))
        self.assertEqual(status, 1)
        self.assertIn("WARNING: CPU: 0 PID: 1 at x.c:1", out)
        self.assertNotIn("\x1b", out)
        self.assertNotIn("\0", out)

    def test_first_block_only_and_whole(self):
        _, out = self.scan("boot", "------------[ cut here ]------------",
                           "WARNING: CPU: 1 PID: 2 at a.c:3 f+0x1/0x2", "Modules linked in:",
                           "| ok 1 of the test", "RIP: 0010:f+0x1/0x2", "Call Trace:", " <TASK>",
                           " g+0x1/0x2", " </TASK>", "---[ end trace 0000000000000000 ]---",
                           "later message", "BUG: another one")
        self.assertIn("2 in all", out)
        self.assertIn("end trace", out)
        self.assertNotIn("later message", out)
        self.assertNotIn("another one", out)
        self.assertNotIn("of the test", out)

    def test_count_lists_each(self):
        path = self.file("[ 1.0] BUG: one\n[ 9.0] x\n[ 19.0] BUG: two\n")
        status, out = run("--count", path)
        self.assertEqual((status, len(out.splitlines())), (1, 2))

    def test_allowed_splat_passes_and_hides_only_its_block(self):
        allow = self.file("WARNING: .* at known\\.c:  # reported upstream\n", "allow")
        known = "[ 1.0] WARNING: CPU: 0 at known.c:7\n[ 1.1]  f+0x1\n"
        self.assertEqual(run("--allow", allow, self.file(known))[0], 0)
        both = self.file(known + "[ 5.0] WARNING: CPU: 0 at new.c:9\n")
        status, out = run("--allow", allow, both)
        self.assertEqual(status, 1)
        self.assertIn("new.c", out)


class CannotScan(Temporary):
    def test_missing_console(self):
        self.assertEqual(run(os.path.join(self.dir.name, "none"))[0], 2)

    def test_empty_console(self):
        self.assertEqual(run(self.file(""))[0], 2)
        self.assertEqual(run(self.file(b"\0\0\r\n\r\n"))[0], 2)

    def test_lists(self):
        console = self.file("[ 1.0] fine\n")
        none = os.path.join(self.dir.name, "none")
        self.assertEqual(run("--deny", none, console)[0], 2)
        self.assertEqual(run("--allow", none, console)[0], 2)
        self.assertEqual(run("--deny", self.file("# nothing\n", "empty"), console)[0], 2)
        self.assertEqual(run("--deny", self.file("BUG:\n", "bare"), console)[0], 2)
        self.assertEqual(run("--deny", self.file("BUG(:  # broken\n", "bad"), console)[0], 2)


class Recorded(unittest.TestCase):
    def test_clean(self):
        paths = sorted(glob.glob(os.path.join(CONSOLES, "clean-*")))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(path=os.path.basename(path)):
                status, out = run(path)
                self.assertEqual(status, 0, out)

    def test_splats(self):
        paths = sorted(glob.glob(os.path.join(CONSOLES, "splat-*")))
        self.assertEqual([os.path.splitext(os.path.basename(p))[0] for p in paths],
                         sorted(RECORDED))
        for path in paths:
            name = os.path.splitext(os.path.basename(path))[0]
            with self.subTest(name=name):
                status, out = run(path)
                self.assertEqual(status, 1, out)
                self.assertIn(RECORDED[name], "\n".join(out.splitlines()[:4]))


if __name__ == "__main__":
    main()
