"""Attention through any row operator."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import (
    GivenMaps,
    KolmogorovArnoldAttention,
    RowAttention,
    SimplexRows,
    SoftmaxAttention,
    TransformerBlock,
)

D, HEADS, N, R = 12, 3, 5, 2
X = jr.normal(jr.key(0), (N, D))
KARAT = partial(KolmogorovArnoldAttention, n_tokens=N, rank=R, grid=2)
LAYERS = {
    "softmax": RowAttention(D, HEADS, key=jr.key(1)),
    "karat": KARAT(D, HEADS, key=jr.key(1)),
    "full": KARAT(D, HEADS, rank=None, key=jr.key(1)),
    "simplex": KARAT(D, HEADS, simplex=True, key=jr.key(1)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)
run = eqx.filter_jit(lambda layer, x: layer(x))


def test_softmax_rows_are_softmax_attention():
    layer = LAYERS["softmax"]
    other = SoftmaxAttention(D, HEADS, key=jr.key(2))
    parts = [*jnp.split(layer.qkv.weight, 3), layer.output]
    other = eqx.tree_at(lambda a: [a.query, a.key, a.value, a.output], other, parts)
    np.testing.assert_allclose(run(layer, X), other(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.weights(X), other.weights(X), rtol=1e-4, atol=1e-6)


def test_kolmogorov_arnold_attention_against_loops_over_heads():
    layer = eqx.tree_at(lambda a: a.qkv.bias, LAYERS["karat"], jr.normal(jr.key(3), (3 * D,)))
    x, size = np.array(X, np.float64), D // HEADS
    q, k, v = np.split(
        x @ np.array(layer.qkv.weight, np.float64).T + np.array(layer.qkv.bias), 3, axis=1
    )
    heads = []
    for h in range(HEADS):
        own = slice(h * size, (h + 1) * size)
        a = q[:, own] @ k[:, own].T / np.sqrt(size)
        c, w = (
            np.array(z[h], np.float64) for z in (layer.operator.coefficients, layer.operator.mix)
        )
        waves = [np.cos(a), np.cos(2 * a), np.sin(a), np.sin(2 * a)]
        heads.append(sum(wave @ c[m].T for m, wave in enumerate(waves)) @ w.T @ v[:, own])
    slow = np.concatenate(heads, axis=1) @ np.array(layer.output, np.float64).T
    np.testing.assert_allclose(run(layer, X), slow, rtol=1e-4, atol=1e-5)


@every_layer
def test_the_last_row_blocks_of_rows_vmap_and_maps_agree(name):
    layer = LAYERS[name]
    whole = run(layer, X)
    np.testing.assert_allclose(layer(X, last=True), whole[-1:], rtol=1e-4, atol=1e-5)
    two = eqx.filter_jit(lambda layer, x: jax.vmap(layer)(x))(layer, jnp.stack([X, 2 * X]))
    np.testing.assert_allclose(two[0], whole, rtol=1e-4, atol=1e-5)
    maps = layer.weights(X)
    assert maps.shape == (HEADS, N, N)
    given = GivenMaps(layer, maps)
    np.testing.assert_allclose(given(X), whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(given(X, last=True), whole[-1:], rtol=1e-4, atol=1e-5)


def test_blocks_of_rows_change_neither_answers_nor_gradients():
    def both(rows):
        layer = KARAT(D, HEADS, rows=rows, key=jr.key(1))
        value = lambda layer, x: (jnp.square(layer(x)).sum(), layer(x))
        found = eqx.filter_jit(eqx.filter_grad(value, has_aux=True))(layer, X)
        return jax.tree.leaves(found)

    for one, other in zip(both(None), both(2), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_projected_rows_are_means():
    layer = LAYERS["simplex"]
    assert isinstance(layer.operator, SimplexRows)
    maps = layer.weights(X)
    assert float(maps.min()) >= 0
    np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-5)


def test_all_but_the_operator_is_the_same_under_one_key():
    layers = [eqx.tree_at(lambda a: a.operator, layer, None) for layer in LAYERS.values()]
    for layer in layers[1:]:
        for one, other in zip(*map(jax.tree.leaves, (layers[0], layer)), strict=True):
            np.testing.assert_array_equal(one, other)


def test_tokens_may_be_permuted_for_softmax_and_not_for_learned_functions():
    order = jnp.array([2, 0, 4, 1, 3])
    for name, equal in (("softmax", True), ("karat", False)):
        layer = LAYERS[name]
        moved, kept = run(layer, X[order]), run(layer, X)[order]
        assert bool(jnp.allclose(moved, kept, atol=1e-4)) is equal


def test_saving(tmp_path):
    eqx.tree_serialise_leaves(tmp_path / "layer.eqx", LAYERS["karat"])
    blank = KARAT(D, HEADS, key=jr.key(9))
    read = eqx.tree_deserialise_leaves(tmp_path / "layer.eqx", blank)
    assert eqx.tree_equal(read, LAYERS["karat"])


@every_layer
def test_masks_and_causal_use_are_refused(name):
    with pytest.raises(ValueError, match="got a mask"):
        LAYERS[name](X, mask=jnp.ones((N, N), bool))
    block = TransformerBlock(D, HEADS, attention=KARAT, causal=True, key=jr.key(0))
    with pytest.raises(ValueError, match="causal=False"):
        block(X)
    with pytest.raises(ValueError, match="mask the maps"):
        GivenMaps(LAYERS[name], jnp.zeros((HEADS, N, N)))(X, mask=jnp.ones((N, N), bool))


def test_bad_input():
    with pytest.raises(ValueError, match="divide"):
        RowAttention(D, 5, key=jr.key(0))
    with pytest.raises(ValueError, match="rows=0"):
        KARAT(D, HEADS, rows=0, key=jr.key(0))
    with pytest.raises(ValueError, match="number of tokens is fixed"):
        LAYERS["karat"](X[:4])
