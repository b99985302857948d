#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""In the VM: libfuse's recover_ll takes over from servers that died at a bad moment, or
that are not dead, and refuses what it cannot take over.

  libfuse_takeover.py PROGRAM

Prints TAP.
"""

import ctypes
import fcntl
import os
import signal
import sys
import tempfile
import time

from fd_store import Store

SECONDS = 20
# sizeof(struct fuse_init_out)
INIT_OUT = 64
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(directory, fd):
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
    if LIBC.mount(b"takeover", directory.encode(), b"fuse", 6, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")


def wait_for(what):
    until = time.monotonic() + SECONDS
    while not what():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.02)


class Case:
    """A store, a directory with a file, and servers of it, in a place of its own."""

    def __init__(self, directory, program):
        self.program = program
        self.store = Store(directory)
        self.source = os.path.join(directory, "source")
        self.mount = os.path.join(directory, "mnt")
        os.mkdir(self.source)
        os.mkdir(self.mount)
        with open(os.path.join(self.source, "file"), "w", encoding="ascii") as file:
            file.write("contents")
        self.output = open(os.path.join(directory, "said"), "w+", encoding="ascii")
        self.server = None

    def start(self, *options):
        command = [self.program, *options, self.source, self.mount]
        self.server = self.store.start(command, self.output.fileno())

    def first(self, *options):
        """Start a server that mounts, and wait until it serves."""
        self.start(*options)
        wait_for(lambda: os.path.ismount(self.mount))
        self.works()

    def kill(self):
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)
        self.store.receive()

    def client(self):
        """A process that reads the file: it can be killed if it waits for ever."""
        pid = os.fork()
        if pid == 0:
            with open(os.path.join(self.mount, "file"), encoding="ascii") as file:
                os._exit(file.read() != "contents")
        return pid

    def has_read(self, pid):
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            wait_for(lambda: os.waitid(os.P_PID, pid, options))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise
        assert os.waitpid(pid, 0)[1] == 0

    def works(self):
        self.has_read(self.client())

    def refused(self, text):
        """The server ends with this error, and the mount stays."""
        assert os.waitstatus_to_exitcode(os.waitpid(self.server, 0)[1]) == 1
        assert text in self.said()
        assert os.path.ismount(self.mount)
        self.output.seek(0)
        self.output.truncate()

    def said(self):
        self.output.seek(0)
        return self.output.read()

    def ends(self):
        LIBC.umount(self.mount.encode())
        assert os.waitpid(self.server, 0)[1] == 0
        # No fallback.
        assert self.said() == ""

    def mount_again(self):
        """A mount that no server has served, for the descriptors of an earlier one."""
        LIBC.umount(self.mount.encode())
        os.close(self.store.fds["fuse"])
        self.store.fds["fuse"] = os.open("/dev/fuse", os.O_RDWR)
        mount(self.mount, self.store.fds["fuse"])

    def forget_state(self):
        os.ftruncate(self.store.fds["state"], 0)

    def forget_reply(self):
        """The state ends with struct fuse_init_out."""
        state = self.store.fds["state"]
        os.pwrite(state, bytes(INIT_OUT), os.fstat(state).st_size - INIT_OUT)

    def read_init(self):
        """Its number has to be that of the earlier mount."""
        unique = os.read(self.store.fds["fuse"], 65536)[8:16]
        assert unique == os.pread(self.store.fds["state"], 8, 8)


def before_init(case):
    """killed before FUSE_INIT was read"""
    case.first("-o", "io_uring_kmbuf")
    case.kill()
    case.mount_again()
    case.forget_state()
    case.start("-o", "io_uring_kmbuf")


def init_was_kept(case):
    """killed when FUSE_INIT had been stored"""
    case.first("-o", "io_uring_kmbuf")
    case.kill()
    case.mount_again()
    case.read_init()
    case.forget_reply()
    case.start("-o", "io_uring_kmbuf")


def reply_was_kept(case):
    """killed when the reply to FUSE_INIT had been stored, but not sent"""
    case.first("-o", "io_uring_kmbuf")
    case.kill()
    case.mount_again()
    case.read_init()
    case.start("-o", "io_uring_kmbuf")


def not_dead(case):
    """not dead until the next one has been there for a second, with a request"""
    case.first("-o", "io_uring_kmbuf")
    case.store.receive()
    old = case.server
    with open(os.path.join(case.source, "file"), "r+", encoding="ascii") as file:
        # Servers that open the file wait as long as there is this lease.
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        client = case.client()
        time.sleep(0.3)
        case.start("-o", "io_uring_kmbuf")
        time.sleep(1)
        os.kill(old, signal.SIGKILL)
        os.waitpid(old, 0)
        # The client has the file, too, so closing it is not enough.
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    case.has_read(client)


def no_state(case):
    """a state file of something else is refused, and the right one works"""
    case.first("-o", "io_uring_kmbuf")
    case.kill()
    state = case.store.fds["state"]
    kept = os.pread(state, 4096, 0)
    os.pwrite(state, b"x", 0)
    case.start("-o", "io_uring_kmbuf")
    case.refused("cannot use the state file: Invalid argument")
    os.pwrite(state, kept, 0)
    case.start("-o", "io_uring_kmbuf")


def other_options(case):
    """other options are refused, and the right ones work"""
    case.first("-o", "io_uring_kmbuf")
    case.kill()
    case.start()
    case.refused("cannot take over the session: its flags are")
    case.start("-o", "io_uring_kmbuf")


def other_max_write(case):
    """so is another max_write"""
    case.first("-o", "io_uring_kmbuf")
    case.kill()
    case.start("-o", "io_uring_kmbuf,io_uring_kmbuf_bufsize=65536")
    case.refused("with max_write")
    case.start("-o", "io_uring_kmbuf")


def larger_memory(case):
    """a larger max_write than before is not used"""
    case.first("-o", "io_uring_kmbuf,io_uring_kmbuf_bufsize=65536")
    case.kill()
    case.start("-o", "io_uring_kmbuf")


CASES = (before_init, init_was_kept, reply_was_kept, not_dead, no_state, other_options,
         other_max_write, larger_memory)


def run(test, program):
    with tempfile.TemporaryDirectory() as directory:
        case = Case(directory, program)
        try:
            test(case)
            case.works()
            case.ends()
            return True
        except (AssertionError, OSError) as error:
            said = "\n# ".join(case.said().splitlines())
            print(f"# {type(error).__name__} {error}\n# {said}")
            LIBC.umount2(case.mount.encode(), 2)
            return False


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    # From leases.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    failed = 0
    for i, test in enumerate(CASES):
        good = run(test, sys.argv[1])
        failed += not good
        print(f"{'ok' if good else 'not ok'} {i + 1} - {test.__doc__}", flush=True)
    print(f"1..{len(CASES)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
