"""Apache (event and prefork), lighttpd and haproxy sealed, with curl, wget and ab: prefork, threads, proxies, splice."""

import hashlib
import os

from lib.legacy import require_programs
from lib.process import PYTHON, find
from lib.sealed import MARKER, SCRIPTS, begin, ended, prove
from lib.tap import Tap, check, equal

LINES = b"".join(b"%08d %s\n" % (number, MARKER) for number in range(4 * 1024 * 1024 // 38))
DIGEST = hashlib.sha256(LINES).hexdigest()
UPLOAD = LINES[:2 * 1024 * 1024 + 17]
APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
StartServers {servers}
EnableSendfile On
EnableMMAP Off
{user}
Mutex file:{folder} default
Listen 127.0.0.1:{port}
DocumentRoot {folder}/www
ProxyPass /upstream/ http://127.0.0.1:{upstream}/
"""
LIGHTTPD = """
server.modules = ("mod_proxy")
server.document-root = "{folder}/www"
server.errorlog = "{folder}/error.log"
server.bind = "127.0.0.1"
server.port = {port}
server.network-backend = "{backend}"
server.stream-response-body = 1
server.stream-request-body = 1
$HTTP["url"] =~ "^/upstream/" {{
    proxy.server = ("" => (("host" => "127.0.0.1", "port" => {upstream})))
    proxy.header = ("map-urlpath" => ("/upstream/" => "/"))
}}
"""
HAPROXY = """
global
    nbthread 2
defaults
    mode {mode}
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    {options}
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    {rewrite}
    server upstream 127.0.0.1:{upstream}
"""


def upstream(ends):
    return ends.server([*PYTHON, SCRIPTS / "http_digest.py", ends.ports[1]], port=ends.ports[1])


def page(ends):
    (ends.folder / "www").mkdir()
    (ends.folder / "www" / "big").write_bytes(LINES)


def start_apache(mpm):
    """The start function of Apache with one of its worker models."""
    def start(ends):
        page(ends)
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        (ends.folder / "httpd.conf").write_text(APACHE.format(
            folder=ends.folder, port=ends.ports[0], upstream=ends.ports[1], mpm=mpm, user=user,
            servers=10 if mpm == "prefork" else 2,
            modules="/usr/lib/apache2/modules"))
        behind = upstream(ends)
        # It signals its whole process group when it ends, which would be the test's.
        server = ends.server(["setsid", find("apache2"), "-D", "FOREGROUND", "-f", ends.folder / "httpd.conf"])
        yield server
        ended(server)
        ended(behind, (-15,))
    return start


def start_lighttpd(backend):
    """The start function of lighttpd with one way to send files."""
    def start(ends):
        page(ends)
        (ends.folder / "lighttpd.conf").write_text(LIGHTTPD.format(folder=ends.folder, port=ends.ports[0],
                                                                   upstream=ends.ports[1], backend=backend))
        behind = upstream(ends)
        server = ends.server([find("lighttpd"), "-D", "-f", ends.folder / "lighttpd.conf"])
        yield server
        ended(server)
        ended(behind, (-15,))
    return start


def start_haproxy(mode, options=""):
    """The start function of haproxy, which relays HTTP or bytes (by splice, if it can)."""
    def start(ends):
        rewrite = "http-request set-path %[path,regsub(^/upstream/,/)]" if mode == "http" else ""
        (ends.folder / "haproxy.cfg").write_text(HAPROXY.format(port=ends.ports[0], upstream=ends.ports[1], mode=mode,
                                                                options=options, rewrite=rewrite))
        behind = upstream(ends)
        server = ends.server([find("haproxy"), "-db", "-q", "-f", ends.folder / "haproxy.cfg"])
        yield server
        ended(server, (0, -15))
        ended(behind, (-15,))
    return start


def curl(ends, *arguments, data=b"", path="/big"):
    done = ends.client(["curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "25", *arguments,
                        f"http://127.0.0.1:{ends.port}{path}"], data=data)
    equal(done.status, 0, f"status of {done!r}")
    return done.out


def big_file(ends, _server):
    equal(hashlib.sha256(curl(ends)).hexdigest(), DIGEST, "digest of 4 MB")


def wget(ends, _server):
    done = ends.client(["wget", "-q", "--no-config", "--no-proxy", "-O", "-", "-T", "20", "-t", "1",
                        f"http://127.0.0.1:{ends.port}/big"])
    equal((done.status, hashlib.sha256(done.out).hexdigest()), (0, DIGEST), f"status and digest of wget ({done.err!r})")


def echoed(ends, _server):
    body = curl(ends, "--data-binary", "@-", "-H", "Expect:", data=UPLOAD, path="/upstream/echo")
    check(body == UPLOAD, f"expected {len(UPLOAD)} bytes back unchanged, found {len(body)} others")


def echoed_directly(ends, _server):
    body = curl(ends, "--data-binary", "@-", "-H", "Expect:", data=UPLOAD, path="/echo")
    check(body == UPLOAD, f"expected {len(UPLOAD)} bytes back unchanged, found {len(body)} others")


def many(ends, _server):
    (ends.folder / "www" / "small").write_bytes(MARKER)
    done = ends.client(["ab", "-q", "-k", "-n", "1000", "-c", "10", f"http://127.0.0.1:{ends.port}/small"])
    check(b"Complete requests:      1000" in done.out and b"Failed requests:        0" in done.out and
          b"Non-2xx" not in done.out, f"expected 1,000 answers, found {done!r}")


def main():
    require_programs("apache2", "lighttpd", "haproxy", "curl", "wget", "ab")
    tap = Tap()
    begin(tap)
    files = [("curl gets a file of 4 MB", big_file), ("wget gets a file of 4 MB", wget),
             ("2 MB go to a server behind it and back", echoed), ("ab's 10 clients get 1,000 answers", many)]
    for mpm in ("event", "prefork"):
        prove(tap, f"apache ({mpm})", start_apache(mpm), files, ports=2)
    for backend in ("sendfile", "writev"):
        prove(tap, f"lighttpd ({backend})", start_lighttpd(backend), files, ports=2)
    prove(tap, "haproxy relaying HTTP", start_haproxy("http"), [files[2]], ports=2)
    splice = "option splice-auto"
    prove(tap, "haproxy relaying bytes, with splice", start_haproxy("tcp", splice),
          [("2 MB go to a server behind it and back", echoed_directly)], ports=2)
    splice = "option splice-request\n    option splice-response"
    prove(tap, "haproxy relaying HTTP, with splice", start_haproxy("http", splice), [files[2]], ports=2)
    tap.finish()


main()
