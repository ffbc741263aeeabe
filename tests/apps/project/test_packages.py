"""What `make install` and `make tarball` put on a machine: stripped files with their debug files, man pages, a bill of
materials that is true, and a tree that works in every folder. `make check-packages` tests the packages."""

import json
import re
import shutil
import subprocess

from lib.process import BUILD, ROOT, find, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal

SCRIPTS = ROOT / "scripts"
QUIET = {"MAKEFLAGS": "", "MFLAGS": "", "MAKELEVEL": ""}
tap = Tap()


def make(*words):
    return run(["make", "-s", "-C", ROOT, *words], env=QUIET, timeout=300)


def install(prefix):
    folder = temporary_directory()
    result = make("install-base", f"DESTDIR={folder}", f"PREFIX={prefix}")
    equal((result.status, result.err), (0, b""), f"status and standard error of {result!r}")
    return folder / prefix.lstrip("/")


def build_id(path):
    return re.findall(r"Build ID: (\w+)", run(["readelf", "-n", path]).text)


def listed():
    """The lines of the list that the build made: name, version, package, licence, checksum."""
    found = sorted(BUILD.glob("components-*"))
    equal(len(found), 1, "lists of components in the build folder")
    return found[0], [line.split("\t") for line in found[0].read_text().splitlines()]


def binaries(prefix):
    for name in ("lib/pfswrap/libpfswrap.so", "libexec/pfswrap/pfswrap-tool", "libexec/pfswrap/pfswrap-seal"):
        path = prefix / name
        debug = path.parent / ".debug" / f"{path.name}.debug"
        with tap.case(f"{name} is installed without debug information, which is in a file beside it"):
            sections = run(["readelf", "-SW", path]).text
            check(".debug_info" not in sections and ".symtab" not in sections, "debug information in the installed file")
            contains(sections, ".gnu_debuglink", "sections")
            contains(run(["readelf", "-SW", debug]).text, ".debug_info", "sections of the debug file")
            equal(build_id(path), build_id(debug), "build-id")
            equal(len(build_id(path)), 1, "build-ids")
        with tap.case(f"{name} names no folder of the build"):
            check(str(ROOT).encode() not in path.read_bytes() + debug.read_bytes(), f"{ROOT} in {path.name}")


def library_pages():
    with tap.case("each function of libpfswrap-seal has a declaration in a man page, and no page has another one"):
        exported = set(re.findall(r" T (pfswrap_\w+)", run(["nm", "-D", "--defined-only", BUILD / "libpfswrap-seal.so"]).text))
        pages = "".join(path.read_text() for path in (ROOT / "docs/man").glob("*.3.scd"))
        declared = set(re.findall(r"^\*[^\n]*?(pfswrap_\w+)\((?:struct|const|enum|void|int|uint8_t|char)", pages, re.MULTILINE))
        check(len(exported) > 40, f"{len(exported)} functions")
        equal((sorted(exported - declared), sorted(declared - exported)), ([], []), "functions without, and pages without a function")


def texts(prefix):
    with tap.case("man pages and policies are installed, and name the folder that they are in"):
        for page in ("man1/pfswrap.1", "man1/pfswrap-agent.1", "man1/pfswrap-keys.1", "man1/pfswrap-rotate.1", "man1/pfswrap-seal.1",
                     "man1/pfswrap-status.1",
                     "man3/pfswrap_keyring.3", "man3/pfswrap_seal.3", "man3/pfswrap_tunnel.3", "man5/pfswrap.conf.5"):
            check((prefix / "share/man" / page).stat().st_size > 1000, f"a page in {page}")
        policies = prefix / "share/pfswrap/policy"
        contains((policies / "sealed-service.conf").read_text(), "/opt/x/share/pfswrap/policy/sealed-service.conf", "policy")
        found = [path.name for path in [*policies.iterdir(), *prefix.glob("share/man/*/*")] if "/usr/local/" in path.read_text()]
        equal(found, [], "texts that name /usr/local")

    with tap.case("the units of the key agent are installed, and start what is installed"):
        service = (prefix / "lib/systemd/system/pfswrap-agent.service").read_text()
        contains(service, "ExecStart=/opt/x/bin/pfswrap agent\n", "the unit")
        contains((prefix / "lib/systemd/system/pfswrap-agent.socket").read_text(), "/run/pfswrap/agent.sock", "the socket")

    with tap.case("an installation without man pages is refused, and nothing is installed"):
        folder = temporary_directory()
        result = make("install-base", f"DESTDIR={folder}", "SCDOC=")
        check(result.status != 0, f"status of {result!r}")
        contains(result.text, "man: no pages, since scdoc is not installed; expected 'scripts/install-deps build'", "message")
        equal(list(folder.iterdir()), [], "what it has installed")


def components(prefix):
    with tap.case("version --json names the libraries inside, with the versions that are installed"):
        said = json.loads(run([prefix / "bin/pfswrap", "version", "--json"]).out)
        lines = listed()[1]
        equal([[each["name"], each["version"], each["package"] or "-", each["licence"], each["sha256"]]
               for each in said["components"]], lines, "components")
        check({"libsodium", "inih"} <= {line[0] for line in lines}, f"libsodium and inih among {lines}")
        header = subprocess.run(["cc", "-E", "-P", "-"], input="#include <sodium.h>\nSODIUM_VERSION_STRING\n",
                                capture_output=True, text=True, check=True).stdout.split()[-1].strip('"')
        equal({line[0]: line[1] for line in lines}["libsodium"], header, "version of libsodium")

    with tap.case("the bill of materials is valid, and has the checksums of the installed files"):
        arguments = [prefix / "share/doc/pfswrap/pfswrap.cdx.json", listed()[0], prefix / "lib/pfswrap/libpfswrap.so",
                     prefix / "libexec/pfswrap/pfswrap-tool", prefix / "libexec/pfswrap/pfswrap-seal"]
        result = run([SCRIPTS / "packages/check-sbom", *arguments])
        equal((result.status, result.text), (0, ""), f"status and output of {result!r}")
        wrong = temporary_directory() / "libpfswrap.so"
        wrong.write_bytes(b"another object")
        result = run([SCRIPTS / "packages/check-sbom", *arguments[:2], wrong, *arguments[3:]])
        equal(result.status, 1, "status for another object")
        contains(result.text, "libpfswrap.so has another checksum", "message")

    with tap.case("a fixed libsodium links the object again, though its file is old"):
        library = run(["cc", "-print-file-name=libsodium.a"]).out.decode().strip()
        fixed = temporary_directory() / "libsodium.a"
        shutil.copy2(library, fixed)
        equal(make("--question", f"{BUILD.name}/libpfswrap.so").status, 0, "status with the same library")
        equal(make("--question", f"{BUILD.name}/libpfswrap.so", f"SODIUM={fixed}").status, 0, "status with a copy")
        with open(fixed, "ab") as file:
            file.write(b"fixed")
        equal(make("--question", f"{BUILD.name}/libpfswrap.so", f"SODIUM={fixed}").status, 1, "status with another one")


def archive():
    with tap.case("the archive works in two folders: it forces a server, and seals another"):
        if not all(map(find, ("openssl", "socat"))):
            raise Skip("needs openssl and socat")
        result = make("tarball")
        equal(result.status, 0, f"status of {result!r}")
        path = ROOT / result.out.decode().split()[-1]
        for name in ("one", "another-place"):
            folder = temporary_directory() / name
            folder.mkdir()
            run(["tar", "-xzf", path, "-C", folder])
            launcher = next(folder.glob("pfswrap-*")) / "bin/pfswrap"
            result = run([SCRIPTS / "packages/scenario", "--launcher", launcher, "forced", "sealed", "agent"], timeout=200)
            equal((result.status, result.text.count("ok: ")), (0, 7), f"status and claims of {result!r}")
            contains((launcher.parents[1] / "lib/systemd/system/pfswrap-agent.service").read_text(),
                     "ExecStart=/usr/local/bin/pfswrap agent\n", "the unit in an archive for /usr/local")


def main():
    prefix = install("/opt/x")
    binaries(prefix)
    library_pages()
    texts(prefix)
    components(prefix)
    archive()
    tap.finish()


main()
