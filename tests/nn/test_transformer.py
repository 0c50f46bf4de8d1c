import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import EncoderTransformer, SoftmaxAttention, TransformerBlock

D, HEADS, T = 12, 3, 5


def sequence(key=0):
    return jr.normal(jr.key(key), (T, D))


def test_attention_against_loops():
    layer = SoftmaxAttention(D, HEADS, scale=0.37, key=jr.key(1))
    x = np.array(sequence(), np.float64)
    query, key, value, output = (
        np.array(w, np.float64) for w in (layer.query, layer.key, layer.value, layer.output)
    )
    slow = np.zeros((T, D))
    for h in range(HEADS):
        rows = slice(h * D // HEADS, (h + 1) * D // HEADS)
        for i in range(T):
            scores = [0.37 * (query[rows] @ x[i]) @ (key[rows] @ x[j]) for j in range(T)]
            weights = np.exp(scores) / np.exp(scores).sum()
            slow[i, rows] = sum(w * value[rows] @ x[j] for j, w in enumerate(weights))
    # Float32 against float64.
    np.testing.assert_allclose(layer(sequence()), slow @ output.T, rtol=1e-4, atol=1e-4)


def test_the_map_sums_to_one_and_respects_the_mask():
    layer = SoftmaxAttention(D, HEADS, key=jr.key(1))
    mask = jnp.tril(jnp.ones((T, T), bool))
    weights = layer.weights(sequence(), mask=mask)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert (np.array(weights)[:, ~np.array(mask)] == 0).all()


def test_default_scale_and_no_output_matrix():
    assert SoftmaxAttention(D, HEADS, key=jr.key(0)).scale == pytest.approx((D / HEADS) ** -0.5)
    assert SoftmaxAttention(D, HEADS, output=False, key=jr.key(0)).output is None
    with pytest.raises(ValueError, match="divide"):
        SoftmaxAttention(D, 5, key=jr.key(0))


@pytest.mark.parametrize("norm", ["pre", None])
@pytest.mark.parametrize("causal", [False, True])
def test_the_last_row_alone_is_the_last_row(norm, causal):
    block = TransformerBlock(D, HEADS, norm=norm, causal=causal, key=jr.key(0))
    x = sequence()
    np.testing.assert_allclose(block(x, last=True), block(x)[-1:], rtol=1e-4, atol=1e-5)


def test_a_causal_block_does_not_read_later_positions():
    block = TransformerBlock(D, HEADS, causal=True, key=jr.key(0))
    x = sequence()
    moved = x.at[3].add(1.0)
    np.testing.assert_allclose(block(x)[:3], block(moved)[:3], atol=1e-6)


def test_without_a_mask_positions_may_be_permuted():
    block = TransformerBlock(D, HEADS, norm=None, bias=False, key=jr.key(0))
    order = jnp.array([2, 0, 4, 1, 3])
    np.testing.assert_allclose(block(sequence())[order], block(sequence()[order]), atol=1e-4)


def test_the_encoder_is_its_definition():
    model = EncoderTransformer(7, 2, D, HEADS, key=jr.key(0))
    tokens = jnp.array([3, 5])
    x = model.embedding[tokens] + model.position
    (block,) = model.blocks
    assert block.norms is None
    assert block.up.bias is None
    attention = block.attention
    assert attention.scale == pytest.approx(HEADS / D)
    x = x + attention(x)
    x = x + jax.vmap(lambda v: block.down.weight @ jax.nn.relu(block.up.weight @ v))(x)
    np.testing.assert_allclose(model(tokens), model.readout @ x[-1] / D, rtol=1e-4, atol=1e-5)


def test_two_layers_run_and_have_finite_gradients():
    model = EncoderTransformer(7, 2, D, HEADS, layers=2, outputs=4, s=0.0, key=jr.key(0))
    assert model.scale == pytest.approx(D**-0.5)
    gradient = eqx.filter_grad(lambda model: model(jnp.array([1, 2])).sum())(model)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
