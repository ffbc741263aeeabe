#!/usr/bin/env python3
"""The lint of modules and arrows reports each fault of a small tree, and nothing else. The trees are compiled here."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import ROOT, run, temporary_directory  # noqa: E402
from lib.tap import Tap, check, contains, equal  # noqa: E402

HEADER = "| module | what it is for | may use |\n| --- | --- | --- |\n"
ROWS = {"base": "nothing", "engine": "`base`", "socket": "`engine`, `base`", "start": "`socket`"}
COMMENT = "/* A file of the test's own tree. */\n"
FILES = {
    "shim/base/base.h": "int base_open(void);\nextern int (*base_hook)(void);\n",
    "shim/base/base.c": '#include "base/base.h"\nint (*base_hook)(void);\nint base_open(void)\n{\n'
                        "    return base_hook ? base_hook() : 0;\n}\n",
    "shim/base/interposed.h": "#define PFSWRAP_CALLS(X) /* read.c */ \\\n    X(read) \\\n    X(fcntl)\n",
    "shim/engine/engine.h": "int engine_run(void);\n",
    "shim/engine/engine.c": '#include "engine/engine.h"\n#include "base/base.h"\nint engine_run(void)\n{\n'
                            "    return base_open();\n}\n",
    "shim/socket/read.c": '#include "engine/engine.h"\n#include "base/interposed.h"\nextern int (*base_hook)(void);\n'
                          "long read(int fd, void *bytes, unsigned long size);\n"
                          "long read(int fd, void *bytes, unsigned long size)\n{\n"
                          "    (void)bytes;\n    base_hook = engine_run;\n    return fd + (long)size;\n}\n"
                          "int fcntl(int fd, int command, ...);\nint fcntl(int fd, int command, ...)\n{\n"
                          "    return (int)read(fd, 0, 0) + command;\n}\n",
    "shim/start.c": "extern long read(int fd, void *bytes, unsigned long size);\nlong (*start_read)(int, void *,\n"
                    "                                                          unsigned long);\n"
                    '#include "socket/open.h"\n',
    "shim/socket/open.h": "int socket_open(void);\n",
}
compiled = {}  # (file's name, its text) -> object


def tree(files=None, rows=None, more=""):
    """A tree of FILES and ROWS with these changes, compiled. A value of None takes a file or row away."""
    root = temporary_directory()
    for name, text in {**FILES, **(files or {})}.items():
        if text is None:
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(COMMENT + text if path.suffix == ".c" and not text.startswith("//") else text)
    table = HEADER + "".join(f"| `{name}{'' if name == 'start' else '/'}` | words | {used} |\n"
                             for name, used in {**ROWS, **(rows or {})}.items() if used is not None)
    (root / "docs").mkdir()
    (root / "docs/ARCHITECTURE.md").write_text(f"# Architecture\n\n{table}\n{more}\n")
    for source in (root / "shim").rglob("*.c"):
        compile_into(root, source.relative_to(root))
    return root


def compile_into(root, name):
    """Compiles a file to its place in the tree's build folder, or copies the object that the same text gave before."""
    target = (root / "build" / name).with_suffix(".o")
    target.parent.mkdir(parents=True, exist_ok=True)
    key = (name, (root / name).read_text())
    if key in compiled:
        target.write_bytes(compiled[key])
        return
    command = ["gcc", "-w", "-O0", "-fno-builtin", "-Iinclude", "-Ishim", "-c", "-o", str(target), str(name)]
    equal(run(command, cwd=root).status, 0, f"status of {command}")
    compiled[key] = target.read_bytes()


def lint(root, *options):
    return run([sys.executable, "-B", ROOT / "tests/lint/architecture.py", "--root", root, *options])


def found(root):
    """The findings; the exit status must agree."""
    result = lint(root)
    lines = result.out.decode().splitlines()
    equal((result.status, result.err), (1 if lines else 0, b""), f"status and stderr of {result!r}")
    for line in lines:
        contains(line, ", expected ", "a finding")
    return lines


def only(root, *beginnings):
    """Checks that there is exactly one finding with each of these beginnings, in this order."""
    lines = found(root)
    check(len(lines) == len(beginnings) and all(map(str.startswith, lines, beginnings)),
          f"expected {beginnings}, found {lines}")


def arrows(tap):
    with tap.case("a tree that agrees with its table has no finding"):
        only(tree())
    with tap.case("an #include of a module that the table does not allow is reported, with its line"):
        only(tree({"shim/engine/engine.c": '#include "socket/open.h"\n#include "base/base.h"\n'}),
             'shim/engine/engine.c:2: #include "socket/open.h" of `socket`, expected `engine` to use `base` only',
             "shim: a cycle, engine -> socket -> engine")
    with tap.case("a symbol of a module that the table does not allow is reported, though nothing is included"):
        only(tree({"shim/base/more.c": "int engine_run(void);\nint base_more(void)\n{\n    return engine_run();\n}\n"}),
             "shim/base/more.c: its object needs engine_run of `engine`, expected `base` to use nothing only",
             "shim: a cycle, base -> engine -> base (shim/base/more.c uses `engine`; "
             "shim/engine/engine.c:3 uses `base`), expected")
    with tap.case("an #include in a comment or of the module itself is no arrow"):
        only(tree({"shim/base/more.c": '/*\n#include "engine/engine.h"\n*/\n#include "base.h"\nint base_more;\n'}))
    with tap.case("an angled #include of a file of the tree is an arrow, and one of a system header is not"):
        only(tree({"shim/base/more.c": "#include <stddef.h>\n#include <engine/engine.h>\nint base_more;\n"}),
             'shim/base/more.c:3: #include "engine/engine.h" of `engine`', "shim: a cycle, base -> engine -> base")
    with tap.case("include/pfswrap/ is the public header of seal"):
        files = {"include/pfswrap/seal.h": "int seal_new(void);\n", "shim/seal/seal.c": "#include <pfswrap/seal.h>\n",
                 "shim/engine/sealed.c": "#include <pfswrap/seal.h>\n"}
        only(tree(files, {"seal": "nothing", "engine": "`base`, `seal`"}))
        only(tree(files, {"seal": "nothing"}), 'shim/engine/sealed.c:2: #include "pfswrap/seal.h" of `seal`')
    with tap.case("an array of shim/order.c is the one way up"):
        files = {"shim/base/told.c": "extern const int observers[];\nint base_tell(void)\n{\n    return observers[0];\n}\n",
                 "shim/order.c": "extern const int observers[];\nconst int observers[] = {1};\n"}
        only(tree(files))
        only(tree({**files, "shim/order.c": None, "shim/start.c": FILES["shim/start.c"] + files["shim/order.c"]}),
             "shim/base/told.c: its object needs observers of `start`", "shim: a cycle, base -> start",
             "shim: a cycle, engine -> base -> start")
    with tap.case("an arrow of the table that nothing uses is reported"):
        only(tree(rows={"start": "`socket`, `engine`"}), "docs/ARCHITECTURE.md:8: nothing in `start` uses `engine`")
    with tap.case("a cycle in the table is reported"):
        only(tree(rows={"base": "`socket`"}), "docs/ARCHITECTURE.md:5: nothing in `base` uses `socket`",
             "docs/ARCHITECTURE.md:5: a cycle in the table, base -> socket -> base",
             "docs/ARCHITECTURE.md:6: a cycle in the table, engine -> base -> socket -> engine")
    with tap.case("seal and wire stand alone, whatever the table says"):
        only(tree({"shim/wire/wire.c": '#include "base/base.h"\n'}, {"wire": "`base`"}),
             "docs/ARCHITECTURE.md:9: `wire` may use base, expected `wire` to stand alone")


def calls(tap):
    with tap.case("an interposed function that another module than its own calls is reported"):
        only(tree({"shim/base/more.c": "long read();\nlong base_more(void)\n{\n    return read();\n}\n"}),
             "shim/base/more.c: its object calls read, which is interposed (in `socket`)")
        only(tree({"shim/more.c": "int fcntl();\nint start_more(void)\n{\n    return fcntl();\n}\n"}),
             "shim/more.c: its object calls fcntl, which is interposed (in `socket`)")
    with tap.case("so are its address, its fortified form, its 64-bit form and libc's internal name for it"):
        for symbol in ("__read_chk", "fcntl64", "__fcntl", "__libc_fcntl64", "__fcntl_time64"):
            only(tree({"shim/engine/more.c": f"extern int {symbol}();\nint (*engine_more)() = {symbol};\n"}),
                 f"shim/engine/more.c: its object calls {symbol}, which is interposed (in `socket`)")
    with tap.case("a function whose name only contains the name of an interposed one is not reported"):
        names = ("pread", "read_ahead", "thread", "__readlink_chk", "fread")
        only(tree({"shim/engine/more.c": "".join(f"extern int {name}();\n" for name in names) +
                   "int (*engine_more[])() = {" + ", ".join(names) + "};\n"}))
    planes = {"shim/order.c": "extern const int sealed_plane;\nconst int *const planes[] = {&sealed_plane, 0};\n",
              "shim/sealed/sealed.c": "const int sealed_plane = 1;\n", "shim/sealed/sealed.h": "extern const int sealed_plane;\n"}
    rows = {"sealed": "nothing", "start": "`socket`, `sealed`"}
    with tap.case("an interposed call that names a plane of the list in shim/order.c is reported, with its line"):
        code = "/* a sealed number */\nint fd_is_sealed;\nint policy_seals;\nint unsealing;\n"
        lines = found(tree({**planes, "shim/socket/more.c": code}, rows))
        equal([re.sub(r"^.*:\d+: (\w+) names a plane, .*", r"\1", line) for line in lines], ["fd_is_sealed", "policy_seals"],
              "what is reported")
        only(tree({**planes, "shim/engine/more.c": code}, rows))
        only(tree({**planes, "shim/order.c": "int nothing;\n", "shim/socket/more.c": code, "shim/start_more.c":
                   "extern const int sealed_plane;\nconst int *start_more = &sealed_plane;\n"}, rows))
    with tap.case("an interposed call that includes a header of a plane is reported, though the table allows the arrow"):
        only(tree({**planes, "shim/socket/more.c": '#include "sealed/sealed.h"\n'},
                  {**rows, "socket": "`base`, `engine`, `sealed`"}),
             'shim/socket/more.c: #include "sealed/sealed.h" is of a plane')
    with tap.case("a list of interposed functions that cannot be read is reported"):
        only(tree({"shim/base/interposed.h": "/* X(read) */\n"}), "shim: no X(name) in a file interposed.h")
    with tap.case("the names are read from X-macros with signatures as well"):
        signatures = "#define CALLS(X) X(long, read, (int fd, void *bytes)) X(int, fcntl, (int fd, ...))\n"
        only(tree({"shim/base/interposed.h": signatures,
                   "shim/engine/more.c": "int fcntl();\nint (*engine_more)() = fcntl;\n"}),
             "shim/engine/more.c: its object calls fcntl, which is interposed (in `socket`)")


def names(tap):
    same = {"shim/engine/base.h": "extern int engine_base;\n"}
    with tap.case("a header whose name two modules have needs its folder in an #include from elsewhere"):
        lines = found(tree({**same, "shim/base.h": "\n", "shim/socket/more.c": '#include "base.h"\n'}))
        contains("\n".join(lines),
                 'shim/socket/more.c:2: #include "base.h" is ambiguous, since base, engine, start have', "findings")
    with tap.case("an #include in the header's own folder does not"):
        only(tree({**same, "shim/engine/more.c": '#include "base.h"\n', "shim/base/more.c": '#include "base.h"\n'}))
    with tap.case("a module that uses one name for two headers is reported"):
        lines = found(tree({"shim/engine/base.h": "\n", "shim/engine/more.c": '#include "base.h"\n',
                            "shim/engine/deep/base.h": "\n", "shim/engine/deep/more.c": '#include "base.h"\n'}))
        equal([line.partition(",")[0] for line in lines],
              ['shim/engine/more.c:2: #include "base.h" is a second header of that name in `engine`'], "findings")
    with tap.case("a quoted #include that names no file is reported"):
        root = tree()
        (root / "shim/base/lost.h").write_text('#include "nowhere.h"\n')
        only(root, 'shim/base/lost.h:1: #include "nowhere.h" names no file')


def tables(tap):
    with tap.case("a row without a folder is reported, and a folder without a row"):
        only(tree(rows={"other": "nothing"}), "docs/ARCHITECTURE.md:9: `other` is no folder with C files")
        only(tree({"shim/other/other.c": "int other;\n"}), "shim/other/: no row in the table")
        lines = found(tree(rows={"start": None}))
        equal(lines[0].partition(":")[0], "shim/*.c", f"where, in {lines}")
    with tap.case("a row that cannot be read is reported, a second row for a module, and an arrow to nowhere"):
        for row in ("| base | words | nothing |", "| `extra/` | words | base |", "| `extra/` | `base` |"):
            root = tree()
            path = root / "docs/ARCHITECTURE.md"
            path.write_text(path.read_text().replace("| --- | --- | --- |\n", f"| --- | --- | --- |\n{row}\n"))
            only(root, "docs/ARCHITECTURE.md:5: a row that cannot be read")
        root = tree()
        path = root / "docs/ARCHITECTURE.md"
        path.write_text(path.read_text().replace("| `start` |", "| `base/` | words | nothing |\n| `start` |"))
        only(root, "docs/ARCHITECTURE.md:8: a second row for `base`")
        only(tree(rows={"start": "`socket`, `gone`"}),
             "docs/ARCHITECTURE.md:8: `start` may use `gone`, which has no row")
    with tap.case("a document without the table is one finding, and so is no document"):
        root = tree()
        (root / "docs/ARCHITECTURE.md").write_text("| room | what |\n")
        only(root, "docs/ARCHITECTURE.md: no table of modules")
        (root / "docs/ARCHITECTURE.md").unlink()
        only(root, "docs/ARCHITECTURE.md: no such file")
    with tap.case("a file without an object is reported, since its symbols cannot be seen"):
        root = tree()
        (root / "build/shim/engine/engine.o").unlink()
        equal(found(root)[0].partition(",")[0], "shim/engine/engine.c: no object in build/", "the first finding")


def sizes(tap):
    long_file = "\n" * 400 + "int base_more;\n"
    long_function = "int base_more(void)\n{\n" + "    ;\n" * 99 + "    return 0;\n}\n"
    exceptions = "| larger than the limit | why |\n| --- | --- |\n"
    with tap.case("a file of more than 400 lines is reported, and one with a reason is not"):
        only(tree({"shim/base/more.c": long_file}), "shim/base/more.c: 402 lines, expected at most 400")
        only(tree({"shim/base/more.c": long_file}, more=exceptions + "| `shim/base/more.c` | one table |\n"))
    with tap.case("a test of more than 400 lines is reported, in C and in Python"):
        only(tree({"tests/unit/base/test_base.c": long_file}), "tests/unit/base/test_base.c: 402 lines")
        only(tree({"tests/apps/test_base.py": "\n" * 401, "tests/apps/data.txt": "\n" * 500}), "tests/apps/test_base.py: 401")
    with tap.case("a function of more than 100 lines is reported, and one with a reason is not"):
        only(tree({"shim/base/more.c": long_function}), "shim/base/more.c:3: base_more has 102 lines")
        only(tree({"shim/base/more.c": long_function.replace("    ;\n", "", 2)}))
        only(tree({"shim/base/more.c": long_function},
                  more=exceptions + "| `shim/base/more.c: base_more` | a switch |\n"))
    with tap.case("an exception for a small file is reported, and so is one without a reason"):
        only(tree(more=exceptions + "| `shim/base/base.c` | once large |\n"),
             "docs/ARCHITECTURE.md:12: shim/base/base.c is within the limit")
        only(tree(more=exceptions + "| `shim/base/base.c` | |\n"), "docs/ARCHITECTURE.md:12: a row that cannot be read")
    with tap.case("a .c file that does not say what it is for is reported, in tools/ as well"):
        only(tree({"shim/base/more.c": "// SPDX-License-Identifier: Apache-2.0\nint base_more;\n"}),
             "shim/base/more.c:1: no comment before the code")
        root = tree({"tools/main.c": "// one\n// word or two\nint main;\n"})
        only(root)
        (root / "tools/main.c").write_text("int main;\n")
        only(root, "tools/main.c:1: no comment before the code")


def drawing(tap):
    with tap.case("--draw prints who uses whom in layers, and needs no table"):
        root = tree()
        (root / "docs/ARCHITECTURE.md").unlink()
        result = lint(root, "--draw")
        equal((result.status, result.out.decode().split("\n")),
              (0, [" 3  start   -> socket", "", " 2  socket  -> base, engine", "", " 1  engine  -> base", "",
                   " 0  base    ", "", ""]), "status and output")
    with tap.case("--draw says where there is a cycle"):
        result = lint(tree({"shim/base/more.c": '#include "engine/engine.h"\n'}), "--draw")
        equal(result.status, 0, "status")
        contains(result.out.decode(), "cycle: base -> engine -> base\n", "drawing")


def main():
    tap = Tap()
    for group in (arrows, calls, names, tables, sizes, drawing):
        group(tap)
    tap.finish()


main()
