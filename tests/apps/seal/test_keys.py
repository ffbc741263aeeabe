"""The key commands: what they print, that they can be combined, what they refuse, and that a password's key is what WIRE.md
and KEYS.md say, computed by libsodium without the product's code."""

import base64
import ctypes
import ctypes.util
import hashlib
import os
import pathlib
import pty
import re
import select
import subprocess
import tempfile

from lib.process import PROGRAMS
from lib.tap import Tap

PROGRAM = PROGRAMS / "seal/seal_keys"
SERVER = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
CREATED = re.compile(r"[A-Za-z0-9+/]{43}=\n# created \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n")
tap = Tap()
report = tap.result


def run(*arguments, text="", **options):
    return subprocess.run([PROGRAM, *arguments], input=text, capture_output=True, text=True, timeout=120, **options)


def check_random():
    first, second = run("genkey"), run("genkey")
    report(first.returncode == 0 and CREATED.fullmatch(first.stdout) and len(base64.b64decode(first.stdout[:44])) == 32 and
           first.stdout[:44] != second.stdout[:44], "genkey prints 32 random bytes as base64, and a comment with the time",
           first)
    psk = run("genpsk")
    report(psk.returncode == 0 and CREATED.fullmatch(psk.stdout) and psk.stdout[:44] != run("genpsk").stdout[:44],
           "genpsk prints 32 random bytes, too", psk)
    report(run("pubkey", text=first.stdout).stdout == run("pubkey", text=first.stdout[:45]).stdout != "",
           "pubkey reads what genkey prints", first)


def check_pubkey():
    alice = base64.b64encode(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")).decode()
    report(run("pubkey", text=alice + "\n").stdout == SERVER + "\n", "pubkey derives what RFC 7748 says, from stdin")
    for text, what in (("", "nothing"), ("hello\n", "another text"), (alice + "x\n", "one character too many"),
                       (alice + "\n" + alice + "\n", "two keys"), ("A" * 5000, "a long line"), ("\0\n", "a zero byte")):
        refused = run("pubkey", text=text)
        report(refused.returncode == 1 and refused.stdout == "" and "stdin: expected" in refused.stderr and
               alice not in refused.stderr, f"pubkey refuses {what} and says what it expected", refused)
    report(run("pubkey", "file").returncode == 1, "pubkey takes no argument")


def check_loose_file():
    with tempfile.TemporaryDirectory() as directory:
        for mode, expected in ((0o644, True), (0o600, False)):
            path = pathlib.Path(directory) / oct(mode)
            path.touch()
            path.chmod(mode)
            with path.open("w") as file:
                warned = subprocess.run([PROGRAM, "genkey"], stdout=file, stderr=subprocess.PIPE, text=True)
            report(("warning: group or others can read" in warned.stderr) == expected and CREATED.fullmatch(path.read_text()),
                   f"genkey into a file of mode {mode:04o} {'warns' if expected else 'does not warn'}", warned.stderr)
    with open("/dev/full", "w") as full:
        failed = subprocess.run([PROGRAM, "genkey"], stdout=full, stderr=subprocess.PIPE, text=True)
    report(failed.returncode == 1 and "stdout: No space left" in failed.stderr, "a key that cannot be written is an error",
           failed)


def derive(password, user):
    """KEYS.md, "Keys from passwords"."""
    sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
    salt = hashlib.blake2b(b"pfswrap password key 1\0" + user.encode(), digest_size=16,
                           key=base64.b64decode(SERVER)).digest()
    out = ctypes.create_string_buffer(32)
    status = sodium.crypto_pwhash(out, ctypes.c_ulonglong(32), password.encode(), ctypes.c_ulonglong(len(password.encode())),
                                  salt, ctypes.c_ulonglong(3), ctypes.c_size_t(256 << 20), 2)
    assert status == 0
    return base64.b64encode(out.raw).decode() + "\n"


def check_password():
    options = ("genkey", "--password", "--user", "ann", "--server", SERVER)
    first = run(*options, text="correct horse\n")
    report(first.returncode == 0 and first.stdout == derive("correct horse", "ann"),
           "a password's key is its Argon2id with the salt of server and user", first)
    other = run("genkey", "--password", "--user", "bob", "--server", SERVER, text="correct horse\n")
    report(other.stdout == derive("correct horse", "bob") != first.stdout, "another user has another key", other)
    for arguments, text, message in (
            (options[:4], "x\n", "usage"), (options[:2], "x\n", "usage"), (("genkey", "--user", "ann"), "", "usage"),
            (("genkey", "extra"), "", "usage"), (("genkey", "--nonsense"), "", "usage"),
            (options, "\n", "the password is empty"),
            (options[:5] + ("AAAA",), "x\n", "--server: expected a public key of 44 characters"),
            (("genkey", "--password", "--user", "a b", "--server", SERVER), "x\n", "expected a name of 1 to 63")):
        refused = run(*arguments, text=text)
        report(refused.returncode == 1 and refused.stdout == "" and message in refused.stderr,
               f"genkey refuses {' '.join(arguments[1:])!r} with {text!r}: {message}", refused)


def converse_with_terminal(answers):
    """Types answers at a terminal; returns what the terminal showed, the standard output, and the status."""
    master, slave = pty.openpty()
    process = subprocess.Popen([PROGRAM, "genkey", "--password", "--user", "ann", "--server", SERVER], stdin=slave,
                               stdout=subprocess.PIPE, stderr=slave, start_new_session=True)
    os.close(slave)
    shown = b""
    for prompt, answer in answers:
        while prompt not in shown:
            if not select.select([master], [], [], 60)[0]:
                process.kill()
                return shown, "no prompt in time", -1
            shown += os.read(master, 1024)
        os.write(master, answer + b"\n")
    try:
        output = process.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return shown, "no key in time", -1
    try:
        while piece := os.read(master, 1024):
            shown += piece
    except OSError:
        pass                    # no process has the terminal open any more
    os.close(master)
    return shown, output.decode(), process.returncode


def check_terminal():
    shown, output, status = converse_with_terminal([(b"Password: ", b"correct horse"), (b"Again: ", b"correct horse")])
    report(status == 0 and output == derive("correct horse", "ann") and b"horse" not in shown,
           "at a terminal the password is requested twice and not shown", f"{shown} {output}")
    shown, output, status = converse_with_terminal([(b"Password: ", b"one"), (b"Again: ", b"two")])
    report(status == 1 and output == "" and b"the two passwords differ" in shown, "two different passwords make no key", shown)


if PROGRAM.exists():
    check_random()
    check_pubkey()
    check_loose_file()
    check_password()
    check_terminal()
else:
    report(False, "the commands are built", f"{PROGRAM} is missing: make seal-programs")
tap.finish()
