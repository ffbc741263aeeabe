"""The vectors of docs/vectors/ as lines of words, for clients in languages without JSON (clients/java/src/test)."""

import json

from lib.process import ROOT

SETTINGS = ("name", "pattern", "client_rekey", "server_rekey", "client_padding", "server_padding", "binding", "client_secret",
            "server_secret")


def word(value):
    return str(value).replace(" ", "_") or "-"


def settings(connection):
    yield from (f"{key} {word(connection[key])}" for key in SETTINGS)
    yield f"service {word(connection['service'].encode().hex())}"
    yield from (f"psk {psk['server_has_it']} {psk['psk']}" for psk in connection["psks"])


def lines(file, change=lambda vectors: None):
    """The lines of one file. `change` may change the vectors before."""
    vectors = json.loads((ROOT / "docs/vectors" / file).read_text())
    change(vectors)
    connections = {each["name"]: each for each in vectors["connections"]}
    for connection in vectors["connections"]:
        yield from ("connection", *settings(connection))
        for step in connection["steps"]:
            yield " ".join(["step", step["from"], word(step["kind"]), word(step["plaintext"]), word(step["bytes"])])
        yield "end"
    for refused in vectors["refused"]:
        yield from ("refused", *settings(connections[refused["connection"]]))
        yield from (f"{key} {word(refused[key])}" for key in ("what", "first", "then", "ends", "error") if key in refused)
        yield "end"
