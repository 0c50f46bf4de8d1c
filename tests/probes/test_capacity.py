"""The meters against theory, and against figures measured apart from this library."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.memory import linear_attention
from engrax.probes import associative_capacity, chained_recall, linear_memory
from engrax.tasks import ChainedAssociations
from engrax.theory import linear_memory_capacity


@pytest.mark.parametrize(("criterion", "trials", "most"), [("adversarial", 400, 40),
                                                           ("bit_error", 60, 60)])  # fmt: skip
def test_the_meter_finds_the_law(criterion, trials, most):
    found = associative_capacity(
        linear_memory, 64, criterion=criterion, key=jr.key(0), most=most, trials=trials
    )
    # Some 2 % of sampling error in the rates, and the overlaps' finite d_key.
    assert float(found) == pytest.approx(
        float(linear_memory_capacity(64, criterion=criterion)), rel=0.07
    )


def test_correlated_keys_hold_less_and_noisy_queries_too():
    def found(**options):
        return float(associative_capacity(
            linear_memory, 128, criterion="bit_error", key=jr.key(0), most=80, trials=20, **options
        ))  # fmt: skip

    clean = found()
    assert found(cosine=0.1) < 0.8 * clean
    assert found(query_cosine=0.9) < 0.95 * clean


def test_a_memory_that_never_fails_reaches_the_most():
    def perfect(keys, values, queries, present):
        return values

    for criterion in ("bit_error", "argmax"):
        found = associative_capacity(
            perfect, 8, criterion=criterion, key=jr.key(0), most=13, trials=2
        )
        assert float(found) == 13


def test_the_nearest_value_is_found_long_after_signs_are_lost():
    signs, nearest = (
        associative_capacity(
            linear_memory, 32, criterion=c, key=jr.key(1), most=100, trials=10, d_value=32
        )
        for c in ("bit_error", "argmax")
    )
    assert float(nearest) > 2 * float(signs)


def test_sweeps_of_delta_hold_as_many_pairs_as_dimensions():
    def delta(keys, values, queries, present):
        swept = (jnp.tile(a, (300, 1)) for a in (keys, keys, values))
        state = linear_attention(*swept, rule="delta", form="chunked")[1]
        return queries @ state.T

    found = associative_capacity(
        delta, 16, criterion="bit_error", key=jr.key(0), most=32, trials=4, d_value=16
    )
    assert float(found) > 15.5


def test_an_unknown_criterion_is_named():
    # The type checker of the tests refuses it before the function does.
    with pytest.raises(Exception, match="criterion"):
        associative_capacity(linear_memory, 8, criterion="mean", key=jr.key(0), most=4, trials=1)


def hebbian(keys, values, queries):
    return (queries @ keys.T) @ values


def success(depth, pairs, d_key, heads, cleanup, draws=40):
    task = ChainedAssociations(depth, pairs, d_key, heads)

    def one(key):
        return chained_recall(hebbian, *task.sample(key), cleanup=cleanup)[-1]

    return float(jnp.mean(jax.jit(jax.vmap(one))(jr.split(jr.key(0), draws))))


@pytest.mark.parametrize(
    ("depth", "heads", "cleanup", "expected"),
    [(1, 1, True, 1.0), (8, 1, True, 0.96), (8, 2, True, 1.0), (2, 1, False, 0.8),
     (4, 1, False, 0.32), (4, 2, False, 0.57), (8, 4, False, 0.2)],
)  # fmt: skip
def test_chains_as_measured_elsewhere(depth, heads, cleanup, expected):
    # 960 chains that come in 40 independent draws, here and there.
    assert success(depth, 24, 32, heads, cleanup) == pytest.approx(expected, abs=0.08)


def test_a_chain_follows_its_permutations():
    codes, order = ChainedAssociations(5, 6, 200).sample(jr.key(3))
    assert bool(chained_recall(hebbian, codes, order, cleanup=True).all())

    def forgetful(keys, values, queries):
        """Answers with the first item that it stored."""
        return jnp.broadcast_to(values[:1], queries.shape)

    # All chains come together, so one of six is right, whatever the order.
    right = chained_recall(forgetful, codes, order, cleanup=True)
    np.testing.assert_array_equal(right.sum(1), 1)


def test_depth_is_a_prefix_of_a_longer_chain():
    codes, order = ChainedAssociations(4, 12, 16, 2).sample(jr.key(4))
    for cleanup in (True, False):
        whole = chained_recall(hebbian, codes, order, cleanup=cleanup)
        for depth in (1, 3):
            part = chained_recall(hebbian, codes[:, : depth + 1], order[:depth], cleanup=cleanup)
            np.testing.assert_array_equal(part[-1], whole[depth - 1])
