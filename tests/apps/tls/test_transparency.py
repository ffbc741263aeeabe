#!/usr/bin/env python3
"""[tls] certificate-transparency: clients ask servers for SCTs of the logs in a list, and log or refuse what lacks them."""

import json
import os
import shutil
import subprocess
import textwrap

from lib import certs, transparency
from lib.process import PYTHON, Process, free_port, run, temporary_directory, wait_until
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

NONE = "the server has no signed certificate timestamp (SCT)"
UNKNOWN = "the SCTs of the server are of logs that are not in ct-log-list"
INVALID = "an SCT of the server is not valid: its signature is wrong, or its time is in the future"
UNVERIFIED = "the SCTs of the server cannot be verified without its issuer's certificate"
CA = certs.authority().cert

# Connects to a port for each line of its input, with the session of the connection before, and says what it got.
CLIENT = textwrap.dedent("""
    import socket, ssl, sys
    context, session = ssl.create_default_context(cafile=sys.argv[1]), None
    for line in sys.stdin:
        try:
            with context.wrap_socket(socket.create_connection(("127.0.0.1", int(line))), server_hostname="localhost",
                                     session=session) as tls:
                tls.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                data = b"".join(iter(lambda: tls.recv(65536), b""))
                session = tls.session
                print("resumed" if tls.session_reused else "full", data[:15].decode(), flush=True)
        except ssl.SSLError as error:
            print("refused", error, flush=True)
    """)

# A client that has libssl check SCTs: prints what it sees.
STRICT = textwrap.dedent("""
    import ctypes, ctypes.util, socket, sys
    lib, crypto = (ctypes.CDLL(ctypes.util.find_library(name)) for name in ("ssl", "crypto"))
    for function in (lib.TLS_client_method, lib.SSL_CTX_new, lib.SSL_new, lib.SSL_get0_peer_scts, crypto.OPENSSL_sk_value):
        function.restype = ctypes.c_void_p
    lib.SSL_get_verify_result.restype = ctypes.c_long
    def pointer(value): return ctypes.c_void_p(value)
    context = pointer(lib.SSL_CTX_new(pointer(lib.TLS_client_method())))
    lib.SSL_CTX_load_verify_locations(context, sys.argv[2].encode(), None)
    lib.SSL_CTX_set_verify(context, 1, None)
    assert lib.SSL_CTX_set_ctlog_list_file(context, sys.argv[3].encode()) == 1 and lib.SSL_CTX_enable_ct(context, 1) == 1
    ssl = pointer(lib.SSL_new(context))
    raw = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    lib.SSL_set_fd(ssl, raw.fileno())
    result = lib.SSL_connect(ssl)
    scts = pointer(lib.SSL_get0_peer_scts(ssl))
    status = crypto.SCT_get_validation_status(pointer(crypto.OPENSSL_sk_value(scts, 0)))
    print(result, lib.SSL_get_verify_result(ssl), f"{crypto.OPENSSL_sk_num(scts)}:{status}")
    """)


class Server(Process):
    """openssl s_server, which answers HTTP requests."""

    def __init__(self, cert, key, *options):
        self.port = free_port()
        super().__init__(["openssl", "s_server", "-accept", self.port, "-cert", cert, "-key", key, "-www", *options])
        self.wait_for_port(self.port)


def transparency_wrap(logs, how="require", mode="enforce", **tls):
    return Wrap(mode=mode, tls={"certificate-transparency": how, "ct-log-list": transparency.log_list(*logs), **tls})


def curl(wrap, server, *options, env=None):
    command = ["curl", "-sS", *(options or ("--cacert", CA)), f"https://localhost:{server.port}/"]
    return run(wrap.argv(command) if wrap else command, env=env)


def s_client(wrap, server, *options, data=b""):
    command = ["openssl", "s_client", "-connect", f"localhost:{server.port}", "-CAfile", CA, "-verify_return_error", *options]
    return run(wrap.argv(command) if wrap else command, data=data)


def python(wrap, server):
    return run(wrap.argv([*PYTHON, "-c", CLIENT, CA]), data=f"{server.port}\n".encode())


class Cases:
    """Servers of all kinds, each with the reason for which it is refused, or None."""

    def __init__(self):
        self.known, self.other = transparency.Log("known"), transparency.Log("other")
        plain = certs.signed("ct-plain", "p256")
        own = (plain.cert, plain.key)
        inside = transparency.embedded
        self.list = {
            "an SCT in the certificate": (Server(*inside("one", self.known)), None),
            "an SCT in the TLS extension": (Server(*own, "-serverinfo", transparency.in_extension(plain, self.known)), None),
            "an SCT in the OCSP response": (Server(*own, "-status_file", transparency.in_ocsp_response(plain, self.known)), None),
            "SCTs of a known log and of another": (Server(*inside("two", self.other, self.known)), None),
            "no SCT": (Server(*own), NONE),
            "an SCT of another log": (Server(*inside("other", self.other)), UNKNOWN),
            "an SCT of another log in the extension": (Server(*own, "-serverinfo", transparency.in_extension(plain, self.other)), UNKNOWN),
            "an SCT with a wrong signature": (Server(*inside("wrong", self.known, is_spoiled=True)), INVALID),
            "an SCT from the future": (Server(*inside("future", self.known, later_s=86400)), INVALID),
        }

    def __getitem__(self, name):
        return self.list[name][0]


def check_answer(result, reason, sign):
    """`sign` is in the output of a client that was served."""
    if reason is None:
        check(result.status == 0 and sign in result.text, f"{result!r}")
    else:
        check(result.status != 0 and (not sign or sign not in result.text), f"{result!r}")


def check_required(cases, name):
    server, reason = cases.list[name]
    bare = curl(None, server)
    equal(bare.status, 0, f"without pfswrap, curl accepts the server: {bare!r}")
    wrap = transparency_wrap([cases.known])
    result = curl(wrap, server)
    check_answer(result, reason, "HTML")
    equal(result.status, 60 if reason else 0, f"curl's status: a certificate that it could not verify; {result!r}")
    equal([event["reason"] for event in wrap.events("refused")], [reason] if reason else [], f"refused; log: {wrap.tail()}")
    equal([(event["kind"], event.get("reason"), event["valid"], event["rule"], event["server_name"]) for event in wrap.events("finding")],
          [] if reason else [("certificate-transparency", None, 1, "certificate-transparency", "localhost")], "findings")


def check_clients(cases):
    """The same with clients that use libssl in other ways."""
    for name in ("an SCT in the certificate", "an SCT in the TLS extension", "an SCT in the OCSP response", "no SCT",
                 "an SCT of another log in the extension"):
        server, reason = cases.list[name]
        wrap = transparency_wrap([cases.known])
        check_answer(s_client(wrap, server), reason, "")
        result = python(wrap, server)
        equal(result.out.split()[:1], [b"full" if reason is None else b"refused"], f"Python, {name}: {result!r}")
        equal([event["reason"] for event in wrap.events("refused")], [reason] * 2 if reason else [], f"{name}; log: {wrap.tail()}")


def check_log(cases):
    """Three servers, each twice: everything passes, and each certificate has one line."""
    names = ["no SCT", "an SCT of another log", "an SCT in the certificate"]
    wrap = transparency_wrap([cases.known], how="log")
    urls = [f"https://localhost:{cases[name].port}/" for name in names for _ in range(2)]
    result = run(wrap.argv(["curl", "-sS", "--cacert", CA, *urls]))
    check(result.status == 0 and result.text.count("<HTML>") == 6, f"{result!r}")
    equal([(event.get("reason"), event["scts"], event["valid"]) for event in wrap.events("finding")],
          [(NONE, 0, 0), (UNKNOWN, 1, 0), (None, 1, 1)], f"findings; log: {wrap.tail()}")
    equal([event["certificate_transparency"] for event in wrap.events("policy")], ["log"], "the event policy")
    equal((len(wrap.events("handshake")), wrap.events("refused")), (6, []), "handshakes and refusals")


def check_audit(cases):
    wrap = transparency_wrap([cases.known], mode="audit")
    result = curl(wrap, cases["no SCT"])
    equal(result.status, 0, f"{result!r}")
    equal([event["reason"] for event in wrap.events("would-refuse")], [NONE], f"log: {wrap.tail()}")


def check_issuer(cases):
    """A client that verifies nothing has no issuer's certificate, if the server does not send it."""
    wrap = transparency_wrap([cases.known])
    check_answer(curl(wrap, cases["an SCT in the TLS extension"], "-k"), None, "HTML")
    check_answer(curl(wrap, cases["an SCT in the certificate"], "-k"), UNVERIFIED, "HTML")
    equal([event["reason"] for event in wrap.events("refused")], [UNVERIFIED], f"log: {wrap.tail()}")


def check_tls12(cases):
    plain = certs.signed("ct-plain", "p256")
    with Server(plain.cert, plain.key, "-tls1_2", "-serverinfo", transparency.in_extension(plain, cases.known)) as server:
        wrap = transparency_wrap([cases.known], **{"min-version": "1.2"})
        check_answer(curl(wrap, server), None, "HTML")
        equal([event["version"] for event in wrap.events("handshake")], ["TLSv1.2"], f"log: {wrap.tail()}")


def strict(wrap, server, log):
    """A program that checks SCTs itself, strictly and by a list of its own (SSL_CTX_enable_ct(3))."""
    command = [*PYTHON, "-c", STRICT, server.port, CA, transparency.log_list(log)]
    return run(wrap.argv(command) if wrap else command).text.split()


def check_program(cases):
    """A program with a callback and a list of its own decides as it does without pfswrap, and sees the same results."""
    server = cases["an SCT in the TLS extension"]
    for log, answer in (cases.known, ["1", "0", "1:2"]), (cases.other, ["-1", "71", "1:1"]):
        equal(strict(None, server, log), answer, "SSL_connect(), SSL_get_verify_result(), SCTs and the status of the first, bare")
        for known in cases.known, cases.other:
            equal(strict(transparency_wrap([known], how="log"), server, log), answer, f"with a list of {known.name}")
    wrap = transparency_wrap([cases.other])
    equal(strict(wrap, server, cases.known)[0], "-1", "the program is content, and the policy is not")
    equal([event["reason"] for event in wrap.events("refused")], [UNKNOWN], f"log: {wrap.tail()}")
    options, wrap = ["-ct", "-ctlogfile", transparency.log_list(cases.other)], transparency_wrap([cases.known])
    for name, result in ("bare", s_client(None, server, *options)), ("wrapped", s_client(wrap, server, *options)):
        check(result.status == 0 and "SCT validation status: unknown log" in result.text, f"s_client -ct, {name}: {result!r}")


class Client:
    """The client in Python, in one process."""

    def __init__(self, wrap):
        self.process = Process(wrap.argv([*PYTHON, "-c", CLIENT, CA]), stdin=subprocess.PIPE)
        self.answers = 0

    def ask(self, server):
        self.process.popen.stdin.write(f"{server.port}\n".encode())
        self.process.popen.stdin.flush()
        self.answers += 1
        wait_until(lambda: self.process.text().count("\n") >= self.answers, lambda: f"an answer; it printed {self.process.text()}")
        return self.process.text().splitlines()[self.answers - 1].split()[0]


def check_resumption(cases):
    """A resumed session has no extension: what its first handshake has shown counts, in the same process."""
    server, wrap = cases["an SCT in the TLS extension"], transparency_wrap([cases.known])
    client = Client(wrap)
    equal([client.ask(server), client.ask(server)], ["full", "resumed"], f"connections; log: {wrap.tail()}")
    equal([event["resumed"] for event in wrap.events("handshake")], [False, True], "handshakes")
    saved = wrap.folder / "session"
    request = b"GET / HTTP/1.0\r\n\r\n"
    check_answer(s_client(wrap, server, "-sess_out", saved, "-ign_eof", data=request), None, "HTML")
    contains(s_client(None, server, "-sess_in", saved).text, "Reused, TLSv1.3", "without pfswrap, the session is resumed")
    contains(s_client(wrap, server, "-sess_in", saved).text, "New, TLSv1.3", "a session of another process is not offered")


def check_reload(cases):
    wrap = transparency_wrap([cases.known], how="log")
    text = wrap.policy.read_text().replace("[policy]\n", "[policy]\nreload = request\n") + "[end]\n"
    wrap.policy.write_text(text)
    client, server = Client(wrap), cases["an SCT of another log"]
    equal(client.ask(server), "full", "with log")
    pid = wrap.wait_event("handshake")["pid"]
    for policy, answer in ((text.replace("transparency = log", "transparency = require"), "refused"),
                           (text.replace("transparency = log", "transparency = require").replace(
                               f"ct-log-list = {transparency_path(text)}", f"ct-log-list = {transparency.log_list(cases.other)}"), "full"),
                           (text.replace("certificate-transparency = log\n", "").replace(
                               f"ct-log-list = {transparency_path(text)}\n", ""), "resumed")):
        wrap.policy.write_text(policy)
        result = run([LAUNCHER, "reload", pid])
        equal(result.status, 0, f"{result!r}")
        equal(client.ask(server), answer, f"after the reload to {policy}; log: {wrap.tail()}")
    equal([event["reason"] for event in wrap.events("refused")], [UNKNOWN], "refusals")


def transparency_path(policy):
    return next(line.split(" = ")[1] for line in policy.splitlines() if line.startswith("ct-log-list"))


def check_list(cases):
    """A list that cannot be read, or is wrong, is no reason to accept a server."""
    wrap = transparency_wrap([cases.known])
    list_path = transparency_path(wrap.policy.read_text())
    with open(list_path, "w", encoding="ascii") as file:
        file.write("enabled_logs = a\n[a]\ndescription = a\nkey = bad\n")
    check_answer(curl(wrap, cases["an SCT in the certificate"]), "wrong", "HTML")
    contains(wrap.events("refused")[0]["reason"], "ct-log-list cannot be read", "refused")
    os.unlink(list_path)
    result = curl(wrap, cases["an SCT in the certificate"])
    equal(result.status, 125, f"{result!r}")
    contains(result.text, f"ct-log-list {list_path} cannot be read: No such file or directory", "the launcher")
    contains(run([LAUNCHER, "check", wrap.policy]).text, f"warning: {wrap.policy}: ct-log-list {list_path} cannot be read", "check")


def check_library_without(cases):
    """A libssl without Certificate Transparency (no-ct): this machine's, in which one function has another name."""
    curl_path = shutil.which("curl")
    library = next((line.split()[2] for line in run(["ldd", curl_path]).lines if "libssl.so" in line), None)
    if library is None:
        raise Skip("this curl does not use OpenSSL")
    folder = temporary_directory()
    with open(library, "rb") as file:
        content = file.read()
    check(b"\0SSL_ct_is_enabled\0" in content, f"{library} has the function")
    (folder / os.path.basename(library)).write_bytes(content.replace(b"\0SSL_ct_is_enabled\0", b"\0SSL_ct_is_enablez\0"))
    env = {"LD_LIBRARY_PATH": str(folder)}
    reason = "this libssl was built without Certificate Transparency"
    wrap = transparency_wrap([cases.known], how="log")
    check_answer(curl(wrap, cases["an SCT in the certificate"], env=env), None, "HTML")
    equal([event["reason"] for event in wrap.events("finding")], [reason], f"log: {wrap.tail()}")
    wrap = transparency_wrap([cases.known])
    check_answer(curl(wrap, cases["an SCT in the certificate"], env=env), reason, "HTML")
    equal([event["reason"] for event in wrap.events("refused")], [reason], f"log: {wrap.tail()}")


def check_gnutls(cases):
    if not shutil.which("gnutls-cli"):
        raise Skip("gnutls-cli is not installed")
    command = ["gnutls-cli", "--x509cafile", CA, "-p", cases["an SCT in the certificate"].port, "localhost"]
    reason = "GnuTLS cannot verify Certificate Transparency"
    wrap = transparency_wrap([cases.known], how="log")
    contains(run(wrap.argv(command)).text, "Handshake was completed", "gnutls-cli with log")
    equal([(event["reason"], event["role"]) for event in wrap.events("finding")], [(reason, "client")], f"log: {wrap.tail()}")
    wrap = transparency_wrap([cases.known])
    result = run(wrap.argv(command))
    check("Handshake was completed" not in result.text and result.status != 0, f"with require: {result!r}")
    equal([event["reason"] for event in wrap.events("refused")], [reason], f"log: {wrap.tail()}")


def check_report(cases):
    wrap = transparency_wrap([cases.known], how="log")
    for name in "no SCT", "an SCT in the certificate":
        curl(wrap, cases[name])
    document = json.loads(run([LAUNCHER, "report", "--json", wrap.log]).out)
    equal(document["incident_totals"]["transparency"], 1, "the certificate without an SCT is an incident, and the other is not")


def main():
    tap, cases = Tap(), Cases()
    for name, (_, reason) in cases.list.items():
        with tap.case(f"require {'refuses' if reason else 'accepts'} a server with {name}"):
            check_required(cases, name)
    for sentence, test in (
            ("s_client and Python are served and refused like curl", check_clients),
            ("log lets all servers pass, and each certificate has one finding", check_log),
            ("mode = audit says who would be refused", check_audit),
            ("an SCT in a certificate needs the issuer's certificate", check_issuer),
            ("TLS 1.2 has the extension in its ServerHello", check_tls12),
            ("a program that checks SCTs itself decides and prints as before", check_program),
            ("a resumed session counts by its first handshake, in the same process", check_resumption),
            ("a reload changes the mode and the list", check_reload),
            ("a list that cannot be read refuses servers", check_list),
            ("a libssl without Certificate Transparency says so, and require refuses", check_library_without),
            ("GnuTLS says that it cannot verify SCTs, and require refuses", check_gnutls),
            ("the report counts certificates without an SCT", check_report)):
        with tap.case(sentence):
            test(cases)
    tap.finish()


main()
