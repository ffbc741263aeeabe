"""The sample in Swift (clients/swift): its module map fits the headers, and where a Swift is found, it compiles and connects."""

from lib.clients import echo, keys, page
from lib.process import BUILD, DEADLINE, ROOT, find, run, temporary_directory
from lib.tap import Skip, Tap, contains, equal

SAMPLE = ROOT / "clients/swift"
USES = b"@import CPfswrapSeal;\nint main(void) { return pfswrap_tunnel_pending(0) > 0 || PFSWRAP_SEAL_TLS_RECORD == 0; }\n"


def module_map():
    """Swift reads the headers with clang, as a module."""
    if not find("clang"):
        raise Skip("there is no clang here")
    done = run(["clang", "-fmodules", f"-fmodules-cache-path={temporary_directory()}", "-Werror", "-I", ROOT / "include",
                f"-fmodule-map-file={SAMPLE / 'Sources/CPfswrapSeal/module.modulemap'}", "-x", "objective-c", "-fsyntax-only", "-"],
               data=USES)
    equal(done.status, 0, f"{done!r}")


def compiled():
    if not find("swift-build"):
        raise Skip("there is no Swift here (swift-build)")
    folder = temporary_directory()
    built = run(["swift-build", "--package-path", SAMPLE, "--scratch-path", folder, "-Xcc", f"-I{ROOT / 'include'}",
                 "-Xlinker", f"-L{BUILD}"], timeout=10 * DEADLINE)
    equal(built.status, 0, f"{built!r}")
    get = [folder / "debug/seal-get", "127.0.0.1"]
    with echo(program=page(), clients="any") as (port, _):
        done = run([*get, port, keys.path("client"), keys.public("client"), keys.public("server")],
                   env={"LD_LIBRARY_PATH": str(BUILD)})
        equal((done.status, done.out), (0, b"HTTP/1.1 200 OK\r\n\r\nhello"), f"{done!r}")
        done = run([*get, port, "-", keys.public("client")], env={"LD_LIBRARY_PATH": str(BUILD)})
        equal((done.status, done.out), (1, b""), f"{done!r}")
        contains(done.text, "the server ended the connection during the handshake", "what it says")


def main():
    tap = Tap()
    for name, case in (("the module map gives Swift the C library's headers", module_map),
                       ("the sample compiles and uses the second pinned key", compiled)):
        with tap.case(name):
            case()
    tap.finish()


main()
