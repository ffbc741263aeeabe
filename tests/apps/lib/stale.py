"""Whether a shared object for another C library or machine is older than its sources, which `make all` does not build again."""

import functools

from lib.process import ROOT


@functools.lru_cache(maxsize=None)
def stale(shared, folder, command):
    """
    Why `shared` must be built again, or None: the first of its sources that is newer. They are those that the compiler wrote
    down (*.d) in `folder`, so this is what make would say. `command` builds it.
    """
    built = shared.stat().st_mtime_ns
    for rules in sorted((folder / "shim").rglob("*.d")):
        for word in rules.read_text().replace("\\\n", " ").split():
            path = ROOT / word
            if not word.endswith(":") and path.exists() and path.stat().st_mtime_ns > built:
                return f"{shared} is older than {word}, expected '{command}' before"
    return None
