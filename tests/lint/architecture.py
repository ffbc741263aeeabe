#!/usr/bin/env python3
"""Compares the modules of shim/ with the table of modules and arrows in docs/ARCHITECTURE.md.

The table has the header row `| module | what it is for | may use |` and one row for each module (sources.py says what
a module is). An arrow is an #include, or an undefined symbol of an object that an object of another module defines. A
call through a table of operations is not an arrow: it is the legal way to call upward.

Prints one line for each finding, "where: what, expected what", and exits with 1 if there is one. `--draw` prints the
measured arrows instead. Needs the objects of a build and nm; Python's standard library only.
"""

import argparse
import re
import sys
from pathlib import Path

from sources import (TOP, Symbols, functions_of, interposed_as, interposed_names, opening_comment, read_sources,
                     rows_below, without_comments)

FILE_LINES = 400
FUNCTION_LINES = 100
HEADER = "| module | what it is for | may use |"
EXCEPTIONS = "| larger than the limit | why |"  # optional: `path`, or `path: function`
DOCUMENT = "docs/ARCHITECTURE.md"
ALONE = ("seal", "wire")  # must not use another module, whatever the table says
CALLS = "socket"  # its interposed calls ask the planes in turn, and name none of them


class Finding(Exception):
    """Ends the run where nothing else can be found out."""


# --- The document ---

def names_in(cell):
    """The modules in a cell of the column `may use`, or None if it is neither a list of them nor `nothing`."""
    if cell.strip("`") == "nothing":
        return []
    words = [word.strip() for word in cell.split(",")]
    return [word[1:-1] for word in words] if all(re.fullmatch(r"`[\w-]+`", word) for word in words) else None


class Table:
    """The modules of the document, what each may use, and the reasons for large files."""

    def __init__(self, root):
        self.allowed, self.lines, self.exceptions, self.findings = {}, {}, {}, []
        path = root / DOCUMENT
        if not path.is_file():
            raise Finding(f"{DOCUMENT}: no such file, expected the table of modules in it")
        text = path.read_text()
        rows = rows_below(text, HEADER)
        if rows is None:
            raise Finding(f"{DOCUMENT}: no table of modules, expected one with the header row '{HEADER}'")
        for number, cells in rows:
            self.read(number, cells)
        for number, cells in rows_below(text, EXCEPTIONS) or []:
            if len(cells) == 2 and re.fullmatch(r"`[^`]+`", cells[0]) and cells[1]:
                self.exceptions[cells[0][1:-1]] = number
            else:
                self.report(number, "a row that cannot be read", "| `path` or `path: function` | why |")
        for module, used in self.allowed.items():
            for unknown in sorted(set(used) - set(self.allowed)):
                self.report(self.lines[module], f"`{module}` may use `{unknown}`, which has no row", "a row for it")
            if module in ALONE and used:
                self.report(self.lines[module], f"`{module}` may use {', '.join(used)}", f"`{module}` to stand alone")

    def report(self, number, what, expected):
        self.findings.append(f"{DOCUMENT}:{number}: {what}, expected {expected}")

    def read(self, number, cells):
        name = re.fullmatch(r"`([\w-]+)/?`", cells[0]) if len(cells) == 3 else None
        used = names_in(cells[2]) if name else None
        if used is None:
            self.report(number, "a row that cannot be read", "| `folder/` | words | `module`, `module` or nothing |")
        elif name[1] in self.allowed:
            self.report(number, f"a second row for `{name[1]}`", "one")
        else:
            self.allowed[name[1]], self.lines[name[1]] = used, number


# --- The checks ---

ORDER = "shim/order.c"


def arrays_of_order(root):
    """The constant arrays that shim/order.c defines: the one way by which a module is called from below."""
    path = root / ORDER
    return set(re.findall(r"^const [^\n;()]*?(\w+)\[\w*\] = \{", path.read_text(), re.MULTILINE)) if path.is_file() else set()


def measured_arrows(sources, symbols, names, arrays=frozenset()):
    """{(from, to): [where, ...]} for #includes and symbols, without interposed names and the arrays of shim/order.c."""
    arrows, modules = {}, {source.path: source.module for source in sources}
    for source in sources:
        for line, name, path in source.includes:
            target = modules.get(path)
            if target and target != source.module:
                where = (f"{source.name}:{line}", f'#include "{name}"')
                arrows.setdefault((source.module, target), []).append(where)
    for source, undefined in symbols.undefined.items():
        used = {}
        for symbol in sorted(undefined):
            targets = symbols.defined.get(symbol, set())
            if source.module in targets or symbol in arrays or interposed_as(symbol, names):
                continue
            for target in targets:
                used.setdefault(target, []).append(symbol)
        for target, found in used.items():
            shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
            arrows.setdefault((source.module, target), []).append((source.name, f"its object needs {shown}"))
    return arrows


def check_arrows(table, arrows):
    for (user, used), places in sorted(arrows.items()):
        if used in table.allowed.get(user, ()):
            continue
        row = ", ".join(f"`{name}`" for name in table.allowed.get(user, ())) or "nothing"
        for where, what in places:
            yield f"{where}: {what} of `{used}`, expected `{user}` to use {row} only"
    for user, allowed in table.allowed.items():
        for used in allowed:
            if (user, used) not in arrows and used in table.allowed and used != user:
                yield (f"{DOCUMENT}:{table.lines[user]}: nothing in `{user}` uses `{used}`, "
                       "expected no arrow that is not needed")


def cycles_of(arrows):
    """Cycles as lists of modules, first and last the same, such that each module on a cycle is in at least one."""
    following = {}
    for user, used in sorted(arrows):
        following.setdefault(user, []).append(used)

    def path_back(start):
        trail, seen = [[start]], set()
        while trail:
            path = trail.pop(0)
            for module in following.get(path[-1], ()):
                if module == start:
                    return path + [start]
                if module not in seen:
                    seen.add(module)
                    trail.append(path + [module])
        return None
    found, covered = [], set()
    for module in sorted(following):
        cycle = None if module in covered else path_back(module)
        if cycle:
            found.append(cycle)
            covered.update(cycle)
    return found


def check_cycles(table, arrows):
    planned = [(user, used) for user, allowed in table.allowed.items() for used in allowed]
    for cycle in cycles_of(planned):
        yield (f"{DOCUMENT}:{table.lines[cycle[0]]}: a cycle in the table, {' -> '.join(cycle)}, "
               "expected arrows that point one way")
    for cycle in cycles_of(arrows):
        steps = [f"{arrows[step][0][0]} uses `{step[1]}`" for step in zip(cycle, cycle[1:])]
        yield f"shim: a cycle, {' -> '.join(cycle)} ({'; '.join(steps)}), expected arrows that point one way"


def check_interposed(symbols, names):
    if not names:
        yield "shim: no X(name) in a file interposed.h, expected the list of interposed functions"
    for source, undefined in symbols.undefined.items():
        for symbol in sorted(undefined):
            name = interposed_as(symbol, names)
            owners = symbols.defined.get(symbol) or symbols.defined.get(name, set())
            if name and source.module not in owners:
                owner = " or ".join(f"`{owner}`" for owner in sorted(owners)) or "no module"
                yield (f"{source.name}: its object calls {symbol}, which is interposed (in {owner}), "
                       "expected the real function or the system call")


def planes_of(root):
    """The names in the list of planes of shim/order.c, without `_plane`: the words that an interposed call must not have."""
    path = root / ORDER
    found = re.search(r"\bplanes\[\w*\] = \{(.*?)\}", without_comments(path.read_text()), re.DOTALL) if path.is_file() else None
    return re.findall(r"&(\w+)_plane\b", found[1]) if found else []


def check_planes(root, sources):
    """fd/plane.h is the only thing that the calls know of planes; comments may say more."""
    names = planes_of(root)
    verbs = [name[:-2] + "s" for name in names if name.endswith("ed")]  # `sealed` is also what a rule `seals`
    if not names:
        return
    word = re.compile(r"\w*(?:" + "|".join(names + verbs) + r")\w*", re.IGNORECASE)
    for source in sources:
        if source.module != CALLS:
            continue
        lines = without_comments(source.text).splitlines()
        for _, name, _ in source.includes:
            if word.match(name.split("/")[0]):
                yield f"{source.name}: #include \"{name}\" is of a plane, expected fd/plane.h only"
        for number, line in enumerate(lines, 1):
            for match in word.finditer(line):
                yield f"{source.name}:{number}: {match[0]} names a plane, expected a call that asks each of them (fd/plane.h)"


def check_includes(sources):
    modules, headers = {}, {}
    for source in sources:
        modules[source.path] = source.module
        if source.name.endswith(".h"):
            headers.setdefault(source.path.name, set()).add(source.module)
    chosen = {}  # (module, header's name) -> what it stands for there
    for source in sources:
        for line, name, path in source.includes:
            where = f'{source.name}:{line}: #include "{name}"'
            if path is None:
                yield f"{where} names no file, expected one of this tree"
                continue
            holders = headers.get(name, set())
            if "/" in name or len(holders) < 2:
                continue
            listed = ", ".join(sorted(holders))
            if path.parent != source.path.parent:
                yield f"{where} is ambiguous, since {listed} have a header of that name, expected its folder before it"
            elif chosen.setdefault((source.module, name), path) != path:
                yield f"{where} is a second header of that name in `{source.module}`, expected its folder before it"


def check_modules(table, sources):
    present = {source.module for source in sources}
    for module in sorted(set(table.allowed) - present):
        yield f"{DOCUMENT}:{table.lines[module]}: `{module}` is no folder with C files, expected shim/{module}/"
    for module in sorted(present - set(table.allowed)):
        place = "shim/*.c" if module == TOP else f"shim/{module}/"
        yield f"{place}: no row in the table of {DOCUMENT}, expected one for `{module}`"


def check_files(root, sources, table):
    used = set()

    def excepted(name):
        used.add(name)
        return name in table.exceptions
    files = [(source.name, source.text) for source in sources]
    files += [(str(path.relative_to(root)), path.read_text()) for path in sorted((root / "tools").glob("*.[ch]"))]
    for name, text in files:
        lines = text.count("\n")
        if lines > FILE_LINES and not excepted(name):
            yield f"{name}: {lines} lines, expected at most {FILE_LINES}"
        for function, line, length in functions_of(text):
            if length > FUNCTION_LINES and not excepted(f"{name}: {function}"):
                yield f"{name}:{line}: {function} has {length} lines, expected at most {FUNCTION_LINES}"
        if name.endswith(".c") and len(opening_comment(text)) < 3:
            yield f"{name}:1: no comment before the code, expected one that says what the file is for"
    others = {"tests": ("c", "h", "py"), "clients": ("py", "java", "kt", "mjs", "ts", "swift")}
    for path in sorted(path for folder, kinds in others.items() for kind in kinds for path in (root / folder).rglob(f"*.{kind}")
                       if "node_modules" not in path.parts):
        name, lines = str(path.relative_to(root)), path.read_text().count("\n")
        if lines > FILE_LINES and not excepted(name):
            yield f"{name}: {lines} lines, expected at most {FILE_LINES}"
    for name in sorted(set(table.exceptions) - used):
        yield f"{DOCUMENT}:{table.exceptions[name]}: {name} is within the limit, expected no exception for it"


# --- The drawing ---

def draw(sources, arrows):
    """The modules in layers: each uses only modules of layers below its own, unless there is a cycle."""
    modules = sorted({source.module for source in sources})
    below = {module: sorted({used for user, used in arrows if user == module}) for module in modules}
    level, changed = dict.fromkeys(modules, 0), True
    while changed:
        changed = False
        for module in modules:
            wanted = max((level[used] + 1 for used in below[module]), default=0)
            if level[module] < wanted <= len(modules):
                level[module], changed = wanted, True
    width = max(map(len, modules), default=0)
    for layer in sorted(set(level.values()), reverse=True):
        for module in modules:
            if level[module] == layer:
                print(f"{layer:>2}  {module:<{width}}  {'-> ' if below[module] else ''}{', '.join(below[module])}")
        print()
    for cycle in cycles_of(arrows):
        print(f"cycle: {' -> '.join(cycle)}")


def findings_of(root, build):
    table, sources = Table(root), read_sources(root)
    symbols, names = Symbols(root, build, sources), interposed_names(root)
    arrows = measured_arrows(sources, symbols, names, arrays_of_order(root))
    yield from table.findings
    yield from symbols.findings
    yield from check_modules(table, sources)
    yield from check_arrows(table, arrows)
    yield from check_cycles(table, arrows)
    yield from check_interposed(symbols, names)
    yield from check_planes(root, sources)
    yield from check_includes(sources)
    yield from check_files(root, sources, table)


def main():
    parser = argparse.ArgumentParser(description=f"Compare the modules of shim/ with {DOCUMENT}.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="the tree to look at")
    parser.add_argument("--build", type=Path, help="where its objects are (default: ROOT/build)")
    parser.add_argument("--draw", action="store_true", help="print the measured arrows in layers, and check nothing")
    options = parser.parse_args()
    root = options.root.resolve()
    build = (options.build or root / "build").resolve()
    if options.draw:
        sources = read_sources(root)
        draw(sources, measured_arrows(sources, Symbols(root, build, sources), interposed_names(root), arrays_of_order(root)))
        return 0
    try:
        found = list(findings_of(root, build))
    except Finding as finding:
        found = [str(finding)]
    for line in found:
        print(line)
    return 1 if found else 0


sys.exit(main())
