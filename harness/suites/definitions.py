#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print a C program that prints the definitions of a header.

usage: definitions.py HEADER >program.c

The program prints a line for each macro with a value, each enumerator, each struct and
each member of a struct, with its value, its size, or its offset and size. Build it with
"-include" and HEADER or another header. With another header it prints that header's
values for the same names, and does not build if a name is missing.
"""
import re
import subprocess
import sys


def cpp(*args):
    return subprocess.run(["gcc", "-E", *args], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def macros(header):
    """Yield the macros without arguments that have a value, except the version."""
    for name, value in re.findall(r"^#define ([A-Z]\w*) (.+)$",
                                  cpp("-dM", header), re.M):
        if re.match(r"(FUSE|FOPEN|FATTR|CUSE)_", name) and value[0] != '"' and \
                name != "FUSE_KERNEL_MINOR_VERSION":
            yield name


def bodies(text, kind):
    """Yield name and body of each struct or enum at the top level."""
    for match in re.finditer(rf"^{kind}\s+(fuse_\w+|cuse_\w+)\s*\{{(.*?)^\}}", text,
                             re.M | re.S):
        yield match.groups()


def main():
    header = sys.argv[1]
    text = cpp("-P", header)
    print("#include <stddef.h>\n#include <stdio.h>\n#include <sys/ioctl.h>")
    print("#define PAGE_SIZE 4096")
    print("int main(void) {")
    names = list(macros(header))
    for _, body in bodies(text, "enum"):
        names += re.findall(r"^\s*(\w+)\s*(?:=|,|$)", body, re.M)
    for name in names:
        print(f'printf("{name} %lld\\n", (long long)({name}));')
    for struct, body in bodies(text, "struct"):
        print(f'printf("struct {struct} %zu\\n", sizeof(struct {struct}));')
        # Members of unnamed unions count as members of the struct.
        for member in re.findall(r"(\w+)(?:\[[^]]*\])?;", body):
            place = f"offsetof(struct {struct}, {member})"
            # a flexible array has no size
            size = f"sizeof(((struct {struct} *)0)->{member})"
            if re.search(rf"\b{member}\[\];", body):
                size = "(size_t)0"
            print(f'printf("{struct}.{member} %zu %zu\\n", {place}, {size});')
    print("}")


if __name__ == "__main__":
    main()
