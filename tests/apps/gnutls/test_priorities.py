"""The calls of GnuTLS that set priorities and that no stock program of these tests makes: what a client then offers."""

import sys

from lib.offered import Trap, check_offer_is_pfs
from lib.process import run
from lib.tap import Skip, Tap, check, equal
from lib.wrap import Wrap

CLIENT = """
import ctypes, socket, sys
lib = ctypes.CDLL("libgnutls.so.30")
how, port = sys.argv[1], int(sys.argv[2])
session, priority, credentials = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
client, certificate = 1 << 1, 1
results = [lib.gnutls_init(ctypes.byref(session), client)]
if how == "priority_init2":
    results.append(lib.gnutls_priority_init2(ctypes.byref(priority), b"NORMAL:-VERS-TLS1.3:+RSA", None, 0))
    results.append(lib.gnutls_priority_set(session, priority))
elif how == "set_default_priority_append":
    results.append(lib.gnutls_set_default_priority_append(session, b"-VERS-TLS1.3:+RSA", None, 0))
else:
    error = ctypes.c_char_p()
    string = ctypes.create_string_buffer(b"NORMAL:-VERS-TLS9.9")
    address = ctypes.addressof(string)
    failed = lib.gnutls_priority_init2(ctypes.byref(priority), string, ctypes.byref(error), 0)
    print(failed, ctypes.cast(error, ctypes.c_void_p).value - address)
    sys.exit(0)
results.append(lib.gnutls_certificate_allocate_credentials(ctypes.byref(credentials)))
results.append(lib.gnutls_credentials_set(session, certificate, credentials))
connection = socket.create_connection(("127.0.0.1", port))
lib.gnutls_transport_set_int2(session, connection.fileno(), connection.fileno())
print(results)
print(lib.gnutls_handshake(session))
"""
TLS12, TLS13 = 0x0303, 0x0304


def client(how, port, wrap=None):
    command = [sys.executable, "-c", CLIENT, how, port]
    result = run(wrap.argv(command) if wrap else command)
    equal(result.status, 0, f"status of {result!r}")
    return result.out.decode().splitlines()


def main():
    tap = Tap()
    if run([sys.executable, "-c", "import ctypes; ctypes.CDLL('libgnutls.so.30')"]).status != 0:
        raise Skip("libgnutls.so.30 is not installed")
    for how in ("priority_init2", "set_default_priority_append"):
        with tap.case(f"a client that excludes TLS 1.3 by gnutls_{how} offers only TLS 1.3 and ECDHE, wrapped"):
            with Trap() as trap:
                lines = client(how, trap.port)
                check(set(lines[0]) <= set("[0, ]") and int(lines[1]) < 0, f"bare: {lines}")
                check(TLS12 in trap.offers[0].versions and TLS13 not in trap.offers[0].versions, f"bare: {trap.offers[0]}")
            wrap = Wrap()
            with Trap() as trap:
                lines = client(how, trap.port, wrap)
                check(set(lines[0]) <= set("[0, ]") and int(lines[1]) < 0, f"wrapped: {lines}")
                check_offer_is_pfs(trap.offers[0], psk_ke=True)
            equal(wrap.wait_event("override")["setting"], "priority", "setting")
    with tap.case("a string that GnuTLS refuses is refused with the same error at the same position, wrapped"):
        bare = client("wrong", 1)
        check(int(bare[0].split()[0]) < 0, f"bare: {bare}")
        equal(client("wrong", 1, Wrap()), bare, "result and position")
    tap.finish()


main()
