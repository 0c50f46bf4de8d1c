"""The page of a run: complete, self-contained, and safe with any text."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engrax.lab import Run, render_report, run_study
from engrax.lab._interval_svg import interval_svg
from tests.tiny_study import BROKEN, STUDY, Config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("report") / "run"
    return run_study(STUDY, out=out, command="engrax run tiny --out 'a b'")


class Page(HTMLParser):
    """Collects tags and what they load; notices tags that are not closed in order."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_holds_everything(run) -> None:
    page = Page(render_report(run))
    assert not page.open
    for said in (
        "Counting, Fast and Slow",
        STUDY.paper.authors,
        "arXiv:2401.00001",
        "C1 · The fast counter ends above the slow one.",
        "The slow counter stays small & <close> to where it was.",
        "rule ≥ 190 %",
        "paper 200 %",
        "95 % t, n = 6",
        "noise.size",
        "versions.jax",
        "engrax run tiny --out 'a b'",
        "headline claim",
    ):
        assert said in page.text, said
    verdicts = re.findall(r'class="chip (\w+)"', render_report(run))
    assert verdicts == ["open", "holds", "open", "fails", "fails", "holds"]


def test_the_page_loads_nothing(run) -> None:
    text = render_report(run)
    for tag, attributes in Page(text).tags:
        assert tag not in ("script", "link", "iframe", "object", "embed"), tag
        for name in ("src", "href", "xlink:href", "data", "srcset", "action"):
            target = attributes.get(name) or ""
            if tag == "a":
                continue  # a link is followed by the reader, not by the page
            assert target == "" or target.startswith(("#", "data:")), (tag, target)
    assert not re.search(r"url\((?!#|['\"]?#)|@import", text)


def test_light_and_dark_and_narrow(run) -> None:
    text = render_report(run)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "max-width: 40rem" in text


def test_the_page_of_a_run_without_verdicts_says_why(tmp_path: Path) -> None:
    run = run_study(STUDY, scale="smoke", claims=("C2",), out=tmp_path / "run")
    text = render_report(run)
    assert "No claim is judged here" in text
    assert re.findall(r'class="chip unjudged">([\w ]+)', text) == ["not run", "not judged"]


def test_a_run_that_was_lost_stands_at_the_top(tmp_path: Path) -> None:
    run = run_study(BROKEN, out=tmp_path / "run")
    text = render_report(run)
    assert "fast, seed 0, tick 4" in text
    assert "Open at best: arm &#x27;fast&#x27; became non-finite" in text
    assert "6 of 6 values are not finite" in text


def test_a_changed_field_shows_next_to_what_it_was(run) -> None:
    changed = dataclasses.replace(run, config=Config(rate=0.25), judgements=())
    assert '<td class="changed">0.25 (scale cpu: 0.1)</td>' in render_report(changed)


def test_drawings_of_intervals_stay_inside_their_box(run) -> None:
    parts = [part for judgement in run.judgements for part in judgement.parts]
    lost = dataclasses.replace(
        parts[0], values=(float("nan"),), estimate=float("nan"), low=float("nan"), high=float("nan")
    )
    for part in (*parts, lost, dataclasses.replace(parts[0], rule=(0.9, 1.1))):
        svg = interval_svg(part)
        places = re.findall(r'(?:x1|x2|cx|x)="(-?[\d.]+)"', svg)
        assert all(0 <= float(place) <= 360 for place in places)
        assert "nan" not in svg.replace("aria-label", "").partition(">")[2]
