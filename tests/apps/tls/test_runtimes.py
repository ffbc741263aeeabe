"""Runtimes with their own TLS that an environment variable configures: Node.js and Java, and what they execute."""

from lib.offered import SCSV, Trap
from lib.process import find, run, temporary_directory
from lib.tap import Tap, check, contains, equal, lacks
from lib.wrap import Wrap

NODE = "require('tls').connect({port: +process.argv[1], host: '127.0.0.1'}).on('error', () => {})"
# Node.js started by a shell that Node.js started
NODE_CHILD = "require('child_process').execFileSync('sh', ['-c', `node -e \"${process.argv[2]}\" ${process.argv[1]}`])"
JAVA = """
import javax.net.ssl.*;
public class Client {
    public static void main(String[] words) throws Exception {
        int port = Integer.parseInt(words[0]);
        SSLSocket socket = (SSLSocket) SSLSocketFactory.getDefault().createSocket("127.0.0.1", port);
        try { socket.startHandshake(); } catch (SSLException error) { System.out.println("refused"); }
    }
}
"""


def offer(argv, wrap=None, env=None):
    with Trap() as trap:
        argv = [str(trap.port) if word == "PORT" else word for word in argv]
        result = run(wrap.argv(argv) if wrap else argv, env=env)
        check(trap.offers, f"expected a ClientHello: {trap.errors} {result!r}")
        return trap.offers[0], result


def check_tls13(found):
    equal([version for version in found.versions if version & 0x0f0f != 0x0a0a], [0x0304], "versions")
    check(all(suite >> 8 == 0x13 or suite in SCSV for suite in found.suites),
          f"suites of TLS 1.3 alone expected: {found}")


def prove(tap, name, argv, variable, *more):
    if find(argv[0]) is None:
        tap.result(True, f"{name} wrapped offers TLS 1.3 alone", skip=f"{argv[0]} is not installed")
        return
    with tap.case(f"{name} bare also offers TLS 1.2, so that TLS 1.3 alone means something"):
        contains(offer(argv)[0].versions, 0x0303, "versions")
    with tap.case(f"{name} wrapped offers TLS 1.3 alone, and logs it"):
        wrap = Wrap()
        found, _ = offer(argv, wrap)
        check_tls13(found)
        contains(wrap.wait_event("override", setting=variable)["forced"], "1.3", "forced")
    with tap.case(f"{name} wrapped with min-version = 1.2 offers TLS 1.2 with ECDHE and AEAD at least"):
        found, _ = offer(argv, Wrap(tls={"min-version": "1.2"}))
        contains(found.versions, 0x0303, "versions")
        check(not [suite for suite in found.suites if suite >> 8 == 0x00 and suite not in SCSV],
              f"no static RSA expected: {found}")
    with tap.case(f"{name} in audit mode is not changed"):
        contains(offer(argv, Wrap(mode="audit"))[0].versions, 0x0303, "versions")
    for words, other in more:
        with tap.case(f"{name} {words}"):
            check_tls13(offer(other, Wrap())[0])


def main():
    tap = Tap()
    prove(tap, "Node.js", ["node", "-e", NODE, "PORT"], "NODE_OPTIONS",
          ("that a shell executes, which Node.js has executed, offers TLS 1.3 alone", ["node", "-e", NODE_CHILD, "PORT",
                                                                                   NODE]))
    source = temporary_directory() / "Client.java"
    source.write_text(JAVA)
    prove(tap, "Java", ["java", str(source), "PORT"], "JAVA_TOOL_OPTIONS")
    if find("node"):
        with tap.case("the operator's options stay, except weaker ones"):
            wrap = Wrap()
            env = {"NODE_OPTIONS": "--no-warnings --tls-min-v1.0 --tls-max-v1.2"}
            script = "console.log(process.env.NODE_OPTIONS)"
            result = run(wrap.argv(["node", "-e", script]), env=env)
            check(result.out.startswith(b"--no-warnings --tls-min-v1.3 "), f"{result!r}")
            lacks(result.out, b"max", "options")
    tap.finish()


main()
