"""The Europarl loader on a folder of the same format."""

import gzip
import re

import pytest

from engrax.tasks import DataFileError, DataNotFoundError, Europarl

ENGLISH = ["Resumption of the session", "", "I declare resumed", "Please rise", "Thank you"]
SPANISH = ["Reanudación del período", "(Aplausos)", "Declaro reanudado", "", "Gracias"]
CZECH = ["Obnovení zasedání", "Prohlašuji", "Prosím", "Děkuji"]
BRIEF = ["Resumption", "I declare", "Please", "Thanks"]


def write(folder, name, lines, packed=False):
    content = ("\n".join(lines) + "\n").encode()
    (folder / name).write_bytes(gzip.compress(content) if packed else content)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "europarl-v7.es-en.es", SPANISH)
    write(tmp_path, "europarl-v7.es-en.en", ENGLISH)
    write(tmp_path, "europarl-v7.cs-en.cs.gz", CZECH, packed=True)
    write(tmp_path, "europarl-v7.cs-en.en.gz", BRIEF, packed=True)
    return tmp_path


def sentences(corpus):
    text = corpus.data.tobytes().decode()
    found = re.findall(r"<F:(\w\w)>([^<]+)<T:(\w\w)>([^<]+)", text)
    assert "".join(f"<F:{a}>{b}<T:{c}>{d}" for a, b, c, d in found) == text
    return [{a: b, c: d} for a, b, c, d in found], [(a, c) for a, _, c, _ in found]


def test_lines_are_paired_in_order_and_blank_ones_left_out(folder):
    corpus = Europarl(folder, [("en", "es")], seed=0)
    said, _ = sentences(corpus)
    kept = (0, 2, 4)
    assert said == [{"en": ENGLISH[i], "es": SPANISH[i]} for i in kept]
    assert corpus.sentences == 3


def test_directions_are_drawn(folder):
    ways = {way for s in range(8) for way in sentences(Europarl(folder, [("en", "es")], seed=s))[1]}
    assert ways == {("en", "es"), ("es", "en")}


def test_pairs_take_turns_and_each_keeps_its_order(folder):
    corpus = Europarl(folder, [("en", "es"), ("en", "cs")], seed=1, stretch=2)
    said, _ = sentences(corpus)
    assert ["es" if "es" in one else "cs" for one in said] == [
        "es",
        "es",
        "cs",
        "cs",
        "es",
        "cs",
        "cs",
    ]
    assert [one["cs"] for one in said if "cs" in one] == CZECH


def test_size_stops_between_sentences(folder):
    whole = Europarl(folder, [("en", "cs")], seed=2)
    part = Europarl(folder, [("en", "cs")], seed=2, size=20)
    assert whole.data.tobytes().startswith(part.data.tobytes())
    assert part.sentences == 1


def test_a_missing_pair_says_where_to_get_it(folder):
    with pytest.raises(DataNotFoundError, match=r"ends in en-fr\.en or fr-en\.en; .*statmt"):
        Europarl(folder, [("en", "fr")], seed=0)


def test_files_that_are_not_aligned_are_refused(folder):
    write(folder, "europarl-v7.es-en.es", [*SPANISH, "Fin"])
    with pytest.raises(DataFileError, match=r"has 5 lines and .* has 6"):
        Europarl(folder, [("en", "es")], seed=0)
    write(folder, "europarl-v7.es-en.es", [""] * 5)
    with pytest.raises(DataFileError, match=r"has 5 lines and .* has 1|no line in common"):
        Europarl(folder, [("en", "es")], seed=0)


def test_no_pair_is_refused(folder):
    with pytest.raises(ValueError, match="at least one pair"):
        Europarl(folder, [], seed=0)
