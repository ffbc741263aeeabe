#!/usr/bin/env python3
"""Computes how much stack each exported function uses at most, and compares it with the bounds in stack-rules.txt.

gcc writes a graph of calls for each object (-fcallgraph-info=su), with the bytes of each function's frame. This script
joins the graphs, adds what the rules say about calls that the graphs do not show (function pointers, other libraries),
and searches the deepest chain below each exported function.

Prints one line for each finding, "where: what, expected what", and exits with 1 if there is one. `--show WORD` prints the
deepest chains of the functions whose names contain the word, `--frames` the largest frames. Needs a build with the
graphs (`make lint-stack`), readelf and nm; Python's standard library only.
"""

import argparse
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

NODE = re.compile(r'node: \{ title: "(?P<name>[^"]+)" label: "[^"]*?\\n(?P<bytes>\d+) bytes \((?P<kind>[^)]+)\)"')
EDGE = re.compile(r'edge: \{ sourcename: "(?P<caller>[^"]+)" targetname: "(?P<callee>[^"]+)"'
                  r'(?: label: "(?P<file>[^":]+):(?P<line>\d+):(?P<column>\d+)")?')
INDIRECT = "__indirect_call"
BY_TEXT = (INDIRECT, "sodium_stackzero")  # what these use depends on the place of the call
RULES = Path(__file__).resolve().parent / "stack-rules.txt"


class Finding(Exception):
    """Ends the run where nothing else can be found out."""


class Rules:
    """stack-rules.txt: bounds, the stack use of other libraries, and what function pointers call."""

    def __init__(self, path):
        self.bounds, self.other, self.indirect, self.omitted, self.dynamic = [], [], [], [], []
        self.used, self.lines = set(), {}
        section = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            line = re.sub(r"(^|\s)#.*", "", line).strip()
            if not line:
                continue
            if re.fullmatch(r"\[\w+\]", line):
                section = line[1:-1]
                continue
            try:
                self.add(section, line, (path.name, number))
            except (ValueError, IndexError, re.error):
                raise Finding(f"{path.name}:{number}: cannot be read, expected a line of section [{section}]") from None

    def add(self, section, line, where):
        if line.startswith("? "):
            line = line[2:].lstrip()
            self.used.add(where)
        if section in ("bounds", "other", "dynamic"):
            name, size = line.split()
            getattr(self, section).append((where, name, int(size)))
        elif section == "omitted":
            caller, callee = line.split(" -> ")
            self.omitted.append((where, caller.strip(), callee.strip()))
        elif section == "indirect":
            place, targets = line.rsplit(" => ", 1)
            file, text = place.split(None, 1)
            self.indirect.append((where, file, re.compile(text.strip()), targets.split()))
        else:
            raise ValueError(section)
        self.lines[where] = line

    def size_of(self, section, name):
        """The bytes that the first line of a section gives for this name, or None."""
        for where, pattern, size in getattr(self, section):
            if fnmatch.fnmatchcase(name, pattern):
                self.used.add(where)
                return size
        return None

    def is_omitted(self, caller, callee):
        for where, caller_pattern, callee_pattern in self.omitted:
            if fnmatch.fnmatchcase(caller, caller_pattern) and fnmatch.fnmatchcase(callee, callee_pattern):
                self.used.add(where)
                return True
        return False

    def targets_of(self, file, text):
        """What a call through a pointer at this place may call, or None."""
        for where, pattern, expression, targets in self.indirect:
            match = expression.match(text) if fnmatch.fnmatchcase(file, pattern) else None
            if match:
                self.used.add(where)
                return [match.expand(target) for target in targets]
        return None

    def unused(self):
        return [(where, line) for where, line in self.lines.items() if where not in self.used]


class Binary:
    """The symbols of the shared object: what it exports, and which names are the same function."""

    def __init__(self, path):
        self.at, addresses = {}, {}
        for line in self.run("nm", path).splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in "tTiI":
                name = words[2].split("@")[0]  # nm prints versions of symbols
                self.at.setdefault(words[0], []).append(name)
                addresses[name] = words[0]
        exported = self.run("nm", "--dynamic", "--defined-only", path)
        names = {line.split()[2].split("@")[0] for line in exported.splitlines() if line.split()[1] == "T"}
        self.exports = {name: self.at[addresses[name]] for name in names}

    @staticmethod
    def run(*command):
        return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def tables_of(root):
    """{table: (file, {field or position: function})} of the constant structures in shim/ that have functions in them."""
    tables = {}
    for path in sorted((root / "shim").rglob("*.c")):
        for name, body in re.findall(r"^(?:static )?const struct \w+ (\w+) = \{(.*?)\};", path.read_text(), re.M | re.S):
            plain = re.sub(r"/\*.*?\*/|\.\w+\s*=\s*\{|\}", "", body, flags=re.S)  # a structure within it counts as part of it
            items = [item.strip() for item in plain.split(",")]
            pairs = [re.fullmatch(r"(?:\.(\w+) = )?&?(\w+)", item) for item in items]
            tables[name] = path.name, {pair[1] or number: pair[2] for number, pair in enumerate(pairs) if pair}
    return tables


class Graph:
    """All functions of the shared object with their frames and calls."""

    def __init__(self, build, rules, root):
        self.rules, self.root, self.findings = rules, root, []
        self.frames, self.calls, self.by_name, self.texts = {}, {}, {}, {}
        self.binary, self.tables = Binary(build / "libpfswrap.so"), tables_of(root)
        files = sorted((build / "shim").rglob("*.ci"))
        if not files:
            raise Finding(f"{build.name}/shim: no graph of calls (*.ci), expected a build by 'make lint-stack'")
        for file in files:
            self.read_frames(file)
        for file in files:
            self.read_calls(file)

    @staticmethod
    def key(file, name):
        """Names of static functions begin with a file and a colon; each object has its own."""
        return f"{file.stem}.c/{name.rpartition(':')[2]}" if ":" in name else name.lstrip("*")

    def read_frames(self, file):
        for match in NODE.finditer(file.read_text()):
            key = self.key(file, match["name"])
            size = int(match["bytes"])
            if match["kind"] == "dynamic":
                bounded = self.rules.size_of("dynamic", key)
                if bounded is None:
                    self.findings.append(f"{key}: its frame has no bound, expected none or a line in [dynamic]")
                size += bounded or 0
            self.frames[key] = max(size, self.frames.get(key, 0))
            self.calls.setdefault(key, set())
            plain = match["name"].rpartition(":")[2].lstrip("*")
            self.by_name.setdefault(plain, set()).add(key)

    def read_calls(self, file):
        for match in EDGE.finditer(file.read_text()):
            caller = self.key(file, match["caller"])
            for callee in self.callees(file, caller, match):
                if not self.rules.is_omitted(caller, callee):
                    self.calls[caller].add(callee)

    def callees(self, file, caller, match):
        if match["callee"] not in BY_TEXT:
            return [self.key(file, match["callee"])]
        text = self.text_at(match["file"], int(match["line"]), int(match["column"]))
        targets = self.rules.targets_of(match["file"], text)
        if targets is None:
            where = f"{match['file']}:{match['line']}"
            self.findings.append(f"{where}: {caller} calls '{text[:60]}', expected a line for it in [indirect]")
            return []
        return [callee for target in targets for callee in self.resolve(target)]

    def text_at(self, file, line, column):
        if file not in self.texts:
            path = self.root / file
            self.texts[file] = path.read_text().splitlines() if path.is_file() else []
        lines = self.texts[file]
        return lines[line - 1][column - 1:] if line <= len(lines) else ""

    def resolve(self, target):
        """The keys of a rule's target: `table:NAME` or `table:NAME.FIELD`, or a function."""
        if not target.startswith("table:"):
            return [target]
        name, _, field = target.partition(":")[2].partition(".")
        if name not in self.tables:
            self.findings.append(f"{RULES.name}: no table '{name}' in shim/, expected a constant structure")
            return []
        file, functions = self.tables[name]
        chosen = functions.values() if field not in functions else [functions[field]]
        if field and all(isinstance(key, str) for key in functions):
            chosen = [functions[field]] if field in functions else []
        found = [f"{file}/{function}" if f"{file}/{function}" in self.frames else function for function in chosen]
        return [key for key in found if key in self.frames]

    def frame(self, key):
        """The bytes of a function: its frame, or what the rules say about another library's."""
        if key in self.frames:
            return self.frames[key]
        size = self.rules.size_of("other", key)
        if size is None:
            self.findings.append(f"{key}: a function of another library, expected a line for it in [other]")
        return size or 0

    def depths(self):
        """{key: (bytes, next key or None)}. A cycle is a finding: its depth has no bound."""
        done, active = {}, []

        def visit(key):
            if key in done:
                return done[key][0]
            if key in active:
                cycle = " -> ".join(active[active.index(key):] + [key])
                self.findings.append(f"{key}: calls itself ({cycle}), expected no recursion or a line in [omitted]")
                return 0
            active.append(key)
            deepest, following = 0, None
            for callee in sorted(self.calls.get(key, ())):
                depth = visit(callee)
                if depth > deepest:
                    deepest, following = depth, callee
            active.pop()
            done[key] = (self.frame(key) + deepest, following)
            return done[key][0]

        sys.setrecursionlimit(10000)
        for key in self.frames:
            visit(key)
        return done

    def exported(self):
        """{key: exported names}. An alias belongs to the function at its address."""
        found = {}
        for name, names in sorted(self.binary.exports.items()):
            names = names + [f"libc_{name}"]  # the local name of a versioned one (shim/socket/libc_streams.c)
            key = next((key for plain in names for key in self.by_name.get(plain, ())), None)
            if key is None:
                self.findings.append(f"{name}: exported, but in no graph of calls, expected it in one")
            else:
                found.setdefault(key, []).append(name)
        return found


def chain_of(depths, graph, key):
    steps = []
    while key is not None:
        steps.append(f"{key.rpartition('/')[2]} {graph.frame(key)}")
        key = depths[key][1]
    return " > ".join(steps)


def main():
    parser = argparse.ArgumentParser(description="Compare the stack use of exported functions with its bounds.")
    parser.add_argument("--build", default="build-lint-stack", help="build folder with graphs of calls")
    parser.add_argument("--rules", type=Path, default=RULES, help="the file of rules")
    parser.add_argument("--show", metavar="WORD", help="print the deepest chains of functions with this word")
    parser.add_argument("--frames", action="store_true", help="print the largest frames")
    options = parser.parse_args()
    root = Path.cwd()
    try:
        rules = Rules(options.rules)
        graph = Graph(root / options.build, rules, root)
    except Finding as finding:
        print(finding)
        return 1
    depths, exported = graph.depths(), graph.exported()
    for _, name, _ in rules.bounds:
        if "/" in name or name in graph.frames:
            exported.setdefault(name, [name])
            if name not in graph.frames:
                graph.findings.append(f"{RULES.name}: '{name}' is no function of the shared object, expected one")
                del exported[name]
    if options.frames:
        for key, size in sorted(graph.frames.items(), key=lambda item: -item[1])[:60]:
            print(f"{size:6} {key}")
        return 0
    for key, names in sorted(exported.items(), key=lambda item: -depths[item[0]][0]):
        depth = depths[key][0]
        bounds = [rules.size_of("bounds", name) for name in names]
        if None in bounds or depth > min(bounds):
            graph.findings.append(f"{key}: {depth} bytes of stack ({chain_of(depths, graph, key)}), "
                                  f"expected {min(bounds) if None not in bounds else 'a line for it in [bounds]'}")
        if options.show is not None and options.show in key:
            print(f"{depth:6} {key}: {chain_of(depths, graph, key)}")
    if options.show is not None:
        return 0
    for (file, number), line in rules.unused():
        graph.findings.append(f"{file}:{number}: '{line}' applies to nothing, expected no line that is not needed")
    for finding in dict.fromkeys(graph.findings):
        print(finding)
    return 1 if graph.findings else 0


if __name__ == "__main__":
    sys.exit(main())
