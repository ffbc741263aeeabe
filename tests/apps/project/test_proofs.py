"""The models of the handshakes (tests/proofs/): each pattern of WIRE.md has them, and docs/PROOFS.md has each of them.

The proofs themselves take long and need ProVerif, which Debian does not package: `make proofs`. Where it is installed, this
runs the shortest.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import sys

from lib.process import ROOT, run
from lib.tap import Skip, Tap, check, equal

PROOFS = ROOT / "tests/proofs/run"


def script():
    """tests/proofs/run as a module."""
    loader = importlib.machinery.SourceFileLoader("proofs_run", str(PROOFS))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def main():
    tap = Tap()
    sys.dont_write_bytecode = True
    proofs = script()
    with tap.case("there are models of each pattern in the preamble"):
        line = re.search(r"^\| 8 \| 1 \| pattern: (.*) \|$", (ROOT / "docs/WIRE.md").read_text(), re.MULTILINE)
        equal(list(proofs.PATTERNS), [each.split()[1] for each in line[1].split(", ")], "patterns")
    with tap.case("docs/PROOFS.md has each model"):
        page = (ROOT / "docs/PROOFS.md").read_text()
        equal([name for name, _, _ in proofs.models() if f"| {name} |" not in page], [], "models that the page lacks")
    with tap.case("each model has the number of queries that is compared"):
        for name, macros, failing in proofs.models():
            text = re.sub(r"\(\*.*?\*\)", "", proofs.source(macros), flags=re.DOTALL)
            queries = re.search(r"^query .*?:\s*bitstring;\n(.*?)\.$", text, re.DOTALL | re.MULTILINE)[1]
            equal(queries.count(";") + 1, len(proofs.queries(macros)), f"queries of {name}")
            equal(set(failing) - set(proofs.queries(macros)), set(), f"queries of {name} that fail and do not exist")
    with tap.case("without ProVerif, one line says what is expected"):
        result = run([sys.executable, "-B", PROOFS], env={**os.environ, "PROVERIF": "/nonexistent/proverif"})
        equal(result.status, 2, "status")
        check(result.text.startswith("proofs: no /nonexistent/proverif, expected ProVerif"), result.text)
    with tap.case("ProVerif proves the shortest model, the re-handshake of NK"):
        prover = os.environ.get("PROVERIF", "proverif")
        if shutil.which(prover) is None:
            raise Skip(f"no {prover}: Debian does not package ProVerif")
        result = run([sys.executable, "-B", PROOFS, "NK, re-handshake"], timeout=600)
        check(result.status == 0 and result.text.endswith(" models, 0 unexpected results\n"), result.text)
    tap.finish()


if __name__ == "__main__":
    main()
