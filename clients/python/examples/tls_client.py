#!/usr/bin/env python3
"""Inside TLS: pyOpenSSL is the transport, and its exporter value the binding (docs/MOBILE.md). Python's ssl has no exporter.

    tls_client.py HOST:PORT CA-FILE KEY-FILE SERVER-PUBLIC-KEY < request > answer
"""

import socket
import sys

from OpenSSL import SSL

import pfswrap_seal


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    context = pfswrap_seal.Context(identity=sys.argv[3], peers={"server": sys.argv[4]}, names=["server"])
    settings = SSL.Context(SSL.TLS_METHOD)
    settings.set_min_proto_version(SSL.TLS1_3_VERSION)
    settings.load_verify_locations(sys.argv[2])
    settings.set_verify(SSL.VERIFY_PEER, lambda _tls, _certificate, _error, _depth, valid: bool(valid))
    settings.set_alpn_protos([b"http/1.1", b"pfsw1"])
    tls = SSL.Connection(settings, socket.create_connection((host, int(port))))
    tls.set_tlsext_host_name(host.encode())
    tls.set_connect_state()
    tls.do_handshake()  # checks the chain; a real client checks the certificate's names, too
    binding = tls.export_keying_material(b"EXPORTER-Channel-Binding", 32)
    tunnel = pfswrap_seal.Tunnel(context, pfswrap_seal.CLIENT, binding, in_tls=True)

    def until(attempt):
        """Repeats attempt() until it has a result."""
        while True:
            result = attempt()
            sealed = tunnel.data_to_send()
            if sealed:
                tls.sendall(sealed)
            if result is not None and result is not False:
                return result
            try:
                tunnel.receive_data(tls.recv(65536))
            except (SSL.ZeroReturnError, SSL.SysCallError):
                tunnel.receive_data(b"")

    until(tunnel.handshake)
    request = sys.stdin.buffer.read()
    while request:
        request = request[until(lambda: tunnel.write(request) or None):]
    until(tunnel.close)
    while data := until(tunnel.read):
        sys.stdout.buffer.write(data)


main()
