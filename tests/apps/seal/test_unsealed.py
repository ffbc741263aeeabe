"""What no rule seals does not change: UDP, Unix sockets, pipes, and TCP that matches no rule, or another rule first."""

from lib.process import PROGRAMS, free_port, run
from lib.seal import MODES, MARK, Scenarios, SealWrap, look, needs_seal
from lib.tap import Tap, check, equal


def rules(tap, keys):
    """Which addresses a rule matches: the first match wins; prefixes, ranges and mapped IPv4 addresses."""
    cases = [
        ("a rule for another port", "[listen a]\naddress = 127.0.0.1:1\nseal = require", "127.0.0.1", False),
        ("a rule for every port", "[listen a]\naddress = 127.0.0.1:*\nseal = require\n[connect b]\n"
         "address = 127.0.0.0/8:*\nseal = require\npeer = peer", "127.0.0.1", True),
        ("a rule for a range of ports", "[listen a]\naddress = 0.0.0.0/0:{below}-{above}\nseal = require\n[connect b]\n"
         "address = 127.0.0.0/8:{below}-{above}\nseal = require\npeer = peer", "127.0.0.1", True),
        ("a first rule with seal = off", "[listen a]\naddress = 127.0.0.1:*\nseal = off\n[listen b]\n"
         "address = 127.0.0.1:{port}\nseal = require\n[connect c]\naddress = 127.0.0.1:{port}\nseal = off\n[connect d]\n"
         "address = 127.0.0.1:*\nseal = require\npeer = peer", "127.0.0.1", False),
        ("an IPv4 rule and a mapped address", "[listen a]\naddress = 127.0.0.1:{port}\nseal = require\n[connect b]\n"
         "address = 127.0.0.1:{port}\nseal = require\npeer = peer", "::ffff:127.0.0.1", True),
        ("an IPv6 rule and an IPv6 address", "[listen a]\naddress = [::]/0:{port}\nseal = require\n[connect b]\n"
         "address = [::1]:{port}\nseal = require\npeer = peer", "::1", True),
        ("an IPv6 rule and an IPv4 address", "[listen a]\naddress = [::1]:{port}\nseal = require\n[connect b]\n"
         "address = [::1]:{port}\nseal = require\npeer = peer", "127.0.0.1", False),
    ]
    for sentence, text, address, sealed in cases:
        with tap.case(f"sealed: {sentence}: the connection is {'sealed' if sealed else 'not sealed'}"):
            needs_seal()
            port = free_port()
            wrap = SealWrap(keys, rules=text.format(port=port, below=port - 1, above=port + 1))
            with look(port) as wire:
                result = run(wrap.argv([PROGRAMS / "seal/sock_unsealed", "without_rule", port, address]))
                equal(result.status, 0, f"{result!r}; log {wrap.tail()}")
                wire.finish()
            equal(len(wrap.events("opened")), 2 if sealed else 0, f"connections opened; log {wrap.tail()}")
            if hasattr(wire, "flows"):
                equal(MARK in wire.seen(), not sealed, "plaintext on the wire")


def main():
    tap = Tap()
    on = Scenarios(tap, "sock_unsealed")
    on.both("datagrams", "UDP on the address of a rule is not changed", marked=False, then=no_connection)
    on.both("unix", "Unix sockets of all types and pipes are not changed", marked=False, then=no_connection)
    for mode in MODES:
        with tap.case(f"{mode.name}: TCP to a port without a rule is not changed"):
            if mode.sealed:
                needs_seal()
            port = free_port()
            wrap = SealWrap(on.keys, listen=port + 1, connect=port + 1)
            with look(port) as wire:
                result = run(mode.argv(wrap, [PROGRAMS / "seal/sock_unsealed", "without_rule", port]), env=mode.environment())
                equal(result.status, 0, f"{result!r}")
                wire.finish()
                check(not hasattr(wire, "flows") or MARK in wire.seen(), "no plaintext on the wire of a plain connection")
    rules(tap, on.keys)
    tap.finish()


def no_connection(mode, _result, wrap):
    if mode.sealed:
        equal(wrap.events("opened") + wrap.events("refused"), [], "events of sealed connections")


main()
