"""The tree that `make install` puts in place: the launcher finds its library there, and `make uninstall` leaves nothing."""

import shutil

from lib.command import environment, pfswrap, refused
from lib.process import ROOT, run, temporary_directory
from lib.tap import Tap, check, equal

tap = Tap()


def make(target, folder, prefix):
    result = run(["make", "-s", "-C", ROOT, target, f"DESTDIR={folder}", f"PREFIX={prefix}"],
                 env={"MAKEFLAGS": "", "MFLAGS": ""}, timeout=120)
    equal(result.status, 0, f"status of {result!r}")


def install(prefix="/opt/pfswrap"):
    """`make install` into a new directory. Returns its PREFIX."""
    folder = temporary_directory()
    make("install", folder, prefix)
    return folder / prefix.lstrip("/")


def works_installed():
    with tap.case("the installed launcher preloads the installed library, also through a symbolic link"):
        prefix = install()
        library = prefix / "lib" / "pfswrap" / "libpfswrap.so"
        equal(environment(launcher=prefix / "bin" / "pfswrap").get("LD_PRELOAD"), str(library), "LD_PRELOAD")
        link = temporary_directory() / "wrap"
        link.symlink_to(prefix / "bin" / "pfswrap")
        equal(environment(launcher=link).get("LD_PRELOAD"), str(library), "LD_PRELOAD through a link")
        for name in ("share/bash-completion/completions/pfswrap", "share/pfswrap/policy/strict.conf"):
            check((prefix / name).is_file(), f"expected {prefix / name} to be installed")

    with tap.case("an installed library that is missing, for another machine, not a library or writable by others is refused"):
        launcher = prefix / "bin" / "pfswrap"
        original = library.read_bytes()
        library.chmod(0o646)
        refused(pfswrap("run", "true", launcher=launcher), 125, f"{library} is writable by others, expected chmod o-w")
        library.chmod(0o644)
        library.write_bytes(original[:18] + b"\x03\x00" + original[20:])
        refused(pfswrap("run", "true", launcher=launcher), 125, f"{library} is no shared object for this machine")
        library.write_bytes(b"")
        refused(pfswrap("run", "true", launcher=launcher), 125, f"{library} is no shared object for this machine")
        library.unlink()
        refused(pfswrap("run", "true", launcher=launcher), 125, f"{library} cannot be read: No such file or directory")

    with tap.case("a path that LD_PRELOAD cannot express is refused"):
        for name in ("a b", "a:b", "$ORIGIN"):
            place = temporary_directory() / name
            shutil.copytree(prefix / "bin", place / "bin", symlinks=True)
            shutil.copytree(prefix / "libexec", place / "libexec")
            refused(pfswrap("run", "true", launcher=place / "bin" / "pfswrap"), 125,
                    f"{place}/lib/pfswrap/libpfswrap.so cannot be preloaded, expected a path without blanks, ':' and '$'")

    with tap.case("uninstall removes everything that install put there"):
        folder = temporary_directory()
        make("install", folder, "/usr")
        check((folder / "usr/bin/pfswrap").is_file(), "expected install to install")
        make("uninstall", folder, "/usr")
        equal([str(path) for path in folder.rglob("*") if not path.is_dir()], [], "files that are left")
        equal([str(path) for path in folder.rglob("*pfswrap*")], [], "directories of pfswrap that are left")


works_installed()
tap.finish()
