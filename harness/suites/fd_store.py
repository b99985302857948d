#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs a program as a service manager with a file descriptor store does.

  fd_store.py PROGRAM [ARGUMENT]...

Keeps the descriptors that PROGRAM sends (sd_notify(3), FDSTORE=1), and passes them to the
next one (sd_listen_fds(3)) when a signal has killed it. Ends when PROGRAM exits, with its
status, and prints how many have been started.
"""

import os
import socket
import sys
import tempfile

FIRST_FD = 3
# Above all numbers that are passed.
ASIDE_FD = 100


class Store:
    """Descriptors by name, from programs that know the store's socket."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.fds = {}
        self.ready = False

    def receive(self):
        """What a program has sent in its life."""
        while True:
            try:
                text, fds, _, _ = socket.recv_fds(self.socket, 4096, 1)
            except BlockingIOError:
                return
            fields = dict(line.split("=", 1) for line in text.decode().splitlines())
            if fields.get("FDSTORE") == "1":
                (self.fds[fields["FDNAME"]],) = fds
            if fields.get("FDSTOREREMOVE") == "1" and fields["FDNAME"] in self.fds:
                os.close(self.fds.pop(fields["FDNAME"]))
            self.ready |= fields.get("READY") == "1"

    def execute(self, command):
        """Become the program, with the descriptors from 3 on."""
        for i, fd in enumerate(self.fds.values()):
            os.dup2(fd, ASIDE_FD + i, False)
        for i in range(len(self.fds)):
            os.dup2(ASIDE_FD + i, FIRST_FD + i)
        os.closerange(FIRST_FD + len(self.fds), ASIDE_FD)
        os.environ["NOTIFY_SOCKET"] = self.path
        if self.fds:
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.environ["LISTEN_FDS"] = str(len(self.fds))
            os.environ["LISTEN_FDNAMES"] = ":".join(self.fds)
        os.execv(command[0], command)

    def start(self, command, output=None, before=None):
        """Start the program, after the function before in its process. Returns its pid."""
        pid = os.fork()
        if pid == 0:
            if before is not None:
                before()
            if output is not None:
                os.dup2(output, 1)
                os.dup2(output, 2)
            self.execute(command)
        return pid


def main():
    command = sys.argv[1:]
    if not command:
        sys.exit(__doc__)
    servers = 0
    with tempfile.TemporaryDirectory() as directory:
        store = Store(directory)
        killed = True
        while killed:
            status = os.waitpid(store.start(command), 0)[1]
            store.receive()
            killed = os.WIFSIGNALED(status)
            servers += 1
    print(f"fd_store: {servers} servers")
    sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
