"""Convolutions whose taps are functions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import (
    KANConv1d,
    KANConv2d,
    KANLayer,
    SelectableKANConv1d,
    SelectableKANConv2d,
    bases,
    parameter_count,
)

SPLINES = bases.by_name("bspline")
POOL = (SPLINES, bases.by_name("fourier"))
IMAGES = jr.uniform(jr.key(0), (2, 7, 6, 3), minval=-1.0, maxval=1.0)
LINES = IMAGES[:, :, 0]


def test_one_pixel_windows_are_the_layer_of_each_pixel():
    conv = KANConv2d(2, 4, 1, SPLINES, key=jr.key(1))
    layer = eqx.tree_at(
        lambda m: (m.coefficients, m.base_weight),
        KANLayer(2, 4, SPLINES, key=jr.key(0)),
        (conv.coefficients[..., 0, 0].swapaxes(1, 2), conv.base_weight[..., 0, 0]),
    )
    pixels = jnp.moveaxis(IMAGES, 0, -1)
    np.testing.assert_allclose(conv(IMAGES), jnp.moveaxis(layer(pixels), -1, 0), atol=1e-5)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_identity_functions_are_an_ordinary_convolution(stride, padding):
    options = {"stride": stride, "padding": padding}
    conv = KANConv2d(2, 4, 3, bases.Identity(), base=None, key=jr.key(1), **options)
    expected = jax.lax.conv_general_dilated(
        jnp.moveaxis(IMAGES, -1, 0),
        conv.coefficients[:, :, 0],
        (stride, stride),
        ((padding, padding),) * 2,
    )
    np.testing.assert_allclose(conv(IMAGES), jnp.moveaxis(expected, 0, -1), atol=1e-5)
    np.testing.assert_allclose(conv(IMAGES[..., 0]), expected[0], atol=1e-5)
    line = KANConv1d(2, 4, 3, bases.Identity(), base=None, key=jr.key(1), **options)
    expected = jax.lax.conv_general_dilated(
        jnp.moveaxis(LINES, -1, 0), line.coefficients[:, :, 0], (stride,), ((padding, padding),)
    )
    np.testing.assert_allclose(line(LINES), jnp.moveaxis(expected, 0, -1), atol=1e-5)


def test_windows_are_layers_of_patches():
    conv = KANConv2d(2, 4, 3, SPLINES, padding=1, key=jr.key(1))
    got = conv(IMAGES)
    window = jnp.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)))[:, 0:3, 2:5]  # of pixel (0, 2)
    values = jnp.einsum("cmijb,ocmij->ob", SPLINES(window, 1), conv.coefficients)
    values = values + jnp.einsum("cijb,ocij->ob", jax.nn.silu(window), conv.base_weight)
    np.testing.assert_allclose(got[:, 0, 2], values, atol=1e-5)


@pytest.mark.parametrize("granularity", ["channel", "layer"])
def test_selection_in_two_dimensions(granularity):
    conv = SelectableKANConv2d(
        2, 4, 3, POOL, granularity=granularity, stride=2, padding=1, key=jr.key(1)
    )
    for k in range(2):
        one = eqx.tree_at(lambda m: m.gates, conv, conv.gates.at[..., k].set(1.0))
        same = eqx.tree_at(
            lambda m: (m.coefficients, m.base_weight),
            KANConv2d(2, 4, 3, POOL[k], stride=2, padding=1, key=jr.key(0)),
            (conv.coefficients[k], conv.base_weight),
        )
        np.testing.assert_array_equal(one(IMAGES, hard=True), same(IMAGES))
    gates = jnp.array([[0.3, 0.1], [0.2, 0.5]]) if granularity == "channel" else jnp.array([0.1, 0])
    conv = eqx.tree_at(lambda m: m.gates, conv, gates)
    pruned = conv.prune()
    np.testing.assert_allclose(pruned(IMAGES), conv(IMAGES, hard=True), atol=1e-5)
    assert parameter_count(pruned) == 4 * 2 * 9 * (8 + 1) + 4
    compiled = eqx.filter_jit(lambda c: c.prune()(IMAGES))(conv)
    np.testing.assert_allclose(compiled, pruned(IMAGES), atol=1e-5)


def test_selection_scores_and_one_dimension():
    conv = SelectableKANConv1d(2, 4, 3, POOL, key=jr.key(1))
    chosen = conv.select(LINES, 0.5)
    weighed = conv.weighed(conv.shares(0.5))
    parts = [
        np.einsum("cmlb,ocmt->octlb", b(LINES, 1), c) for b, c in zip(POOL, weighed, strict=True)
    ]
    score = np.sqrt(np.stack([p.var((-2, -1)).sum((0, 2)) for p in parts], -1))
    expected = score / score.sum(-1, keepdims=True)
    np.testing.assert_allclose(chosen.shares(0.5), expected, atol=1e-4)
    pruned = chosen.prune()
    assert isinstance(pruned, KANConv1d)
    np.testing.assert_allclose(pruned(LINES), chosen(LINES, hard=True), atol=1e-5)
    gradient = eqx.filter_grad(lambda m: (m(LINES, 0.5) ** 2).mean())(conv)
    np.testing.assert_allclose(gradient.gates.sum(-1), 0, atol=1e-6)


def test_vmap_and_serialization(tmp_path):
    conv = KANConv2d(2, 4, 3, SPLINES, key=jr.key(1))
    one_by_one = jax.vmap(conv, in_axes=-1, out_axes=-1)(IMAGES)
    np.testing.assert_allclose(one_by_one, conv(IMAGES), atol=1e-5)
    eqx.tree_serialise_leaves(tmp_path / "conv", conv)
    found = eqx.tree_deserialise_leaves(
        tmp_path / "conv", KANConv2d(2, 4, 3, SPLINES, key=jr.key(2))
    )
    assert eqx.tree_equal(found, conv)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KANConv2d(2, 4, 0, SPLINES, key=jr.key(0)), "KANConv2d needs"),
        (lambda: KANConv1d(2, 4, 3, SPLINES, padding=-1, key=jr.key(0)), "padding >= 0"),
        (lambda: KANConv1d(2, 4, 8, SPLINES, key=jr.key(0))(LINES), "does not fit"),
        (lambda: KANConv2d(2, 4, 8, SPLINES, key=jr.key(0))(IMAGES), "does not fit"),
        (lambda: SelectableKANConv2d(2, 4, 3, (), key=jr.key(0)), "at least one family"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
