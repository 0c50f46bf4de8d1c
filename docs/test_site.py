"""The built site in headless Chromium, opened as files and from a server. `make atlas` runs this.

Every page loads without an error in the console and asks nothing of others, every link inside
leads somewhere, search finds, light and dark are both there, and a phone needs no sideways
scrolling.
"""

import ast
import functools
import html
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

SITE = Path(__file__).parent.parent / "site"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that does not print what it is asked."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session", params=["file", "server"])
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the site, with a slash at its end."""
    if request.param == "file":
        yield f"{SITE.as_uri()}/"
        return
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as it is installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
    if not found:
        pytest.exit("make atlas needs Chromium (Debian: apt-get install chromium)", returncode=1)
    as_root = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=as_root)


class Watched:
    """A page of the browser, with everything that went wrong on it."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base, self.wrong = page, base, []
        page.on("console", lambda m: m.type in ("error", "warning") and self.wrong.append(m.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("response", lambda r: r.status >= 400 and self.wrong.append(f"{r.url}: {r.status}"))
        page.on("request", lambda request: self._inside(request.url))

    def _failed(self, request: Request) -> None:
        if "ERR_ABORTED" not in str(request.failure):  # else the page was left in the meantime
            self.wrong.append(f"{request.url}: {request.failure}")

    def _inside(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:", "about:")):
            self.wrong.append(f"asked {url}")


@pytest.fixture
def watched(browser: Browser, base: str, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A fresh page; dark where the test is parametrized so."""
    scheme = getattr(request, "param", "light")
    context = browser.new_context(viewport=DESK, color_scheme=scheme)
    context.set_default_timeout(20_000)
    yield Watched(context.new_page(), base)
    context.close()


def test_every_page_loads_without_an_error_or_an_outside_request(watched: Watched) -> None:
    page, wide = watched.page, []
    page.emulate_media(color_scheme="light" if watched.base.startswith("file:") else "dark")
    for path in PAGES:
        page.set_viewport_size(DESK)
        page.goto(watched.base + path)
        assert page.locator("h1").count() == 1, path
        page.set_viewport_size(PHONE)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    assert not watched.wrong
    assert not wide, "these need sideways scrolling on a phone"


def test_search_finds(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.base}studies/hlop.html")
    page.locator(".md-search__input").click()
    for query, found in (("franz parisi", "meanfield_cl"), ("glauber", "api/memory")):
        page.locator(".md-search__input").clear()
        page.locator(".md-search__input").press_sequentially(query)
        page.wait_for_selector(f'.md-search-result__link[href*="{found}"]')
    page.locator(f'.md-search-result__link[href*="{found}"]').first.click()
    page.wait_for_url(f"**/{found}.html*")
    assert page.locator("h1").inner_text().startswith("engrax.memory")
    assert not watched.wrong


def test_search_finds_on_a_phone(watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size(PHONE)
    page.goto(f"{watched.base}index.html")
    page.locator("label.md-header__button[for=__search]").click()
    page.locator(".md-search__input").press_sequentially("verdict")
    page.wait_for_selector('.md-search-result__link[href*="verdicts"]')
    assert not watched.wrong


@pytest.mark.parametrize("watched", ["light", "dark"], indirect=True)
def test_the_palette_follows_the_system_and_can_be_chosen(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.base}studies/counter_current.html")

    def shown() -> tuple[str | None, bool, bool]:
        """The scheme, and which versions of the first figure it shows."""
        page.locator("figure.measured").first.scroll_into_view_if_needed()
        images = (page.locator(f"img.in-{kind}").first for kind in ("light", "dark"))
        return page.locator("body").get_attribute("data-md-color-scheme"), *(
            image.is_visible() for image in images
        )

    light, dark = ("default", True, False), ("slate", False, True)
    systems = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert shown() == (dark if systems else light)
    page.get_by_title("Switch to light").click()
    assert shown() == light
    page.get_by_title("Switch to dark").click()
    assert shown() == dark
    assert not watched.wrong


def test_figures_are_drawn_when_they_come_into_view(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.base}studies/dense_hebbian.html")
    figures = page.locator("img.in-light")
    assert figures.count() > 3
    for i in range(figures.count()):
        figures.nth(i).scroll_into_view_if_needed()
        page.wait_for_function(
            "i => document.querySelectorAll('img.in-light')[i].naturalWidth", arg=i
        )
    assert not watched.wrong


class Anchors(HTMLParser):
    """What a page links to, and what in it can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.names |= {given[key] for key in ("id", "name") if given.get(key)}
        self.links += [given[key] for key in ("href", "src") if given.get(key)]


def test_every_link_inside_leads_somewhere() -> None:
    found = {path: Anchors((SITE / path).read_text(encoding="utf-8")) for path in PAGES}
    lost = []
    for path, page in found.items():
        for link in page.links:
            if link.startswith(("http:", "https:", "data:", "mailto:")):
                continue
            place, anchor = urldefrag(unquote(link))
            target = (SITE / path).parent / place if place else SITE / path
            name = os.path.relpath(target.resolve(), SITE)
            inside = found.get(name)
            if not target.is_file() or (anchor and inside and anchor not in inside.names):
                lost.append(f"{path} -> {link}")
    assert not lost


def promised(package: str) -> list[str]:
    """The names in `__all__` of a package, read from its source."""
    path = SITE.parent / "src" / package.replace(".", "/") / "__init__.py"
    found = re.search(
        r"__all__ = (\[.*?\])", path.read_text("utf-8") if path.exists() else "", re.S
    )
    return ast.literal_eval(found[1]) if found else []


def test_every_public_name_is_in_the_api_and_shapes_are_seen() -> None:
    api = [(SITE / path).read_text(encoding="utf-8") for path in PAGES if path.startswith("api/")]
    names = set().union(*(Anchors(text).names for text in api))
    for page in sorted((SITE.parent / "docs" / "api").glob("*.md")):
        for package in re.findall(r"^::: (\S+)", page.read_text(encoding="utf-8"), re.M):
            assert {f"{package}.{name}" for name in promised(package)} <= names
    text = (SITE / "api" / "memory.html").read_text(encoding="utf-8")
    seen = html.unescape(re.sub(r"<[^>]+>", "", text))
    assert 'query: Float[Array, "*n dk"]' in re.sub(r"\s+", " ", seen)
    assert 'Float[Array, "*n dv"]' in seen
    text = (SITE / "api" / "spiking.html").read_text(encoding="utf-8")
    assert 'z: Float[Array, "time *n"]' in html.unescape(re.sub(r"<[^>]+>", "", text))


def test_nothing_from_outside_is_loaded() -> None:
    """By the text too: a browser need not ask for what a page names."""
    for path in PAGES:
        text = (SITE / path).read_text(encoding="utf-8")
        for tag in ("<script src=", "<link rel=stylesheet href=", '<img src="', "<iframe src="):
            for rest in text.split(tag)[1:]:
                assert not rest.lstrip("\"'").startswith(("http", "//")), f"{path}: {rest[:80]}"
