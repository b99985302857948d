#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""In the VM: libfuse's recover_ll takes over from servers that died at a bad moment, or
that are not dead, and refuses what it cannot take over.

  libfuse_takeover.py PROGRAM DIRECTORY [FUNCTION]...

Runs the cases whose FUNCTIONs are named, or all. DIRECTORY has recover_refused, which is
PROGRAM with commands of io_uring that fail, and fuse_own_loop.so. Prints TAP.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import sys
import tempfile
import time

from fd_store import Store

SECONDS = 20
# For a whole case.
CASE_SECONDS = 90
# Less than libfuse waits for a process that does not end.
SOON = 5
# The state file: where FUSE_INIT's number and struct fuse_init_out are.
UNIQUE = slice(8, 16)
INIT_OUT = slice(80, 144)
# What a mode serves requests over.
MODES = ("", "io_uring", "io_uring_kmbuf", "io_uring_zero_copy",
         "io_uring_kmbuf,io_uring_queues=1")
KMBUF = ("-o", "io_uring_kmbuf")
MNT_FORCE = 1
MNT_DETACH = 2
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1
CAP_IPC_LOCK = 14
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(directory, fd):
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
    if LIBC.mount(b"takeover", directory.encode(), b"fuse", 6, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")


def wait_for(what, seconds=SECONDS):
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.02)


def kill_and_wait(pid):
    """Kill a process, and wait until it has ended."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def status_of(pid, seconds=SECONDS):
    """The exit status of a process, which is killed if it does not end."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        wait_for(lambda: os.waitid(os.P_PID, pid, options), seconds)
    except TimeoutError:
        kill_and_wait(pid)
        raise
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def too_late(_number, _frame):
    raise TimeoutError("the case takes too long")


def with_mode(mode):
    return ("-o", mode) if mode else ()


def drop_capabilities(*caps):
    for cap in caps:
        LIBC.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)


def limit_memory():
    """In a process: 4 MiB of locked memory are too little for all of the buffers."""
    drop_capabilities(CAP_IPC_LOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (4 << 20, 4 << 20))


class Case:
    """A store, a directory with a file, and servers of it, in a place of its own."""

    def __init__(self, directory, program, programs):
        self.program = program
        self.programs = programs
        self.store = Store(directory)
        self.source = os.path.join(directory, "source")
        self.mount = os.path.join(directory, "mnt")
        os.mkdir(self.source)
        os.mkdir(self.mount)
        with open(os.path.join(self.source, "file"), "w", encoding="ascii") as file:
            file.write("contents")
        self.output = open(os.path.join(directory, "said"), "w+", encoding="ascii")
        self.server = None
        self.before = None

    def is_mounted(self):
        """Unlike os.path.ismount(), asks no server."""
        with open("/proc/self/mounts", encoding="ascii") as mounts:
            return any(line.split()[1] == self.mount for line in mounts)

    def start(self, *options):
        command = [self.program, *options, self.source, self.mount]
        self.server = self.store.start(command, self.output.fileno(), self.before)

    def first(self, *options):
        """Start a server that mounts, and wait until it serves."""
        self.start(*options)
        wait_for(self.is_mounted)
        self.works()
        self.store.receive()
        assert self.store.ready

    def kill(self):
        kill_and_wait(self.server)
        self.store.receive()

    def dies(self, *options):
        """A server has mounted and has been killed. The next one has not been started."""
        self.first(*options)
        self.kill()

    def path(self, name):
        return os.path.join(self.mount, name)

    def reads(self):
        with open(self.path("file"), encoding="ascii") as file:
            return file.read() == "contents"

    def client(self, function=None):
        """A process that reads the file, or calls a function: it can be killed if it waits
        for ever."""
        pid = os.fork()
        if pid == 0:
            status = 2
            try:
                status = not (function or self.reads)()
            finally:
                os._exit(status)
        return pid

    @contextlib.contextmanager
    def preload(self, library):
        os.environ["LD_PRELOAD"] = os.path.join(self.programs, library)
        try:
            yield
        finally:
            del os.environ["LD_PRELOAD"]

    def works(self):
        assert status_of(self.client()) == 0

    @contextlib.contextmanager
    def held(self):
        """A client whose request the server has and cannot end. It has to succeed later."""
        with open(os.path.join(self.source, "file"), "r+", encoding="ascii") as file:
            # Servers that open the file wait as long as there is this lease.
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            client = self.client()
            time.sleep(0.3)
            try:
                yield
            finally:
                # The client has the file, too, so closing it is not enough.
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        assert status_of(client) == 0

    @contextlib.contextmanager
    def stopped(self):
        """The server does not end before the next one has been started and waits."""
        server = self.server
        os.kill(server, signal.SIGSTOP)
        try:
            yield
        finally:
            kill_and_wait(server)

    def refused(self, text):
        """The server ends with this error, and the mount stays."""
        assert status_of(self.server) == 1
        assert text in self.said()
        assert self.is_mounted()
        self.forget_said()

    def said(self):
        """All messages, except for how many queues there are."""
        self.output.seek(0)
        return "".join(line for line in self.output if "io_uring queue for" not in line)

    def forget_said(self):
        self.output.seek(0)
        self.output.truncate()

    def exits(self, seconds=SECONDS):
        """The server ends without an error, and has said nothing: there was no fallback."""
        assert status_of(self.server, seconds) == 0
        assert self.said() == ""
        self.store.receive()
        assert not self.store.fds

    def unmount(self):
        if LIBC.umount(self.mount.encode()):
            raise OSError(ctypes.get_errno(), "umount")

    def ends(self):
        self.unmount()
        self.exits()

    def abandon(self):
        """After a failure: leave nothing behind that could wait for ever."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.server, signal.SIGKILL)
        LIBC.umount2(self.mount.encode(), MNT_FORCE | MNT_DETACH)

    def mount_again(self):
        """A mount that no server has served, for the descriptors of an earlier one."""
        self.unmount()
        os.close(self.store.fds["fuse"])
        self.store.fds["fuse"] = os.open("/dev/fuse", os.O_RDWR)
        mount(self.mount, self.store.fds["fuse"])

    def state(self):
        return os.pread(self.store.fds["state"], 65536, 0)

    def forget_state(self):
        os.ftruncate(self.store.fds["state"], 0)

    def forget_reply(self):
        size = INIT_OUT.stop - INIT_OUT.start
        os.pwrite(self.store.fds["state"], bytes(size), INIT_OUT.start)

    def read_init(self):
        """Its number has to be that of the earlier mount."""
        assert os.read(self.store.fds["fuse"], 65536)[8:16] == self.state()[UNIQUE]


def before_init(case):
    """killed before FUSE_INIT was read"""
    case.dies(*KMBUF)
    case.mount_again()
    case.forget_state()
    case.start(*KMBUF)


def init_was_lost(case):
    """killed before FUSE_INIT was stored: the next one says so, and a new mount works"""
    case.dies(*KMBUF)
    case.mount_again()
    case.read_init()
    case.forget_state()
    case.start(*KMBUF)
    case.refused("the state file is empty")
    case.unmount()
    case.start(*KMBUF)
    wait_for(case.is_mounted)


def state_was_lost(case):
    """an empty state file is refused though requests wait, and the right one works"""
    for mode in ("", "io_uring"):
        case.dies(*with_mode(mode))
        state = case.state()
        client = case.client()
        time.sleep(0.3)
        case.forget_state()
        case.start(*with_mode(mode))
        case.refused("the state file is empty")
        os.pwrite(case.store.fds["state"], state, 0)
        case.start(*with_mode(mode))
        assert status_of(client) == 0
        case.ends()
    case.first()


def init_was_kept(case):
    """killed when FUSE_INIT had been stored"""
    case.dies(*KMBUF)
    case.mount_again()
    case.read_init()
    case.forget_reply()
    case.start(*KMBUF)


def reply_was_kept(case):
    """killed when the reply to FUSE_INIT had been stored, but not sent"""
    case.dies(*KMBUF)
    case.mount_again()
    case.read_init()
    case.start(*KMBUF)


def not_dead(mode, after=None):
    def test(case):
        case.first(*with_mode(mode))
        old = case.server
        with case.held():
            case.start(*with_mode(mode if after is None else after))
            time.sleep(1)
            kill_and_wait(old)
    test.__doc__ = "not dead until the next one has been there for a second, with a " \
        f"request, {mode or '/dev/fuse'}" + ("" if after is None else f", then {after}")
    return test


def fewer_queues(case):
    """the next one has no queue where a request was (a race)"""
    for cpu in (0, os.cpu_count() - 1):
        os.sched_setaffinity(0, {cpu})
        try:
            case.first(*KMBUF)
            with case.held():
                case.kill()
                case.start(*KMBUF, "-o", "io_uring_queues=1")
            os.sched_setaffinity(0, range(os.cpu_count()))
            # Again: that one has taken over queues that it does not have.
            with case.held():
                case.kill()
                case.start(*KMBUF)
            case.works()
        finally:
            os.sched_setaffinity(0, range(os.cpu_count()))
        case.ends()
    case.first(*KMBUF)


def one_thread(case):
    """a loop of one thread, in each mode"""
    for mode in MODES:
        case.first("-s", *with_mode(mode))
        with case.held():
            case.kill()
            case.start("-s", *with_mode(mode))
        case.works()
        case.ends()
    case.first("-s")


def own_loop(case):
    """several threads of a loop that is not libfuse's, in each mode"""
    for mode in MODES:
        case.first(*with_mode(mode))
        with case.stopped():
            client = case.client()
            time.sleep(0.3)
            with case.preload("fuse_own_loop.so"):
                case.start(*with_mode(mode))
            time.sleep(0.3)
        assert status_of(client) == 0
        case.works()
        case.ends()
    case.first()


def terminated(*options):
    def test(case):
        case.before = limit_memory
        case.first(*KMBUF, *options)
        assert "fuse: only " in case.said()
        case.forget_said()
        with case.stopped():
            case.start(*KMBUF, *options)
            time.sleep(1)
            os.kill(case.server, signal.SIGTERM)
            case.exits(SOON)
        assert not case.is_mounted()
        case.before = None
        case.first(*KMBUF, *options)
    test.__doc__ = f"SIGTERM while it waits{', a loop of one thread' if options else ''}"
    return test


def unmounted(case):
    """unmounted while no server was there: the next one mounts again"""
    case.dies(*KMBUF)
    case.unmount()
    case.first(*KMBUF)


def unmounted_while_waiting(case):
    """unmounted while the next one waits: it ends without an error"""
    for mode in MODES:
        case.first(*with_mode(mode))
        with case.stopped():
            case.start(*with_mode(mode))
            time.sleep(0.5)
            case.unmount()
        case.exits(SOON)
    case.first()


def less_memory(case):
    """as few buffers as the last one could have, and soon"""
    case.before = limit_memory
    case.first(*KMBUF)
    assert "fuse: only " in case.said()
    case.forget_said()
    case.kill()
    case.start(*KMBUF)
    assert status_of(case.client(), SOON) == 0


def refuses(mode, commands, text):
    def test(case):
        case.dies(*with_mode(mode))
        program = case.program
        case.program = os.path.join(case.programs, "recover_refused")
        os.environ["REFUSE"] = commands
        try:
            with case.held():
                case.start(*with_mode(mode))
                case.refused(text)
                case.program = program
                del os.environ["REFUSE"]
                case.start(*with_mode(mode))
        finally:
            os.environ.pop("REFUSE", None)
    test.__doc__ = f"a command that the kernel refuses ({commands}) ends the next one, {mode}"
    return test


def renamed(case):
    """killed after a rename: a file that is open is found before the request comes again"""
    with case.preload("die_after.so"):
        case.first(*KMBUF)

    def looks():
        fd = os.open(case.path("file"), os.O_RDONLY)
        time.sleep(2)
        return os.pread(fd, 100, 0) == b"contents"

    # Not in this process: the next server would inherit the file.
    looking = case.client(looks)
    time.sleep(0.5)
    renaming = case.client(lambda: not os.rename(case.path("file"), case.path("other")))
    assert status_of(case.server) == -signal.SIGKILL
    # The read waits in a queue, which serves it before requests are sent again.
    time.sleep(3)
    case.start(*KMBUF)
    assert status_of(looking) == 0
    assert status_of(renaming) == 0
    os.rename(case.path("other"), case.path("file"))


def created(case):
    """killed after a file was created that cannot be opened again"""
    case.before = lambda: drop_capabilities(CAP_DAC_OVERRIDE)
    with case.preload("die_after.so"):
        case.first()
    client = case.client(lambda: os.open(case.path("new"), os.O_CREAT | os.O_WRONLY, 0o444))
    assert status_of(case.server) == -signal.SIGKILL
    case.start()
    assert status_of(client) == 0


def no_state(case):
    """a state file of something else is refused, and the right one works"""
    case.dies(*KMBUF)
    state = case.store.fds["state"]
    kept = case.state()
    os.pwrite(state, b"x", 0)
    case.start(*KMBUF)
    case.refused("cannot use the state file: Invalid argument")
    os.pwrite(state, kept, 0)
    case.start(*KMBUF)


def other_options(case):
    """other options are refused, and the right ones work"""
    case.dies(*KMBUF)
    case.start()
    case.refused("cannot take over the session: its flags are")
    case.start("-o", "auto_unmount", *KMBUF)
    case.refused("with auto_unmount the mount ends with its process")
    case.start(*KMBUF)


def other_max_write(case):
    """so is another max_write"""
    case.dies(*KMBUF)
    case.start("-o", "io_uring_kmbuf,io_uring_kmbuf_bufsize=65536")
    case.refused("with max_write")
    case.start(*KMBUF)


def larger_memory(case):
    """a larger max_write than before is not used"""
    case.dies("-o", "io_uring_kmbuf,io_uring_kmbuf_bufsize=65536")
    case.start(*KMBUF)


# Cases are deterministic unless their text says that they are races.
CASES = (before_init, init_was_lost, state_was_lost, init_was_kept, reply_was_kept,
         *map(not_dead, MODES), not_dead("io_uring_kmbuf", "io_uring_kmbuf,io_uring_queues=1"),
         fewer_queues, one_thread, own_loop, terminated(), terminated("-s"), unmounted,
         unmounted_while_waiting, less_memory,
         refuses("io_uring", "3=12", "Cannot allocate memory"),
         refuses("io_uring_zero_copy", "4=12,32=12", "Input/output error"),
         refuses("io_uring", "1=12", "refuses an entry: Cannot allocate memory"),
         refuses("io_uring_kmbuf", "1=12", "refuses an entry: Cannot allocate memory"), no_state,
         other_options, other_max_write, larger_memory, renamed, created)


def run(test, *programs):
    with tempfile.TemporaryDirectory() as directory:
        case = Case(directory, *programs)
        signal.alarm(CASE_SECONDS)
        try:
            test(case)
            case.works()
            case.ends()
            return True
        except (AssertionError, OSError) as error:
            said = "\n# ".join(case.said().splitlines())
            print(f"# {type(error).__name__} {error}\n# {said}")
            case.abandon()
            return False
        finally:
            signal.alarm(0)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    # From leases.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, too_late)
    names = sys.argv[3:]
    tests = [test for test in CASES if not names or test.__qualname__.split(".")[0] in names]
    failed = 0
    for i, test in enumerate(tests):
        good = run(test, *sys.argv[1:3])
        failed += not good
        print(f"{'ok' if good else 'not ok'} {i + 1} - {test.__doc__}", flush=True)
    print(f"1..{len(tests)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
