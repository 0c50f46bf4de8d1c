"""What `mkdocs` does besides: pages made from the ledger of studies and from that of benchmarks.

No generated page is a file of the repository; they exist in the built site alone.
"""

import contextlib
import functools
import io
import json
import os
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from engrax.cli import main
from engrax.lab import atlas

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
sys.path.insert(0, str(ROOT))  # for benchmarks, which are no part of the package

from benchmarks import _report, start  # noqa: E402  after the line that finds it


@functools.cache
def made() -> dict[str, str]:
    """Path in the documentation -> what stands there, of all that is made."""
    peers, starts = (
        json.loads(module.LEDGER.read_text(encoding="utf-8")) for module in (_report, start)
    )
    bench = _report.atlas_page(peers) + start.atlas_section(starts)
    return {**atlas.pages(RESULTS), **atlas.drawings(RESULTS), "benchmarks.md": bench}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the recorded studies into the menu, and makes no page for addresses that are missing:
    its links would be absolute, and the site also lives in a folder.
    """
    studies = sorted(path for path in made() if re.fullmatch(r"studies/(?!index)\w+\.md", path))
    for item in config.nav or []:
        if "Studies" in item:
            item["Studies"] = [*item["Studies"], *({Path(path).stem: path} for path in studies)]
    config.theme.static_templates.discard("404.html")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages and their figures."""
    for path, content in made().items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Puts the table of studies, and what a command says, where a page asks for it."""
    said = re.sub(r"<!-- atlas:says engrax (.+) -->", _said, markdown)
    return atlas.with_studies(said, RESULTS)


def on_page_content(html: str, page: Page, **_: object) -> str:
    """Gives shapes one kind of quotes, and takes off the space before one name."""
    if not page.file.src_uri.startswith("api/"):
        return html
    text = re.compile(r"<span class=\"s[12]\">(['\"]) *([^'\"<&]*)\1</span>")
    return text.sub(r'<span class="s2">"\2"</span>', html)


def _said(asked: re.Match[str]) -> str:
    """A block with what `engrax` prints for these arguments."""
    os.environ["COLUMNS"] = "88"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        main(asked[1].split())
    return f"```text\n{out.getvalue().rstrip()}\n```"
