"""A model on disk: the same bits come back, and what is no model is refused in one sentence."""

import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from engrax.text import LanguageModel, TextError
from tests.text.small_models import untrained

KINDS = ("bdh", "bdh_prime", "gpt")


@pytest.fixture
def folder(tmp_path):
    untrained("bdh").save(tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_saved_comes_back_bit_for_bit(kind, tmp_path):
    model = untrained(kind)
    model.save(tmp_path / "run")
    found = LanguageModel.load(tmp_path / "run")
    assert found.architecture == model.architecture
    assert found.history == model.history
    np.testing.assert_array_equal(found.seen, model.seen)
    assert jax.tree.structure(found.model) == jax.tree.structure(model.model)
    for one, other in zip(jax.tree.leaves(found.model), jax.tree.leaves(model.model), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    written = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert written == ["model.json", "model.safetensors"]


def test_a_merged_model_comes_back_with_its_frequencies(tmp_path):
    both = LanguageModel.merge(untrained("bdh", 0), untrained("bdh", 1))
    both.save(tmp_path / "run")
    found = LanguageModel.load(tmp_path / "run")
    np.testing.assert_array_equal(found.model.frequencies, both.model.frequencies)


@pytest.mark.parametrize("cut", [0, 4, 20, -1])
def test_truncated_weights_are_refused(folder, cut):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TextError, match="is cut short or damaged"):
        LanguageModel.load(folder)


def test_a_flipped_bit_is_noticed(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(TextError, match=r"is not the file that model\.json was written with"):
        LanguageModel.load(folder)


def test_weights_of_another_model_are_refused(folder, tmp_path):
    untrained("gpt").save(tmp_path / "gpt")
    weights = folder / "model.safetensors"
    weights.write_bytes((tmp_path / "gpt" / "model.safetensors").read_bytes())
    with pytest.raises(TextError, match="belongs to another model: enc should be"):
        LanguageModel.load(folder)


def test_weights_with_something_more_are_refused(folder):
    path = folder / "model.safetensors"
    save_file({**load_file(path), "more": np.zeros(3, np.float32)}, path)
    with pytest.raises(TextError, match="it holds more, which this one has not"):
        LanguageModel.load(folder)


def test_sizes_that_lie_allocate_nothing(folder):
    about = json.loads((folder / "model.json").read_text())
    about["architecture"]["neurons"] = 2**24
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(TextError, match="belongs to another model"):
        LanguageModel.load(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "has format 2 and this version of Engrax reads format 1"),
        ({"architecture": "os.system"}, "does not describe a language model"),
        ({"architecture": {"model": "bdh"}}, "does not describe a language model"),
        ({"seen": [256]}, "does not describe a language model"),
        ({"seen": "all"}, "does not describe a language model"),
        ({"history": None}, "does not describe a language model"),
    ],
)
def test_descriptions_that_describe_nothing_are_refused(folder, change, said):
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | change))
    with pytest.raises(TextError, match=said):
        LanguageModel.load(folder)


@pytest.mark.parametrize(
    ("field", "value"), [("model", "lstm"), ("heads", 0), ("width", 2.5), ("heads", 3)]
)
def test_impossible_architectures_are_refused(folder, field, value):
    about = json.loads((folder / "model.json").read_text())
    about["architecture"][field] = value
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(TextError, match="does not describe a"):
        LanguageModel.load(folder)


def test_a_folder_without_a_model_is_refused(folder, tmp_path):
    with pytest.raises(TextError, match=r"holds no language model: it has no model\.json"):
        LanguageModel.load(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(TextError, match=r"model\.safetensors is missing"):
        LanguageModel.load(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(TextError, match=r"model\.json cannot be read"):
        LanguageModel.load(folder)
