"""Python's ftplib as a client: ftp_client.py PORT STEP..., with STEP one of talk, list, get, put. Prints `ok` or the fault."""

import ftplib
import io
import sys
from pathlib import Path

DATA = Path("data").read_bytes()

with ftplib.FTP() as session:
    session.connect("127.0.0.1", int(sys.argv[1]), timeout=60)
    session.login("anonymous", "this-is-readable-on-the-wire")
    for step in sys.argv[2:]:
        if step == "talk":
            for _ in range(10):
                session.voidcmd("NOOP")
            session.sendcmd("SYST")
            session.sendcmd("FEAT")
        elif step == "list":
            lines = []
            session.retrlines("LIST", lines.append)
            if len(lines) != 2:
                sys.exit(f"expected two lines of a listing, found {lines}")
        elif step == "get":
            buffer = io.BytesIO()
            session.retrbinary("RETR data", buffer.write)
            if buffer.getvalue() != DATA:
                sys.exit(f"expected {len(DATA)} bytes unchanged, found {len(buffer.getvalue())}")
        elif step == "put":
            session.storbinary("STOR incoming/data", io.BytesIO(DATA))
    session.quit()
print("ok")
