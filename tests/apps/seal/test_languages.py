"""The sockets of node, Perl, Ruby and PHP sealed: libuv's loop, forks with shared connections, threads, streams."""

from lib.legacy import require_programs
from lib.sealed import SCRIPTS, begin, ended, prove
from lib.tap import Tap, equal

LANGUAGES = {"node": ("echo.js", 0), "perl": ("echo.pl", 0), "ruby": ("echo.rb", 0), "php": ("echo.php", -15)}


def start_language(language, script, status):
    """The start function of one language's server."""
    def start(ends):
        server = ends.server([language, SCRIPTS / script, "server", ends.port])
        yield server
        ended(server, (status,))
    return start


def talk(language, script):
    """The case of one language's client."""
    def act(ends, _server):
        done = ends.client([language, SCRIPTS / script, "client", ends.port])
        equal((done.status, done.out), (0, b"ok\n"), f"{done!r}")
    return act


def main():
    require_programs(*LANGUAGES)
    tap = Tap()
    begin(tap)
    for language, (script, status) in LANGUAGES.items():
        prove(tap, language, start_language(language, script, status),
              [("a megabyte comes back, and a last line after the half-close", talk(language, script))])
    tap.finish()


main()
