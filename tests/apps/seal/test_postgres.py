"""PostgreSQL, psql and pgbench, sealed: a process for each connection, COPY in both directions, cancel, shutdown."""

import hashlib
import os
import pwd
import shutil
from pathlib import Path

from lib.legacy import require_programs
from lib.process import run, wait_until
from lib.sealed import MARKER, begin, prove, word_on_the_wire
from lib.tap import Tap, check, contains, equal, skip_all

ROWS = 40000
COPIED = b"".join(b"%d\t%s\n" % (number, MARKER) for number in range(ROWS))


def programs():
    """The folder of PostgreSQL's programs; Debian has only some of them in PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def make_cluster(ends):
    """initdb, as the user that will run the server: PostgreSQL refuses to run as root."""
    argv = [programs() / "initdb", "-D", ends.folder / "data", "-U", "tester", "--auth", "trust", "--no-sync",
            "--no-locale", "-E", "UTF8"]
    if os.geteuid() == 0:
        os.chown(ends.folder, pwd.getpwnam("nobody").pw_uid, -1)
        argv = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *argv]
    done = run(argv, timeout=60, cwd="/")
    equal(done.status, 0, f"status of {done!r}")
    return ends.folder / "data"


def start(ends):
    data = make_cluster(ends)
    server = ends.server([programs() / "postgres", "-D", data, "-p", ends.port, "-h", "127.0.0.1", "-k", "",
                          "-c", "fsync=off", "-c", "ssl=off"], user="nobody", cwd="/")
    # It listens before it answers queries.
    wait_until(lambda: "ready to accept connections" in server.text(), lambda: f"PostgreSQL; it printed {server.text()[-800:]}")
    yield server
    server.popen.send_signal(2)  # "fast": ends its sessions
    equal(server.wait(), 0, f"exit status; it printed {server.text()[-800:]}")
    shutil.rmtree(data)


def psql(ends, *arguments, data=b"", status=0):
    done = ends.client(["psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", ends.port, "-U", "tester", "postgres",
                        *arguments], data=data)
    equal(done.status, status, f"status of {done!r}")
    return done


def query(ends, _server):
    equal(psql(ends, "-c", f"select '{MARKER.decode()}'").out, MARKER + b"\n", "answer")


def copy_both_ways(ends, _server):
    psql(ends, "-c", "create table rows (number int primary key, word text)")
    psql(ends, "-c", "copy rows from stdin", data=COPIED)
    out = psql(ends, "-c", "copy (select * from rows order by number) to stdout").out
    equal(hashlib.sha256(out).hexdigest(), hashlib.sha256(COPIED).hexdigest(), f"digest of {len(COPIED)} bytes")


def prepared(ends, _server):
    """A batch of statements over one session."""
    script = "".join(f"insert into rows values ({ROWS + number}, '{MARKER.decode()}');\n" for number in range(500))
    psql(ends, "-v", "ON_ERROR_STOP=1", data=script.encode())
    equal(psql(ends, "-c", "select count(*) from rows").out.strip(), b"%d" % (ROWS + 500), "rows")


@word_on_the_wire(b"pgbench_accounts")
def bench(ends, _server):
    """pgbench: 8 clients in 2 threads, extended protocol, a new connection for each transaction in the second run."""
    arguments = ["-h", "127.0.0.1", "-p", str(ends.port), "-U", "tester", "postgres"]
    done = ends.client(["pgbench", "-i", "-q", "-s", "1", *arguments])
    equal(done.status, 0, f"status of {done!r}")
    done = ends.client(["pgbench", "-n", "-M", "prepared", "-c", "8", "-j", "2", "-t", "50", *arguments])
    contains(done.text, "transactions actually processed: 400/400", "what pgbench said")
    done = ends.client(["pgbench", "-n", "-C", "-S", "-c", "4", "-j", "2", "-t", "10", *arguments])
    contains(done.text, "transactions actually processed: 40/40", "what pgbench said")


def notify(ends, _server):
    out = psql(ends, data=f"listen news; notify news, '{MARKER.decode()}'; select 1;\n".encode()).out
    contains(out, MARKER, "the notification")


@word_on_the_wire(b"pg_sleep")
def cancelled(ends, server):
    """A timeout sends psql SIGINT, and psql makes a second connection that cancels the query of the first."""
    done = ends.client(["timeout", "--signal", "INT", "2", "psql", "-X", "-q", "-h", "127.0.0.1", "-p", ends.port, "-U",
                        "tester", "postgres", "-c", "select pg_sleep(25)"])
    contains(done.text, "canceling statement due to user request", f"what psql printed ({done.status})")
    check(server.running(), "expected the server to go on")


def main():
    if programs() is None:
        skip_all("not installed: postgresql (scripts/install-deps check)")
    require_programs("psql", "pgbench")
    tap = Tap()
    begin(tap)
    prove(tap, "postgres", start, [
        ("psql runs queries", query),
        ("COPY moves 40,000 rows in both directions", copy_both_ways),
        ("500 statements of one session are executed", prepared),
        ("pgbench finishes with 8 clients, and with 40 connections", bench),
        ("a notification arrives", notify),
        ("a query is cancelled by a second connection", cancelled),
    ])
    tap.finish()


main()
