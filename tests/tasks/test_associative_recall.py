"""Prompts whose answers stand in them, bound or not; chains that are permutations."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.tasks import AssociativeRecall, ChainedAssociations


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("queries", [None, 2])
def test_the_answer_stands_in_the_prompt(bound, queries):
    task = AssociativeRecall(12, 5, 6, batch=8, bound=bound, queries=queries)
    state = task.init(key=jr.key(0))
    following, (x, y, *_) = task.step(state, jnp.int32(0))
    assert y.shape == (8, queries or 6)
    assert x.shape[:2] == (8, task.length)
    for prompt, answers in zip(np.asarray(x), np.asarray(y), strict=True):
        if bound:
            told, asked = prompt[:6], prompt[6:, 0]
            assert (prompt[6:, 1] == 5).all()
        else:
            told, asked = prompt[:12].reshape(6, 2) - [0, 12], prompt[12:]
        pairs = dict(told)
        assert len(pairs) == 6
        assert [pairs[k] for k in asked] == list(answers)
        assert len(set(asked)) == len(asked)
    assert not np.array_equal(task.step(following, jnp.int32(1))[1].x, x)


def test_a_test_set_has_as_many_prompts_as_asked_for():
    batch = AssociativeRecall(12, 5, 6, batch=8).sample(jr.key(0), 3)
    assert batch.x.shape == (3, 12, 2)
    assert batch.y.shape == (3, 6)


def test_too_few_keys_are_named():
    with pytest.raises(ValueError, match="queries <= pairs <= keys"):
        AssociativeRecall(4, 5, 6, batch=1)


def test_chains_have_unit_codes_and_permutations():
    codes, order = ChainedAssociations(3, 7, 16, heads=2).sample(jr.key(0))
    assert codes.shape == (2, 4, 7, 16)
    np.testing.assert_allclose(jnp.linalg.norm(codes, axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(np.sort(order, 1), np.tile(np.arange(7), (3, 1)))
    # Heads share no code: a cosine above 0.9 has a probability of some 1e-7 in 16 dimensions.
    assert jnp.abs(jnp.sum(codes[0] * codes[1], -1)).max() < 0.9
    with pytest.raises(ValueError, match="at least 1"):
        ChainedAssociations(0, 7, 16)
