"""Three forms, two rules, gates of every shape: all against a loop in NumPy."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.memory import linear_attention

T, DK, DV = 23, 5, 4
FORMS = ("parallel", "chunked", "recurrent")
# Sums of some 20 float32 products of order 1; the triangular solve at most doubles them a few
# times, since keys have norm 1 and rates are at most 1.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def loop(q, k, v, rule, write, log_decay, strict, state):
    """The definition, a step at a time, in float64."""
    q, k, v = (np.asarray(a, np.float64) for a in (q, k, v))
    steps, slots = v.shape

    def gate(g, default):
        g = np.asarray(default if g is None else g, np.float64)
        g = np.broadcast_to(g, (steps,)) if g.ndim == 0 else g
        return np.broadcast_to(g if g.ndim == 2 else g[:, None], (steps, slots))

    b, g = gate(write, 1.0), np.exp(gate(log_decay, 0.0))
    s = np.zeros((slots, k.shape[1])) if state is None else np.asarray(state, np.float64)
    out = np.zeros((steps, slots))
    for t in range(steps):
        s = g[t][:, None] * s
        if strict:
            out[t] = s @ q[t]
        error = v[t] - s @ k[t] if rule == "delta" else v[t]
        s = s + np.outer(b[t] * error, k[t])
        if not strict:
            out[t] = s @ q[t]
    return out, s


def drawn(seed, steps=T):
    keys = jr.split(jr.key(seed), 6)
    q, k = (jr.normal(key, (steps, DK)) for key in keys[:2])
    k = k / jnp.linalg.norm(k, axis=1, keepdims=True)
    v = jr.normal(keys[2], (steps, DV))
    gates = {
        "none": None,
        "constant": jnp.float32(0.7),
        "step": jr.uniform(keys[3], (steps,)),
        "slot": jr.uniform(keys[4], (steps, DV)),
    }
    return q, k, v, gates, jr.normal(keys[5], (DV, DK))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rule", ["hebb", "delta"])
@pytest.mark.parametrize("write", ["none", "step", "slot"])
@pytest.mark.parametrize("decay", ["none", "constant", "step", "slot"])
def test_every_form_is_the_loop(form, rule, write, decay):
    q, k, v, gates, state = drawn(0)
    decays = gates[decay] if gates[decay] is None else jnp.log(gates[decay])
    for strict, start in ((False, None), (True, state)):
        options = {"rule": rule, "write": gates[write], "log_decay": decays, "strict": strict}
        found = linear_attention(q, k, v, form=form, chunk=7, state=start, **options)
        for mine, theirs in zip(found, loop(q, k, v, state=start, **options), strict=True):
            np.testing.assert_allclose(mine, theirs, **CLOSE)


@given(
    steps=st.sampled_from([1, 12]),
    chunk=st.sampled_from([1, 5, 13]),
    cut=st.sampled_from([0, 0.5, 0.8]),
    rule=st.sampled_from(["hebb", "delta"]),
    strict=st.booleans(),
)
def test_a_carried_state_continues_the_sequence(steps, chunk, cut, rule, strict):
    q, k, v, gates, state = drawn(1, steps)
    decay = jnp.log(gates["step"])
    options = {"rule": rule, "strict": strict, "form": "chunked", "chunk": chunk}
    whole, end = linear_attention(
        q, k, v, write=gates["step"], log_decay=decay, state=state, **options
    )
    at = int(cut * steps)
    parts = []
    for some in (slice(0, at), slice(at, None)):
        if q[some].shape[0]:
            out, state = linear_attention(
                q[some], k[some], v[some], write=gates["step"][some], log_decay=decay[some],
                state=state, **options,
            )  # fmt: skip
            parts.append(out)
    np.testing.assert_allclose(jnp.concatenate(parts), whole, **CLOSE)
    np.testing.assert_allclose(state, end, **CLOSE)


def test_hebb_is_a_product_of_matrices():
    q, k, v, _, _ = drawn(2)
    for form in FORMS:
        out, state = linear_attention(q, k, v, form=form, chunk=8)
        np.testing.assert_allclose(state, v.T @ k, **CLOSE)
        np.testing.assert_allclose(out, jnp.tril(q @ k.T) @ v, **CLOSE)


def test_the_order_of_pairs_matters_to_delta_alone():
    q, k, v, _, _ = drawn(3)
    order = jr.permutation(jr.key(9), T)
    states = {
        rule: [linear_attention(q, k[i], v[i], rule=rule)[1] for i in (jnp.arange(T), order)]
        for rule in ("hebb", "delta")
    }
    np.testing.assert_allclose(*states["hebb"], **CLOSE)
    assert jnp.abs(states["delta"][0] - states["delta"][1]).max() > 0.1


def test_strict_reads_what_was_there_before():
    q, k, v, _, _ = drawn(4)
    for rule in ("hebb", "delta"):
        strict, _ = linear_attention(q, k, v, rule=rule, strict=True)
        inclusive, _ = linear_attention(q[1:], k[:-1], v[:-1], rule=rule)
        np.testing.assert_allclose(strict[0], 0.0)
        np.testing.assert_allclose(strict[1:], inclusive, **CLOSE)


def test_no_step_reads_the_future():
    q, k, v, gates, _ = drawn(5)
    for rule in ("hebb", "delta"):

        def later(v, rule=rule):
            return linear_attention(q, k, v, rule=rule, write=gates["step"], form="chunked",
                                    chunk=6, strict=True)[0]  # fmt: skip

        influence = jnp.abs(jax.jacobian(later)(v)).sum((1, 3))
        np.testing.assert_array_equal(jnp.triu(influence), 0.0)


def test_a_key_of_norm_one_is_written_exactly_by_delta():
    _, k, v, _, state = drawn(6)
    key = k[:1]
    for rate, length in ((1.0, 1.0), (0.25, 2.0)):
        out, _ = linear_attention(
            key * length, key * length, v[:1], rule="delta", write=jnp.array([rate]), state=state
        )
        # b |k|^2 = 1.
        np.testing.assert_allclose(out, v[:1], atol=1e-5)


def test_orthonormal_keys_make_delta_hebb():
    k = jnp.linalg.qr(jr.normal(jr.key(7), (DK, DK)))[0]
    v = jr.normal(jr.key(8), (DK, DV))
    hebb, delta = (linear_attention(k, k, v, rule=rule)[1] for rule in ("hebb", "delta"))
    np.testing.assert_allclose(hebb, delta, **CLOSE)


def test_sweeps_of_delta_converge_to_the_pseudo_inverse():
    k = jr.normal(jr.key(10), (4, 8))
    k = k / jnp.linalg.norm(k, axis=1, keepdims=True)
    v = jr.normal(jr.key(11), (4, DV))
    sweeps = 300
    _, state = linear_attention(
        *(jnp.tile(a, (sweeps, 1)) for a in (k, k, v)), rule="delta", form="chunked", chunk=50
    )
    np.testing.assert_allclose(state, v.T @ jnp.linalg.pinv(k.T), atol=1e-4)
    # The reason: a sweep contracts the error within the span of the keys.
    sweep = np.linalg.multi_dot([np.eye(8) - np.outer(x, x) for x in np.asarray(k)[::-1]])
    inside = np.linalg.qr(np.asarray(k).T)[0]
    assert np.abs(np.linalg.eigvals(inside.T @ sweep @ inside)).max() < 1


def test_gradients_are_those_of_the_recurrence():
    q, k, v, gates, state = drawn(12)
    decay = jnp.log(gates["step"])

    def total(parts, form, rule):
        q, k, v, b, a, s = parts
        out, end = linear_attention(
            q, k, v, rule=rule, write=b, log_decay=a, state=s, form=form, chunk=9
        )
        return jnp.sum(jnp.sin(out)) + jnp.sum(end**2)

    for rule in ("hebb", "delta"):
        all_forms = [
            jax.grad(total)((q, k, v, gates["step"], decay, state), form, rule) for form in FORMS
        ]
        for other in all_forms[1:]:
            for a, b in zip(all_forms[0], other, strict=True):
                # Gradients are sums over later steps, so they are longer than the outputs' sums.
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_long_decay_neither_overflows_nor_gives_nan():
    q, k, v, _, _ = drawn(13)
    for form in FORMS:

        def first(v, form=form):
            out = linear_attention(q, k, v, log_decay=-30.0, form=form, chunk=8)[0]
            return jnp.sum(out**2)

        value, gradient = jax.value_and_grad(first)(v)
        assert jnp.isfinite(value)
        assert jnp.isfinite(gradient).all()


def test_wrong_options_are_named():
    q, k, v, _, _ = drawn(14)
    for options in ({"rule": "bcm"}, {"form": "serial"}):
        # The type checker of the tests refuses them before the function does.
        with pytest.raises(Exception, match=next(iter(options))):
            linear_attention(q, k, v, **options)
    with pytest.raises(ValueError, match="at least 1"):
        linear_attention(q, k, v, chunk=0)
