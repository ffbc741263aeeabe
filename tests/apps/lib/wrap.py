"""Runs a program under pfswrap with a policy of the test, and reads the audit log.

Uses the launcher of the build tree, or the one that $PFSWRAP names (an installed one).
"""

import json
import os

from lib.process import BUILD, TREE, temporary_directory, wait_until

LAUNCHER = os.environ.get("PFSWRAP", str(TREE / "scripts" / "pfswrap"))
LIBRARY = TREE / BUILD.name / "libpfswrap.so"


class Wrap:
    """One policy file and its audit log. `Wrap(tls={"min-version": "1.2"})`, then wrap.argv(["nginx", ...])."""

    def __init__(self, mode="enforce", children="protect", tls=None, extra=""):
        self.folder = temporary_directory()
        self.policy, self.log = self.folder / "policy.conf", self.folder / "audit.jsonl"
        lines = ["[policy]", f"mode = {mode}", f"log = {self.log}", f"children = {children}", "[tls]"]
        for key, value in (tls or {}).items():
            lines += [f"{key} = {each}" for each in (value if isinstance(value, list) else [value])]
        self.policy.write_text("\n".join(lines + [extra, ""]))
        self.policy.chmod(0o600)

    def argv(self, command):
        return [LAUNCHER, "run", "--policy", str(self.policy), "--", *map(str, command)]

    def preload(self):
        """The environment that does the same without the launcher."""
        return {"LD_PRELOAD": str(LIBRARY), "PFSWRAP_POLICY": str(self.policy)}

    def events(self, kind=None, **fields):
        """The events of the log that have this kind and these fields, if given. A line that is not JSON raises."""
        text = self.log.read_text() if self.log.exists() else ""
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                event = json.loads(line)
            except ValueError as error:
                if number == len(text.splitlines()) and not text.endswith("\n"):
                    break  # still being written
                raise AssertionError(f"{self.log}:{number}: no JSON ({error}): {line[:200]!r}") from None
            found.append(event)
        return [event for event in found if (kind is None or event.get("event") == kind) and
                all(event.get(name.rstrip("_")) == value for name, value in fields.items())]

    def wait_event(self, kind, skip=0, **fields):
        """The first event of that kind with these fields, after the first `skip` of them; waits for it."""
        return wait_until(lambda: self.events(kind, **fields)[skip:],
                          lambda: f"an event {kind} {fields}; the log says: {self.tail()}")[0]

    def tail(self):
        return self.log.read_text()[-2000:] if self.log.exists() else "(no log file)"


class WireWrap(Wrap):
    """A policy with a [wire] section, and `rules` after it."""

    def __init__(self, plaintext="log", rules="", tls="pfs", **settings):
        super().__init__(extra=f"[wire]\ntls = {tls}\nplaintext = {plaintext}\n{rules}", **settings)
