"""Walk through the built site with a headless browser, as wide as a laptop and a phone.

Every page of the folder that is given is opened at both widths. Reported are errors in the
console, links within the site that lead nowhere, requests to other hosts, and pages that
are wider than the window, with what sticks out. It takes Chromium and playwright::

    python docs/walk.py docs/_build/html --chromium /usr/bin/chromium
"""

import argparse
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urldefrag, urljoin, urlparse

from playwright.sync_api import sync_playwright

WIDTHS = {1280: 900, 390: 844}  # of a laptop and of a phone, in pixels
# Elements that stick out, but not those within something that scrolls by itself.
STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = e => e && (/(auto|scroll|hidden)/.test(getComputedStyle(e).overflowX)
    || scrolls(e.parentElement));
  return [...document.querySelectorAll('main *')]
    .filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement))
    .slice(0, 3).map(e => e.outerHTML.slice(0, 80));
}"""
FORMULAS_ARE_SET = """() => !window.MathJax || !window.MathJax.startup
  || window.MathJax.startup.promise.then(() => true)"""
TOO_WIDE = "() => document.documentElement.scrollWidth > window.innerWidth"
FACTS = """() => ({
  links: [...document.querySelectorAll('a[href]')].map(e => e.href),
  names: [...document.querySelectorAll('[id]')].map(e => e.id),
  titles: document.querySelectorAll('h1').length,
  broken: [...document.images].filter(e => e.complete && !e.naturalWidth).map(e => e.src),
})"""


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that does not print what it serves."""

    def log_message(self, format, *arguments):
        """Print nothing."""


def serve(folder):
    """Serve a folder on this machine, and return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def visit(page, address, home):
    """Open one page, and return its faults and what it holds."""
    faults = []

    def note(kind, text):
        faults.append(f"{kind}: {text}")

    def on_console(message):
        if message.type == "error":
            note("console", message.text)

    def on_request(request):
        if not request.url.startswith((home, "data:", "blob:")):
            note("request to another host", request.url)

    listeners = {
        "console": on_console,
        "pageerror": lambda error: note("script", error),
        "request": on_request,
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    page.goto(address, wait_until="load")
    page.wait_for_function(FORMULAS_ARE_SET)
    facts = page.evaluate(FACTS)
    faults += [f"picture missing: {source}" for source in facts["broken"]]
    if facts["titles"] != 1:
        faults.append(f"{facts['titles']} titles")
    sticking_out = page.evaluate(STICKING_OUT)
    if page.evaluate(TOO_WIDE) or sticking_out:
        faults.append(f"wider than the window: {sticking_out}")
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    return faults, facts


def check_links(known, home):
    """Find links within the site whose page or place does not exist."""
    for address, facts in known.items():
        for link in facts["links"]:
            target, place = urldefrag(urljoin(address, link))
            if not target.startswith(home):
                continue
            if target in known:
                if place and unquote(place) not in known[target]["names"]:
                    yield address, f"no such place: {link}"
            elif not facts["exists"](target):
                yield address, f"no such page: {link}"


def walk(folder, chromium, shots):
    """Visit all pages at all widths, and return the faults as lines."""
    home, lines, known = serve(folder), [], {}

    def exists(address):
        return (folder / unquote(urlparse(address).path).lstrip("/")).exists()

    paths = (path.relative_to(folder) for path in folder.rglob("*.html"))
    pages = sorted(path.as_posix() for path in paths if path.parts[0] != "_static")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        for width, height in WIDTHS.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            for name in pages:
                faults, facts = visit(page, home + name, home)
                known[home + name] = facts | {"exists": exists}
                lines += [f"{name} at {width}: {fault}" for fault in faults]
                if shots:
                    picture = Path(shots, f"{name.replace('/', '_')}_{width}.png")
                    page.screenshot(path=picture, full_page=True)
            page.close()
        browser.close()
    broken = {
        f"{address.removeprefix(home)}: {text}"
        for address, text in check_links(known, home)
    }
    print(f"{len(pages)} pages, {len(WIDTHS)} widths")
    return lines + sorted(broken)


def main():
    """Walk, print what is wrong, and fail if anything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--shots", help="folder for a picture of every page")
    arguments = parser.parse_args()
    lines = walk(arguments.folder, arguments.chromium, arguments.shots)
    print("\n".join(lines) or "nothing wrong")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
