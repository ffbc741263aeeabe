"""TAP output for a test script: cases that are sentences, checks that say what was expected, skips with a reason.

Nothing here depends on TLS or on processes. A script makes one Tap, runs its cases in `with tap.case(sentence):` blocks
and ends with `tap.finish()`, which prints the plan and exits.
"""

import contextlib
import os
import sys
import traceback


class Failed(AssertionError):
    """A check that did not hold; its text says what was expected and what was found."""


class Skip(Exception):
    """The case cannot be run here; its text says why."""


def reasons():
    """The lines `SENTENCE: REASON` of the file that $PFSWRAP_TEST_WITHOUT names: what an emulator cannot do."""
    path = os.environ.get("PFSWRAP_TEST_WITHOUT")
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        return dict(line.strip().split(": ", 1) for line in file if ": " in line and not line.startswith("#"))


class Tap:
    """Numbers the results and remembers whether one failed."""

    def __init__(self):
        self.count, self.failures, self.reasons = 0, 0, reasons()

    def result(self, passed, sentence, detail="", skip=None):
        """
        Prints one result, and `detail` if it failed. Returns whether it passed. A case that failed where it cannot pass
        (reasons()) is skipped.
        """
        cause = next((reason for words, reason in self.reasons.items() if words in sentence), None)
        if not passed and cause:
            passed, skip = True, cause
        self.count += 1
        self.failures += not passed
        directive = f" # SKIP {skip}" if skip else ""
        print(f"{'ok' if passed else 'not ok'} {self.count} - {sentence.replace('#', ' ')}{directive}")
        for line in str(detail).splitlines() if not passed else ():
            print(f"#   {line}")
        sys.stdout.flush()
        return bool(passed)

    @contextlib.contextmanager
    def case(self, sentence):
        """One case: passes if the block ends, fails if it raises, is skipped if it raises Skip."""
        try:
            yield
        except Skip as reason:
            self.result(True, sentence, skip=one_line(reason))
        except AssertionError as failure:
            self.result(False, sentence, f"{failure}\n{where(failure)}")
        except Exception as error:  # pylint: disable=broad-except
            self.result(False, sentence, f"{type(error).__name__}: {error}\n{where(error)}")
        else:
            self.result(True, sentence)

    def finish(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failures else 0)


def one_line(text):
    return " ".join(str(text).split()) or "no reason given"


def where(error):
    """The files and lines that led to the check, without this file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return "at " + ", ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames[-8:])


def skip_all(reason):
    """Ends a script that cannot run any case."""
    print(f"1..0 # SKIP {one_line(reason)}", flush=True)
    sys.exit(0)


def check(condition, message):
    if not condition:
        raise Failed(message)


def equal(found, expected, what):
    check(found == expected, f"{what}: expected {shorten(expected)}, found {shorten(found)}")


def contains(container, item, what):
    check(item in container, f"{what}: expected to find {shorten(item)} in {shorten(container, 2000)}")


def lacks(container, item, what):
    check(item not in container, f"{what}: expected not to find {shorten(item)} in {shorten(container, 2000)}")


def shorten(value, limit=300):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
