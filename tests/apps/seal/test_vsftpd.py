"""vsftpd sealed, control and data connections: a raw clone for each session, chroot, another user, a sandbox if possible."""

import os

from lib.legacy import require_programs
from lib.process import PYTHON, find
from lib.sealed import MARKER, SCRIPTS, begin, ended, prove
from lib.tap import Tap, equal, skip_all

DATA = b"".join(b"%07d %s\n" % (number, MARKER) for number in range(2 * 1024 * 1024 // 37))
CONFIG = """
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_umask=022
anon_root={folder}/ftp
secure_chroot_dir={folder}/empty
pasv_min_port={data}
pasv_max_port={data}
seccomp_sandbox={sandbox}
isolate={isolate}
isolate_network={isolate}
one_process_model={one}
"""


def start_with(sandbox="NO", isolate="YES", one="NO"):
    """The start function of a server that is confined in one way."""
    def start(ends):
        (ends.folder / "empty").mkdir(mode=0o555)
        (ends.folder / "ftp").mkdir(mode=0o555)
        (ends.folder / "ftp" / "incoming").mkdir()
        (ends.folder / "ftp" / "incoming").chmod(0o777)
        (ends.folder / "ftp" / "data").write_bytes(DATA)
        (ends.folder / "data").write_bytes(DATA)
        (ends.folder / "vsftpd.conf").write_text(CONFIG.format(port=ends.ports[0], data=ends.ports[1], folder=ends.folder,
                                                               sandbox=sandbox, isolate=isolate, one=one).lstrip())
        server = ends.server([find("vsftpd"), ends.folder / "vsftpd.conf"])
        yield server
        ended(server, (0, -15))
    return start


def ftp(ends, *steps):
    done = ends.client([*PYTHON, SCRIPTS / "ftp_client.py", *ends.ports[:1], *steps], cwd=ends.folder)
    equal((done.status, done.out), (0, b"ok\n"), f"{done!r}")


def listing(ends, _server):
    ftp(ends, "list")


def talk(ends, _server):
    ftp(ends, "talk")


def download(ends, _server):
    ftp(ends, "get")


def upload(ends, _server):
    ftp(ends, "put")
    equal((ends.folder / "ftp" / "incoming" / "data").read_bytes() == DATA, True, "the upload arrived unchanged")


def curl(ends, _server):
    done = ends.client(["curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20",
                        f"ftp://127.0.0.1:{ends.ports[0]}/data"])
    equal((done.status, done.out == DATA), (0, True), f"status and data of curl ({len(done.out)} bytes, {done.err!r})")


# In its sandbox vsftpd 3.0.3 with this libc is killed at a data connection, also bare: only the first case works.
CASES = [("a session logs in and runs commands", talk), ("a listing arrives over a data connection", listing),
         ("2 MB are downloaded", download), ("2 MB are uploaded", upload), ("curl downloads 2 MB", curl)]


def main():
    if os.geteuid() != 0:
        skip_all("vsftpd changes its user, which needs root")
    require_programs("vsftpd", "curl")
    tap = Tap()
    begin(tap)
    prove(tap, "vsftpd", start_with(), CASES, ports=2)
    prove(tap, "vsftpd in one process", start_with(one="YES"), CASES, ports=2)
    prove(tap, "vsftpd in its sandbox", start_with(sandbox="YES"), CASES[:1], ports=2)
    tap.finish()


main()
