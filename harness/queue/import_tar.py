#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Turn a tar stream of a Linux source tree into a git fast-import stream.

usage: import_tar.py SUBJECT EPOCH <tree.tar | git fast-import

The stream has one commit on refs/heads/import and the tag "base", with a fixed
identity and date, so that the same tarball always gives the same commit id.
The first path component is dropped.  Nothing is unpacked on disk.

Debian's packaging adds an "ignore everything" block to the top .gitignore.  It
is dropped, or no new file could be added to the tree.
"""

import re
import shutil
import sys
import tarfile

IDENT = "io_uring kmbuf series <kmbuf@localhost>"
DEBIAN_IGNORE = re.compile(rb"(?:^#[^\n]*\n)*^/\*\n(?:^!?/?debian/?\n)*", re.M)


def quoted(path):
    """The path in fast-import's syntax; only odd names need quotes."""
    if path.startswith('"') or "\n" in path:
        path = path.replace("\\", "\\\\").replace('"', '\\"')
        path = '"' + path.replace("\n", "\\n") + '"'
    return path.encode("utf-8", "surrogateescape")


def data(out, content):
    out.write(b"data %d\n" % len(content) + content + b"\n")


def entries(tar):
    """Yield (mode, path, content or file object, size) for each member git can hold."""
    for member in tar:
        path = member.name.removeprefix("./").partition("/")[2]
        if member.issym():
            target = member.linkname.encode("utf-8", "surrogateescape")
            yield b"120000", path, target, len(target)
        elif member.islnk():
            raise SystemExit(f"import_tar: hard link in the tarball: {path}")
        elif member.isfile():
            mode = b"100755" if member.mode & 0o111 else b"100644"
            source = tar.extractfile(member)
            if path == ".gitignore":
                text = DEBIAN_IGNORE.sub(b"", source.read())
                yield mode, path, text, len(text)
            else:
                yield mode, path, source, member.size


def main():
    subject, epoch = sys.argv[1], int(sys.argv[2])
    out = sys.stdout.buffer
    out.write(b"commit refs/heads/import\ncommitter %s %d +0000\n"
              % (IDENT.encode(), epoch))
    data(out, subject.encode())
    count = 0
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|",
                      bufsize=1 << 20) as tar:
        for mode, path, content, size in entries(tar):
            if not path or path.split("/")[0] == ".git":
                continue
            out.write(b"M %s inline %s\n" % (mode, quoted(path)))
            if isinstance(content, bytes):
                data(out, content)
            else:
                out.write(b"data %d\n" % size)
                shutil.copyfileobj(content, out, 1 << 20)
                out.write(b"\n")
            count += 1
    if count == 0:
        raise SystemExit("import_tar: the tarball holds no files")
    out.write(b"\nreset refs/tags/base\nfrom refs/heads/import\n\ndone\n")


if __name__ == "__main__":
    main()
