"""Other builds of OpenSSL than this machine's, unpacked into build/other-libssl and never installed.

Debian 11's OpenSSL 1.1.1 runs on this machine's libc; Debian 13's OpenSSL 3.5 needs a newer one and runs with its own,
started by its own ld.so. They come from the Debian mirror that this machine is configured for, by apt-get with separate
lists and caches. Where that mirror cannot be reached, the tests that need them are skipped.
Run as a script it fetches them all and prints what it has: python3 tests/apps/lib/other_libssl.py
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# pylint: disable=wrong-import-position
from lib.process import BUILD, find, run
from lib.tap import Skip

FOLDER = BUILD / "other-libssl"
PACKAGES = {
    "bullseye": ["openssl", "libssl1.1", "libssl-dev", "libgnutls28-dev"],
    "trixie": ["libssl-dev", "libgnutls28-dev", "openssl", "libssl3t64", "openssl-provider-legacy", "libc6", "libzstd1", "zlib1g"],
}
TRY_AGAIN = 600  # seconds after which a mirror that did not answer is tried again
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class OtherOpenSSL:
    """An unpacked openssl command and its libraries."""

    def __init__(self, suite):
        self.suite, self.root = suite, FOLDER / suite / "root"
        self.openssl = self.root / "usr" / "bin" / "openssl"

    def library_path(self):
        return ":".join(str(path) for path in (self.root / "usr/lib" / triplet(), self.root / "lib" / triplet(),
                                               self.root / "lib64", self.root / "usr/lib64") if path.is_dir())

    def loader(self):
        """Its own ld.so, or None if this machine's libc is new enough."""
        if "libc6" not in PACKAGES[self.suite]:
            return None
        return next(path for folder in ("usr/lib64", "lib64", f"usr/lib/{triplet()}", f"lib/{triplet()}")
                    for path in sorted((self.root / folder).glob("ld-linux*.so*")))

    def command(self, *arguments, preload=None, program=None):
        """(argv, environment) that run its openssl, or `program` with its libraries, optionally with a preload."""
        program = program or self.openssl
        environment = {"OPENSSL_CONF": "/dev/null"}
        loader = self.loader()
        if loader is None:
            environment["LD_LIBRARY_PATH"] = self.library_path()
            if preload:
                environment["LD_PRELOAD"] = str(preload)
            return [str(program), *map(str, arguments)], environment
        preloading = ["--preload", str(preload)] if preload else []
        return [str(loader), "--library-path", self.library_path(), *preloading, str(program),
                *map(str, arguments)], environment

    def headers(self):
        """The folders that a compiler searches for the headers of its OpenSSL, and of the GnuTLS of the same release."""
        return [self.root / "usr/include", self.root / "usr/include" / triplet()]

    def version(self):
        argv, environment = self.command("version")
        return run(argv, env=environment).text.strip()


def triplet():
    return {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}.get(os.uname().machine, "")


def mirror():
    """The Debian archive that this machine's apt is configured for: the site of its `main` component."""
    if not find("apt-get"):
        raise Skip("there is no apt-get, expected a Debian system that is not only unpacked")
    listing = subprocess.run(["apt-get", "indextargets", "--format", "$(IDENTIFIER) $(COMPONENT) $(ORIGIN) $(REPO_URI)"],
                             capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 4 and words[:3] == ["Packages", "main", "Debian"] and "security" not in words[3]:
            return words[3]
    raise Skip("apt on this machine is not configured for a Debian archive")


def apt_options(folder):
    """Separate lists, caches and state: nothing of the machine's apt is read or written."""
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null", "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": folder / "state", "Dir::State::Lists": folder / "state/lists",
        "Dir::State::status": folder / "state/status", "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "", "Acquire::Languages": "none", "Acquire::Retries": "2",
        "Acquire::http::Timeout": "20", "Acquire::https::Timeout": "20",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def fetch(suite):
    folder = FOLDER / suite
    for part in ("state/lists/partial", "cache/archives/partial", "root"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "state/status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    for arguments in (["update"], ["download", *PACKAGES[suite]]):
        done = subprocess.run(["apt-get", "-q", *apt_options(folder), *arguments], cwd=folder / "cache/archives",
                              capture_output=True, text=True, check=False)
        # apt-get update exits with 0 even if it could fetch nothing; the download then fails.
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Skip(f"Debian {suite} cannot be fetched: {words[-1] if words else 'apt-get failed'}")
    packages = sorted((folder / "cache/archives").glob("*.deb"))
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
    for part in ("etc", "usr/share"):  # not needed, and full of names that make and find cannot handle
        shutil.rmtree(folder / "root" / part, ignore_errors=True)


def get(suite):
    """The OpenSSL of a Debian suite ("bullseye": 1.1.1, "trixie": 3.5); fetched at the first call. Raises Skip."""
    other = OtherOpenSSL(suite)
    complete = FOLDER / suite / "complete-with-headers"
    if complete.exists():
        return other
    if not triplet():
        raise Skip(f"no {suite} build is known for {os.uname().machine}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / f"{suite}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unreachable = FOLDER / f"{suite}.unreachable"
        if unreachable.exists() and time.time() - unreachable.stat().st_mtime < TRY_AGAIN:
            raise Skip(unreachable.read_text())
        if not complete.exists():
            try:
                fetch(suite)
            except Skip as reason:
                unreachable.write_text(str(reason))
                raise
            complete.touch()
    return other


if __name__ == "__main__":
    for each in PACKAGES:
        try:
            print(f"{each}: {get(each).version()}")
        except Skip as reason:
            print(f"{each}: skipped: {reason}")
