"""A small parallel corpus in the format of a translation stream, made from templates."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

from ._parliament_lexicon import (
    COUNTRIES,
    CURRENCIES,
    LANGUAGES,
    MONTHS,
    NOUNS,
    TEMPLATES,
    YEARS,
    Kind,
    Language,
    joined,
    word,
)

PAIR_BYTES = 400_000

_SLOT = re.compile(r"\[(?:(\w+) )?(\w)\]")
_KINDS: dict[str, Kind] = {"c": "country", "d": "country", "m": "month", "y": "year"}


class Slot(NamedTuple):
    """One filling of a template, said in both languages of a sentence."""

    name: str
    """Which slot of the template: `a` or `b` (a noun or a currency), `c`, `d`, `m` or `y`."""
    kind: Kind
    value: str
    """A code (ISO 4217, ISO 3166), an English noun, a month from 1, or a year."""
    source: slice
    """Its bytes in the source half, counted from the sentence's first byte; no article."""
    target: slice
    """Its bytes in the target half."""


class Sentence(NamedTuple):
    """`<F:xx>source<T:yy>target`, and where everything stands in it.

    All slices count bytes from the `<` that the sentence begins with.
    """

    text: bytes
    languages: tuple[Language, Language]
    """That of the source and that of the target."""
    template: int
    source: slice
    target: slice
    slots: tuple[Slot, ...]

    @property
    def currencies(self) -> tuple[str, ...]:
        """The codes of the currencies that it speaks of."""
        return tuple(slot.value for slot in self.slots if slot.kind == "currency")

    def content(self, side: Literal["source", "target"]) -> Bool[np.ndarray, " bytes"]:
        """Which bytes are fillings: in the target, only who has read the source can know them."""
        mask = np.zeros(len(self.text), bool)
        for slot in self.slots:
            mask[slot.source if side == "source" else slot.target] = True
        return mask


class MiniParliament:
    """Sentences of a parliament, each followed by its translation: `<F:en>...<T:es>...`, endless.

    About thirty templates, with a word order of their own in each language, are filled with
    nouns, currencies, countries, months and years. Every sentence is between the first language
    and one of the others, in a direction that is drawn. Half of the slots that could take a noun
    take a currency instead, in the same place and after the same words: whoever tells the two
    apart has read them.

    **Arguments:**

    - `languages`: two or more of `"en"`, `"es"`, `"fr"`, `"pt"`.
    - `seed`: of the drawing; different seeds give different sentences from the same templates.
    - `size`: the least number of bytes; 400,000 for each pair if not given.
    - `held_out`: codes of currencies that never occur, so that a study can test on them.
    - `words`: how many nouns, countries, months and years there are at most of each, and half of
      the currencies, spread over those it knows: 12 to 24 of each if not given. A small model
      learns to translate few words in a small fraction of the steps; currencies are more because a
      notion of them shows on those it was not sought with.

    **Fields:** `data` (bytes,) uint8; `sentences`, in order; `begins` (sentences,), where each
    begins in `data`; `currencies`, that it speaks of; `entropy`.

    **Raises:** `ValueError` for languages or currencies that it does not speak of, or no words.
    """

    def __init__(
        self,
        languages: Sequence[str],
        *,
        seed: int,
        size: int | None = None,
        held_out: Sequence[str] = (),
        words: int | None = None,
    ) -> None:
        self.languages = _languages(languages)
        _check_currencies(held_out)
        if words is not None and words < 1:
            raise ValueError(f"MiniParliament needs 1 word of each kind or more, got {words=}.")
        self._choices = {
            kind: _spread(values, words and words * (2 if kind == "currency" else 1))
            for kind, values in _FILLINGS.items()
        }
        self.currencies = tuple(c for c in self._choices["currency"] if c not in held_out)
        if not self.currencies:
            raise ValueError("held_out leaves no currency; hold out fewer.")
        size = PAIR_BYTES * (len(self.languages) - 1) if size is None else size
        rng = np.random.default_rng(seed)
        self.sentences: list[Sentence] = []
        begins, length = [], 0
        while length < size or not begins:
            sentence = self._draw(rng)
            self.sentences.append(sentence)
            begins.append(length)
            length += len(sentence.text)
        self.begins: Int[np.ndarray, " sentences"] = np.asarray(begins)
        joined_text = b"".join(sentence.text for sentence in self.sentences)
        self.data: UInt8[np.ndarray, " bytes"] = np.frombuffer(joined_text, np.uint8)

    def content(self, side: Literal["source", "target"] = "target") -> Bool[np.ndarray, " bytes"]:
        """Which bytes of `data` are fillings of the sources or of the targets."""
        return np.concatenate([sentence.content(side) for sentence in self.sentences])

    @property
    def entropy(self) -> float:
        """Nats a byte of the drawing: the loss of a model that knows everything but the draws.

        What is drawn of a sentence are its direction, its template and what fills it; all of it can
        be told from the text, and the translation adds nothing.
        """
        sizes = {kind: len(choices) for kind, choices in self._choices.items()}
        # Half of the places of nouns take a currency.
        sizes |= {"noun": 2 * sizes["noun"], "currency": 2 * len(self.currencies)}
        ways = 2 * (len(self.languages) - 1)
        nats = len(self.sentences) * np.log(ways * len(TEMPLATES))
        nats += sum(np.log(sizes[slot.kind]) for s in self.sentences for slot in s.slots)
        return float(nats / len(self.data))

    def contrast(
        self,
        count: int,
        *,
        seed: int,
        languages: tuple[str, str],
        currencies: Sequence[str] | None = None,
    ) -> tuple[list[Sentence], list[Sentence]]:
        """Pairs of sentences that differ in one word: a currency, and a noun in its place.

        Sentence `i` of both lists has the same template and the same other fillings, among which
        there is no currency. `currencies`: which to draw from; those of the corpus if not given.
        """
        codes = self.currencies if currencies is None else tuple(currencies)
        _check_currencies(codes)
        source, target = _languages(languages)
        rng = np.random.default_rng(seed)
        with_currency, with_noun = [], []
        for _ in range(count):
            template = int(rng.integers(len(TEMPLATES)))
            values = {name: self._value(rng, kind) for name, kind in _slots(template).items()}
            with_noun.append(sentence(template, values, (source, target)))
            values["a"] = ("currency", codes[rng.integers(len(codes))])
            with_currency.append(sentence(template, values, (source, target)))
        return with_currency, with_noun

    def _draw(self, rng: np.random.Generator) -> Sentence:
        template = int(rng.integers(len(TEMPLATES)))
        other = self.languages[1 + int(rng.integers(len(self.languages) - 1))]
        between = (self.languages[0], other) if rng.integers(2) else (other, self.languages[0])
        values: dict[str, tuple[Kind, str]] = {}
        for name, kind in _slots(template).items():
            if kind == "noun" and rng.integers(2):
                values[name] = ("currency", self.currencies[rng.integers(len(self.currencies))])
            else:
                values[name] = self._value(rng, kind)
        return sentence(template, values, between)

    def _value(self, rng: np.random.Generator, kind: Kind) -> tuple[Kind, str]:
        choices = self._choices[kind]
        return kind, choices[rng.integers(len(choices))]


def sentence(
    template: int,
    values: Mapping[str, tuple[Kind, str]],
    languages: tuple[Language, Language],
) -> Sentence:
    """One sentence with given fillings: slot name -> (kind, value)."""
    source, source_slots = _said(template, values, languages[0])
    target, target_slots = _said(template, values, languages[1])
    head = f"<F:{languages[0]}>"
    middle = f"<T:{languages[1]}>"
    begin = len(head) + len(source) + len(middle)
    slots = tuple(
        Slot(
            name,
            *values[name],
            _shifted(source_slots[name], len(head)),
            _shifted(target_slots[name], begin),
        )
        for name in sorted(source_slots)
    )
    text = (head + source + middle + target).encode("ascii")
    ends = slice(len(head), len(head) + len(source)), slice(begin, begin + len(target))
    return Sentence(text, languages, template, *ends, slots)


def _said(
    template: int, values: Mapping[str, tuple[Kind, str]], language: Language
) -> tuple[str, dict[str, slice]]:
    """A template filled in one language, and where its fillings stand."""
    pattern = TEMPLATES[template][LANGUAGES.index(language)]
    text, last, slots = "", 0, {}
    for found in _SLOT.finditer(pattern):
        join, name = found[1] or "", found[2]
        kind, value = values[name]
        filled = word(language, kind, value)
        text += pattern[last : found.start()]
        before = joined(language, join, kind, filled)
        text += before[:1].upper() + before[1:] if not text else before
        slots[name] = slice(len(text), len(text) + len(filled.text))
        text += filled.text
        last = found.end()
    return text + pattern[last:], slots


def _slots(template: int) -> dict[str, Kind]:
    """The slots of a template and what they take; `noun` where a currency may stand as well."""
    names = sorted({found[2] for found in _SLOT.finditer(TEMPLATES[template][0])})
    return {name: _KINDS.get(name, "noun") for name in names}


_FILLINGS: dict[Kind, tuple[str, ...]] = {
    "currency": CURRENCIES,
    "noun": tuple(NOUNS),
    "country": COUNTRIES,
    "month": MONTHS,
    "year": YEARS,
}


def _spread(values: tuple[str, ...], count: int | None) -> tuple[str, ...]:
    """At most `count` of the values, evenly spaced."""
    if count is None or count >= len(values):
        return values
    return tuple(values[i * len(values) // count] for i in range(count))


def _check_currencies(codes: Sequence[str]) -> None:
    if unknown := sorted({*codes} - {*CURRENCIES}):
        raise ValueError(
            f"No currency is called {unknown[0]!r} here; choose codes of {', '.join(CURRENCIES)}."
        )


def _shifted(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def _languages(languages: Sequence[str]) -> tuple[Language, ...]:
    known: tuple[Language, ...] = tuple(
        language for name in languages for language in LANGUAGES if language == name
    )
    if len(known) < max(2, len(languages)) or len(set(known)) < len(known):
        raise ValueError(
            f"languages={tuple(languages)!r} must be two or more different ones of "
            f"{', '.join(LANGUAGES)}."
        )
    return known
