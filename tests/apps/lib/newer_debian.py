"""Commands that this Debian does not have, from the next release: unpacked into build/newer-debian and never installed.

Only for programs in Go, which need no library of their release. Where the mirror cannot be reached, tests are skipped.
"""

import fcntl
import subprocess

from lib.other_libssl import KEYRING, apt_options, mirror
from lib.process import BUILD
from lib.tap import Skip

SUITE, FOLDER = "trixie", BUILD / "newer-debian"


def fetch(package, folder):
    for part in ("state/lists/partial", "cache/archives/partial"):
        (FOLDER / part).mkdir(parents=True, exist_ok=True)
    (FOLDER / "state/status").touch()
    (FOLDER / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main\n")
    folder.mkdir(exist_ok=True)
    for arguments in (["update"], ["download", package]):
        done = subprocess.run(["apt-get", "-q", *apt_options(FOLDER), *arguments], cwd=folder, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Skip(f"{package} of Debian {SUITE} cannot be fetched: {words[-1] if words else 'apt-get failed'}")
    subprocess.run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder)], check=True)


def command(package, path):
    """The path of a command; `path` is where its package has it. Fetched at the first call. Raises Skip."""
    folder = FOLDER / package
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / path).exists():
            fetch(package, folder)
    return folder / path
