#!/usr/bin/env python3
"""The lint of stack use finds each fault of a small shared object, and nothing else. The objects are compiled here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import ROOT, run, temporary_directory  # noqa: E402
from lib.tap import Tap, check, contains, equal  # noqa: E402

SOURCE = """
extern int other(void *);
struct operations { int (*act)(int); int (*rest)(int); };
static int deep(int n)
{
    volatile char bytes[3000];
    bytes[n] = 1;
    return other((void *)bytes) + bytes[n];
}
static int flat(int n) { return n + 1; }
const struct operations table = {
    .act = deep,
    .rest = flat,
};
extern const struct operations *current;
__attribute__((visibility("default"))) int small(int n) { return other(&n); }
__attribute__((visibility("default"))) int large(int n) { return deep(n) + 1; }
__attribute__((visibility("default"))) int by_table(int n) { return current->act(n) + 1; }
__attribute__((visibility("default"))) int by_rest(int n) { return current->rest(n) + 1; }
__attribute__((visibility("default"))) const struct operations *current = &table;
int second_name(int n) __attribute__((alias("large"), visibility("default")));
"""
RULES = """
[bounds]
large 3500
second_name 3500
by_table 3500
* 500
[other]
other 200        # comments are left out
[indirect]
* current->(\\w+) => table:table.\\1
"""


def found(source=SOURCE, rules=RULES, more=()):
    """Compiles the source to a tree of its own, and returns the status and the lines of the lint."""
    root = temporary_directory()
    (root / "shim").mkdir()
    (root / "build/shim").mkdir(parents=True)
    (root / "shim/all.c").write_text(source)
    (root / "rules.txt").write_text(rules)
    for command in (["gcc", "-O1", "-fPIC", "-fvisibility=hidden", "-fno-inline", "-fno-ipa-cp", "-fcallgraph-info=su", "-c",
                     "shim/all.c", "-o", "build/shim/all.o"],
                    ["gcc", "-shared", "-o", "build/libpfswrap.so", "build/shim/all.o"]):
        compiled = run(command, cwd=root)
        equal(compiled.status, 0, f"{compiled!r}")
    result = run(["python3", "-B", ROOT / "tests/lint/stack.py", "--build", "build", "--rules", "rules.txt", *more], cwd=root)
    return result.status, result.text


def main():
    tap = Tap()
    with tap.case("an object within its bounds is clean, with an alias and a call through a table"):
        equal(found(), (0, ""), "status and findings")
    with tap.case("a function that uses more than its bound is reported with the chain of calls"):
        status, text = found(rules=RULES.replace("\nlarge 3500", "\nlarge 1000"))
        equal(status, 1, text)
        contains(text, "large: 3", "what is reported")
        contains(text, "deep 3", "what is reported")
        contains(text, "other 200", "what is reported")
        contains(text, "expected 1000", "what is reported")
    with tap.case("the largest bound of two names of one function does not hide the smaller one"):
        status, text = found(rules=RULES.replace("second_name 3500", "second_name 1000"))
        contains(text, "expected 1000", "what is reported")
        equal(status, 1, text)
    with tap.case("a call through a pointer without a rule is reported"):
        status, text = found(rules=RULES.replace("* current", "* nothing"))
        equal(status, 1, text)
        contains(text, "shim/all.c:18: by_table calls 'current->act(n)", "what is reported")
    with tap.case("a function of another library without a rule is reported"):
        status, text = found(rules=RULES.replace("other 200", "another 200"))
        equal(status, 1, text)
        contains(text, "other: a function of another library", "what is reported")
        contains(text, "'another 200", "what is reported")
    with tap.case("recursion is reported, and not if a rule says why it ends"):
        source = SOURCE.replace("return n + 1;", "return n > 0 ? flat(n - 1) + other(&n) : 0;")
        status, text = found(source=source)
        equal(status, 1, text)
        contains(text, "all.c/flat: calls itself", "what is reported")
        equal(found(source=source, rules=RULES + "[omitted]\nall.c/flat -> all.c/flat\n"), (0, ""), "status and findings")
    with tap.case("a frame whose size is not known is reported, and counts what a rule says"):
        source = SOURCE.replace("return other(&n);", "return other(__builtin_alloca(n));")
        status, text = found(source=source)
        equal(status, 1, text)
        contains(text, "small: its frame has no bound", "what is reported")
        status, text = found(source=source, rules=RULES + "[dynamic]\nsmall 900\n")
        contains(text, "small: 1", "what is reported")
        equal(found(source=source, rules=RULES + "[dynamic]\nsmall 100\n")[0], 0, "status")
    with tap.case("a rule that applies to nothing is reported, and not if it says that a build may lack the code"):
        rule = "[omitted]\n{}* -> of_another_build\n"
        status, text = found(rules=RULES + rule.format(""))
        contains(text, "'* -> of_another_build' applies to nothing", "the lint")
        equal(status, 1, "status")
        equal(found(rules=RULES + rule.format("? "))[0], 0, "status")
    with tap.case("--show prints the chain of one function"):
        status, text = found(more=["--show", "large"])
        equal(status, 0, text)
        check(text.count("\n") == 1 and "large: large" in text, text)
    tap.finish()


main()
