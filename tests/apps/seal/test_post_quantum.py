"""post-quantum: hybrid handshakes of wrapped programs and `pfswrap seal`, who may connect to whom, small stacks, what the log,
`status` and `connections` say; and [tls] post-quantum = require with an OpenSSL that has no such group."""

import json
import subprocess

from lib import certs, renewal
from lib.process import PROGRAMS, Process, free_port, run
from lib.seal import Keys, SealWrap, calls_on_small_stacks, needs_seal, seal_connect
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

WITHOUT = "post-quantum: no" in run([LAUNCHER, "version"]).out.decode()
REASON = "this build has no ML-KEM (make mlkem-source)"


def needs_mlkem():
    needs_seal()
    if WITHOUT:
        raise Skip(REASON)


def admission(tap, keys):
    """(the server's setting, the client's, the pattern or the reason of the refusal)"""
    for server, client, expected in ((None, None, "IK"), ("allow", None, "IK"), ("allow", "require", "IKhfs"),
                                     ("require", "require", "IKhfs"),
                                     ("require", None, "the client uses no post-quantum handshake, and one is required"),
                                     ("off", "require", "the client uses a post-quantum handshake, which is not allowed here")):
        with tap.case(f"a server with {server or 'the default'} and a client with {client or 'the default'}: {expected}"):
            needs_mlkem()
            port = free_port()
            wrap = SealWrap(keys, listen=port, post_quantum=server)
            with Process(wrap.argv([PROGRAMS / "seal/sock_serve", port])) as process:
                process.wait_for_port(port)
                result = seal_connect(keys, port, *(["--post-quantum", client] if client else []))
                if " " in expected:
                    check(result.status != 0, f"{result!r}")
                    equal(wrap.wait_event("refused")["reason"], expected, "reason")
                    check(not wrap.events("opened"), f"nothing was opened: {wrap.tail()}")
                else:
                    equal((result.status, result.out), (0, b"hello\n"), f"{result!r}")
                    equal(wrap.wait_event("opened")["pattern"], expected, "pattern in the log")
                    contains(result.err.decode(), f"pattern  {expected},", "what -v prints")


def wrapped(tap, keys):
    with tap.case("both ends wrapped: data passes, keys are renewed every hour, and each side logs the pattern"):
        needs_mlkem()
        port = free_port()
        wraps = {"listen": SealWrap(keys, listen=port, post_quantum="require"),
                 "connect": SealWrap(keys, connect=port, post_quantum="require")}
        renewal.one_way(port, "listen", wraps)
        for wrap in wraps.values():
            equal({event["pattern"] for event in wrap.events("opened") + wrap.events("closed")}, {"IKhfs"}, "patterns in the log")
    with tap.case("every call works on a stack of 8 KiB, and the hybrid handshake in it"):
        needs_mlkem()
        port = free_port()
        wrap = SealWrap(keys, listen=port, connect=port, post_quantum="require")
        calls_on_small_stacks(wrap, port)
        equal({event["pattern"] for event in wrap.events("opened")}, {"IKhfs"}, "patterns in the log")


def reported(tap, keys):
    with tap.case("connections says that an open connection is hybrid"):
        needs_mlkem()
        port = free_port()
        wrap = SealWrap(keys, listen=port, post_quantum="require")
        with Process(wrap.argv([PROGRAMS / "seal/sock_serve", port])) as process:
            process.wait_for_port(port)
            client = Process([LAUNCHER, "seal", "connect", "--identity", keys.path("client"), "--peers", keys.peers, "--peer", "peer",
                              "--post-quantum", "require", f"127.0.0.1:{port}"], stdin=subprocess.PIPE)
            with client:
                wrap.wait_event("opened")
                lines = run([LAUNCHER, "connections", "--json"]).out.decode().splitlines()
                found = [json.loads(line)["pattern"] for line in lines if f":{port}" in line]
                equal(found, ["IKhfs"], f"patterns in {lines}")
                client.popen.stdin.close()
                client.popen.stdin = None
                client.wait()


def checked(tap, keys):
    with tap.case("check prints the key, and refuses allow for a client"):
        needs_mlkem()
        wrap = SealWrap(keys, listen=1, connect=2, post_quantum="require")
        equal(run([LAUNCHER, "check", wrap.policy]).out.decode().count("post-quantum = require"), 2, "lines with the key")
        result = run([LAUNCHER, "check", SealWrap(keys, connect=2, post_quantum="allow").policy])
        equal(result.status, 1, "status")
        contains(result.err.decode(), "expected require or off", "message")
    with tap.case("a build without ML-KEM refuses what requires it, and says that allow has no effect"):
        needs_seal()
        if not WITHOUT:
            raise Skip("this build has ML-KEM; tests/apps/project/test_mlkem_object.py makes one without")
        result = run([LAUNCHER, "check", SealWrap(keys, listen=1, post_quantum="require").policy])
        equal(result.status, 1, "status")
        contains(result.err.decode(), "built without ML-KEM", "message")
        result = run([LAUNCHER, "check", SealWrap(keys, listen=1, post_quantum="allow").policy])
        equal(result.status, 0, "status")
        contains(result.err.decode(), "allow has no effect", "warning")


def tls(tap):
    with tap.case("[tls] post-quantum = require with an OpenSSL that has no such group: refused, with the reason"):
        if "X25519MLKEM768" in run(["openssl", "list", "-kem-algorithms"]).text:
            raise Skip("this OpenSSL has the group")
        server, port = certs.server(), free_port()
        with Process(["openssl", "s_server", "-accept", port, "-cert", server.cert, "-key", server.key, "-quiet"]) as process:
            process.wait_for_port(port)
            wrap = Wrap(tls={"post-quantum": "require"})
            result = run(wrap.argv(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"]))
            check(result.status != 0, f"{result!r}")
            contains(wrap.wait_event("refused")["reason"], "knows none of the policy's groups", "reason")


def main():
    tap = Tap()
    keys = Keys("peer", "client")
    admission(tap, keys)
    wrapped(tap, keys)
    reported(tap, keys)
    checked(tap, keys)
    tls(tap)
    tap.finish()


main()
