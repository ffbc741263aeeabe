"""The wire plane and any implementation of TLS: what is not forward secret is cut in both roles, or logged; the rest passes.

The programs have TLS that the other planes do not reach: Node.js and Java with their own settings, and a relay that
forwards the TLS of others, here that of an unwrapped openssl.
"""

import ctypes
import hashlib
import os
import ssl
import subprocess

from lib import certs, peers
from lib.legacy import blob
from lib.process import Process, find, free_port, run, temporary_directory, wait_until
from lib.relay import relay
from lib.tap import Skip, Tap, check, contains, equal, lacks
from lib.wrap import WireWrap, Wrap

OLD = "minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'ECDHE+AESGCM:AES128-SHA'"
NODE_CLIENT = """
const [port, ca] = process.argv.slice(1);
require('https').get({host: 'localhost', port, ca: require('fs').readFileSync(ca), OPTIONS}, answer => {
    let body = ''; answer.on('data', more => body += more); answer.on('end', () => console.log(body));
}).on('error', error => { console.log('error', error.code); });
"""
NODE_SERVER = """
const [port, cert, key] = process.argv.slice(1), read = require('fs').readFileSync;
const settings = {cert: read(cert), key: read(key), OPTIONS};
const server = require('https').createServer(settings, (_, answer) => answer.end('hello'));
server.on('tlsClientError', error => console.log('error', error.code)).listen(port, '127.0.0.1');
"""
JAVA_CLIENT = """
import java.security.cert.X509Certificate;
import javax.net.ssl.*;
public class Client {
    public static void main(String[] words) throws Exception {
        X509TrustManager any = new X509TrustManager() {
            public void checkClientTrusted(X509Certificate[] chain, String type) {}
            public void checkServerTrusted(X509Certificate[] chain, String type) {}
            public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
        };
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {any}, null);
        SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", Integer.parseInt(words[0]));
        if (words.length > 1) {
            socket.setEnabledProtocols(new String[] {words[1]});
            socket.setEnabledCipherSuites(new String[] {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"});
        }
        try {
            socket.startHandshake();
            socket.getOutputStream().write("GET / HTTP/1.0\\r\\n\\r\\n".getBytes());
            System.out.println(new String(socket.getInputStream().readAllBytes()));
        } catch (java.io.IOException error) {
            System.out.println("error " + error.getMessage());
        }
    }
}
"""


def node(script, options, *words):
    return ["node", "-e", script.replace("OPTIONS", options), *words]


def check_event(event, role, version):
    """Checks that a verdict's event has the peers, what was offered and what was chosen."""
    equal((event["role"], event["version"], event["rule"]), (role, version, "wire"), f"{event}")
    for key in ("local", "peer", "offered_versions", "offered_groups", "offered_ciphers", "cipher", "library"):
        check(event.get(key), f"expected {key} in {event}")


def node_client(tap):
    words = ("a body of the server",)
    body = words[0].encode()

    def talk(wrap, options, server):
        argv = node(NODE_CLIENT, options, server.port, certs.authority().cert)
        return run(wrap.argv(argv) if wrap else argv).out.strip()

    with peers.Server(peers.reply_http(body), ciphers="ALL:@SECLEVEL=0") as server:
        with tap.case("Node.js as a client of TLS 1.2 works bare, so that its refusal means something"):
            equal((talk(None, OLD, server), server.versions[-1][0]), (body, "TLSv1.2"), "answer")
        with tap.case("Node.js as a client of TLS 1.2 is cut before it sends a request, and gets ECONNRESET"):
            wrap, before = WireWrap(), len(server.versions)
            equal(talk(wrap, OLD, server), b"error ECONNRESET", f"answer; log: {wrap.tail()}")
            check_event(wrap.wait_event("refused"), "client", "TLSv1.2")
            equal(len(server.versions), before, "handshakes the server finished")
        with tap.case("Node.js as a client of TLS 1.2 passes and is logged with tls = log"):
            wrap = WireWrap(tls="log")
            equal(talk(wrap, OLD, server), body, f"answer; log: {wrap.tail()}")
            event = wrap.wait_event("weak")
            check_event(event, "client", "TLSv1.2")
            equal(event["server_name"], "localhost", "server_name")
        with tap.case("Node.js as a client of TLS 1.2 passes with tls = off, and nothing is logged"):
            wrap = WireWrap("allow", tls="off")
            equal(talk(wrap, OLD, server), body, f"answer; log: {wrap.tail()}")
            equal([event for event in wrap.events() if event.get("rule") == "wire"], [], "events")
        with tap.case("Node.js as a client of TLS 1.2 passes with mode = audit, and the refusal is logged"):
            wrap = WireWrap(mode="audit")
            equal(talk(wrap, OLD, server), body, f"answer; log: {wrap.tail()}")
            check_event(wrap.wait_event("would-refuse"), "client", "TLSv1.2")
        with tap.case("Node.js as a client of TLS 1.2 with ECDHE and AEAD passes with min-version = 1.2, and AES-CBC does not"):
            wrap = Wrap(tls={"min-version": "1.2"}, extra="[wire]\ntls = pfs")
            equal(talk(wrap, OLD, server), body, f"answer; log: {wrap.tail()}")
            event = wrap.wait_event("observed")
            check_event(event, "client", "TLSv1.2")
            check(event.get("group"), f"expected a group in {event}")
            weak = OLD.replace("ECDHE+AESGCM:", "").replace("'AES128-SHA'", "'AES128-SHA:@SECLEVEL=0'")
            equal(talk(wrap, weak, server), b"error ECONNRESET", f"answer; log: {wrap.tail()}")
        with tap.case("Node.js as a client of TLS 1.3 passes, and the negotiated parameters are logged"):
            wrap = WireWrap()
            equal((talk(wrap, "", server), server.versions[-1][0]), (body, "TLSv1.3"), f"answer; log: {wrap.tail()}")
            event = wrap.wait_event("observed")
            check_event(event, "client", "TLSv1.3")
            equal((event["group"], event["preshared_key"]), ("X25519", False), f"{event}")
        with tap.case("Node.js as a client with a group outside the policy is cut"):
            wrap = Wrap(tls={"groups": "P-256"}, extra="[wire]\ntls = pfs")
            equal(talk(wrap, "ecdhCurve: 'X25519'", server), b"error ECONNRESET", f"answer; log: {wrap.tail()}")
            contains(wrap.wait_event("refused")["reason"], "group is not in the policy", "reason")


def node_server(tap):
    certificate = certs.server()

    def serve(wrap, options):
        port = free_port()
        argv = node(NODE_SERVER, options, port, certificate.cert, certificate.key)
        server = Process(wrap.argv(argv) if wrap else argv).wait_for_port(port)
        server.port = port
        return server

    def ask(server, version):
        try:
            with peers.connected(server.port, peers.client_context(version, ciphers="ALL:@SECLEVEL=0")) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                data = b""
                while more := connection.recv(4096):
                    data += more
                return data
        except (ssl.SSLError, OSError):
            return None

    with tap.case("Node.js as a server of TLS 1.2 works bare"):
        with serve(None, OLD) as server:
            contains(ask(server, ssl.TLSVersion.TLSv1_2), b"hello", "answer")
    with tap.case("Node.js as a server of TLS 1.2 is cut before any data passes, and gets ECONNRESET"):
        wrap = WireWrap()
        with serve(wrap, OLD) as server:
            equal(ask(server, ssl.TLSVersion.TLSv1_2), None, "answer")
            check_event(wrap.wait_event("refused"), "server", "TLSv1.2")
            wait_until(lambda: "ECONNRESET" in server.text(), lambda: f"ECONNRESET in {server.text()!r}")
            equal(ask(server, ssl.TLSVersion.TLSv1_2), None, "answer to the next client")
    with tap.case("Node.js as a server of TLS 1.2 passes and is logged with tls = log"):
        wrap = WireWrap(tls="log")
        with serve(wrap, OLD) as server:
            contains(ask(server, ssl.TLSVersion.TLSv1_2), b"hello", "answer")
        check_event(wrap.wait_event("weak"), "server", "TLSv1.2")
    with tap.case("Node.js as a server of TLS 1.3 passes"):
        wrap = WireWrap()
        with serve(wrap, "") as server:
            contains(ask(server, ssl.TLSVersion.TLSv1_3), b"hello", "answer")
            equal(ask(server, ssl.TLSVersion.TLSv1_2), None, "answer in TLS 1.2")
        check_event(wrap.wait_event("observed"), "server", "TLSv1.3")


def java_client(tap):
    source = temporary_directory() / "Client.java"
    source.write_text(JAVA_CLIENT)
    with peers.Server(peers.reply_http(b"for java"), ciphers="ALL:@SECLEVEL=0") as server:
        with tap.case("Java that chooses TLS 1.2 itself is cut, and passes with tls = log; with TLS 1.3 it passes"):
            for words, tls, expected, event in ((["TLSv1.2"], "pfs", False, "refused"), (["TLSv1.2"], "log", True,
                                                                                         "weak"),
                                                ([], "pfs", True, "observed")):
                wrap = WireWrap(tls=tls)
                result = run(wrap.argv(["java", source, server.port, *words]))
                equal(b"for java" in result.out, expected, f"{result!r}; log: {wrap.tail()}")
                check_event(wrap.wait_event(event), "client", words[0] if words else "TLSv1.3")


NSS = """
import ctypes, sys
curl = ctypes.CDLL('libcurl-nss.so.4')
curl.curl_easy_init.restype = ctypes.c_void_p
handle = ctypes.c_void_p(curl.curl_easy_init())
for option, value in ((10002, sys.argv[1].encode()), (64, 0), (81, 0), (32, int(sys.argv[2]))):
    curl.curl_easy_setopt(handle, option, ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_long(value))
sys.exit(curl.curl_easy_perform(handle))
"""


def nss_client(tap):
    """CURLOPT_SSLVERSION: TLS 1.2 at least; the upper half is the maximum."""
    try:
        ctypes.CDLL("libcurl-nss.so.4")
    except OSError:
        tap.result(True, "the wire plane and NSS", skip="libcurl3-nss is not installed")
        return
    with peers.Server(peers.reply_http(b"for NSS"), ciphers="ALL:@SECLEVEL=0") as server:
        with tap.case("NSS limited to TLS 1.2 is cut, and passes with tls = log; with TLS 1.3 it passes"):
            older = 6 << 16 | 6
            for version, tls, passes, event in ((older, "pfs", False, "refused"), (older, "log", True, "weak"),
                                                (7, "pfs", True, "observed")):
                wrap = WireWrap(tls=tls)
                result = run(wrap.argv(["python3", "-c", NSS, f"https://127.0.0.1:{server.port}/", version]))
                equal(result.out == b"for NSS", passes, f"{result!r}; log: {wrap.tail()}")
                check_event(wrap.wait_event(event), "client", "TLSv1.3" if version == 7 else "TLSv1.2")


def through_relay(tap):
    data, digest = blob(8)
    folder, port, certificate = temporary_directory(), free_port(), certs.server()
    (folder / "data").write_bytes(data)
    server = Process(["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key,
                      "-WWW",
                      "-quiet", "-cipher", "ALL:@SECLEVEL=0"], cwd=folder).wait_for_port(port)

    def fetch(relayed, *options):
        return run(["openssl", "s_client", "-connect", f"127.0.0.1:{relayed.port}", "-quiet", "-ign_eof", *options],
                   data=b"GET /data HTTP/1.0\r\n\r\n").out.partition(b"\r\n\r\n")[2]

    with server:
        with tap.case("openssl s_client -tls1_2 through a wrapped relay is cut, and logged with tls = log"):
            wrap = WireWrap()
            with relay(wrap, port) as relayed:
                equal(fetch(relayed, "-tls1_2"), b"", "what came")
            equal(wrap.wait_event("refused")["version"], "TLSv1.2", "version")
            wrap = WireWrap(tls="log")
            with relay(wrap, port) as relayed:
                equal(hashlib.sha256(fetch(relayed, "-tls1_2")).hexdigest(), digest, "what came")
            wait_until(lambda: len(wrap.events("weak")) == 2, lambda: f"two events weak: {wrap.tail()}")
            equal({event["role"] for event in wrap.events("weak")}, {"client", "server"}, "roles")
        with tap.case("openssl s_client -tls1_3 through a wrapped relay passes, byte for byte"):
            wrap = WireWrap()
            with relay(wrap, port) as relayed:
                equal(hashlib.sha256(fetch(relayed, "-tls1_3")).hexdigest(), digest, "what came")
                equal(hashlib.sha256(fetch(relayed, "-tls1_3", "-groups", "P-384:X25519")).hexdigest(), digest,
                      "with a retry")
            equal(wrap.events("refused"), [], "refused")


def resumption(tap):
    """A relay in front of a server that resumes without a key exchange, and of one that accepts early data."""
    certificate, port, folder = certs.server(), free_port(), temporary_directory()
    argv = ["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key, "-early_data",
            "-max_early_data", "4096", "-no_anti_replay"]
    session, early = folder / "session", folder / "early"
    early.write_bytes(b"zero round trips\n")

    def client(server, target, *options):
        """Sends a line each way, after which every ticket has arrived; returns the client's output and its status."""
        with Process(["openssl", "s_client", "-connect", f"127.0.0.1:{target}", "-tls1_3", *options],
                     stdin=subprocess.PIPE) as process:
            before = len(server.text())
            process.popen.stdin.write(b"from the client\n")
            process.popen.stdin.flush()
            wait_until(lambda: "from the client" in server.text()[before:] or not process.running(),
                       "the line at the server")
            if process.running():
                server.popen.stdin.write(b"from the server\n")
                server.popen.stdin.flush()
                wait_until(lambda: "from the server" in process.text() or not process.running(),
                           "the line at the client")
            if process.running():
                process.popen.stdin.write(b"Q\n")
                process.popen.stdin.flush()
                process.wait()
        return process.text()

    with Process(argv, stdin=subprocess.PIPE).wait_for_port(port) as server:
        with tap.case("early data is accepted bare, so that its refusal means something"):
            contains(client(server, port, "-sess_out", session), "from the server", "first connection")
            contains(client(server, port, "-sess_in", session, "-sess_out", session, "-early_data", early),
                     "Early data was accepted",
                     "second connection")
        with tap.case("a client's early data is cut with its hello, and a resumption with a new key exchange passes"):
            wrap = WireWrap()
            with relay(wrap, port) as relayed:
                contains(client(server, relayed.port, "-sess_out", session), "from the server", "first connection")
                contains(client(server, relayed.port, "-sess_in", session), "from the server", "resumed")
                before = server.text()
                lacks(client(server, relayed.port, "-sess_in", session, "-early_data", early),
                      "Early data was accepted", "early")
                lacks(server.text()[len(before):], "zero round trips", "what the server received")
            contains(wrap.wait_event("refused")["reason"], "early data", "reason")
        with tap.case("session-tickets = refuse cuts a resumption of any implementation"):
            wrap = Wrap(tls={"session-tickets": "refuse"}, extra="[wire]\ntls = pfs")
            with relay(wrap, port) as relayed:
                contains(client(server, relayed.port, "-sess_out", session), "from the server", "first connection")
                lacks(client(server, relayed.port, "-sess_in", session), "from the server", "resumed")
            contains(wrap.wait_event("refused")["reason"], "resumed", "reason")


def node_has_own_openssl():
    """Whether node contains OpenSSL, as its makers build it. Debian's is linked with libssl, which the tls plane upgrades."""
    return b"libssl" not in run(["ldd", os.path.realpath(find("node"))]).out


def linked_node(tap):
    """Debian's node: what the wire plane would cut becomes TLS 1.3, or is refused by the tls plane."""
    body = b"a body of the server"
    with peers.Server(peers.reply_http(body), ciphers="ALL:@SECLEVEL=0") as server:
        with tap.case("Node.js that is linked with libssl is upgraded as a client of TLS 1.2"):
            wrap = WireWrap()
            argv = node(NODE_CLIENT, OLD, server.port, certs.authority().cert)
            equal((run(wrap.argv(argv)).out.strip(), server.versions[-1][0]), (body, "TLSv1.3"), f"log: {wrap.tail()}")
            equal((wrap.events("refused"), wrap.wait_event("handshake")["version"]), ([], "TLSv1.3"), "events")
    for part in ("client", "server"):
        tap.result(True, f"the wire plane and Node.js as a {part} with an OpenSSL of its own",
                   skip="this node is linked with libssl, which the tls plane upgrades; expected one as its makers build it")


def main():
    tap = Tap()
    nss_client(tap)
    parts = [("java", java_client), ("socat", through_relay), ("socat", resumption)]
    own = find("node") is None or node_has_own_openssl()
    for needed, part in [("node", node_client), ("node", node_server)] if own else [("node", linked_node)]:
        parts.insert(0, (needed, part))
    for needed, part in parts:
        if find(needed):
            part(tap)
        else:
            tap.result(True, f"the wire plane and {needed}", skip=str(Skip(f"{needed} is not installed")))
    tap.finish()


main()
