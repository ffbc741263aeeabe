"""docs/WIRE.md and its vectors: they are what the code does, the numbers are those of the header, and every error is there."""

import re
import subprocess
import sys

from lib.process import PROGRAMS, ROOT, python_with
from lib.tap import Tap

PROGRAM = PROGRAMS / "seal/seal_example"
WIRE = (ROOT / "docs/WIRE.md").read_text()
HEADER = (ROOT / "include/pfswrap/seal.h").read_text()
tap = Tap()
report = tap.result


def run_example():
    run = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=60)
    return run.stdout if run.returncode == 0 else f"failed: {run.stderr}"


found = re.search(r"<!-- example -->\n```\n(.*)```\n<!-- /example -->\n$", WIRE, re.S)
written = found.group(1) if found else ""
report(written.count("\n") > 30, "the document ends with a worked example")
if PROGRAM.exists():
    made = run_example()
    differing = [f"{old} | {new}" for old, new in zip(written.splitlines(), made.splitlines()) if old != new]
    report(made == written, "the worked example is byte for byte what the code prints", "\n".join(differing[:5]))
    report(run_example() == made, "the example is the same when it is made again")
else:
    report(False, "the program that prints the example is built", f"{PROGRAM} is missing: make seal-programs")

python = python_with("dissononce", "cryptography")
sentence = "dissononce and libsodium compute the same bytes without the product's code"
if python is None:
    report(True, sentence, skip="no Python here has dissononce (Debian: python3-dissononce)")
else:
    checked = subprocess.run([python, "-B", ROOT / "tests/peers/check_example.py", ROOT / "docs/WIRE.md"], capture_output=True,
                             text=True, timeout=60)
    report(checked.returncode == 0, sentence, checked.stderr)

vectors = ROOT / "docs/vectors/seal.json"
made = subprocess.run([PROGRAMS / "seal/seal_vectors"], capture_output=True, text=True, timeout=60)
report(made.returncode == 0 and made.stdout == vectors.read_text(), "the vectors are byte for byte what the code makes",
       made.stderr or "docs/vectors/seal.json differs: make wire-vectors")
made = subprocess.run([PROGRAMS / "seal/seal_vectors", "hybrid"], capture_output=True, text=True, timeout=60)
why = "this build has no ML-KEM (make mlkem-source)" if "no ML-KEM" in made.stderr else None
same = made.returncode == 0 and made.stdout == (ROOT / "docs/vectors/hybrid.json").read_text()
report(why is not None or same, "the hybrid vectors are byte for byte what the code makes",
       made.stderr or "docs/vectors/hybrid.json differs: make wire-vectors", skip=why)
sentence = "dissononce and a stream in Python compute all vectors and their errors without the product's code"
if python is None:
    report(True, sentence, skip="no Python here has dissononce (Debian: python3-dissononce)")
else:
    checked = subprocess.run([python, "-B", ROOT / "tests/peers/check_vectors.py", vectors], capture_output=True, text=True,
                             timeout=120)
    report(checked.returncode == 0 and "6 connections, 36 refused" in checked.stdout, sentence, checked.stderr or checked.stdout)

for sentence, words in (("the stream of the document, in Python without a library, opens the example's frames", ["docs/WIRE.md"]),
                        ("the stream of the document computes what libsodium computes", ["--compare", "1"])):
    checked = subprocess.run([sys.executable, "-B", ROOT / "tests/peers/secretstream.py", *words], capture_output=True, text=True,
                             timeout=60, cwd=ROOT)
    report(checked.returncode == 0, sentence, checked.stderr)

errors = re.findall(r"PFSWRAP_SEAL_(E_[A-Z_]+) = (-\d+)", HEADER)
peers = [name for name, value in errors if int(value) <= -20]
missing = [name for name in peers if f"`{name}`" not in WIRE]
report(len(peers) > 20 and not missing, "every error of the protocol is in the document", " ".join(missing))
unknown = [name for name in re.findall(r"`(E_[A-Z_0-9]+)`", WIRE) if name not in dict(errors)]
report(not unknown, "it names no error that does not exist", " ".join(unknown))

constants = dict(re.findall(r"PFSWRAP_SEAL_([A-Z_]+) = (\d+),", HEADER))
expected = {"CHUNK_MAX": "16,384", "HEADER_BYTES": "24", "BINDING_MAX": "32", "TLS_RECORD": "16,384"}
wrong = [name for name, text in expected.items() if int(text.replace(",", "")) != int(constants[name]) or text not in WIRE]
report(not wrong, "its numbers are those of the header", " ".join(wrong))

tap.finish()
