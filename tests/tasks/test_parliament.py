"""The mini-parliament: its format, its spans, its words, and what it holds out."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrax.tasks import MiniParliament
from engrax.tasks._parliament_lexicon import (
    COUNTRIES,
    CURRENCIES,
    LANGUAGES,
    MONTHS,
    NOUNS,
    TEMPLATES,
    plain,
    word,
)

SENTENCE = re.compile(rb"<F:(\w\w)>([^<]+)<T:(\w\w)>([^<]+)")


@pytest.fixture(scope="module")
def corpus():
    return MiniParliament(("en", "es", "fr", "pt"), seed=0, size=60_000)


def test_a_pair_is_400_kilobytes_of_ascii_in_the_format_of_the_paper():
    pair = MiniParliament(("en", "es"), seed=3)
    assert 400_000 <= len(pair.data) < 400_300
    assert pair.data.max() < 128
    found = SENTENCE.findall(pair.data.tobytes())
    assert len(found) == len(pair.sentences)
    assert b"".join(b"<F:%b>%b<T:%b>%b" % parts for parts in found) == pair.data.tobytes()
    ways = {parts[::2] for parts in found}
    assert ways == {(b"en", b"es"), (b"es", b"en")}


def test_spans_point_at_what_they_name(corpus):
    for sentence, begin in zip(corpus.sentences, corpus.begins, strict=True):
        text = sentence.text
        assert corpus.data[begin : begin + len(text)].tobytes() == text
        languages, source, target = sentence.languages, sentence.source, sentence.target
        (parts,) = SENTENCE.findall(text)
        assert (parts[1], parts[3]) == (text[source], text[target])
        for slot in sentence.slots:
            for where, half, language in (
                (slot.source, source, languages[0]),
                (slot.target, target, languages[1]),
            ):
                assert half.start <= where.start < where.stop <= half.stop
                assert text[where].decode() == word(language, slot.kind, slot.value).text


def test_content_masks_are_the_slots(corpus):
    mask = corpus.content("target")
    assert mask.shape == corpus.data.shape
    said = sum(s.target.stop - s.target.start for one in corpus.sentences for s in one.slots)
    assert mask.sum() == said
    assert not (mask & corpus.content("source")).any()


def test_sentences_are_between_the_first_language_and_another(corpus):
    ways = {sentence.languages for sentence in corpus.sentences}
    others = ("es", "fr", "pt")
    assert ways == {("en", o) for o in others} | {(o, "en") for o in others}
    assert {sentence.template for sentence in corpus.sentences} == set(range(len(TEMPLATES)))


def test_about_thirty_templates_have_the_same_slots_in_another_order():
    slots = [[re.findall(r"\[(?:\w+ )?(\w)\]", text) for text in row] for row in TEMPLATES]
    assert len(TEMPLATES) == 30
    for row in slots:
        assert len({tuple(sorted(names)) for names in row}) == 1
        assert len(set(row[0])) == len(row[0])
    moved = sum(row[0] != row[1] for row in slots if len(row[0]) > 1)
    assert moved >= 8
    assert all("a" in row[0] for row in slots), "any template can be a contrast"


def test_seeds_repeat_and_differ():
    one, same, other = (MiniParliament(("en", "fr"), seed=s, size=5000) for s in (1, 1, 2))
    assert one.data.tobytes() == same.data.tobytes() != other.data.tobytes()


@settings(max_examples=5)
@given(held=st.sets(st.sampled_from(CURRENCIES), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_held_out_currencies_never_occur(held, seed):
    corpus = MiniParliament(("en", "pt"), seed=seed, size=20_000, held_out=sorted(held))
    said = {code for sentence in corpus.sentences for code in sentence.currencies}
    assert said <= set(CURRENCIES) - held
    text = corpus.data.tobytes().decode()
    for code in held:
        name = word("en", "currency", code).text
        others = [word("en", "currency", o).text for o in CURRENCIES if o not in held]
        assert name not in text or any(name in other for other in others)


def test_it_can_speak_of_few_things():
    corpus = MiniParliament(("en", "es"), seed=0, size=60_000, words=5)
    said = {(slot.kind, slot.value) for one in corpus.sentences for slot in one.slots}
    kinds = [kind for kind, _ in said]
    expected = {"currency": 10, "noun": 5, "country": 5, "month": 5, "year": 5}
    assert {kind: kinds.count(kind) for kind in kinds} == expected
    assert {value for kind, value in said if kind == "currency"} == set(corpus.currencies)
    _, nouns = corpus.contrast(200, seed=0, languages=("en", "es"))
    assert {(slot.kind, slot.value) for one in nouns for slot in one.slots} <= said


def test_its_entropy_is_that_of_its_draws():
    """Where every draw has one outcome but direction, template, noun or currency, and which."""
    corpus = MiniParliament(("en", "es"), seed=0, size=20_000, words=1)
    nouns = sum(slot.kind in ("noun", "currency") for s in corpus.sentences for slot in s.slots)
    currencies = sum(slot.kind == "currency" for s in corpus.sentences for slot in s.slots)
    bits = len(corpus.sentences) * np.log(2 * len(TEMPLATES)) + (nouns + currencies) * np.log(2)
    np.testing.assert_allclose(corpus.entropy, bits / len(corpus.data), rtol=1e-12)
    # All it knows of: log(60) and about two fillings of some 3.5 nats in 109 bytes.
    assert 0.1 < MiniParliament(("en", "es"), seed=0, size=60_000).entropy < 0.107


def test_contrasts_differ_in_one_word(corpus):
    held = ("GBP", "JPY")
    plus, minus = corpus.contrast(40, seed=5, languages=("es", "en"), currencies=held)
    assert len(plus) == len(minus) == 40
    for one, other in zip(plus, minus, strict=True):
        assert one.template == other.template
        assert len(one.currencies) == 1
        assert one.currencies[0] in held
        assert not other.currencies
        assert one.languages == other.languages == ("es", "en")
        same = {slot.name: slot.value for slot in one.slots} | {"a": None}
        assert same == {slot.name: slot.value for slot in other.slots} | {"a": None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_plain_ascii_and_names_differ(language):
    for kind, values in {
        "currency": CURRENCIES,
        "noun": tuple(NOUNS),
        "country": COUNTRIES,
        "month": MONTHS,
    }.items():
        texts = [word(language, kind, value).text for value in values]
        assert all(re.fullmatch(r"[A-Za-z .'-]+", text) for text in texts), texts
        assert len(set(texts)) == len(texts)


def test_names_are_those_of_the_cldr():
    said = {language: word(language, "currency", "GBP") for language in LANGUAGES}
    assert said["en"].text == "British pound"
    assert said["es"] == ("libra esterlina", "f")
    assert said["fr"] == ("livre sterling", "f")
    assert said["pt"] == ("libra esterlina", "f")
    assert word("pt", "country", "CA") == ("Canada", "m")


def test_articles_merge_as_each_language_does(corpus):
    text = corpus.data.tobytes().decode()
    for right in (" del ", " de la ", " du ", " de l'", " do ", " da ", " l'euro", " au ", " na "):
        assert right in text, right
    for wrong in (" de el ", " de le ", " de o ", " le euro", " de a ", " en o ", "  "):
        assert wrong not in text, wrong


def test_accents_go_and_nothing_else():
    assert plain("złoty São Tomé, naïve") == "zoty Sao Tome, naive"


@pytest.mark.parametrize(
    ("languages", "more", "said"),
    [
        (("en",), {}, "must be two or more different ones of en, es, fr, pt"),
        (("en", "en"), {}, "two or more different"),
        (("en", "de"), {}, "two or more different"),
        (("en", "es"), {"held_out": ("XXX",)}, "No currency is called 'XXX'"),
        (("en", "es"), {"held_out": CURRENCIES}, "leaves no currency"),
        (("en", "es"), {"words": 0}, "1 word of each kind or more"),
    ],
)
def test_what_it_does_not_speak_of_is_refused(languages, more, said):
    with pytest.raises(ValueError, match=said):
        MiniParliament(languages, seed=0, **more)


def test_a_contrast_of_an_unknown_currency_is_refused(corpus):
    with pytest.raises(ValueError, match="No currency is called 'XXX'"):
        corpus.contrast(1, seed=0, languages=("en", "es"), currencies=("XXX",))


def test_the_data_is_bytes(corpus):
    assert corpus.data.dtype == np.uint8
