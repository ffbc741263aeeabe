#!/usr/bin/env python3
"""pfswrap scan --starttls: what stands in clear before TLS, with servers of seven protocols and hostile ones; names."""

import json
import ssl
import threading

from lib import certs
from lib.acceptor import Acceptor
from lib.process import Process, find, free_port, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER

OUTSIDE = 3
LDAP_AGREES = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
MYSQL = b"\x0a8.0.1\0" + bytes(4) + b"abcdefgh\0" + b"\xff\xff" + b"\x21\x02\x00\xff\xdf\x15" + bytes(10) + b"ijklmnopqrst\0"
# (what the server says, what the client has to say) until TLS; None: nothing
DIALOGUES = {
    "smtp": [(b"220-mail\r\n220 mail ESMTP\r\n", b"EHLO pfswrap.invalid\r\n"),
             (b"250-mail\r\n250-STARTTLS\r\n250 SIZE\r\n", b"STARTTLS\r\n"), (b"220 go ahead\r\n", None)],
    "imap": [(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", b"a STARTTLS\r\n"), (b"* BYE no\r\na OK begin\r\n", None)],
    "pop3": [(b"+OK ready\r\n", b"STLS\r\n"), (b"+OK begin\r\n", None)],
    "ftp": [(b"220-files\r\n220 ready\r\n", b"AUTH TLS\r\n"), (b"234 begin\r\n", None)],
    "ldap": [(None, b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"), (LDAP_AGREES, None)],
    "postgres": [(None, b"\0\0\0\x08\x04\xd2\x16\x2f"), (b"S", None)],
    "mysql": [(len(MYSQL).to_bytes(3, "little") + b"\0" + MYSQL, b"\x20\0\0\x01\0\x8a\0\0\0\0\0\x01\x21" + bytes(23)), (None, None)],
}
REFUSALS = {
    "smtp": (b"220 mail\r\n", b"454 TLS not available\r\n"), "imap": (b"* OK ready\r\n", b"a BAD unknown\r\n"),
    "pop3": (b"+OK ready\r\n", b"-ERR unknown\r\n"), "ftp": (b"220 ready\r\n", b"500 unknown\r\n"),
    "ldap": (b"", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"), "postgres": (b"", b"N"),
    "mysql": (b"\x03\0\0\0\x0a8\0", b""),
}


class Server(Acceptor):
    """Speaks a protocol until TLS, and then TLS 1.2 and 1.3. Each connection has a thread."""

    def __init__(self, dialogue):
        self.dialogue, self.wrong, self.names = dialogue, [], []
        certificate = certs.server()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.cert, certificate.key)
        self.context.sni_callback = lambda connection, name, context: self.names.append(name)
        super().__init__()

    def accepted(self, connection, peer):
        threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection:
                for said, expected in self.dialogue:
                    if said:
                        connection.sendall(said)
                    if expected is None:
                        continue
                    heard = b""
                    while heard != expected and expected.startswith(heard) and (part := connection.recv(len(expected) - len(heard))):
                        heard += part
                    if heard != expected:
                        if not heard.startswith(b"GET "):  # the request in clear has no dialogue
                            self.wrong.append(heard)
                        return
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)
        except OSError:  # the scan ends each connection within its handshake
            pass


def scan(target, *options, status=0, path="/nonexistent"):
    result = run([LAUNCHER, "scan", "--json", "--policy", "builtin", *map(str, options), target], env={"PATH": path} if path else None)
    equal(result.status, status, f"status of {result!r}")
    found, = json.loads(result.out)["targets"]
    return {row["id"]: row for row in found["rows"]}, found


def expect_tls(found):
    equal({name: found[name]["answer"] for name in ("version.TLSv1.1", "tls12.any", "version.TLSv1.3", "tls13.group.X25519")},
          {"version.TLSv1.1": "refused", "tls12.any": "accepted", "version.TLSv1.3": "accepted", "tls13.group.X25519": "accepted"},
          f"answers: {found['version.TLSv1.3']}")


def prove_protocols(tap):
    for protocol, dialogue in DIALOGUES.items():
        with tap.case(f"TLS behind {protocol} is scanned"), Server(dialogue) as server:
            found, _ = scan(f"127.0.0.1:{server.port}", "--starttls", protocol, status=OUTSIDE)
            expect_tls(found)
            equal(server.wrong, [], "what the server did not expect")
            equal(found["seal"]["answer"], "not-probed", "the seal")
    with tap.case("without --starttls, the same server has no TLS"), Server(DIALOGUES["smtp"]) as server:
        found, _ = scan(f"127.0.0.1:{server.port}")
        equal(found["version.TLSv1.3"]["answer"], "refused", "TLS 1.3")
    with tap.case("resumption behind POP3 is probed by openssl(1)"), Server(DIALOGUES["pop3"]) as server:
        found, _ = scan(f"127.0.0.1:{server.port}", "--starttls", "pop3", status=OUTSIDE, path=None)
        check(found["tls13.resumption"]["answer"] in ("accepted", "refused"), f"resumption: {found['tls13.resumption']}")
    for protocol, (greeting, answer) in REFUSALS.items():
        with tap.case(f"a server that refuses to begin TLS by {protocol} accepts nothing, and says why"):
            expected = None if protocol == "mysql" else DIALOGUES[protocol][0][1]
            dialogue = [(greeting, expected)]
            dialogue += [(b"250 mail\r\n", b"STARTTLS\r\n")] if protocol == "smtp" else []
            with Server([*dialogue, (answer, b"none")]) as server:
                found, _ = scan(f"127.0.0.1:{server.port}", "--starttls", protocol, status=1)
                equal([name for name, row in found.items() if row["answer"] == "accepted" and name != "plaintext"], [], "accepted")
                contains(json.dumps(found["version.SSLv3"]), "TLS", "why")


def prove_hostile(tap):
    for words, data in {"a line without an end": b"A" * 100_000, "lines without an end": b"220-x\r\n" * 10_000, "nothing": b"",
                        "control characters": b"\x1b[2J\xff\r\n", "a length of 2 GB": b"\x30\x84\x7f\xff\xff\xff",
                        "a length without bytes": b"\xff\xff\xff\0", "a short greeting": b"\x02\0\0\0\x0a8"}.items():
        with tap.case(f"a server that sends {words} before TLS accepts nothing"):
            for protocol in ("smtp", "ldap", "mysql"):
                with Server([(data, b"none")]) as server:
                    found, _ = scan(f"127.0.0.1:{server.port}", "--starttls", protocol, "--timeout", 200, status=1)
                    equal([name for name, row in found.items() if row["answer"] == "accepted" and name != "plaintext"], [],
                          f"accepted by {protocol}")
                    check("\x1b" not in json.dumps(found, ensure_ascii=False), "control characters")


def prove_names(tap):
    folder = temporary_directory()
    (folder / "getent").symlink_to(find("getent"))
    with tap.case("a name is looked up, and sent as SNI"), Server([]) as server:
        found, target = scan(f"localhost:{server.port}", status=OUTSIDE, path=str(folder))
        expect_tls(found)
        equal((target["name"], target["address"].rpartition(":")[2]), ("localhost", str(server.port)), "the target")
        equal(set(server.names), {"localhost"}, "names that the server was asked for")
    with tap.case("--name is sent in its place"), Server([]) as server:
        _, target = scan(f"127.0.0.1:{server.port}", "--name", "other.test", status=OUTSIDE)
        equal((target["name"], set(server.names)), ("other.test", {"other.test"}), "the name")
    with tap.case("a name without an address, and a protocol that is not known, are errors"):
        for argument in f"{'x' * 64}.test:443", "-x:443", "a b:443", "$(id):443", ":443", "[localhost]:443":
            result = run([LAUNCHER, "scan", "--policy", "builtin", "--", argument])
            equal((result.status, result.err.count(b"\n")), (2, 1), f"{result!r}")
        result = run([LAUNCHER, "scan", "127.0.0.1:1", "--json"])
        equal(result.status, 2, f"{result!r}")
        contains(result.text, "--json is no ADDRESS:PORT or NAME:PORT, expected options before all addresses", "the message")
        result = run([LAUNCHER, "scan", "--starttls", "gopher", "127.0.0.1:1"])
        equal(result.status, 2, f"{result!r}")
        contains(result.text, "--starttls gopher is wrong, expected smtp, imap, pop3, ftp, ldap, postgres or mysql", "the message")


def prove_vsftpd(tap):
    with tap.case("vsftpd has TLS behind AUTH TLS"):
        program = find("vsftpd")
        if not program:
            raise Skip("vsftpd is not installed")
        folder, port, certificate = temporary_directory(), free_port(), certs.server()
        (folder / "vsftpd.conf").write_text(
            f"listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nrun_as_launching_user=YES\nanonymous_enable=YES\n"
            f"no_anon_password=YES\nanon_root={folder}\nsecure_chroot_dir={folder}\nssl_enable=YES\nallow_anon_ssl=YES\n"
            f"rsa_cert_file={certificate.cert}\nrsa_private_key_file={certificate.key}\nseccomp_sandbox=NO\none_process_model=NO\n")
        with Process([program, folder / "vsftpd.conf"]) as server:
            server.wait_for_port(port)
            found, _ = scan(f"127.0.0.1:{port}", "--starttls", "ftp", status=OUTSIDE)
        equal(found["version.TLSv1.3"]["answer"], "accepted", f"TLS 1.3: {found['version.TLSv1.3']}")


def main():
    tap = Tap()
    prove_protocols(tap)
    prove_hostile(tap)
    prove_names(tap)
    prove_vsftpd(tap)
    tap.finish()


main()
