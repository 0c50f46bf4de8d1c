"""What a language model says and how it scores, against reading everything anew."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.text import LanguageModel, TextError
from engrax.text._sampling import next_byte_probabilities
from tests.text.small_models import TEXT, WORDS, untrained

KINDS = ("bdh", "bdh_prime", "gpt")


def logits_of(model: LanguageModel, data: bytes) -> np.ndarray:
    tokens = jnp.asarray(np.frombuffer(data, np.uint8).astype(np.int32))
    return np.asarray(model.model(tokens), np.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_generation_is_what_reading_the_whole_prefix_anew_gives(kind):
    model = untrained(kind)
    prompt = (WORDS * 2)[:70]  # longer than one piece
    said = b"".join(model.generate(prompt, 4, temperature=0.0))
    # One reading of prompt and answer gives every prediction; causality is the models' own test.
    logits = np.where(model.seen, logits_of(model, prompt + said), -np.inf)
    assert said == bytes(logits[len(prompt) - 1 : -1].argmax(-1).tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_bits_per_byte_are_those_of_one_long_reading(kind):
    model = untrained(kind)
    data = np.frombuffer((WORDS * 7)[:300], np.uint8)  # a whole piece and a part of one
    found = model.score(data)
    logits = logits_of(model, data.tobytes())[:-1]
    share = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    bits = 8 - np.log2(share[np.arange(299), data[1:]]).sum()
    assert found.bytes == 300
    # 1e-5: float32 logits of a few units, summed in another order
    assert found.bits_per_byte == pytest.approx(bits / 300, rel=1e-5)


def test_a_single_byte_costs_eight_bits():
    assert untrained("bdh").score(np.frombuffer(b"t", np.uint8)) == (8.0, 1)


def test_seeds_repeat_and_differ_and_only_seen_bytes_are_drawn():
    model = untrained("bdh")
    one, same, other = (
        b"".join(model.generate("the cat", 60, temperature=5.0, seed=s)) for s in (0, 0, 1)
    )
    assert one == same != other
    assert set(one) <= set(WORDS)


def test_generation_is_lazy_and_goes_on_for_ever():
    endless = untrained("bdh").generate("the", None)
    assert len(list(itertools.islice(endless, 30))) == 30
    assert list(untrained("bdh").generate("the", 0)) == []


@given(
    logits=st.lists(st.floats(-5, 5), min_size=8, max_size=8, unique=True),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    top_k=st.integers(1, 8),
    top_p=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
    allowed=st.lists(st.booleans(), min_size=8, max_size=8).filter(any),
)
def test_what_is_drawn_from_is_what_a_plain_loop_finds(logits, temperature, top_k, top_p, allowed):
    found = next_byte_probabilities(
        jnp.asarray(logits, jnp.float32),
        jnp.float32(temperature),
        jnp.int32(top_k),
        jnp.float32(top_p),
        jnp.asarray(allowed),
    )
    values = np.asarray(logits, np.float32).astype(float)
    order = sorted((i for i in range(8) if allowed[i]), key=lambda i: -values[i])
    share = {i: np.exp((values[i] - values[order[0]]) / (temperature or 1.0)) for i in order}
    total, before, expected = sum(share.values()), 0.0, np.zeros(8)
    for rank, i in enumerate(order):
        cut = before / total
        if abs(cut - top_p) < 1e-5:  # float32 may fall on either side of the edge
            return
        if rank < (top_k if temperature else 1) and cut < top_p:
            expected[i] = share[i]
        before += share[i]
    # A softmax of float32 over 8 numbers.
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-5)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "the prompt is empty"),
        ("Zebra", "the prompt holds the character 'Z', which the model never saw in training"),
        ("thé", r"the prompt holds the byte 0xc3 \(in 'é'\), which the model never saw"),
        (b"\xff", "the prompt holds the byte 0xff, which the model never saw"),
        ("a\ud800", r"cannot be written as UTF-8: its character 1 is U\+D800"),
    ],
)
def test_prompts_that_cannot_be_read_are_refused(prompt, said):
    with pytest.raises(TextError, match=said):
        untrained("bdh").generate(prompt)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"length": -1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        untrained("bdh").generate("the", **wrong)


def test_an_empty_text_has_no_score():
    with pytest.raises(ValueError, match="empty text"):
        untrained("bdh").score(np.zeros(0, np.uint8))


def test_a_model_merged_with_itself_says_the_same():
    model = untrained("bdh")
    both = LanguageModel.merge(model, model)
    assert both.architecture.neurons == 64
    # Twice the same contribution before a normalization is equal up to the normalization's eps,
    # which is not small for weights as small as untrained ones: the order of logits stays.
    one, two = logits_of(both, WORDS[:20]), logits_of(model, WORDS[:20])
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.99
    assert both.history == {"merged": [model.history, model.history]}


def test_models_that_cannot_be_merged_are_refused():
    with pytest.raises(TextError, match="only two BDH models"):
        LanguageModel.merge(untrained("bdh"), untrained("gpt"))
    with pytest.raises(TextError, match="model bdh and bdh_prime"):
        LanguageModel.merge(untrained("bdh"), untrained("bdh_prime"))


def test_the_text_of_the_tests_has_no_capital():
    assert ord("Z") not in TEXT.data
