"""Plain Kolmogorov-Arnold layers and nets."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.nn import KAN, FreeWaveletLayer, KANLayer, bases, parameter_count
from tests.nn.cases_bases import BASES

X = jr.uniform(jr.key(0), (12, 3), minval=-1.0, maxval=1.0)


def layer(name="bspline", n_in=3, n_out=4, **options):
    return KANLayer(n_in, n_out, bases.by_name(name), key=jr.key(1), **options)


def test_layer_is_the_textbook_loop():
    model = eqx.tree_at(lambda m: m.bias, layer(), jnp.arange(4.0))
    got = model(X)
    c, w = np.asarray(model.coefficients, float), np.asarray(model.base_weight, float)
    features = np.asarray(model.basis(X), float)  # (12, 3, 8)
    x = np.asarray(X, float)
    for n in range(12):
        for j in range(4):
            z = float(j)
            for i in range(3):
                z += w[j, i] * x[n, i] / (1 + np.exp(-x[n, i]))
                z += sum(c[j, m, i] * features[n, i, m] for m in range(8))
            np.testing.assert_allclose(got[n, j], z, atol=1e-5)
    edges = model.edges(X)
    assert edges.shape == (12, 4, 3)
    np.testing.assert_allclose(edges.sum(-1) + model.bias[None], got, atol=1e-5)


@pytest.mark.parametrize("name", BASES)
def test_every_basis_under_jit_vmap_grad(name):
    model = layer(name)

    @eqx.filter_jit
    def run(model, x):
        value = eqx.filter_value_and_grad(lambda m: (m(x) ** 2).mean())(model)
        return model(x), jax.vmap(model)(x), value

    together, one_by_one, (_, gradient) = run(model, X)
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
    assert together.dtype == jnp.float32
    leaves = jax.tree.leaves(gradient)
    assert leaves
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert np.asarray(gradient.coefficients).any()


def test_initial_sizes():
    model = KANLayer(100, 200, bases.by_name("rbf"), key=jr.key(0))
    # 160,000 and 20,000 draws: the sample deviation is within 2 % by five standard errors.
    np.testing.assert_allclose(model.coefficients.std(), 0.01, rtol=0.02)
    np.testing.assert_allclose(model.base_weight.std(), 0.1, rtol=0.03)
    assert not np.asarray(model.bias).any()
    assert parameter_count(model) == 100 * 200 * 9 + 200
    bare = layer(base=None, bias=False)
    assert parameter_count(bare) == 3 * 4 * 8
    assert bare(X).shape == (12, 4)


def test_serialization(tmp_path):
    for name in ("gram", "bspline"):  # with learned fields and without
        model = KAN((3, 4, 2), bases.by_name(name), key=jr.key(0))
        eqx.tree_serialise_leaves(tmp_path / name, model)
        fresh = KAN((3, 4, 2), bases.by_name(name), key=jr.key(5))
        found = eqx.tree_deserialise_leaves(tmp_path / name, fresh)
        assert eqx.tree_equal(found, model)


def test_a_net_squashes_between_layers_alone():
    model = KAN((3, 4, 2), bases.by_name("chebyshev"), key=jr.key(0))
    first, second = model.layers
    np.testing.assert_array_equal(model(X), second(jnp.tanh(first(X))))
    np.testing.assert_array_equal(model.inputs(X)[0], X)
    deeper = KAN((3, 4, 5, 2), bases.by_name("chebyshev"), key=jr.key(0))
    np.testing.assert_array_equal(deeper.layers[0].coefficients, first.coefficients)


def test_two_chebyshevs_without_base_are_an_affine_net():
    basis = bases.Chebyshev(2)
    model = KAN((3, 4, 2), basis, base=None, squash=lambda x: x, key=jr.key(0))
    a, b = X[:6] * 0.5, X[6:] * 0.5
    np.testing.assert_allclose(model(0.3 * a + 0.7 * b), 0.3 * model(a) + 0.7 * model(b), atol=1e-6)


def test_one_layer_reaches_least_squares():
    model = KANLayer(2, 1, bases.by_name("fourier", 4), key=jr.key(0))
    x = jr.uniform(jr.key(2), (200, 2), minval=-1.0, maxval=1.0)
    y = jnp.sin(3 * x[:, :1]) + x[:, 1:] ** 2
    columns = [model.basis(x, -2).reshape(200, -1), jax.nn.silu(x), jnp.ones((200, 1))]
    features = np.concatenate(columns, 1, dtype=float)
    best = np.linalg.lstsq(features, np.asarray(y, float))[0]
    least = np.sqrt(((features @ best - y) ** 2).mean())
    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, 1500))

    @jax.jit
    def train(model):
        def step(carry, _):
            model, state = carry
            gradient = jax.grad(lambda m: ((m(x) - y) ** 2).mean())(model)
            with jax.numpy_dtype_promotion("standard"):
                updates, state = optimizer.update(gradient, state)
            return (optax.apply_updates(model, updates), state), None

        (model, _), _ = jax.lax.scan(step, (model, optimizer.init(model)), None, length=1500)
        return model

    reached = np.sqrt(((np.asarray(train(model)(x)) - y) ** 2).mean())
    np.testing.assert_allclose(reached, least, atol=1e-3)


def test_a_finer_grid_says_the_same():
    model = KAN((3, 4, 2), bases.UnitRMS(bases.BSpline(8)), key=jr.key(0))
    finer = model.extend(bases.UnitRMS(bases.BSpline(13)))  # each interval in two
    assert finer.layers[0].coefficients.shape == (4, 13, 3)
    np.testing.assert_allclose(finer(X), model(X), atol=1e-5)
    back = finer.extend(model.layers[0].basis)
    np.testing.assert_allclose(back(X), model(X), atol=1e-5)
    wider = model.layers[0].extend(bases.BSpline(33, low=-3.0, high=3.0), jnp.linspace(-1, 1, 400))
    np.testing.assert_allclose(wider(X), model.layers[0](X), atol=1e-4)
    with pytest.raises(ValueError, match="fewer than the 13"):
        model.layers[0].extend(bases.BSpline(13), jnp.linspace(-1, 1, 12))


def test_outside_the_grid_the_base_goes_on():
    model = layer()
    far = jnp.full((1, 3), 40.0)
    expected = jax.nn.silu(far) @ model.base_weight.T
    np.testing.assert_allclose(model(far), expected, rtol=1e-6)
    np.testing.assert_array_equal(model(jnp.full((1, 3), jnp.nan)), jnp.full((1, 4), jnp.nan))


@pytest.mark.parametrize("known", [True, False])
def test_a_family_for_every_input(known):
    pool = tuple(bases.by_name(n) for n in ("bspline", "gram", "fourier"))
    picks = [2, 0, 2]
    basis = bases.PerInput(pool, picks) if known else bases.Picked(pool, jnp.array(picks))
    got, last, front = eqx.filter_jit(lambda b, x: (b(x, -2), b(x), b(x[0], 0)))(basis, X)
    for i, k in enumerate(picks):
        np.testing.assert_allclose(got[..., i], pool[k](X[:, i]), atol=2e-5)
    np.testing.assert_array_equal(np.moveaxis(last, -1, -2), got)
    np.testing.assert_allclose(front, got[0], atol=2e-5)
    with pytest.raises(ValueError, match="one pick an input"):
        basis(X[:, :2])
    gradient = eqx.filter_grad(lambda b: (b(X) ** 2).sum())(basis)
    assert len(jax.tree.leaves(gradient)) == 1  # Gram's recurrence


def test_channels_first():
    pool = (bases.by_name("bspline"), bases.by_name("rbf"))
    image = jr.uniform(jr.key(3), (2, 5, 4))
    got = bases.PerInput(pool, (1, 0), inputs=0)(image, 1)
    dynamic = bases.Picked(pool, jnp.array([1, 0]), inputs=0)(image, 1)
    assert got.shape == (2, 8, 5, 4)
    np.testing.assert_allclose(got[0], pool[1](image[0], 0), atol=1e-6)
    np.testing.assert_allclose(dynamic, got, atol=1e-6, rtol=1e-5)


def test_free_wavelets():
    model = FreeWaveletLayer(3, 4, bases.dog, key=jr.key(0))
    model = eqx.tree_at(lambda m: (m.scale, m.shift), model, (model.scale * 0.5, model.shift + 0.1))
    expected = np.array(jax.nn.silu(X) @ model.base_weight.T)
    u = (np.asarray(X)[:, None] - 0.1) / 0.5
    expected += (np.asarray(model.weight) * u * np.exp(-(u**2) / 2)).sum(-1)
    np.testing.assert_allclose(model(X), expected, atol=1e-5)
    gradient = jax.grad(lambda m: (m(X) ** 2).sum())(model)
    assert np.asarray(gradient.shift).all()
    with pytest.raises(ValueError, match="1 or more"):
        FreeWaveletLayer(0, 4, key=jr.key(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layer(n_in=0), "widths 0 and 4"),
        (lambda: KAN((3,), bases.BSpline(8), key=jr.key(0)), "KAN got widths"),
        (lambda: KAN((3, 2, 1), [bases.BSpline(8)], key=jr.key(0)), "1 bases for 2 layers"),
        (lambda: bases.PerInput((bases.BSpline(8),), (1,)), "from 0 to 0"),
        (lambda: bases.PerInput((), (1,)), "sizes \\[\\]"),
        (lambda: bases.PerInput((bases.BSpline(8), bases.RBF(7)), (1,)), "sizes \\[7, 8\\]"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
