"""Which exported functions of a shared object reach certain others: a walk over its disassembly.

Function boundaries come from the unwind tables, so it works for stripped objects. A function reaches another one if it calls
it, jumps to it, takes its address, or takes the address of a table with its address in it. That finds too much rather than
too little. x86-64 only.
"""

import bisect
import re
import struct
from pathlib import Path

from lib.process import run


BRANCH = re.compile(r"(?:bnd |notrack )*(?:call|j\w+)\s+([0-9a-f]+) <")
TABLE_MAX = 6  # functions that are followed from the address of a table: the operations of SunRPC are six
CONSTANT = re.compile(r"mov +\$0x([0-9a-f]+),%eax")


class Reach:
    """The call graph of one shared object."""

    def __init__(self, path):
        self.path = str(path)
        self.exports = {}  # address to names with versions
        for row in self.rows("--dyn-syms"):
            if len(row) >= 8 and row[3] in ("FUNC", "IFUNC") and row[6] != "UND":
                self.exports.setdefault(int(row[1], 16), []).append(row[7])
        frames = run(["objdump", "--dwarf=frames", self.path]).out.decode()
        begins = {int(begin, 16) for begin in re.findall(r"FDE cie=\S+ pc=([0-9a-f]+)\.\.", frames)}
        self.starts = sorted(begins | set(self.exports))
        self.known = set(self.starts)
        self.tables = self.pointers()
        self.callers = {}  # function to the functions that reach it in one step
        self.system_calls = {}  # function to the numbers of its system calls
        self.disassemble()

    def rows(self, option):
        return [line.split() for line in run(["readelf", "--wide", option, self.path]).out.decode().splitlines()]

    def function(self, address):
        """The function that has this address, or None."""
        index = bisect.bisect_right(self.starts, address) - 1
        return self.starts[index] if index >= 0 else None

    def pointers(self):
        """The words of the data sections that are functions: address to function."""
        found, data = {}, Path(self.path).read_bytes()
        for row in self.rows("--relocs"):
            if len(row) >= 4 and row[2].endswith("_RELATIVE") and int(row[3], 16) in self.known:
                found[int(row[0], 16)] = int(row[3], 16)
        text = run(["readelf", "--wide", "--sections", self.path]).out.decode()
        for name, address, offset, size in re.findall(r"\] (\S+) +PROGBITS +(\w+) (\w+) (\w+)", text):
            if name.startswith(".data") or name == ".got":
                address, offset, size = (int(word, 16) for word in (address, offset, size))
                for at in range(0, size - 7, 8):
                    word = struct.unpack_from("<Q", data, offset + at)[0]
                    if word in self.known:
                        found.setdefault(address + at, word)
        return found

    def add(self, caller, target):
        if target is not None and target != caller:
            self.callers.setdefault(target, set()).add(caller)

    def disassemble(self):
        text = run(["objdump", "--disassemble", "--no-show-raw-insn", self.path]).out.decode()
        number = {}
        for line in text.splitlines():
            address, colon, code = line.partition(":\t")
            if not colon:
                continue
            here, code = self.function(int(address, 16)), code.strip()
            if code.startswith("syscall"):
                if here in number:
                    self.system_calls.setdefault(here, set()).add(number[here])
            elif code.startswith("mov ") and code.endswith(",%eax"):
                constant = CONSTANT.match(code)
                if constant:
                    number[here] = int(constant[1], 16)
            elif "<" in code:
                branch = BRANCH.match(code)
                if branch:
                    self.add(here, self.function(int(branch[1], 16)))
                elif "# " in code:
                    self.take(here, int(code.partition("# ")[2].split()[0], 16))

    def take(self, here, address):
        if address in self.known:
            self.add(here, address)
        for _ in range(TABLE_MAX):  # tables may follow each other without a gap
            if address not in self.tables:
                break
            self.add(here, self.tables[address])
            address += 8

    def named(self, names):
        return {function for function, found in self.exports.items() if {name.partition("@")[0] for name in found} & set(names)}

    def reaching(self, names, ends=()):
        """
        The exported names, with versions, that reach an exported function of `names`. The callers of `ends` do not count for
        that reason alone.
        """
        seen, ends = self.named(names), self.named(ends)
        waiting = list(seen)
        while waiting:
            function = waiting.pop()
            for caller in self.callers.get(function, ()) if function not in ends else ():
                if caller not in seen:
                    seen.add(caller)
                    waiting.append(caller)
        return {name for function in seen for name in self.exports.get(function, ())}

    def direct(self, names):
        """The same, for those with no other exported function between."""
        seen, found = self.named(names), set()
        waiting = list(seen)
        while waiting:
            for caller in self.callers.get(waiting.pop(), ()):
                if caller not in seen:
                    seen.add(caller)
                    found.update(self.exports.get(caller, ()))
                    if caller not in self.exports:
                        waiting.append(caller)
        return found
