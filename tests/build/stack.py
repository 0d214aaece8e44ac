#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Does every chain of calls of the data path fit the 512 bytes of stack that Linux grants it?

Before Linux 6.9 each function's part is rounded up to 32 bytes, since then to 16, so that what this
kernel takes the oldest may refuse (check_max_stack_depth() in kernel/bpf/verifier.c). Here all is
rounded to 32. Objects are those of $BUILD, or the arguments.
"""

import glob
import os
import re
import subprocess
import sys

MOST = 512
INSN = 8		# bytes of an instruction
CALL, PSEUDO_CALL = 0x85, 1
BODY = re.compile(r"^\s+(\d+):\s((?:[0-9a-f]{2}[ \t]){8,16})(.*)$")
RELOC = re.compile(r"R_BPF_64_(32|64)\s+(\S+)")
STACK = re.compile(r"\(r10 - (\d+)\)|r\d+ \+= -(\d+)")


def objdump(*words):
    return subprocess.run(["llvm-objdump", *words], capture_output=True, text=True,
                          check=True).stdout.splitlines()


class Function:
    def __init__(self, name):
        self.name = name
        self.stack = 0
        self.calls = set()
        self.deepest = None

    def part(self):
        return (max(self.stack, 1) + 31) // 32 * 32


class Object:
    """An object's functions, each with its stack, and whom it calls or hands to bpf_loop()."""

    def __init__(self, path):
        self.at = {}
        for line in objdump("-t", path):
            words = line.split()
            if "F" in words[1:4]:
                self.at[words[-3], int(words[0], 16)] = Function(words[-1])
        self.named = {function.name: function for function in self.at.values()}
        self.read(objdump("-dr", path))

    def text(self, offset):
        return self.at[".text", offset].name

    def read(self, lines):
        section = function = called = None
        imm = 0
        for line in lines:
            if line.startswith("Disassembly of section"):
                section = line.split()[-1].rstrip(":")
            elif match := BODY.match(line):
                if called:
                    function.calls.add(called)
                offset, raw = int(match[1]) * INSN, bytes.fromhex(match[2])
                function = self.at.get((section, offset), function)
                imm = int.from_bytes(raw[4:8], "little", signed=True)
                for pair in STACK.findall(match[3]):
                    function.stack = max(function.stack, int(pair[0] or pair[1]))
                near = raw[0] == CALL and raw[1] >> 4 == PSEUDO_CALL and section == ".text"
                target = self.at.get((section, offset + INSN + imm * INSN)) if near else None
                called = target and target.name
            elif match := RELOC.search(line):
                called, target = None, match[2]
                if target == ".text":
                    target = self.text((imm + 1) * INSN if match[1] == "32" else imm)
                if target in self.named:
                    function.calls.add(target)
        if called:
            function.calls.add(called)

    def programs(self):
        return [function for (section, _), function in self.at.items() if section != ".text"]

    def deepest(self, function):
        """(bytes, path) of the chain that takes most. Functions do not call themselves, or none would load."""
        if not function.deepest:
            below = [self.deepest(self.named[name]) for name in sorted(function.calls)]
            most, path = max(below, default=(0, []), key=lambda chain: chain[0])
            function.deepest = most + function.part(), [f"{function.name} {function.stack}", *path]
        return function.deepest


def main():
    paths = sys.argv[1:] or glob.glob(os.path.join(os.environ.get("BUILD", "build"), "bpf/*.bpf.o"))
    if not paths:
        sys.exit("stack: no objects")
    looked = bad = 0
    for path in paths:
        found = Object(path)
        for program in found.programs():
            most, chain = found.deepest(program)
            looked += 1
            bad += most > MOST
            print(f"{most} bytes: {os.path.basename(path)}: {' > '.join(chain)}")
    if not looked:
        sys.exit("stack: no programs")
    sys.exit(1 if bad else 0)


main()
