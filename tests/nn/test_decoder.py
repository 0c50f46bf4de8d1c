import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import Decoder, parameter_count

V, D, LAYERS, HEADS, T = 11, 16, 2, 4, 20
TOKENS = jr.randint(jr.key(3), (T,), 0, V)
positions = pytest.mark.parametrize("positions", ["alibi", "rotary"])


def build(context=32, **options):
    model = Decoder(V, D, LAYERS, HEADS, context=context, key=jr.key(0), **options)
    return jax.tree.map(lambda w: 2 * w, model)  # louder than at the start: every part matters


def layer_norm(x):
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-5)


def slow(model, tokens, window):
    """Token by token and head by head, in float64."""
    p = jax.tree.map(lambda leaf: np.array(leaf, np.float64), eqx.filter(model, eqx.is_array))
    x = p.embedding[np.array(tokens)]
    size = D // HEADS
    for layer in range(LAYERS):
        q, k, v = np.split(layer_norm(x) @ p.qkv[layer], 3, -1)
        mixed = np.zeros_like(x)
        for h in range(HEADS):
            own = slice(h * size, (h + 1) * size)
            for t in range(len(x)):
                seen = range(max(0, t - window + 1), t + 1)
                if model.positions == "alibi":
                    slope = 2.0 ** (-8 * (h + 1) / HEADS)
                    scores = [q[t, own] @ k[s, own] / size**0.5 - slope * (t - s) for s in seen]
                else:
                    scores = []
                    for s in seen:
                        angle = (t - s) * 10_000.0 ** (-2 * np.arange(size // 2) / size)
                        a, b = np.split(q[t, own], 2)
                        c, d = np.split(k[s, own], 2)
                        turned = np.cos(angle) * (a * c + b * d) + np.sin(angle) * (a * d - b * c)
                        scores.append(turned.sum() / size**0.5)
                weights = np.exp(np.array(scores) - max(scores))
                mixed[t, own] = weights / weights.sum() @ v[list(seen)][:, own]
        x = x + mixed @ p.out[layer]
        x = x + np.maximum(layer_norm(x) @ p.up[layer], 0) @ p.down[layer]
    return layer_norm(x) @ p.head


@positions
@pytest.mark.parametrize("context", [6, 32])
def test_against_loops(positions, context):
    model = build(context, positions=positions, activation=jax.nn.relu)
    # Float32 against float64.
    np.testing.assert_allclose(model(TOKENS), slow(model, TOKENS, context), atol=2e-4)


@positions
@pytest.mark.parametrize("context", [6, 32])
@pytest.mark.parametrize("size", [1, 3, 8, 20])
def test_the_carried_cache_gives_what_one_pass_gives(positions, context, size):
    model = build(context, positions=positions)
    state, logits = model.init_state(), []
    chunk = eqx.filter_jit(model.chunk)
    for start in range(0, T, size):
        state, part = chunk(state, TOKENS[start : start + size])
        logits.append(part)
    np.testing.assert_allclose(jnp.concatenate(logits), model(TOKENS), atol=1e-4)
    assert state.position == T


def test_steps_give_what_one_pass_gives():
    model = build(6)
    _, logits = jax.lax.scan(lambda s, token: model.step(s, token), model.init_state(), TOKENS)
    np.testing.assert_allclose(logits, model(TOKENS), atol=1e-4)


def test_the_past_is_the_past():
    model = build()
    changed = TOKENS.at[7:].set(0)
    np.testing.assert_array_equal(model(TOKENS)[:7], model(changed)[:7])


def test_a_layer_has_twelve_d_squared_weights():
    assert parameter_count(build()) == LAYERS * 12 * D**2 + 2 * V * D


def test_activations_and_dropout():
    model = build(dropout=0.5, activation=jax.nn.relu)
    seen = model.activations(TOKENS)
    assert seen["hidden"].shape == (LAYERS, T, 4 * D)
    assert seen["keys"].shape == seen["values"].shape == (LAYERS, T, HEADS, D // HEADS)
    np.testing.assert_array_equal(seen["logits"], model(TOKENS))
    assert not np.allclose(model(TOKENS, key=jr.key(1)), model(TOKENS), atol=1e-2)


def test_bad_settings_say_so():
    with pytest.raises(ValueError, match="heads that divide d"):
        Decoder(V, D, 1, 3, context=8, key=jr.key(0))
    with pytest.raises(ValueError, match="even size"):
        Decoder(V, 12, 1, 4, context=8, positions="rotary", key=jr.key(0))
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        build(dropout=-0.1)


def test_weights_start_at_the_scale_of_their_inputs():
    model = Decoder(300, 64, 2, 2, context=8, key=jr.key(0))
    for weights, expected in (
        (model.qkv, 1 / 8),
        (model.down, 1 / 16 / 2),  # 256 inputs, written four times
        (model.head, 1 / 8),
        (model.embedding, 1 / 8),
    ):
        # Thousands of draws: their standard deviation is known to about 1 %.
        np.testing.assert_allclose(weights.std(), expected, rtol=0.04)
