"""Python's ssl module, which loads libssl with RTLD_LOCAL: blocking sockets, and asyncio with memory BIOs."""

from pathlib import Path

from lib import certs
from lib.legacy import LegacyClient, LegacyServer, echo_exchange, output_of, prove_client, prove_server
from lib.process import ROOT, run
from lib.tap import Tap, equal, skip_all
from lib.wrap import Wrap

PYTHON = "/usr/bin/python3"  # Debian's, linked with Debian's libssl
SCRIPT = ROOT / "tests/apps/programs/tls/python_tls.py"


def server_command(mode):
    def command(_folder, port):
        certificate = certs.server()
        return [PYTHON, SCRIPT, mode, port, certificate.cert, certificate.key, certs.dh_parameters()]
    return command


def client_command(mode):
    return lambda port: [PYTHON, SCRIPT, mode, port, certs.authority().cert]


def main():
    if not Path(PYTHON).exists():
        skip_all(f"{PYTHON} is not installed")
    tap = Tap()
    with tap.case("python3 wrapped reads back every setting as bare"):
        bare = run([PYTHON, SCRIPT, "readback"])
        wrapped = run(Wrap().argv([PYTHON, SCRIPT, "readback"]))
        equal(bare.status, 0, f"{bare!r}")
        equal((wrapped.status, wrapped.out.decode().splitlines()), (0, bare.out.decode().splitlines()), "settings")
    for mode in ("server", "asyncio-server"):
        prove_server(tap, LegacyServer(f"python3 {mode}", server_command(mode), echo_exchange,
                                       addresses=mode == "server"))
    for mode in ("client", "asyncio-client"):
        prove_client(tap, LegacyClient(f"python3 {mode}", client_command(mode), output_of,
                                       addresses=mode == "client"))
    tap.finish()


main()
