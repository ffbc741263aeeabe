"""pfswrap unit: the drop-in for a unit as systemd finds it, what it says about the sandbox, and systemd-analyze verify."""

import re
import shutil

from lib.confined import members, sets
from lib.process import PROGRAMS, ROOT, find, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER

SEALS = "[seal]\nidentity = {identity}\npeers = /etc/pfswrap/peers\n[listen x]\naddress = 127.0.0.1:6379\nseal = require\n"


class Units:
    """Folders of units, one before the other, in place of systemd's; and a policy."""

    def __init__(self):
        self.folder = temporary_directory()
        self.etc, self.lib = self.folder / "etc", self.folder / "lib"
        for folder in (self.etc, self.lib):
            folder.mkdir()
        self.policy = self.folder / "policy.conf"
        self.write_policy("[policy]\nlog = stderr\n")

    def write_policy(self, text):
        self.policy.write_text(text)
        self.policy.chmod(0o600)

    def write(self, name, text, folder=None):
        path = (folder or self.lib) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def path(self, after=""):
        return {"SYSTEMD_UNIT_PATH": f"{self.etc}:{self.lib}{after}"}

    def unit(self, name, *options):
        return run([LAUNCHER, "unit", "--policy", self.policy, *options, name], env=self.path())

    def lines(self, text, name="a.service", key=None):
        """What is printed for a unit with these lines in [Service]; with `key`: the values of that key."""
        self.write(name, f"[Unit]\nDescription=x\nExecStart=no\n[Service]\n{text}")
        result = self.unit(name)
        equal((result.status, result.err), (0, b""), f"{result!r}")
        return result.lines if key is None else [line.partition("=")[2] for line in result.lines if
                                                 line.startswith(f"{key}=")]


def wrapped(units, rest, prefix="", argv0=""):
    """The line for a command: PREFIX PFSWRAP run --policy POLICY [--argv0 WORD] -- REST."""
    tool = re.search(r"(\S+) run --policy", "\n".join(units.lines("ExecStart=/bin/true"))).group(1).split("=")[-1]
    return f"{prefix}{tool} run --policy {units.policy} {f'--argv0 {argv0} ' if argv0 else ''}-- {rest}"


def prove_commands(tap, units):
    curl = find("curl")
    cases = [
        ("a command", "/bin/true a b", [("/bin/true a b", "", "")]),
        ("prefixes", "-+:/bin/true", [("/bin/true", "-+:", "")]),
        ("blanks around the command", "   -/bin/true   x  ", [("/bin/true x", "-", "")]),
        ("@ with a word for argv[0]", "@/bin/true true-name x", [("/bin/true x", "", "true-name")]),
        ("@ behind another prefix, and a name in quotes", '-@/bin/true "a b" x', [("/bin/true x", "-", '"a b"')]),
        ("quotes, specifiers, variables and escapes in arguments", "/bin/true '%i' \"$X\" ${Y} $$ \\x20 %%",
         [("/bin/true '%i' \"$X\" ${Y} $$ \\x20 %%", "", "")]),
        ("several commands in a line", "/bin/true a ; -/bin/true b\\;c \\; ;/d",
         [("/bin/true a", "", ""), ("/bin/true b\\;c \\; ;/d", "-", "")]),
        ("a line that goes on, with a comment inside", "/bin/true a \\\n# comment\n; another\n  b", [("/bin/true a    b", "", "")]),
        ("a name without a slash", "true x", [("/usr/bin/true x", "", "true")]),
        ("a quoted executable", '"/bin/true" x', [('"/bin/true" x', "", "")]),
    ]
    for what, command, expected in cases:
        with tap.case(f"{what}: the arguments stay as they are"):
            found = units.lines(f"Type=oneshot\nExecStart={command}\n", key="ExecStart")
            equal(found, ["", *(wrapped(units, rest, prefix, argv0) for rest, prefix, argv0 in expected)], "lines")
    with tap.case("several ExecStart lines stay in their order, and an empty one resets those before it"):
        found = units.lines("Type=oneshot\nExecStart=/bin/false\nExecStart=\nExecStart=/bin/true 1\nExecStart=/bin/true 2\n",
                            key="ExecStart")
        equal(found, ["", wrapped(units, "/bin/true 1"), wrapped(units, "/bin/true 2")], "lines")
    with tap.case("a stop command that connects is run by pfswrap, one that only sends a signal is not"):
        text = f"ExecStart=/bin/true\nExecStop={curl} http://x/\nExecReload=/bin/kill -HUP $MAINPID\n"
        equal(units.lines(text, key="ExecStop"), ["", wrapped(units, f"{curl} http://x/")], "ExecStop")
        equal(units.lines(text, key="ExecReload"), [], "ExecReload")
        contains("\n".join(units.lines(text)), "# ExecReload=/bin/kill -HUP $MAINPID stays as it is: it opens no connection",
                 "comment")
    with tap.case("a set-user-ID helper stays as it is, and the comment says what pfswrap run would say"):
        passwd = find("passwd")
        contains("\n".join(units.lines(f"ExecStart=/bin/true\nExecStartPre={passwd} x\n")),
                 f"# ExecStartPre stays as it is: {passwd} is set-user-ID, expected a program without privileges", "comment")
    with tap.case("a command that pfswrap runs already stays as it is"):
        equal(units.lines("ExecStart=/usr/bin/pfswrap run -- /bin/true\n", key="ExecStart"), [], "ExecStart")
    with tap.case("a script is run by pfswrap"):
        script = units.folder / "script"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        equal(units.lines(f"ExecStart={script}\n", key="ExecStart"), ["", wrapped(units, str(script))], "ExecStart")
    with tap.case("pfswrap run --argv0 gives the program that name"):
        result = run([LAUNCHER, "run", "--policy", "builtin", "--argv0", "a name", "--", "sh", "-c", "echo \"$0\""])
        equal(result.status, 0, f"{result!r}")
        result = run([LAUNCHER, "run", "--policy", "builtin", "--argv0", "a name", "--", "cat", "/proc/self/cmdline"])
        equal(result.out, b"a name\0/proc/self/cmdline\0", f"{result!r}")
        equal(run([LAUNCHER, "run", "--argv0"]).status, 125, "status without a name")


def prove_refusals(tap, units):
    static = PROGRAMS / "seal/static_true"
    for what, text, message in (
            ("a static program", f"ExecStart={static}\n", f"a.service: {static} is statically linked, expected a dynamic program"),
            ("a program that does not exist", "ExecStart=/nonexistent\n", "a.service: /nonexistent: No such file or directory"),
            ("no command", "Type=oneshot\n", "a.service has no ExecStart, expected a service that starts a program"),
            ("a quote that is not closed", 'ExecStart=/bin/true "x\n', "/a.service:2: ExecStart cannot be rewritten: a quote is not closed"),
            ("a variable as argv[0]", "ExecStart=@/bin/true $X\n", "ExecStart cannot be rewritten: @ needs a word for argv[0]"),
            ("a masked unit", "", "is masked or no file")):
        with tap.case(f"{what} is refused with one line, and nothing is printed"):
            units.write("a.service", f"[Service]\n{text}" if text else "")
            result = units.unit("a")
            equal((result.status, result.out, len(result.err.splitlines())), (1, b"", 1), f"{result!r}")
            contains(result.err.decode(), message, "message")
    for arguments, status, message in ((["nothing-here"], 1, "nothing-here.service: there is no such unit"),
                                       (["a.socket"], 1, "a.socket is no service"), ([], 2, "unit takes one UNIT"),
                                       (["--x", "a"], 2, "unknown option --x of unit")):
        with tap.case(f"pfswrap unit {' '.join(arguments)}: status {status}"):
            result = run([LAUNCHER, "unit", *arguments], env=units.path())
            equal((result.status, result.out), (status, b""), f"{result!r}")
            contains(result.err.decode(), message, "message")


def prove_search(tap, units):
    with tap.case("/etc comes before /usr/lib, drop-ins are read in the order of their names, and the first folder wins"):
        units.write("b.service", "[Service]\nExecStart=/bin/true lib\n")
        units.write("b.service", "[Service]\nType=oneshot\nExecStart=/bin/true etc\n", units.etc)
        units.write("b.service.d/20.conf", "[Service]\nExecStart=/bin/true 20\n")
        units.write("b.service.d/10.conf", "[Service]\nExecStart=/bin/true hidden\n")
        units.write("b.service.d/10.conf", "[Service]\nExecStart=/bin/true 10\n", units.etc)
        units.write("b.service.d/pfswrap.conf", "[Service]\nExecStart=/bin/true ours\n", units.etc)
        units.write("service.d/15.conf", "[Service]\nLimitNOFILE=99\n")
        lines = units.unit("b").lines
        equal([line.rpartition(" ")[2] for line in lines if line.startswith("ExecStart=/")], ["etc", "10", "20"], "commands")
        contains("\n".join(lines), "# LimitNOFILE=99: ", "the drop-in for all services")
    with tap.case("an instance is found by its template, with drop-ins of both and of the name's prefix"):
        units.write("web-app@.service", "[Service]\nType=oneshot\nExecStart=/bin/true %i\n")
        units.write("web-app@.service.d/1.conf", "[Service]\nExecStart=/bin/true template\n")
        units.write("web-app@x.service.d/2.conf", "[Service]\nExecStart=/bin/true instance\n")
        units.write("web-.service.d/3.conf", "[Service]\nExecStart=/bin/true prefix\n")
        lines = units.unit("web-app@x").lines
        equal([line.rpartition(" ")[2] for line in lines if line.startswith("ExecStart=/")],
              ["%i", "template", "instance", "prefix"], "commands")
    with tap.case("an alias has the drop-ins of the unit that it stands for"):
        units.write("real.service", "[Service]\nExecStart=/bin/true\n")
        units.write("real.service.d/90.conf", "[Service]\nLimitNOFILE=77\n")
        (units.etc / "alias.service").symlink_to(units.lib / "real.service")
        contains(units.unit("alias").text, "# LimitNOFILE=77: ", "output")


def prove_notes(tap, units):
    def noted(policy, text, *expected, absent=()):
        units.write_policy(policy)
        lines = units.lines(f"ExecStart=/bin/true\n{text}")
        units.write_policy("[policy]\nlog = stderr\n")
        for line in expected:
            contains(lines, line, "lines")
        for start in absent:
            lacks([line[:len(start)] for line in lines], start, "lines")

    log, journald = "[policy]\nlog = /var/log/pfswrap/x.jsonl\n", "[policy]\nlog = journald\n"
    families = "RestrictAddressFamilies=AF_INET AF_INET6\n"
    sealed = SEALS.format(identity="$CREDENTIALS_DIRECTORY/redis.key")
    with tap.case("the log: a folder for the service's user, and a path that ProtectSystem=strict leaves writable"):
        noted(log, "", absent=["LogsDirectory", "ReadWritePaths"])
        noted(log, "User=redis\n", "LogsDirectory=pfswrap")
        noted(log, "DynamicUser=yes\nProtectSystem=strict\n", "LogsDirectory=pfswrap", absent=["ReadWritePaths"])
        noted(log, "User=redis\nLogsDirectory=redis pfswrap\n", absent=["LogsDirectory"])
        noted("[policy]\nlog = /srv/log/x\n", "ProtectSystem=strict\n", "ReadWritePaths=/srv/log", absent=["LogsDirectory"])
        noted("[policy]\nlog = /srv/log/x\n", "ProtectSystem=strict\nReadWritePaths=-/srv\n", absent=["ReadWritePaths"])
    with tap.case("keys: credentials that the policy names and the unit lacks"):
        noted(sealed, "", "LoadCredential=redis.key:/etc/pfswrap/keys/redis.key")
        noted(sealed, "LoadCredentialEncrypted=redis.key:/x\n", absent=["LoadCredential="])
        noted(SEALS.format(identity="/k/a.key"), "DynamicUser=yes\n", "# LoadCredential=a.key:/k/a.key")
        noted(SEALS.format(identity="/k/a.key"), "", absent=["# LoadCredential"])
    with tap.case("signed peers: the signature is a credential, too, and the state has a folder"):
        signer = "peers-signer = RWQuppe6s/zKTfoLxbDrVuLFw2nduF3cwH271XGrdfCiL99K73Y2Oq2N\npeers-state = /var/lib/x/peers\n"
        signed = sealed.replace("peers = /etc/pfswrap/peers\n", f"peers = $CREDENTIALS_DIRECTORY/peers\n{signer}")
        noted(signed, "", "LoadCredential=peers.minisig:/etc/pfswrap/keys/peers.minisig", "StateDirectory=x")
        noted(signed, "StateDirectory=x\n", absent=["StateDirectory"])
        noted(signed, "ReadWritePaths=/var/lib\n", absent=["StateDirectory", "# peers-state"])
        noted(signed.replace("/var/lib/x", "/srv/x"), "", "# ReadWritePaths=/srv/x")
    with tap.case("RestrictAddressFamilies= gets AF_UNIX where pfswrap opens such a socket, and only there"):
        noted("[policy]\nlog = stderr\n", families, absent=["RestrictAddressFamilies="])
        noted(journald, families, "RestrictAddressFamilies=AF_UNIX")
        noted(sealed, families, "RestrictAddressFamilies=AF_UNIX")
        noted(journald, "RestrictAddressFamilies=~AF_UNIX\n", "RestrictAddressFamilies=AF_UNIX")
        noted(journald, f"{families}RestrictAddressFamilies=AF_UNIX\n", absent=["RestrictAddressFamilies="])
        noted(journald, "RestrictAddressFamilies=~AF_PACKET\n", absent=["RestrictAddressFamilies="])
    with tap.case("SystemCallFilter= gets the calls that it lacks, and no line if it lacks none"):
        noted(sealed, "SystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources\n", absent=["SystemCallFilter="])
        noted(sealed, "SystemCallFilter=~@clock @debug @mount\n", absent=["SystemCallFilter="])
        noted("[policy]\nlog = stderr\n", "SystemCallFilter=@system-service\nSystemCallFilter=~@network-io\n",
              "SystemCallFilter=getsockopt getsockname getpeername shutdown recvfrom")
        noted("[policy]\nlog = stderr\n", "SystemCallFilter=~ppoll:EPERM madvise\n", "SystemCallFilter=madvise ppoll")
        noted("[policy]\nlog = stderr\n", "SystemCallFilter=~ppoll\nSystemCallFilter=ppoll\n", absent=["SystemCallFilter="])
        noted("[policy]\nlog = stderr\n", "SystemCallFilter=ppoll\nSystemCallFilter=\n", absent=["SystemCallFilter="])
    with tap.case("a root directory of its own and noexec mounts get the files of pfswrap"):
        lines = units.lines("ExecStart=/bin/true\nRootDirectory=/srv/root\nNoExecPaths=/\n")
        check([line for line in lines if re.fullmatch(r"BindReadOnlyPaths=\S+ \S+", line)], f"{lines}")
        check([line for line in lines if re.fullmatch(r"ExecPaths=\S+ \S+", line)], f"{lines}")
    with tap.case("every sandbox option of systemd that a unit may have is named in the output"):
        options = ["PrivateTmp=yes", "ProtectProc=invisible", "MemoryDenyWriteExecute=yes", "NoNewPrivileges=yes",
                   "DynamicUser=yes", "PrivateUsers=yes", "LimitMEMLOCK=0", "LimitNOFILE=64", "RestrictNamespaces=yes",
                   "IPAddressDeny=any", "ProtectSystem=full", "ProtectHome=yes", "Type=notify", "KillMode=mixed"]
        text = "\n".join(units.lines("ExecStart=/bin/true\n" + "\n".join(options) + "\n"))
        for option in options:
            contains(text, option.split("=")[0], "output")


def prove_tables(tap):
    table = re.findall(r'\{"(\w+)", "([@\w -]+)", (\w+)\}', (ROOT / "tools/unit_calls.c").read_text())
    with tap.case("the calls that pfswrap unit knows are those of docs/SANDBOXES.md that pfswrap cannot do without"):
        rows = re.findall(r"^\| (`.*?) \| (.*?) \| .* \|$", (ROOT / "docs/SANDBOXES.md").read_text(), re.MULTILINE)
        rows = [(set(re.findall(r"`(\w+)`", calls)), needed) for calls, needed in rows]
        needed = {}
        for calls, purpose in rows:
            for word, place in (("every process", "ALWAYS"), ("wire", "ALWAYS"), ("programs that execute others", "ALWAYS"),
                                ("`log = ", "FOR_LOG"), ("seal", "FOR_SEAL")):
                if purpose.startswith(word):
                    needed.update(dict.fromkeys(calls, place))
        equal({call: place for call, _, place in table}, needed, "calls")
    with tap.case("the sets of those calls are those of systemd"):
        known = {name: members(name) for name in sets()}
        for call, listed, _ in table:
            expected = {name for name in known if call in known[name]} - {"@known", "@system-service"}
            equal(set(listed.split()) - {"@system-service"}, expected, f"sets of {call}")
            check(call in known["@system-service"], f"{call} is in @system-service")


def prove_verify(tap, units):
    def verify(name, *more):
        return run(["systemd-analyze", "verify", "--man=no", name, *more], env=units.path(":"))

    with tap.case("systemd-analyze verify accepts the drop-ins for the services of Debian's packages, and reads them"):
        if not find("systemd-analyze"):
            raise Skip("systemd-analyze is not installed")
        tried = []
        for name in ("nginx", "redis-server", "haproxy", "ssh", "memcached", "mosquitto", "squid", "dovecot", "vsftpd", "lighttpd",
                     "postgresql@15-main", "systemd-timesyncd"):
            result = run([LAUNCHER, "unit", "--policy", "builtin", name])
            if "there is no such unit" in result.text:
                continue
            equal(result.status, 0, f"{result!r}")
            path = units.write(f"{name}.service.d/pfswrap.conf", result.out.decode(), units.etc)
            before = run(["systemd-analyze", "verify", "--man=no", f"{name}.service"])
            result = verify(f"{name}.service")
            equal((result.status, result.text), (before.status, before.text), f"{result!r}")
            tried.append((name, path))
        check(tried, "a service that is installed")
        name, path = tried[0]
        path.write_text("[Service]\nExecStart=\nExecStart=/nonexistent\n")
        contains(verify(f"{name}.service").text, "/nonexistent", "what verify says about a wrong drop-in")
    with tap.case("systemd-analyze verify accepts the examples"):
        if not find("systemd-analyze"):
            raise Skip("systemd-analyze is not installed")
        prefix = units.folder / "prefix"
        run(["make", "-s", "-C", ROOT, "install-base", f"PREFIX={prefix}"], env={"MAKEFLAGS": "", "MFLAGS": ""}, timeout=600)
        texts = {example.name: example.read_text().replace("/usr/local", str(prefix)) for example in
                 (ROOT / "examples/systemd").iterdir()}
        units.write("demo.service", "[Service]\nExecStart=/usr/bin/redis-server\n", units.etc)
        for name, text in texts.items():
            units.write("demo.service.d/pfswrap.conf" if name.endswith(".conf") else name, text, units.etc)
        for name in texts:
            result = verify("demo.service" if name.endswith(".conf") else name.replace("@", "@true"))
            equal((result.status, result.text), (0, ""), f"{name}: {result!r}")
        shutil.rmtree(prefix, ignore_errors=True)


def main():
    tap = Tap()
    units = Units()
    prove_commands(tap, units)
    prove_refusals(tap, units)
    prove_search(tap, units)
    prove_notes(tap, units)
    prove_tables(tap)
    prove_verify(tap, units)
    tap.finish()


main()
