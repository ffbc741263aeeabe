#!/usr/bin/env python3
"""Every socket option in the installed headers has a decision in option_list.h, and docs/OPTIONS.md lists those that are
not simply passed on."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import ROOT, run  # noqa: E402
from lib.tap import Tap, check, equal  # noqa: E402

LIST = ROOT / "shim/socket/option_list.h"
DOCUMENT = ROOT / "docs/OPTIONS.md"
ROW = re.compile(r"X\((\w+), (\d+), (\w+), (\w+)\)")
# For each list: the headers, the names that may be options, and those that are values of options.
HEADERS = {
    "OPTIONS_SOCKET": (["asm/socket.h", "sys/socket.h"], r"SO_|SCM_(?!RIGHTS|CREDENTIALS|SECURITY|PIDFD)", r"$"),
    "OPTIONS_TCP": (["linux/tcp.h", "netinet/tcp.h"], r"TCP_",
                    r"TCP_(REPAIR_O(N|FF)|MSS(_|$)|MD5SIG_(FLAG_|MAXKEYLEN)|RECEIVE_ZEROCOPY_|COOKIE_(?!TRANSACTIONS)|MAX_WINSHIFT|"
                    r"MAXWIN|S_DATA|AO_(KEYF|MAXKEYLEN)|[A-Z]+_QUEUE$|QUEUES|NO_QUEUE|ESTABLISHED|CA_|NLA_|MAX_QUICKACKS)"),
    "OPTIONS_IP": (["linux/in.h", "netinet/in.h"], r"(IP|MCAST)_",
                   r"IP_(PMTUDISC_|DEFAULT_|MSFILTER_SIZE|MAX_MEMBERSHIPS)|MCAST_(INCLUDE|EXCLUDE)"),
    "OPTIONS_IPV6": (["linux/in6.h", "netinet/in.h"], r"IPV6_",
                     r"IPV6_(FL_|PMTUDISC_|PREFER_|PRIORITY_|TLV_|FLOWINFO_|ROUTER_ALERT_|RTHDR_)"),
}


def lists():
    """{list: {number: (name, decision, errno)}}"""
    found = {}
    for name, body in re.findall(r"#define (OPTIONS_\w+)\(X\)((?:.*\\\n)*.*)", LIST.read_text()):
        found[name] = {int(number): (option, decision, error) for option, number, decision, error in ROW.findall(body)}
    return found


def in_headers(headers, names, values):
    """{name: number} of the macros in these headers, each header by itself: some do not go together."""
    numbers = {}
    for header in headers:
        expanded = run(["gcc", "-E", "-dM", "-D_GNU_SOURCE", "-"], data=f"#include <{header}>\n".encode())
        equal(expanded.status, 0, f"status of {expanded!r}")
        macros = dict(re.findall(r"^#define (\w+)[ \t]+(\w+)[ \t]*$", expanded.text, re.MULTILINE))
        for name in macros:
            value = macros[name]
            for _ in range(5):  # a name may stand for another name
                value = macros.get(value, value)
            if re.match(names, name) and not re.match(values, name) and value.isdecimal():
                numbers[name] = int(value)
    return numbers


def main():
    tap, found = Tap(), lists()
    for name, (headers, names, values) in HEADERS.items():
        with tap.case(f"every option of {', '.join(headers)} is in {name}"):
            options = in_headers(headers, names, values)
            check(len(options) > 20, f"expected options in the headers, found {options}")
            lacking = sorted(f"{option} {number}" for option, number in options.items() if number not in found[name])
            equal(lacking, [], f"options without a decision in {LIST.name}")
        with tap.case(f"the numbers in {name} are those of the headers"):
            wrong = [f"{option} {number}" for number, (option, _, _) in found[name].items()
                     if options.get(option, number) != number]
            equal(wrong, [], "options with another number")
    with tap.case("docs/OPTIONS.md names each option that is not simply passed on, with its errno"):
        rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
        for options in found.values():
            for option, decision, error in options.values():
                if decision == "PASS":
                    continue
                if decision == "CONTROL":
                    check(f"`{option}`" in DOCUMENT.read_text(), f"expected {option} in {DOCUMENT.name}")
                    continue
                match = [row for row in rows if f"`{option}`" in row]
                check(len(match) == 1, f"expected one row for {option}, found {match}")
                check(error == "0" or f"{error}" in match[0], f"expected {error} in {match[0]}")
    tap.finish()


main()
