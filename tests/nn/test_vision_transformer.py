"""Patches, and the transformer for images."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import (
    DEIT_SIZES,
    KANRowOperator,
    KolmogorovArnoldAttention,
    PatchEmbedding,
    RowAttention,
    SoftmaxAttention,
    VisionTransformer,
    parameter_count,
)

IMAGE, PATCH, D, DEPTH, HEADS = (2, 6, 4), 2, 12, 2, 3
N = VisionTransformer.tokens(IMAGE, PATCH)
KARAT = partial(KolmogorovArnoldAttention, n_tokens=N, rank=2, grid=2)
X = jr.normal(jr.key(0), (3, *IMAGE))


def build(attention=RowAttention, depth=DEPTH, key=1, **options):
    return VisionTransformer(
        IMAGE, PATCH, D, depth, HEADS, attention=attention, classes=4, key=jr.key(key), **options
    )


MODELS = {
    "softmax": build(),
    "karat": build(KARAT),
    "universal": build(partial(KARAT, share="universal")),
    "house": build(SoftmaxAttention),
}
run = eqx.filter_jit(lambda model, x: jax.vmap(model)(x))


def test_patches_in_reading_order():
    embedding = PatchEmbedding(IMAGE, PATCH, D, key=jr.key(0))
    assert embedding.tokens == N - 1 == 6
    patch = X[0][:, 2:4, 2:4].reshape(-1)  # second row of patches, second column
    expected = embedding.weight @ patch + embedding.bias
    np.testing.assert_allclose(embedding(X[0])[3], expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="divides rows and columns"):
        PatchEmbedding((1, 28, 28), 5, D, key=jr.key(0))
    with pytest.raises(ValueError, match="expected"):
        embedding(X[0, :1])


@pytest.mark.parametrize("name", MODELS)
def test_the_readout_of_the_last_token_of_all_blocks(name):
    model = MODELS[name]
    tokens = jnp.concatenate([model.embedding(X[0]), model.token[None]]) + model.position
    for block in model.blocks:
        tokens = block(tokens)
    expected = model.head @ model.norm(tokens[-1]) + model.head_bias
    out = run(model, X)
    assert out.shape == (3, 4)
    np.testing.assert_allclose(out[0], expected, rtol=1e-4, atol=1e-6)


def test_all_but_the_operators_is_bit_identical_under_one_key():
    def rest(model):
        blocks = [eqx.tree_at(lambda b: b.attention.operator, b, None) for b in model.blocks]
        others = (model.embedding, model.token, model.position, model.norm, model.head)
        return jax.tree.leaves((blocks, others, model.head_bias))

    leaves = [rest(MODELS[name]) for name in ("softmax", "karat", "universal")]
    for other in leaves[1:]:
        for one, two in zip(leaves[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_learned_bases_of_operators_keep_their_start():
    model = build(partial(KARAT, basis="pade"), depth=1)
    denominator = model.blocks[0].attention.operator.basis.denominator
    np.testing.assert_array_equal(denominator, [[0, 1, 0, 0]] * HEADS)


def test_the_shared_operator_gets_the_sum_of_the_gradients():
    universal = MODELS["universal"]
    operator = universal.blocks[0].attention.operator
    tied = eqx.tree_at(
        lambda m: [b.attention.operator for b in m.blocks], MODELS["karat"], [operator] * DEPTH
    )

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(model):
        return jnp.square(jax.vmap(model)(X)).sum()

    np.testing.assert_allclose(run(tied, X), run(universal, X), rtol=1e-5, atol=1e-6)
    alone = [b.attention.operator for b in gradient(tied).stack]
    shared = gradient(universal).stack.pytree[0].attention.operator
    for one, *others in zip(*map(jax.tree.leaves, (shared, *alone)), strict=True):
        np.testing.assert_allclose(one, sum(others), rtol=1e-4, atol=1e-6)
    operators = [eqx.filter_eval_shape(eqx.Partial(KANRowOperator, N, 2, grid=2), key=jr.key(0))]
    saved = parameter_count(MODELS["karat"]) - parameter_count(universal)
    assert saved == (DEPTH - 1) * HEADS * parameter_count(operators)


def test_maps_inputs_and_models_on_given_maps():
    model = MODELS["karat"]
    maps, logits = model.maps(X[0]), model.logits(X[0])
    assert maps.shape == logits.shape == (DEPTH, HEADS, N, N)
    second = model.blocks[1].attention
    np.testing.assert_allclose(second.weights(model.inputs(X[0])[1]), maps[1], atol=1e-5)
    same = eqx.filter_jit(lambda m, x, maps: m(x, maps=maps))(model, X[0], tuple(maps))
    np.testing.assert_allclose(same, run(model, X)[0], rtol=1e-4, atol=1e-5)
    # On given maps nothing but values, outputs and what stands around them is used.
    gradient = eqx.filter_jit(eqx.filter_grad(lambda m, maps: m(X[0], maps=maps).sum()))(
        MODELS["softmax"], tuple(maps)
    )
    for block in gradient.blocks:
        np.testing.assert_array_equal(block.attention.qkv.weight[: 2 * D], 0)
        assert float(jnp.abs(block.attention.qkv.weight[2 * D :]).max()) > 0


def test_matrices_start_small_and_cut_and_biases_at_zero():
    model = build(depth=1)
    (block,) = model.blocks
    weights = [block.attention.qkv.weight, block.up.weight, model.embedding.weight, model.position]
    assert max(float(jnp.abs(w).max()) for w in weights) <= 0.04 + 1e-6
    # A normal cut at two deviations has .88 of its deviation; 576 numbers give 3 % of error.
    assert float(block.up.weight.std()) == pytest.approx(0.02 * 0.88, rel=0.1)
    assert float(jnp.abs(block.up.bias).max()) == 0


def test_sizes_of_deit():
    """Millions with 10 classes at 224 pixels; the paper's 22.05 for Small has a head of 1,000."""
    for name, millions in (("tiny", 5.53), ("small", 21.67), ("base", 85.81)):
        d, depth, heads = DEIT_SIZES[name]
        shapes = eqx.filter_eval_shape(
            eqx.Partial(VisionTransformer, (3, 224, 224), 16, d, depth, heads), key=jr.key(0)
        )
        assert parameter_count(shapes) / 1e6 == pytest.approx(millions, abs=0.01)


def test_saving(tmp_path):
    for name, attention in (("karat", KARAT), ("universal", partial(KARAT, share="universal"))):
        eqx.tree_serialise_leaves(tmp_path / "model.eqx", MODELS[name])
        blank = build(attention, key=7)
        read = eqx.tree_deserialise_leaves(tmp_path / "model.eqx", blank)
        assert eqx.tree_equal(read.blocks, MODELS[name].blocks)
        np.testing.assert_array_equal(run(read, X), run(MODELS[name], X))


def test_bad_input():
    with pytest.raises(ValueError, match="depth=0"):
        build(depth=0)
    with pytest.raises(ValueError, match="number of tokens is fixed"):
        build(partial(KARAT, n_tokens=N + 1))(X[0])
