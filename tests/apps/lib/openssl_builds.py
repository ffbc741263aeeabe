"""The openssl commands that the tests use: this machine's, and the other builds of lib.other_libssl.

Each has a name, and a launch function for the tables of lib.legacy that runs an `openssl` command with that build, bare
or wrapped.
"""

from lib import other_libssl
from lib.process import BUILD, DEADLINE, run
from lib.tap import Skip
from lib.wrap import LIBRARY


class Build:
    """One openssl command. `launch` takes ["openssl", ...] as lib.legacy's tables give it."""

    def __init__(self, name, other=None):
        self.name, self.other = name, other

    def launch(self, argv, wrap=None):
        """(argv, environment). A build with its own ld.so gets the preload from here: the launcher cannot start it."""
        if self.other is None:
            return (wrap.argv(argv) if wrap else argv), None
        if wrap and self.other.loader():
            command, environment = self.other.command(*argv[1:], preload=LIBRARY)
            return command, dict(environment, PFSWRAP_POLICY=str(wrap.policy))
        command, environment = self.other.command(*argv[1:])
        return (wrap.argv(command) if wrap else command), environment

    def run(self, *words, wrap=None, data=b"", timeout=DEADLINE):
        argv, environment = self.launch(["openssl", *words], wrap)
        return run(argv, data=data, env=environment, timeout=timeout)


def builds(tap):
    """Every build that is available; each other one is a skipped case. For musl and i386 there is one (mk/musl.mk, mk/i386.mk)."""
    found = [Build("openssl " + run(["openssl", "version"]).text.split()[1])]
    if "musl" in BUILD.name or "i386" in BUILD.name:
        return found
    for suite in other_libssl.PACKAGES:
        try:
            other = other_libssl.get(suite)
            found.append(Build("openssl " + other.version().split()[1], other))
        except Skip as reason:
            tap.result(True, f"openssl of Debian {suite} wrapped", skip=str(reason))
    return found
