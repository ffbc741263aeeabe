"""mosquitto, an MQTT broker, with tls_version tlsv1.2 and old ciphers."""

from lib import certs, hello, peers
from lib.legacy import CIPHERS, LegacyServer, prove_server
from lib.tap import Tap, check, equal

CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
certfile {certificate.cert}
keyfile {certificate.key}
dhparamfile {dh}
tls_version tlsv1.2
ciphers {ciphers}
"""


def command(folder, port):
    (folder / "mosquitto.conf").write_text(CONFIG.format(port=port, certificate=certs.server(), ciphers=CIPHERS,
                                                         dh=certs.dh_parameters()))
    return ["mosquitto", "-c", folder / "mosquitto.conf"]


def packet(kind, body):
    """An MQTT 3.1.1 packet with a body of less than 128 bytes."""
    return bytes([kind, len(body)]) + body


def exchange(port, context):
    """CONNECT, SUBSCRIBE to a topic, PUBLISH to it, and receive the message."""
    with peers.connected(port, context) as connection:
        connection.sendall(packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"))
        equal(hello.receive(connection, 4), b"\x20\x02\x00\x00", "CONNACK")
        connection.sendall(packet(0x82, b"\x00\x01\x00\x05topic\x00"))
        equal(hello.receive(connection, 5), b"\x90\x03\x00\x01\x00", "SUBACK")
        message = packet(0x30, b"\x00\x05topic" + b"a message")
        connection.sendall(message)
        check(hello.receive(connection, len(message)) == message, "the message should come back unchanged")


tap = Tap()
prove_server(tap, LegacyServer("mosquitto", command, exchange, needs=["mosquitto"], weak=("tls12", "static-rsa")))
tap.finish()
