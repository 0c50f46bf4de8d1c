import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import BDH, BDHState

N, D, HEADS, LAYERS, V, T = 32, 8, 2, 3, 11, 24
TOKENS = jr.randint(jr.key(7), (T,), 0, V)


def build(key=0, louder=8.0, **options):
    """A small model; weights far from their tiny start, so that every part matters."""
    model = BDH(N, D, HEADS, LAYERS, V, key=jr.key(key), **options)
    weights = lambda m: (m.enc, m.enc_v, m.dec, m.embedding, m.head)
    model = eqx.tree_at(weights, model, [louder * w for w in weights(model)])
    if model.gates is not None:
        gates = lambda m: (m.gates.forget_weight, m.gates.input_weight, m.gates.forget_bias)
        draw = jr.split(jr.key(key + 1), 3)
        new = [jr.normal(k, leaf.shape) for k, leaf in zip(draw, gates(model), strict=True)]
        model = eqx.tree_at(gates, model, new)
    return model


VARIANTS = {
    "stream": {},
    "neuron": {"residual": "neuron"},
    "decay": {"decay": (0.9, 0.7)},
    "prime": {"gated": True, "merge_logits": True},
    "prime, decay, neuron": {
        "gated": True, "merge_logits": True, "decay": 0.8, "residual": "neuron",
    },
}  # fmt: skip
variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())


def layer_norm(x):
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def transcription(model, tokens):
    """The equations, token by token with the state rho of each layer and head, in float64."""
    p = jax.tree.map(lambda leaf: np.array(leaf, np.float64), eqx.filter(model, eqx.is_array))
    heads, d, size = p.enc.shape
    rho = np.zeros((model.layers, heads, d, size))
    decay = model.decay or (1.0,) * heads
    logits = []
    for t, token in enumerate(np.array(tokens)):
        angle = t * 2.0 ** (-16 * 2 * np.floor(np.arange(size) / 2) / size)

        def turned(x, angle=angle):
            swapped = np.stack([-x[1::2], x[0::2]], -1).reshape(-1)
            return x * np.cos(angle) + swapped * np.sin(angle)

        v = layer_norm(p.embedding[token])
        x = np.zeros((heads, size))
        streams = []
        for layer in range(model.layers):
            out = np.zeros(d)
            before = v
            for h in range(heads):
                grown = np.maximum(before @ p.enc[h], 0)
                x[h] = x[h] + grown if model.residual == "neuron" else grown
                a = rho[layer, h] @ turned(x[h])
                y = np.maximum(layer_norm(a) @ p.enc_v[h], 0) * x[h]
                out += y @ p.dec[h]
                key, keep = x[h], decay[h]
                if p.gates is not None:
                    gate = x[h] * p.gates.input_weight[h] + p.gates.input_bias[h]
                    key = np.log1p(np.exp(gate)) * x[h]
                    keep = keep * sigmoid(before * p.gates.forget_weight + p.gates.forget_bias)
                rho[layer, h] = np.reshape(keep, (-1, 1)) * rho[layer, h]
                rho[layer, h] += np.outer(before, turned(key))
            out = layer_norm(out)
            v = out if model.residual == "neuron" else layer_norm(before + out)
            streams.append(v)
        logits.append((np.mean(streams, 0) if model.merge_logits else v) @ p.head)
    return np.stack(logits), np.swapaxes(rho, 2, 3)


@variants
def test_it_is_its_equations(options):
    model = build(**options)
    logits, rho = transcription(model, TOKENS)
    # Float32 against float64 through three normalized layers.
    np.testing.assert_allclose(model(TOKENS), logits, atol=2e-4)
    state, chunked = model.chunk(model.init_state(), TOKENS)
    np.testing.assert_allclose(chunked, logits, atol=2e-4)
    np.testing.assert_allclose(state.rho, rho, atol=2e-4)
    assert state.position == T


@variants
@pytest.mark.parametrize("size", [1, 5, 8, 24])
def test_chunks_and_steps_give_what_the_whole_gives(options, size):
    model = build(louder=2.0, **options)
    state, logits = model.init_state(), []
    chunk = eqx.filter_jit(model.chunk)
    for start in range(0, T, size):
        state, part = chunk(state, TOKENS[start : start + size])
        logits.append(part)
    np.testing.assert_allclose(jnp.concatenate(logits), model(TOKENS), atol=1e-5)


@variants
def test_steps_give_what_the_whole_gives(options):
    model = build(louder=2.0, **options)
    _, logits = jax.lax.scan(
        lambda state, token: model.step(state, token), model.init_state(), TOKENS
    )
    np.testing.assert_allclose(logits, model(TOKENS), atol=1e-5)


@variants
def test_long_texts_go_through_the_state(options):
    whole, pieces = build(louder=2.0, **options), build(louder=2.0, piece=5, **options)
    np.testing.assert_allclose(pieces(TOKENS), whole(TOKENS), atol=1e-5)
    left, right = (jax.grad(lambda e, m=m: mean_loss(m, e))(m.enc) for m in (whole, pieces))
    np.testing.assert_allclose(left, right, atol=1e-5)


def mean_loss(model, enc):
    logits = eqx.tree_at(lambda m: m.enc, model, enc)(TOKENS)
    return -jax.nn.log_softmax(logits)[jnp.arange(T - 1), TOKENS[1:]].mean()


@variants
def test_nothing_reads_the_future_and_attention_not_even_the_present(options):
    model = build(**options)
    for t in (1, 10):
        changed = TOKENS.at[t:].set((TOKENS[t:] + 1) % V)
        np.testing.assert_array_equal(model(TOKENS)[:t], model(changed)[:t])
    # The first token has nothing to read: y is 0 in all layers.
    seen = model.activations(TOKENS)
    assert (seen["y"][:, 0] == 0).all()
    assert (seen["y"][:, 1:] > 0).any()


def test_parameters_are_counted_as_in_the_paper():
    make = lambda **sizes: eqx.filter_eval_shape(functools.partial(BDH, **sizes), key=jr.key(0))
    count = lambda m: sum(
        leaf.size for leaf in jax.tree.leaves(m) if jnp.issubdtype(leaf.dtype, jnp.floating)
    )
    assert count(make(n=64, d=8, heads=4, layers=5, vocab=10)) == 3 * 64 * 8 + 2 * 10 * 8
    assert count(make(n=32768, d=256, heads=4, layers=6)) == 25_296_896


@pytest.mark.parametrize("residual", ["stream", "neuron"])
def test_the_scale_of_embedding_and_memory_does_not_matter(residual):
    # Loud, so that eps is small beside what is normalized.
    model = build(louder=40.0, residual=residual)
    louder = eqx.tree_at(lambda m: m.embedding, model, 30 * model.embedding)
    np.testing.assert_allclose(louder(TOKENS), model(TOKENS), atol=1e-3)
    state, _ = model.chunk(model.init_state(), TOKENS)
    _, logits = model.step(state, TOKENS[0])
    _, scaled = model.step(BDHState(50 * state.rho, state.position), TOKENS[0])
    np.testing.assert_allclose(scaled, logits, atol=1e-3)


@variants
def test_a_model_merged_with_itself_is_itself(options):
    model = build(louder=40.0, **options)
    merged = BDH.concatenate(model, model)
    assert merged.enc.shape == (HEADS, D, 2 * N // HEADS)
    np.testing.assert_array_equal(merged.dec[1, : N // HEADS], model.dec[1])
    # Everything before a normalization doubles, so only its eps is left. It shows where a gate lets
    # hardly anything in; logits are of size 3.
    np.testing.assert_allclose(merged(TOKENS), model(TOKENS), atol=0.03)


def test_merging_keeps_what_differs_and_averages_the_rest():
    a, b = build(0), build(1)
    merged = BDH.concatenate(a, b)
    np.testing.assert_array_equal(merged.enc, jnp.concatenate([a.enc, b.enc], -1))
    np.testing.assert_array_equal(merged.head, (a.head + b.head) / 2)
    np.testing.assert_array_equal(merged.frequencies, jnp.tile(a.frequencies, 2))
    with pytest.raises(ValueError, match="nothing but their neurons"):
        BDH.concatenate(a, build(residual="neuron"))


def moved_by_embedding(model, t):
    """How logits at t depend on what was read at each position."""

    def at(shift):
        # One row a position instead of one a token, so that positions can be moved apart.
        rows = model.embedding[TOKENS] + shift
        shifted = eqx.tree_at(lambda m: m.embedding, model, rows)
        return (shifted(jnp.arange(T)) @ jnp.cos(jnp.arange(V, dtype=jnp.float32)))[t]

    return jnp.abs(jax.grad(at)(jnp.zeros((T, D)))).sum(-1)


@pytest.mark.parametrize("residual", ["stream", "neuron"])
@pytest.mark.parametrize("gated", [False, True])
def test_detached_keys_and_values_stop_the_gradient_in_time(residual, gated):
    t = 10
    free = moved_by_embedding(build(residual=residual, gated=gated), t)
    cut = moved_by_embedding(build(residual=residual, gated=gated, detach_kv=True), t)
    assert (free[: t + 1] > 0).all()
    assert (free[t + 1 :] == 0).all()
    assert cut[t] > 0
    assert (jnp.delete(cut, t) == 0).all()


@variants
def test_activations_are_those_of_the_equations(options):
    model = build(**options)
    seen = model.activations(TOKENS)
    assert seen["x"].shape == seen["y"].shape == (LAYERS, T, HEADS, N // HEADS)
    assert seen["stream"].shape == (LAYERS + 1, T, D)
    np.testing.assert_allclose(seen["logits"], model(TOKENS), atol=1e-5)
    x = jax.nn.relu(jnp.einsum("td,hdn->thn", seen["stream"][0], model.enc))
    np.testing.assert_allclose(seen["x"][0], x, atol=1e-5)
    assert (seen["x"] >= 0).all()
    assert ((seen["y"] > 0) <= (seen["x"] > 0)).all()
    if model.residual == "stream":
        out = jnp.einsum("thn,hnd->td", seen["y"][1], model.dec)
        moved = layer_norm(np.array(seen["stream"][1]) + layer_norm(np.array(out)))
        np.testing.assert_allclose(seen["stream"][2], moved, atol=1e-4)


def test_graph_of_neurons():
    model = build()
    graph = model.neuron_graph("x", (1, 0))
    np.testing.assert_allclose(graph, model.enc[1].T @ model.dec[0].T, atol=1e-6)
    np.testing.assert_allclose(
        model.neuron_graph("y")[3, 5], model.enc_v[0][:, 3] @ model.dec[0][5], atol=1e-6
    )


def test_dropout_needs_a_key_and_keeps_the_mean():
    model = build(dropout=0.5)
    np.testing.assert_array_equal(model(TOKENS), build()(TOKENS))
    dropped = model(TOKENS, key=jr.key(1))
    assert not np.allclose(dropped, model(TOKENS), atol=1e-3)
    assert not np.allclose(dropped, model(TOKENS, key=jr.key(2)), atol=1e-3)


def test_no_optimizer_moves_the_frequencies():
    model = build()
    trained, _ = eqx.partition(model, eqx.is_inexact_array)
    assert trained.frequencies is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 30, "heads": 4}, "even number of neurons"),
        ({"layers": 0}, "at least 1"),
        ({"decay": (0.5,)}, "each of 2"),
        ({"decay": 1.5}, r"\(0, 1\]"),
        ({"dropout": 1.0}, r"\[0, 1\)"),
    ],
)
def test_bad_settings_say_so(options, said):
    with pytest.raises(ValueError, match=said):
        BDH(**{"n": 32, "d": 8, "heads": 2, "layers": 1, **options}, key=jr.key(0))
