"""The memory of any rule, against the rules and against linear attention."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.memory import AssociativeMemory, linear_attention
from engrax.plasticity import bcm, delta_rule, hebb, oja, td_rule, trace_rule

K = jr.normal(jr.key(0), (9, 6)) / jnp.sqrt(6.0)
V = jr.normal(jr.key(1), (9, 4))
Q = jr.normal(jr.key(2), (9, 6))
RATE, DECAY = jr.uniform(jr.key(3), (2, 9))


@pytest.mark.parametrize(("rule", "name"), [(hebb, "hebb"), (delta_rule, "delta")])
@pytest.mark.parametrize("strict", [False, True])
def test_two_rules_are_linear_attention(rule, name, strict):
    memory = AssociativeMemory(6, 4, rule)
    out, state = memory.scan(K, V, Q, rate=RATE, decay=DECAY, strict=strict)
    other, weight = linear_attention(
        Q, K, V, rule=name, write=RATE, log_decay=jnp.log(DECAY), strict=strict
    )
    # Nine steps of float32 with terms of order 1.
    np.testing.assert_allclose(out, other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(state.weight, weight, rtol=1e-5, atol=1e-5)


def test_each_response_reaches_the_rule():
    weight = jr.normal(jr.key(4), (4, 6))
    for response, post in (("clamped", V[0]), ("free", weight @ K[0]), ("driven", None)):
        memory = AssociativeMemory(6, 4, oja, response)
        state = memory.init()._replace(weight=weight)
        post = weight @ K[0] + V[0] if post is None else post
        expected = weight + oja(weight, K[0], post, rate=0.2)[0]
        np.testing.assert_allclose(memory.write(state, K[0], V[0], rate=0.2).weight, expected)


def test_what_a_rule_keeps_starts_at_zero_and_is_carried():
    for rule, size in ((bcm, 4), (trace_rule, 6), (td_rule, 6), (hebb, None)):
        memory = AssociativeMemory(6, 4, rule, "driven" if rule is bcm else "clamped")
        kept = memory.init().rule
        assert kept is None if size is None else (kept.shape == (size,) and not kept.any())
        _, state = memory.scan(K, V, Q, rate=0.1)
        step = memory.init()
        for k, v in zip(K, V, strict=True):
            step = memory.write(step, k, v, rate=0.1)
        np.testing.assert_allclose(state.weight, step.weight, rtol=1e-5, atol=1e-6)


def test_td_gets_the_next_key():
    memory = AssociativeMemory(6, 4, eqx.Partial(td_rule, discount=0.5, trace=0.3))
    following = jnp.roll(K, -1, 0).at[-1].set(0.0)
    _, state = memory.scan(K, V, Q, rate=0.1, next_pre=following)
    weight, z = np.zeros((4, 6)), np.zeros(6)
    for k, v, coming in zip(*map(np.asarray, (K, V, following)), strict=True):
        z = 0.15 * z + k
        weight = weight + 0.1 * np.outer(v + 0.5 * weight @ coming - weight @ k, z)
    np.testing.assert_allclose(state.weight, weight, rtol=1e-5, atol=1e-6)


def test_an_unknown_response_is_named():
    with pytest.raises(Exception, match="response"):
        AssociativeMemory(6, 4, hebb, "teacher")
