"""The stream of repeated words."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.tasks import RepeatedFacts


def play(stream, ticks):
    def run(state):
        return jax.lax.scan(lambda s, t: stream.step(s, t), state, jnp.arange(ticks))

    return jax.jit(run)(stream.init(key=jr.key(0)))[1]


def test_a_period_is_noise_and_then_one_word_again_and_again():
    stream = RepeatedFacts(13, 8, 8, batch=3)
    assert stream.period == 77
    out = play(stream, 5)
    assert out.x.shape == (5, 3, 77)
    words = np.asarray(out.x)[:, :, 13:].reshape(5, 3, 8, 8)
    assert (words == words[:, :, :1]).all()
    assert (words[0] != words[1]).any()
    assert ((out.x >= ord("a")) & (out.x <= ord("z"))).all()


def test_targets_follow_across_the_end_of_a_period():
    out = play(RepeatedFacts(4, 3, 2, batch=2, letters=5), 6)
    x = np.asarray(out.x).transpose(1, 0, 2).reshape(2, -1)
    y = np.asarray(out.y).transpose(1, 0, 2).reshape(2, -1)
    np.testing.assert_array_equal(x[:, 1:], y[:, :-1])
    assert x.max() < ord("a") + 5


def test_phases_cover_the_words():
    stream = RepeatedFacts(13, 8, 8)
    assert stream.memorizing.sum() == 8
    assert stream.repeating.sum() == 56
    assert not (stream.memorizing | stream.repeating)[:13].any()


@pytest.mark.parametrize("sizes", [(0, 8, 8), (13, 0, 8), (13, 8, 0)])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="must be at least 1"):
        RepeatedFacts(*sizes)
    with pytest.raises(ValueError, match="letters=1 from 2 to 26"):
        RepeatedFacts(13, 8, 8, letters=1)
