"""The C files of shim/ and include/, what they include, and what their objects define and need.

A module is a folder of shim/. The files in shim/ itself are the module `start`, and include/pfswrap/ belongs to `seal`.
"""

import re
import subprocess
from pathlib import Path

TOP = "start"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?P<quote>["<])(?P<name>[^">]+)[">]', re.MULTILINE)


def without_comments(text):
    """The text with comments and the contents of strings blanked out; lines and columns stay."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)

    def blank(match):
        text = match[0]
        keep = 1 if text[0] in "\"'" else 0
        return text[:keep] + re.sub(r"[^\n]", " ", text[keep:len(text) - keep]) + text[len(text) - keep:]
    return token.sub(blank, text)


def functions_of(text):
    """(name, first line, lines) of each function. Relies on clang-format: a body's braces stand in the first column."""
    lines = without_comments(text).splitlines()
    found, begin = [], None
    for number, line in enumerate(lines, 1):
        if line == "{":
            begin = number
        elif line == "}" and begin is not None:
            head = begin - 1
            while head > 0 and lines[head - 1].strip() and not re.match(r"[#}]", lines[head - 1]):
                head -= 1
            names = re.findall(r"(\w+)\s*\(", " ".join(lines[head:begin - 1]))
            name = next((word for word in names if word != "__attribute__"), "a function")
            found.append((name, begin, number - begin + 1))
            begin = None
    return found


def opening_comment(text):
    """The words of the comment that a file begins with, without copyright lines."""
    match = re.match(r"\s*(/\*.*?\*/|(?://[^\n]*\n\s*)+)", text, re.DOTALL)
    lines = [] if match is None else match[1].splitlines()
    return re.findall(r"\w+", " ".join(line for line in lines if not re.search(r"Copyright|SPDX|\(c\)", line)))


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def rows_below(text, header):
    """(line number, cells) of each row of the table with this header row; None if there is no such table."""
    lines = text.splitlines()
    if header not in lines:
        return None
    first = lines.index(header) + 2
    rows = []
    for number, line in enumerate(lines[first:], first + 1):
        if not line.startswith("|"):
            break
        rows.append((number, cells_of(line)))
    return rows


class Source:
    """A C file of the tree: its module, and what it includes as (line, name as written, resolved path or None)."""

    def __init__(self, root, path):
        self.path, self.name = path, str(path.relative_to(root))
        self.text = path.read_text(errors="replace")
        self.module = module_of(root, path)
        self.includes = []
        code = without_comments(self.text)
        for match in INCLUDE.finditer(self.text):
            if "#" not in code[match.start():match.end()]:
                continue  # within a comment
            places = [root / "include", root / "shim"]
            if match["quote"] == '"':
                places.insert(0, path.parent)
            resolved = next((place / match["name"] for place in places if (place / match["name"]).is_file()), None)
            if resolved or match["quote"] == '"':
                line = self.text.count("\n", 0, match.start()) + 1
                self.includes.append((line, match["name"], resolved))


def module_of(root, path):
    parts = path.relative_to(root).parts
    if parts[0] == "include":
        return "seal"
    if parts[0] != "shim":
        return None
    return parts[1] if len(parts) > 2 else TOP


def read_sources(root):
    paths = [path for folder in ("shim", "include") for path in sorted((root / folder).rglob("*.[ch]"))]
    return [Source(root, path) for path in paths]


class Symbols:
    """What the objects of the shared object define and leave undefined."""

    def __init__(self, root, build, sources):
        self.findings, self.defined, self.undefined = [], {}, {}  # name -> modules; source -> names
        objects = {}
        for source in sources:
            path = build / Path(source.name).with_suffix(".o")
            if not source.name.endswith(".c") or source.name.endswith("_musl.c"):
                continue  # for another C library than this build's
            if path.is_file():
                objects[str(path)] = source
                self.undefined[source] = set()
            else:
                self.findings.append(f"{source.name}: no object in {build.name}/, expected it to be built ('make all')")
        command = ["nm", "--print-file-name", "--format=posix", "--extern-only", *objects]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout if objects else ""
        for line in output.splitlines():
            path, _, rest = line.rpartition(": ")
            name, kind = rest.split()[:2]
            if kind in "Uwv":
                self.undefined[objects[path]].add(name)
            else:
                self.defined.setdefault(name, set()).add(objects[path].module)


def interposed_names(root):
    """The names in the X-macros of interposed.h, wherever below shim/ it lies."""
    names = set()
    for path in sorted((root / "shim").rglob("interposed.h")):
        text = re.sub(r"#[ \t]*define[ \t]+\w+\(\w+\)", "", without_comments(path.read_text()))
        for arguments in re.findall(r"\bX\(([^()]*)", text):
            names.update(re.findall(r"\w+", arguments))
    return names


def interposed_as(symbol, names):
    """The interposed function that this symbol is a form of (fortified, 64-bit, internal), or None."""
    if symbol in names:
        return symbol
    core = re.sub(r"^(__libc_|__)", "", symbol)
    for form in (core, re.sub(r"_chk$", "", core)):
        for plain in (form, re.sub(r"(_time)?64$", "", form), re.sub(r"_2$", "", form)):
            if plain in names:
                return plain
    return None
