"""The Node.js package (clients/node): all vectors, its types, and connections with programs under pfswrap, both ways and in TLS."""

import json
import re

from lib.clients import CASES, Client, echo, example_says, hybrid, keys, own
from lib.node import node_package
from lib.process import DEADLINE, run
from lib.tap import Skip, Tap, check, equal


def vectors(folder):
    """What node:test prints at its end. Those of hybrid patterns are skipped where the optional package does not run."""
    done = run(["node", "--test", "--test-reporter=tap", folder / "test/vectors.test.mjs",
                folder / "test/socket.test.mjs"])
    found = {name: int(count) for name, count in re.findall(r"^# (tests|pass|fail|skipped) (\d+)$", done.text, re.MULTILINE)}
    equal((done.status, found.get("fail")), (0, 0), f"{done!r}")
    check(found["pass"] + found["skipped"] == found["tests"] >= 53, f"{found}")


def types(folder):
    compiler = folder / "node_modules/typescript/bin/tsc"
    if not compiler.exists():
        raise Skip("there is no TypeScript in node_modules: npm ci could not install it")
    done = run(["node", compiler, "-p", folder], timeout=2 * DEADLINE)
    equal((done.status, done.out), (0, b""), f"{done!r}")


def with_kem(folder, client):
    if not (folder / "node_modules/@noble/post-quantum").exists():
        raise Skip("npm ci did not install @noble/post-quantum: it needs Node.js 20.19")
    hybrid(client)


def without_kem(folder):
    """The optional package is missing: a hybrid handshake is refused, and other connections work."""
    bare = Client(["node", "--import", "data:text/javascript," + HIDE, folder / "test/scenarios.mjs"])
    try:
        with echo() as (port, _):
            bare.fails("echo", "E_NO_HYBRID", "@noble/post-quantum is not installed", port=port, hybrid=1, **own())
            bare.run("echo", port=port, **own())
    finally:
        bare.stop()


# A loader that does not find the package.
HIDE = ("import{register}from'node:module';register('data:text/javascript,export async function resolve(name,context,next){"
        "if(name.startsWith(%22@noble%22)){throw Object.assign(new Error(%22hidden%22),{code:%22ERR_MODULE_NOT_FOUND%22})}"
        "return next(name,context)}')")


def example(folder):
    """examples/get.mjs, run as a developer would, and what it says when it is refused."""
    example_says(["node", folder / "examples/get.mjs", "127.0.0.1"], "update-app")


def hidden_secrets(folder):
    """A secret key does not show itself in logs."""
    program = ("import('" + str(folder / "index.mjs") + "').then(({SecretKey})=>{const key=new SecretKey(process.argv[1]);"
               "console.log(key,{key},[key],JSON.stringify({key}),`${key}`,Object.getOwnPropertyNames(key));"
               "if(key.export()!==process.argv[1])process.exit(3)})")
    secret = keys.path("client").read_text().split()[0]
    done = run(["node", "-e", program, secret])
    equal(done.status, 0, f"{done!r}")
    check("SecretKey" in done.text and secret[:8] not in done.text, done.text)


def package(folder):
    """It uses libsodium-wrappers and node:crypto only, and reads no key out of WebAssembly memory."""
    manifest = json.loads((folder / "package.json").read_text())
    equal(list(manifest["dependencies"]), ["libsodium-wrappers"], "what it depends on")
    text = "".join(path.read_text() for path in sorted((folder / "lib").glob("*.mjs")))
    check("WebAssembly." not in text and "indexOf('expand" not in text, "the memory of WebAssembly is searched")


def main():
    tap = Tap()
    folder = node_package()
    client = Client(["node", folder / "test/scenarios.mjs"])
    for name, case in (
            ("passes its own tests: every vector, and what destroy() says", vectors),
            ("its types fit their uses", types),
            ("depends on libsodium alone, and finds no key in its memory", package),
            ("a secret key shows nothing of itself", hidden_secrets),
            ("the example uses the second pinned key, and says what to do", example)):
        with tap.case(name):
            case(folder)
    for name, case in CASES:
        with tap.case(name):
            case(client)
    with tap.case("a hybrid handshake with re-handshakes"):
        with_kem(folder, client)
    with tap.case("without the optional package, hybrid handshakes are refused and others work"):
        without_kem(folder)
    client.stop()
    tap.finish()


main()
