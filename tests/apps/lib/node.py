"""The Node.js package (clients/node) with what it depends on, in a folder of the build: nothing is installed into the tree."""

import fcntl
import shutil

from lib.process import BUILD, ROOT, run
from lib.tap import skip_all

SOURCE, FOLDER = ROOT / "clients/node", BUILD / "clients/node"


def node_package():
    """The folder, with this tree's files. Ends the script if node or npm is missing, or npm cannot reach its registry."""
    if not shutil.which("node") or not shutil.which("npm"):
        skip_all("there is no node and npm here")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER.parent / "node.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two scripts use it
        for name in ("clients/node", "docs/vectors", "examples/node"):  # they find each other in the same way as in the tree
            source, target = ROOT / name, BUILD / name
            for path in source.rglob("*"):
                if path.is_file() and "node_modules" not in path.parts:
                    copy(path, target / path.relative_to(source))
        installed, wanted = FOLDER / "installed", (SOURCE / "package-lock.json").read_text()
        if not installed.exists() or installed.read_text() != wanted:
            done = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, timeout=180)
            if done.status != 0:
                skip_all(f"npm ci failed: {' '.join(done.text.split())[-300:]}")
            installed.write_text(wanted)
    return FOLDER


def copy(path, target):
    """Only what has changed, whole: another script may read it now."""
    if target.exists() and target.read_bytes() == path.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    shutil.copy(path, new)
    new.rename(target)
