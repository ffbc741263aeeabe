#!/usr/bin/env python3
# timeout: 1200
"""The page of `pfswrap report` in headless Chromium: light and dark, wide and narrow, printed; and what axe-core finds in it.

`make check-report` runs this. Screenshots and the PDF stay in build/report/, for people to look at.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

from lib.process import BUILD, ROOT, run  # noqa: E402
from lib.tap import Tap, check, contains, equal, skip_all  # noqa: E402
from lib.wrap import LAUNCHER  # noqa: E402

import chromium  # noqa: E402
import sample  # noqa: E402

FOLDER = BUILD / "report"
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 400)]
PICTURE_HEIGHT, PICTURES = 2400, 4  # of one screenshot, and how many: the beginning of the page has one of everything
# What is not for the log to bring into the page.
ALIEN = "[...document.querySelectorAll('script, img, iframe, object, embed, link, form, base')].length + " \
        "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on'))).length"
BROKEN = "[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))" \
         ".filter(h => !h.startsWith('#') || !document.getElementById(h.slice(1)))"
AXE = "axe.run(document, {resultTypes: ['violations']}).then(r => ({passes: r.passes.length, violations: r.violations.map(" \
      "v => v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200)).join(' | '))}))"


def axe_source():
    """The source of axe-core, installed by npm into the build folder."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "tests/report" / name, FOLDER)
    script = FOLDER / "node_modules/axe-core/axe.min.js"
    if not script.is_file():
        result = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, timeout=600)
        if result.status != 0:
            skip_all(f"npm ci failed: {result.text[-300:]}")
    return script.read_text()


def make_page():
    log, page, policy = FOLDER / "audit.jsonl", FOLDER / "page.html", FOLDER / "nginx.conf"
    scan = FOLDER / "scan.json"
    scan.write_text(sample.scan())
    log.write_text("".join(sample.lines(20000)))
    policy.write_bytes((ROOT / "policy/strict.conf").read_bytes())
    policy.chmod(0o600)
    result = run([LAUNCHER, "report", "--html", page, "--policy", policy, "--scan", scan, log])
    equal(result.status, 0, f"status of {result!r}")
    check(page.stat().st_size < 2_000_000, f"the page has {page.stat().st_size} bytes")
    return page


def look(browser, page, scheme, width, axe):
    """Checks one look of the page. Returns the color of its background."""
    browser.open(page, scheme, width)
    equal((browser.requests(), browser.messages()), ([], []), "requests to elsewhere, and messages")
    size = browser.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    check(size[0] <= size[1], f"the page is {size[0]} pixels wide, and the window {size[1]}")
    equal((browser.evaluate(ALIEN), browser.evaluate(BROKEN)), (0, []), "elements that the page must not have, and links")
    height = browser.evaluate("document.documentElement.scrollHeight")
    for number, top in enumerate(range(0, height, PICTURE_HEIGHT)[:PICTURES]):
        browser.picture(FOLDER / f"{scheme}-{width}-{number}.png", top, width, min(PICTURE_HEIGHT, height - top))
    top = int(browser.evaluate("document.getElementById('scans').getBoundingClientRect().top + window.scrollY"))
    browser.picture(FOLDER / f"{scheme}-{width}-scans.png", top, width, min(PICTURE_HEIGHT, height - top))
    browser.evaluate(axe)
    found = browser.evaluate(AXE)
    check(found["passes"] > 20, f"axe has examined the page: {found}")
    equal(found["violations"], [], "what axe-core finds")
    return browser.evaluate("getComputedStyle(document.body).backgroundColor")


def main():
    program = chromium.find()
    if program is None:
        skip_all("Chromium is not installed (scripts/install-deps report)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    tap, axe, page, colors = Tap(), axe_source(), make_page(), {}
    with chromium.Chromium(program) as browser:
        for scheme, width in LOOKS:
            with tap.case(f"the page is whole, {scheme} and {width} pixels wide, and axe-core finds nothing"):
                colors[scheme] = look(browser, page, scheme, width, axe)
        with tap.case("the page is dark where people want that"):
            check(colors.get("dark") != colors.get("light"), f"colors of the background: {colors}")
        with tap.case("the words of the page are all there in its text"):
            text = browser.evaluate("document.body.innerText")
            for words in ("Verdicts", "met with exceptions", "X25519MLKEM768", "no shared group", "app-1", "TLSv1.1",
                          "<img src=x onerror=alert(1)>", "Post-quantum share over time", "Who would break",
                          "What was accepted from outside", "accepted, outside the policy", "TLS 1.2, static RSA",
                          "nothing outside the policy", "<script>alert(4)</script>", "no Strict-Transport-Security",
                          "no subjectAltName", "no signed certificate timestamp", "a cookie without Secure: session"):
                contains(text, words, "the text")
        with tap.case("the page can be printed"):
            browser.pdf(FOLDER / "page.pdf")
            check((FOLDER / "page.pdf").read_bytes().startswith(b"%PDF"), "a PDF")
    tap.finish()


main()
