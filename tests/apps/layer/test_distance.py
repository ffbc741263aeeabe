"""What the inner layer costs over a distance: one round trip at connect and no more, also with Nagle's algorithm.

# run: alone
"""

from lib import certs, layer
from lib.distance import Distance
from lib.process import Process, run, wait_until
from lib.tap import Skip, Tap, check

ROUND_TRIP = 0.3  # long compared to delays of a busy machine, and to a delayed acknowledgement (40 ms)

# Without TCP_NODELAY small data waits until earlier data, such as session tickets, has been acknowledged.
SERVER = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
with socket.create_server((sys.argv[1], 4433)) as listener:
    print("listening", flush=True)
    while True:
        raw = listener.accept()[0]
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(sys.argv[5]))
        with context.wrap_socket(raw, server_side=True) as connection:
            if sys.argv[4] == "first":
                connection.sendall(b"220 ready")
            else:
                connection.sendall(connection.recv(100))
            connection.recv(100)
"""
CLIENT = """
import socket, ssl, sys, time
context = ssl.create_default_context(cafile=sys.argv[2])
context.check_hostname = False
begun = time.monotonic()
with socket.create_connection((sys.argv[1], 4433)) as raw:
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(sys.argv[4]))
    with context.wrap_socket(raw) as connection:
        if sys.argv[3] != "first":
            connection.sendall(b"a question")
        connection.recv(100)
        print(time.monotonic() - begun)
"""


def round_trips(distance, who, no_delay, ends):
    """Round trips from the connect to the first answer: two runs that agree, or the best of three on a busy machine."""
    argv = ["python3", "-c", SERVER, distance.address, certs.server().cert, certs.server().key, who, no_delay]
    found = []
    with Process(distance.far(ends.server.argv(argv) if ends else argv)) as server:
        wait_until(lambda: "listening" in server.text(), lambda: f"the server: {server.text()}")
        while len(found) < 3 and (len(found) < 2 or abs(found[0] - found[1]) > 0.05 * ROUND_TRIP):
            argv = ["python3", "-c", CLIENT, distance.address, certs.authority().cert, who, no_delay]
            result = run(distance.near(ends.client.argv(argv) if ends else argv))
            check(result.status == 0, f"{result!r}; {server.text()}; {ends.server.tail() if ends else ''}")
            found.append(float(result.out))
    return min(found) / ROUND_TRIP


def main():
    tap = Tap()
    try:
        distance = Distance(ROUND_TRIP / 2)
    except Skip as reason:
        tap.result(True, "the layer costs one round trip at connect", skip=str(reason))
        tap.finish()
    ends = layer.Ends()
    for wrap in (ends.server, ends.client):
        text = wrap.policy.read_text()
        wrap.policy.write_text(text.replace("127.0.0.1:*, [::1]:*", f"{distance.address}:*"))
    for who, words, expected in (("second", "the client sends first", 3), ("first", "the server sends first", 2.5)):
        for no_delay in (1, 0):
            with tap.case(f"where {words}, {'without' if no_delay else 'with'} Nagle's algorithm, the layer costs one "
                          "round trip until the first answer, and no more"):
                bare, sealed = (round_trips(distance, who, no_delay, each) for each in (None, ends))
                check(not no_delay or expected - 0.1 <= bare < expected + 0.7, f"{expected} round trips bare, found {bare}")
                check(sealed - bare <= 1.3, f"at most one more with the layer, found {bare:.2f} and {sealed:.2f}")
                check(not no_delay or sealed - bare >= 0.8, f"one more with the layer, found {bare:.2f} and {sealed:.2f}")
                layer.shake(ends.server, "server")
                print(f"# {words}, TCP_NODELAY {no_delay}: {bare:.2f} round trips bare, {sealed:.2f} with the layer")
    tap.finish()


main()
