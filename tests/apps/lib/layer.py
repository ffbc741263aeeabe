"""The inner layer (layer = tls) for the test scripts: policies for both ends, and a table of programs that use it.

A server of the table listens with TLS and is started bare or under a policy that seals; a client fetches a file from it
or sends one. Uses lib.wrap, the keys of lib.seal and the programs' command lines; nothing here depends on the protocol.
"""

import hashlib
import textwrap

from lib import certs
from lib.process import PYTHON, Process, free_port, run, temporary_directory, wait_until
from lib.seal import Keys
from lib.tap import check, equal
from lib.wrap import Wrap

NAME = "pfsw1"  # the ALPN name of a client that can do the layer
REFUSED_PLAIN = "the client does not offer the inner layer (ALPN pfsw1)"


class Ends:
    """Policies of a server and its clients, each with its own log."""

    def __init__(self, seal="require", mode="enforce", clients="client", service=None, more_client="", keys=None,
                 rule=(), **settings):
        self.keys = keys or Keys("server", "client")
        self.seal, self.clients, self.service, self.settings = seal, clients, service, settings
        self.server = self.policy("server", "listen", seal, mode, [f"clients = {clients}", *rule])
        self.client = self.policy("client", "connect", "require", mode, ["peer = server", *rule], more_client)

    def policy(self, identity, direction, seal, mode="enforce", lines=(), more="", name="web", keys=None, address=None):
        keys = keys or self.keys
        service = [f"service = {self.service}"] if self.service else []
        settings = [f"{key.replace('_', '-')} = {value}" for key, value in self.settings.items()]
        return Wrap(mode=mode, extra="\n".join([
            "[seal]", f"identity = {keys.path(identity)}", f"peers = {keys.peers}", *settings,
            f"[{direction} {name}]", f"address = {address or '127.0.0.1:*, [::1]:*'}", f"seal = {seal}", "layer = tls",
            *lines, *service, more]))


def shake(wrap, role, **fields):
    """The event of a layer that was opened."""
    return wrap.wait_event("opened", role=role, layer="tls", rule="web", **fields)


class Server:
    """A running server of the table; `port`, `folder`, and the files `blob` it serves."""

    def __init__(self, row, wrap, data, environment=None):
        self.folder, self.port = temporary_directory(), free_port()
        (self.folder / "blob").write_bytes(data)
        argv = row.command(self.folder, self.port)
        self.process = Process(wrap.argv(argv) if wrap else argv, cwd=self.folder, env=environment)
        self.process.wait_for_port(self.port)

    def stop(self):
        return self.process.stop()

    def text(self):
        return self.process.text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Row:
    """A server: how it starts. `uploads`: it also receives a file, as `received` in its folder or by `collect`."""

    def __init__(self, name, command, needs, uploads=True):
        self.name, self.command, self.needs, self.uploads = name, command, needs, uploads

    def start(self, wrap, data, environment=None):
        return Server(self, wrap, data, environment)


NGINX = """
worker_processes 2; pid nginx.pid; error_log error.log info; daemon off;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off; client_max_body_size 200m; sendfile on; client_body_temp_path t1; proxy_temp_path t2;
    fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5; client_body_buffer_size 16k;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {certificate.cert}; ssl_certificate_key {certificate.key};
        root {folder};
        location = /received {{ dav_methods PUT; }}
    }}
}}
"""


def nginx(folder, port):
    folder.chmod(0o777)
    text = NGINX.format(port=port, folder=folder, certificate=certs.server(), user="user www-data;")
    (folder / "nginx.conf").write_text(text)
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf"]


APACHE = """
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule ssl_module {modules}/mod_ssl.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
ServerName localhost
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LogLevel info
Mutex file:{folder}
Listen 127.0.0.1:{port}
User www-data
Group www-data
DocumentRoot {folder}
DavLockDB {folder}/lock
<Directory {folder}>
    Dav On
    Require all granted
</Directory>
SSLEngine on
SSLCertificateFile {certificate.cert}
SSLCertificateKeyFile {certificate.key}
"""


def apache(folder, port):
    folder.chmod(0o777)
    (folder / "apache.conf").write_text(APACHE.format(port=port, folder=folder, certificate=certs.server(),
                                                      modules="/usr/lib/apache2/modules"))
    return ["apache2", "-f", folder / "apache.conf", "-D", "FOREGROUND"]


PYTHON_SERVER = """
import http.server, pathlib, ssl, sys

class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        length = int(self.headers["Content-Length"])
        pathlib.Path("received").write_bytes(self.rfile.read(length))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

port, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""


def python(folder, port):
    (folder / "server.py").write_text(PYTHON_SERVER)
    return [*PYTHON, folder / "server.py", port, certs.server().cert, certs.server().key]


# asyncio moves the bytes itself: memory BIOs on the server.
ASYNCIO = """
import asyncio, pathlib, ssl, sys

async def serve(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    method = head.split()[0]
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\\r\\n")[1:] if b": " in line)
    if method == b"PUT":
        if b"expect" in fields:
            writer.write(b"HTTP/1.1 100 Continue\\r\\n\\r\\n")
        body = await reader.readexactly(int(fields[b"content-length"]))
        pathlib.Path("received").write_bytes(body)
        writer.write(b"HTTP/1.1 201 Created\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    else:
        data = pathlib.Path("blob").read_bytes()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % len(data) + data)
    await writer.drain()
    writer.close()

async def main(port, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with await asyncio.start_server(serve, "127.0.0.1", int(port), ssl=context) as server:
        await server.serve_forever()

asyncio.run(main(*sys.argv[1:]))
"""


def python_asyncio(folder, port):
    (folder / "server.py").write_text(ASYNCIO)
    return [*PYTHON, folder / "server.py", port, certs.server().cert, certs.server().key]


def s_server(folder, port):
    """Serves files over libssl's own BIO (BIO_f_ssl), from its working directory."""
    del folder
    return ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certs.server().cert,
            "-key", certs.server().key, "-WWW", "-quiet"]


def redis(folder, port):
    certificate = certs.server()
    return ["redis-server", "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "",
            "--tls-cert-file", certificate.cert, "--tls-key-file", certificate.key, "--tls-ca-cert-file",
            certs.authority().cert, "--tls-auth-clients", "no"]


ROWS = {
    "nginx": Row("nginx", nginx, ["nginx"]),
    "apache": Row("apache", apache, ["apache2"]),
    "python": Row("python ssl", python, ["python3"]),
    "asyncio": Row("python asyncio", python_asyncio, ["python3"]),
    "s_server": Row("openssl s_server -WWW", s_server, ["openssl"], uploads=False),
}

CLIENT = """
import hashlib, http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
connection = http.client.HTTPSConnection("localhost", int(sys.argv[1]), context=context)
if len(sys.argv) > 3:
    connection.request("PUT", "/received", body=open(sys.argv[3], "rb").read())
    answer = connection.getresponse()
    answer.read()
    print(answer.status)
else:
    connection.request("GET", "/blob")
    print(hashlib.sha256(connection.getresponse().read()).hexdigest())
"""


def curl(port, *options):
    return ["curl", "-sS", "--max-time", "30", "--cacert", certs.authority().cert, *options,
            f"https://localhost:{port}/blob"]


def curl_put(port, path, *options):
    return ["curl", "-sS", "--max-time", "30", "--cacert", certs.authority().cert, *options, "-T", path, "-w",
            "%{http_code}", f"https://localhost:{port}/received"]


def python_client(port, *path):
    return [*PYTHON, "-c", textwrap.dedent(CLIENT), port, certs.authority().cert, *path]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def download(wrap, argv, data, hashed=False):
    """Runs a client that gets the blob; `hashed`: it prints the digest itself."""
    result = run(wrap.argv(argv) if wrap else argv)
    equal(result.status, 0, f"status of {result!r}; log: {wrap.tail() if wrap else ''}")
    got = result.out.decode().strip() if hashed else digest(result.out)
    equal(got, digest(data), f"digest of what arrived ({len(result.out)} bytes)")


def upload(wrap, argv, server, data):
    result = run(wrap.argv(argv) if wrap else argv)
    check(result.status == 0 and result.out.decode().strip()[-3:] in ("201", "204"),  # created or overwritten
          f"{result!r}; log: {wrap.tail() if wrap else ''}")
    wait_until(lambda: (server.folder / "received").exists(), "the file to be there")
    equal(digest((server.folder / "received").read_bytes()), digest(data), "digest of what the server received")
    (server.folder / "received").unlink()
