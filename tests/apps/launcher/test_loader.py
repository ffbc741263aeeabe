"""How the dynamic loader may bypass a preload: other preloads, plug-ins, RUNPATH, RTLD_DEEPBIND, two libssls, none."""

from lib import other_libssl, peers
from lib.process import BUILD, PROGRAMS, run
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LIBRARY, Wrap

LOADS, UNUSUAL = PROGRAMS / "tls/loads", PROGRAMS / "tls/unusual"
PLUGINS = BUILD / "tests" / "apps" / "plugins"
COUNTS, CLIENT, OPENER = PLUGINS / "counts.so", PLUGINS / "client.so", PLUGINS / "opener.so"


def prove_other_preload(tap, server):
    bare = run([UNUSUAL, "shutdown", server.port], env={"LD_PRELOAD": str(COUNTS)})
    for order, preloads, counted in (("before", (COUNTS, LIBRARY), "counted SSL_CTX_new 1 SSL_connect 1 close some"),
                                     ("after", (LIBRARY, COUNTS), None)):
        with tap.case(f"a preload that calls on by RTLD_NEXT works {order} the shim, and the connection is upgraded"):
            equal((bare.status, bare.lines[:2]), (0, ["connect 1 error 0", "alive 1"]), f"bare: {bare!r}")
            wrap = Wrap()
            environment = {"LD_PRELOAD": ":".join(map(str, preloads)), "PFSWRAP_POLICY": str(wrap.policy)}
            result = run([UNUSUAL, "shutdown", server.port], env=environment)
            equal((result.status, result.lines[:2]), (0, ["connect 1 error 0", "alive 1"]), f"{result!r}")
            if counted:
                equal((bare.lines[2:], result.lines[2:]), ([counted], [counted]), "what the other preload saw, bare and wrapped")
            else:
                check(result.lines[2].endswith("close some"), f"the other preload should see close: {result!r}")
            equal(len(wrap.events("handshake", version="TLSv1.3")), 1, f"handshakes; log: {wrap.tail()}")
        for mode in ("deepbind", "local"):
            with tap.case(f"a plug-in ({mode}) is upgraded with another preload {order} the shim"):
                wrap = Wrap()
                environment = {"LD_PRELOAD": ":".join(map(str, preloads)), "PFSWRAP_POLICY": str(wrap.policy)}
                result = run([LOADS, mode, CLIENT, server.port], env=environment)
                equal(result.lines[:1], ["connect 1 version TLSv1.3"], f"{result!r}")
                equal(len(wrap.events("handshake", version="TLSv1.3")), 1, f"handshakes; log: {wrap.tail()}")


def prove_plugin(tap, server):
    for mode in ("local", "deepbind"):
        with tap.case(f"a plug-in linked with libssl is upgraded when it is opened {mode}, and can be closed"):
            equal(run([LOADS, mode, CLIENT, server.port]).lines, ["connect 1 version TLSv1.2"], "bare")
            wrap = Wrap()
            result = run(wrap.argv([LOADS, mode, CLIENT, server.port]))
            equal((result.status, result.lines), (0, ["connect 1 version TLSv1.3"]), f"{result!r}; log: {wrap.tail()}")
            equal(len(wrap.events("handshake", version="TLSv1.3")), 1, f"handshakes; log: {wrap.tail()}")
    with tap.case("a plug-in in its opener's RUNPATH is found, and upgraded"):
        words = [LOADS, "runpath", OPENER, CLIENT.name, server.port]
        equal(run(words).lines, ["found by the program 0", "connect 1 version TLSv1.2"], "bare")
        result = run(Wrap().argv(words))
        equal(result.lines, ["found by the program 0", "connect 1 version TLSv1.3"], f"{result!r}")


def prove_absent(tap):
    with tap.case("a program without libssl does not find SSL_CTX_new, and finds close"):
        bare, result = run([LOADS, "absent"]), run(Wrap().argv([LOADS, "absent"]))
        equal(bare.lines, ["SSL_CTX_new 0 error 1", "SSL_CTX_new next 0", "close 1"], "bare")
        equal(result.lines, bare.lines, f"{result!r}")


def prove_two(tap, server):
    sentence = "libssl 1.1.1 and 3.0 in one process are both upgraded and both logged"
    try:
        folder = other_libssl.get("bullseye").root / "usr/lib" / other_libssl.triplet()
    except Skip as reason:
        tap.result(True, sentence, skip=str(reason))
        return
    environment = {"LD_LIBRARY_PATH": str(folder), "OPENSSL_CONF": "/dev/null"}
    for names in (("libssl.so.1.1", "libssl.so.3"), ("libssl.so.3", "libssl.so.1.1")):
        with tap.case(f"{sentence} ({names[0]} first)"):
            words = [LOADS, "two", *names, server.port]
            expected = [f"library {number} connect 1 version {{}} data 1" for number in (0, 1, 0, 1)]
            equal(run(words, env=environment).lines, [line.format("TLSv1.2") for line in expected], "bare")
            wrap = Wrap()
            result = run(wrap.argv(words), env=environment)
            equal(result.lines, [line.format("TLSv1.3") for line in expected], f"{result!r}; log: {wrap.tail()}")
            equal(len(wrap.events("handshake", version="TLSv1.3")), 4, f"handshakes; log: {wrap.tail()}")


def main():
    tap = Tap()
    with peers.Server(peers.echo) as server:
        prove_other_preload(tap, server)
        prove_plugin(tap, server)
        prove_absent(tap)
        prove_two(tap, server)
    tap.finish()


main()
