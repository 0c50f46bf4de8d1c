"""The Europarl corpus, from a folder of the user's, as the same stream of translations."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ._errors import DataFileError, DataNotFoundError
from ._files import read_bytes

_LIMIT = (1 << 31) - 1  # positions in a text are int32 on the device


class Europarl:
    """Aligned speeches of the European Parliament: `<F:en>source<T:es>target<F:...`, raw UTF-8.

    A folder holds, for each pair, two files of as many lines, as the corpus comes:
    `europarl-v7.es-en.es` and `europarl-v7.es-en.en` (any beginning, either order of the
    languages, gzipped or not). A sentence is a line of both; where one of them is blank, both are
    left out. Sentences keep their order, so that speeches stay whole; which way each is translated
    is drawn. With several pairs, `stretch` sentences of one follow `stretch` of another.

    **Arguments:** `folder`; `pairs`, such as `(("en", "es"), ("en", "cs"))`; `seed` of the
    directions; `size`, the number of bytes after which no sentence begins (all if not given);
    `stretch`.

    **Fields:** `data` (bytes,) uint8; `pairs`; `sentences`, how many there are.

    **Raises:** `DataNotFoundError` when a pair has no two files, `DataFileError` when they do not
    have the same number of lines, are empty, or hold more than 2 GiB.
    """

    def __init__(
        self,
        folder: str | Path,
        pairs: Sequence[tuple[str, str]],
        *,
        seed: int,
        size: int | None = None,
        stretch: int = 100,
    ) -> None:
        if not pairs or stretch < 1:
            raise ValueError(
                f"pairs={tuple(pairs)!r} and stretch={stretch} must name at least one pair and be "
                "at least 1."
            )
        self.pairs = tuple(pairs)
        rng = np.random.default_rng(seed)
        content, self.sentences = bytearray(), 0
        for pair, lines in _in_turn([_aligned(Path(folder), p) for p in self.pairs], stretch):
            if size is not None and len(content) >= size:
                break
            way = int(rng.integers(2))
            (source, target), (text, translation) = pair[:: 1 - 2 * way], lines[:: 1 - 2 * way]
            content += b"<F:%b>%b<T:%b>%b" % (source.encode(), text, target.encode(), translation)
            self.sentences += 1
            if len(content) > _LIMIT:
                raise DataFileError(
                    f"{folder} holds more than {_LIMIT} bytes for {self.pairs!r}; give a size."
                )
        self.data: UInt8[np.ndarray, " bytes"] = np.frombuffer(bytes(content), np.uint8)


_Lines = tuple[bytes, bytes]


def _in_turn(
    corpora: Sequence[tuple[tuple[str, str], Iterator[_Lines]]], stretch: int
) -> Iterator[tuple[tuple[str, str], _Lines]]:
    """`stretch` sentences of each pair by turns, until all are through."""
    left = list(corpora)
    while left:
        for corpus in list(left):
            pair, lines = corpus
            some = list(itertools.islice(lines, stretch))
            if len(some) < stretch:
                left.remove(corpus)
            yield from ((pair, found) for found in some)


def _aligned(folder: Path, pair: tuple[str, str]) -> tuple[tuple[str, str], Iterator[_Lines]]:
    """The lines of both files of a pair, without those that are blank in one of them."""
    paths = [_file(folder, pair, language) for language in pair]
    sides = [bytes(read_bytes(path)).rstrip(b"\n").split(b"\n") for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise DataFileError(
            f"{paths[0]} has {len(sides[0])} lines and {paths[1]} has {len(sides[1])}; aligned "
            "files have as many, so get them again."
        )
    stripped = (tuple(line.strip() for line in lines) for lines in zip(*sides, strict=True))
    both = [(first, second) for first, second in stripped if first and second]
    if not both:
        raise DataFileError(f"{paths[0]} and {paths[1]} have no line in common that is not blank.")
    return pair, iter(both)


def _file(folder: Path, pair: tuple[str, str], language: str) -> Path:
    """The file of a language in a pair, whichever way round the pair is named."""
    orders = (f"{pair[0]}-{pair[1]}", f"{pair[1]}-{pair[0]}")
    for order in orders:
        for ending in ("", ".gz"):
            found = sorted(folder.glob(f"*{order}.{language}{ending}"))
            if found:
                return found[0]
    raise DataNotFoundError(
        f"{folder} has no file that ends in {orders[0]}.{language} or {orders[1]}.{language}; "
        "unpack the parallel corpus of this pair there, from https://www.statmt.org/europarl/."
    )
