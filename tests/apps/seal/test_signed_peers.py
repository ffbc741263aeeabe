"""Signed peers files: `pfswrap peers`, minisign(1), `peers-signer`, `peers-state`, and what a stolen channel cannot do."""

import shutil

from lib.process import run
from lib.reload import Service, applied, refused_with
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LAUNCHER

tap = Tap()


class Signer:
    """A key that signs peers files."""

    def __init__(self, folder, name="fleet"):
        self.secret, self.file = folder / f"{name}.secret", folder / f"{name}.pub"
        made = run([LAUNCHER, "peers", "keygen", self.secret])
        equal(made.status, 0, f"keygen: {made!r}")
        self.file.write_text(made.text)
        self.public = made.text.split()[-1]

    def sign(self, path, *options):
        result = run([LAUNCHER, "peers", "sign", "--key", self.secret, *options, path])
        equal(result.status, 0, f"sign: {result!r}")
        return result.text

    def verify(self, path):
        return run([LAUNCHER, "peers", "verify", "--signer", self.public, path])


class Fleet(Keys):
    """Keys whose peers file is signed."""

    def __init__(self, *names):
        super().__init__(*names)
        self.signer = Signer(self.folder)
        self.signature = self.folder / "peers.minisig"
        self.signer.sign(self.peers)

    def wrap(self, **settings):
        return SealWrap(self, identity="server", listen=1, peers_signer=self.signer.public, **settings)

    def start(self, **settings):
        wrap = self.wrap(**settings)
        return run(wrap.argv(["true"]))


def starts(result):
    equal(result.status, 0, f"status of {result!r}")


def does_not_start(result, *words):
    equal(result.status, 125, f"status of {result!r}")
    equal(result.text.count("\n"), 1, f"lines of {result.text!r}")
    for word in words:
        check(word in result.text, f"expected {word!r} in {result.text!r}")


def needs_minisign():
    if shutil.which("minisign") is None:
        raise Skip("minisign is not installed")


def check_tools():
    with tap.case("minisign verifies what pfswrap has signed, and prints the trusted comment"):
        needs_minisign()
        fleet = Fleet("server", "first")
        result = run(["minisign", "-V", "-p", fleet.signer.file, "-m", fleet.peers])
        check(result.status == 0 and "Trusted comment: pfswrap peers serial=1 created=20" in result.text, f"{result!r}")
        fleet.peers.write_text(fleet.peers.read_text() + "# more\n")
        check(run(["minisign", "-V", "-p", fleet.signer.file, "-m", fleet.peers]).status != 0, "a changed file is verified")

    with tap.case("pfswrap verifies what minisign has signed, with either tool's key, and with a password"):
        needs_minisign()
        fleet = Fleet("server", "first")
        run(["minisign", "-S", "-s", fleet.signer.secret, "-m", fleet.peers, "-t", "pfswrap peers serial=7"])
        result = fleet.signer.verify(fleet.peers)
        check(result.status == 0 and "serial 7, 2 keys" in result.text, f"the key of pfswrap: {result!r}")
        secret, public = fleet.folder / "minisign.key", fleet.folder / "minisign.pub"
        run(["minisign", "-G", "-W", "-p", public, "-s", secret])
        run(["minisign", "-S", "-s", secret, "-m", fleet.peers, "-t", "pfswrap peers serial=8"])
        own = public.read_text().split()[-1]
        result = run([LAUNCHER, "peers", "verify", "--signer", own, fleet.peers])
        check(result.status == 0 and "serial 8, 2 keys" in result.text, f"the key of minisign: {result!r}")
        result = run([LAUNCHER, "peers", "sign", "--key", secret, fleet.peers])
        check(result.status == 0 and "serial 9" in result.text, f"pfswrap with minisign's key: {result!r}")
        starts(run(SealWrap(fleet, identity="server", listen=1, peers_signer=own).argv(["true"])))

    with tap.case("each signature has a higher serial number, and what is not a whole peers file is not signed"):
        fleet = Fleet("server")
        check("serial 2, 1 keys" in fleet.signer.sign(fleet.peers), "the second signature")
        check("serial 900, 1 keys" in fleet.signer.sign(fleet.peers, "--serial", "900"), "a number of its own")
        check("serial 901, 1 keys" in fleet.signer.sign(fleet.peers), "the next one")
        other = Signer(fleet.folder, "other")
        refused_with(run([LAUNCHER, "peers", "sign", "--key", other.secret, fleet.peers]), "by this key", "--serial NUMBER")
        for number in ("0", "01", "-1", "9223372036854775808", "1x", ""):
            refused_with(run([LAUNCHER, "peers", "sign", "--key", fleet.signer.secret, "--serial", number, fleet.peers]),
                         "expected a whole number")
        whole = fleet.peers.read_text()
        fleet.peers.write_text(whole + "first nonsense\n")
        refused_with(run([LAUNCHER, "peers", "sign", "--key", fleet.signer.secret, fleet.peers]), f"{fleet.peers}:2: ")
        fleet.peers.write_text(whole.rstrip("\n"))
        refused_with(run([LAUNCHER, "peers", "sign", "--key", fleet.signer.secret, fleet.peers]), "no end")
        fleet.peers.write_text(whole)
        refused_with(run([LAUNCHER, "peers", "keygen", fleet.signer.secret]), "exists")
        fleet.signer.secret.chmod(0o644)
        refused_with(run([LAUNCHER, "peers", "sign", "--key", fleet.signer.secret, fleet.peers]), "mode 0644")
        equal(run([LAUNCHER, "peers", "sign", fleet.peers]).status, 2, "status without a key")
        equal(run([LAUNCHER, "peers", "resign", fleet.peers]).status, 2, "status of an unknown word")


def check_start():
    with tap.case("with peers-signer, a program starts with a signed file, and check says signer, serial and age"):
        fleet = Fleet("server", "first")
        starts(fleet.start())
        result = run([LAUNCHER, "check", fleet.wrap().policy])
        check(f"signed by {fleet.signer.public}, serial 1, 20" in result.text and "ago)" in result.text, f"{result.text!r}")
        check(f"peers-signer = {fleet.signer.public}\n" in result.text and "revocation-delay = 60s\n" in result.text,
              f"the policy: {result.text!r}")

    with tap.case("a file without a signature, with a damaged one, or one of another key does not start a program"):
        fleet = Fleet("server", "first")
        whole = fleet.signature.read_text()
        lines = whole.splitlines(True)
        for number in range(1, 4):
            changed = lines[:]
            middle = 30 if number == 2 else 40
            changed[number] = lines[number][:middle] + ("A" if lines[number][middle] != "A" else "B") + lines[number][middle + 1:]
            fleet.signature.write_text("".join(changed))
            does_not_start(fleet.start(), f"{fleet.signature}:")
        for count in range(4):
            fleet.signature.write_text("".join(lines[:count]))
            does_not_start(fleet.start(), f"{fleet.signature}:{count + 1}: expected")
        fleet.signature.write_text(whole + "more\n")
        does_not_start(fleet.start(), f"{fleet.signature}:4: expected", "nothing after it")
        fleet.signature.write_text("x" * 4000)
        does_not_start(fleet.start(), "4000 bytes, expected at most 1024")
        fleet.signature.unlink()
        does_not_start(fleet.start(), f"{fleet.signature}: No such file")
        fleet.signature.write_text(whole)
        fleet.signature.chmod(0o666)
        does_not_start(fleet.start(), f"{fleet.signature}: mode 0666")
        fleet.signature.chmod(0o644)
        starts(fleet.start())
        peers = fleet.peers.read_text()
        fleet.peers.write_text(peers + "\n")
        does_not_start(fleet.start(), f"{fleet.signature}:2: not a signature of this file")
        fleet.peers.write_text(peers)
        Signer(fleet.folder, "thief").sign(fleet.peers, "--serial", "5")
        does_not_start(fleet.start(), f"{fleet.signature}:2: signed by key", "expected one of peers-signer")

    with tap.case("a signature by the right key on another kind of file, or of the old kind, is none on a peers file"):
        needs_minisign()
        fleet = Fleet("server")
        minisign = ["minisign", "-S", "-s", fleet.signer.secret, "-m", fleet.peers]
        for comment in ("timestamp:1", "pfswrap peers", "pfswrap peers serial=0", "pfswrap peers serial=1 serial=2",
                        "pfswrap peers serial=1 created=yesterday", "pfswrap peers serial=1 more=1", "pfswrap peersserial=1"):
            run([*minisign, "-t", comment])
            does_not_start(fleet.start(), f"{fleet.signature}:3: expected trusted comment: pfswrap peers serial=NUMBER")
        run([*minisign, "-l", "-t", "pfswrap peers serial=3"])
        does_not_start(fleet.start(), f"{fleet.signature}:2: expected a signature over a hash")
        run([*minisign, "-t", "pfswrap peers serial=3"])
        starts(fleet.start())

    with tap.case("what does not fit together in the policy is refused with its line"):
        fleet = Fleet("server")
        for settings, words in (({"peers_signer": "RWQ"}, "expected a public key of minisign: 56 characters"),
                                ({"peers_state": "/nowhere"}, "expected peers-signer = PUBLIC-KEY as well"),
                                ({"revocation_delay": "2h"}, "expected a duration from 1ms to 1h")):
            wrap = SealWrap(fleet, identity="server", listen=1, **settings)
            refused_with(run([LAUNCHER, "check", wrap.policy]), f"{wrap.policy}:", words)


def check_state():
    with tap.case("with peers-state, an older file does not start a program; without, it does"):
        fleet = Fleet("server", "first")
        state = fleet.folder / "state"
        old = fleet.peers.read_text(), fleet.signature.read_text()
        starts(fleet.start(peers_state=state))
        equal(state.stat().st_mode & 0o777, 0o600, "mode of the state file")
        check(state.read_text().startswith("pfswrap peers serial=1 digest="), f"the state: {state.read_text()!r}")
        fleet.make("second")
        fleet.signer.sign(fleet.peers, "--serial", "10")
        run([LAUNCHER, "check", fleet.wrap(peers_state=state).policy])
        check(" serial=1 " in state.read_text(), "pfswrap check changed the state")
        starts(fleet.start(peers_state=state))
        check(" serial=10 " in state.read_text(), f"the state: {state.read_text()!r}")
        starts(fleet.start(peers_state=state))
        fleet.peers.write_text(old[0])
        fleet.signature.write_text(old[1])
        does_not_start(fleet.start(peers_state=state), f"serial 1 is older than 10 in {state}")
        refused_with(run([LAUNCHER, "check", fleet.wrap(peers_state=state).policy]), "serial 1 is older than 10")
        starts(fleet.start())
        fleet.signer.sign(fleet.peers, "--serial", "10")
        does_not_start(fleet.start(peers_state=state), "serial 10 was that of another content")

    with tap.case("pfswrap seal with a policy keeps the serial number, too, and refuses an older file"):
        fleet = Fleet("server", "other")
        state, old = fleet.folder / "state", (fleet.peers.read_text(), fleet.signature.read_text())
        wrap = SealWrap(fleet, identity="server", connect=["127.0.0.1:1"], peer="other", peers_signer=fleet.signer.public, peers_state=state)
        fleet.signer.sign(fleet.peers, "--serial", "10")

        def dial():
            return run([LAUNCHER, "seal", "connect", "--policy", wrap.policy, "127.0.0.1:1"])

        check(dial().status != 0, "nobody listens there")
        check(" serial=10 " in state.read_text(), f"the state: {state.read_text()!r}")
        fleet.peers.write_text(old[0])
        fleet.signature.write_text(old[1])
        refused = dial()
        check(refused.status == 1 and f"serial 1 is older than 10 in {state}" in refused.text, f"{refused!r}")

    with tap.case("a state file that cannot be used does not start a program"):
        fleet = Fleet("server")
        state = fleet.folder / "state"
        for text in ("nonsense\n", "pfswrap peers serial=0 digest=\n", "pfswrap peers serial=1 digest=AAAA\n",
                     "pfswrap peers serial=1 digest=" + "A" * 43 + "=", "pfswrap peers serial=1" + " " * 100 + "\n", "\0" * 90):
            state.write_text(text)
            state.chmod(0o600)
            does_not_start(fleet.start(peers_state=state), f"peers-state {state}: expected one line")
        state.write_text("x" * 5000)
        does_not_start(fleet.start(peers_state=state), f"peers-state {state}: expected a regular file of at most 159 bytes")
        state.write_text("")
        state.chmod(0o666)
        does_not_start(fleet.start(peers_state=state), f"peers-state {state}: mode 0666")
        state.chmod(0o600)
        starts(fleet.start(peers_state=state))
        does_not_start(fleet.start(peers_state=fleet.folder), "peers-state")
        does_not_start(fleet.start(peers_state=fleet.folder / "none/state"), "No such file or directory")


def make_service(**settings):
    """A server whose own peers file is signed; the clients' one is not. Returns both, and the signer."""
    service = Service(**settings)
    service.any_clients()
    peers = service.keep_peers("server", "first", "second")
    signer = Signer(service.keys.folder)
    signer.sign(peers)
    service.rewrite(service.server_wrap.policy,
                    lambda text: text.replace("[seal]\n", f"[seal]\npeers-signer = {signer.public}\n", 1))
    service.server.stop()
    service.start()
    return service, peers, signer


def check_reload():
    with tap.case("a reload takes a newer signed file; older, unsigned and changed ones leave the old one in force, with an event"):
        service, peers, signer = make_service()
        first, signature = service.client("first"), peers.with_name("peers.server.minisig")
        equal(first.ask("open 2"), "open 2", "connections")
        old = peers.read_text(), signature.read_text()
        service.keep_peers("server", "second")
        refused_with(service.reload(), "not a signature of this file")
        signer.sign(peers)
        applied(service.reload())
        service.server_wrap.wait_event("reload", result="applied", peers_serial=2)
        check(first.ask("try").startswith("failed"), "a client that was removed was admitted")
        equal(service.client("second").ask("try"), "ok", "a client that was not removed")
        peers.write_text(old[0])
        signature.write_text(old[1])
        refused_with(service.reload(), "serial 1 is older than 2 in this process")
        service.server_wrap.wait_event("reload", result="refused", peers_serial=2)
        check(first.ask("try").startswith("failed"), "a file that is rolled back was taken")
        signer.sign(peers, "--serial", "2")
        refused_with(service.reload(), "serial 2 was that of another content in this process")
        signature.unlink()
        refused_with(service.reload(), "No such file")
        service.keep_peers("server", "second")
        signer.sign(peers, "--serial", "3")
        applied(service.reload())
        check("unchanged" in service.reload().text, "the same file is no change")
        signer.sign(peers, "--serial", "4")
        applied(service.reload())
        equal(service.server_wrap.events("reload", result="applied")[-1]["peers_serial"], 4, "the serial number")


for each in (check_tools, check_start, check_state, check_reload):
    each()
tap.finish()
