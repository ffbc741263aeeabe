"""The inner layer with other builds of OpenSSL: 1.1.1, this machine's and 3.5, each with itself and with this machine's."""

from lib import certs, layer
from lib.openssl_builds import builds
from lib.process import Process, free_port, run
from lib.tap import Tap, check, contains, equal

LINES = b"".join(b"line %d %s\n" % (number, b"x" * (number % 900)) for number in range(400))


def reversed_lines(data):
    return b"".join(line[::-1] + b"\n" for line in data.splitlines())


def serve(build, wrap, port, *options):
    argv, environment = build.launch(["openssl", "s_server", "-accept", str(port), "-cert", certs.server().cert, "-key",
                                      certs.server().key, "-quiet", *options], wrap)
    process = Process(argv, env=environment)
    process.wait_for_port(port)
    return process


def call(build, wrap, port, data):
    argv, environment = build.launch(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-CAfile",
                                      certs.authority().cert], wrap)
    return run(argv, data=data, env=environment)


def main():
    tap = Tap()
    found = builds(tap)
    ours = found[0]
    for server, client in [(build, build) for build in found] + [(ours, build) for build in found[1:]] + \
            [(build, ours) for build in found[1:]]:
        ends, port = layer.Ends(), free_port()
        with serve(server, ends.server, port, "-rev"):
            with tap.case(f"{client.name} s_client connects to {server.name} s_server through the layer"):
                result = call(client, ends.client, port, LINES + b"CLOSE\n")
                equal(result.out[:len(reversed_lines(LINES))], reversed_lines(LINES), f"{result!r}; {ends.client.tail()}")
                event = layer.shake(ends.server, "server")
                equal(event["peer_name"], "client", f"{event}")
                layer.shake(ends.client, "client")
            with tap.case(f"{client.name} s_client without the layer receives nothing from {server.name} s_server"):
                result = call(client, None, port, b"abc\n")
                check(b"cba" not in result.out, f"{result!r}")
                contains(ends.server.wait_event("refused")["reason"], "does not offer", "the server's reason")
    tap.finish()


main()
