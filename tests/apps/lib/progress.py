"""How far a long test is: one line that is redrawn on a terminal, and elsewhere a TAP comment every half minute.

For tests that take minutes or hours by a `make` target of their own. In `make check` they end before the first comment.
"""

import shutil
import sys
import time

BAR = 20
EVERY = 30.0  # seconds between two comments
REDRAW = 0.5


def clock(seconds):
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"


class Progress:
    """`total` is in units of the caller's, such as runs, bytes or seconds. Threads may call show()."""

    def __init__(self, total, stream=sys.stderr, comments=sys.stdout, live=None):
        self.total, self.stream, self.comments = max(total, 1), stream, comments
        self.live = stream.isatty() if live is None else live
        self.begun = self.shown = time.monotonic()

    def line(self, done, what):
        share = min(max(done / self.total, 0), 1)
        passed = time.monotonic() - self.begun
        left = clock(passed / share - passed) if share > 0 else "?"
        return f"[{('#' * int(share * BAR)).ljust(BAR, '.')}] {share * 100:3.0f} %  {left} left  {what}"

    def show(self, done, what):
        """Says that `done` units are done. Cheap if it is called often."""
        now = time.monotonic()
        if now - self.shown < (REDRAW if self.live else EVERY):
            return
        self.shown = now
        if self.live:
            width = shutil.get_terminal_size((100, 24)).columns - 1
            self.stream.write(f"\r\x1b[K{self.line(done, what)[:width]}")
            self.stream.flush()
        else:
            print(f"# {self.line(done, what)}", file=self.comments, flush=True)

    def end(self):
        """Clears the line."""
        if self.live:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
