import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
import scipy.special

from engrax.nn import bases
from tests.nn.cases_bases import BASES

POINTS = jnp.linspace(-0.999, 0.999, 101)
every_basis = pytest.mark.parametrize("name", BASES)


@every_basis
def test_shapes_axis_and_vmap(name):
    basis = BASES[name]
    x = POINTS[:24].reshape(2, 3, 4)
    out, second, first, one = eqx.filter_jit(
        lambda b, x: (b(x), b(x, -2), b(x, 0), jax.vmap(jax.vmap(jax.vmap(b)))(x))
    )(basis, x)
    assert out.shape == (2, 3, 4, basis.size)
    assert out.dtype == x.dtype
    # Compiled code fuses products and sums as it likes; high powers magnify the last bit.
    np.testing.assert_allclose(second, np.moveaxis(out, -1, -2), atol=2e-5)
    np.testing.assert_allclose(first, np.moveaxis(out, -1, 0), atol=2e-5)
    np.testing.assert_allclose(one, out, atol=2e-5)


@every_basis
def test_gradient_is_the_slope(name):
    basis = eqx.filter_jit(lambda x: jax.jvp(BASES[name], (x,), (jnp.ones_like(x),)))
    step = 1e-3
    above, below, x = POINTS[1::9] + step, POINTS[1::9] - step, POINTS[1::9]
    slope, numeric = basis(x)[1], (np.asarray(basis(above)[0]) - basis(below)[0]) / (2 * step)
    # A central difference is off by step^2 f''' / 6 (Fourier: (4 pi)^3 / 6e6 = 3e-4, narrow
    # wavelets: 1 / (.12)^3 / 6e6 and Morlet (5 / .12)^3 / 6e6 = .012) and by rounding, 1e-4.
    np.testing.assert_allclose(slope, numeric, atol=0.05, rtol=1e-2)


@every_basis
def test_far_outside_and_at_nan(name):
    x = jnp.array([-50.0, 50.0, jnp.nan, -1.0, 1.0, 0.3, 2.3])
    values, slope = eqx.filter_jit(lambda x: jax.jvp(BASES[name], (x,), (jnp.ones_like(x),)))(x)
    far, ends = values[:2], values[3:5]
    assert np.isfinite(far).all()
    assert np.isnan(values[2]).any()
    if name in ("bspline", "rbf", "rswaf", "relu", "mexican_hat", "morlet", "dog", "meyer"):
        np.testing.assert_array_equal(far, np.zeros_like(far))
    if name in ("chebyshev", "jacobi", "gram"):
        np.testing.assert_array_equal(far, ends)
        assert not np.asarray(slope[:2]).any()
    if name == "fourier":
        np.testing.assert_allclose(values[5], values[6], atol=1e-5)


@every_basis
def test_unit_rms(name):
    scaled = bases.by_name(name)
    low, high = scaled.domain
    x = jnp.asarray(np.random.default_rng(0).uniform(low, high, 100_000), jnp.float32)
    # A mean square of 100,000 draws is off by at most a few times sqrt(kurtosis / 100,000).
    made = jax.jit(lambda x: bases.by_name(name)(x))(x)  # built while a program is traced
    np.testing.assert_allclose((made**2).mean(0), 1.0, atol=0.05)
    plain = np.asarray(eqx.filter_jit(scaled.basis)(x[:101]))
    np.testing.assert_allclose(made[:101], plain * scaled.scale, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("intervals", "low", "high"), [(5, -1.0, 1.0), (3, 0.0, 2.0)])
def test_bspline_is_cox_de_boor(degree, intervals, low, high):
    basis = bases.BSpline(intervals + degree, degree=degree, low=low, high=high)
    step = (high - low) / intervals
    knots = low + step * (np.arange(intervals + 2 * degree + 1) - degree)
    x = np.linspace(knots[0] - 1, knots[-1] + 1, 301)
    values = np.asarray(basis(jnp.asarray(x, jnp.float32)))
    for m in range(basis.size):
        element = scipy.interpolate.BSpline.basis_element(knots[m : m + degree + 2], False)
        np.testing.assert_allclose(values[:, m], np.nan_to_num(element(x)), atol=1e-6)
        outside = (x <= knots[m]) | (x >= knots[m + degree + 1])
        np.testing.assert_allclose(values[outside, m], 0, atol=1e-12)
    assert (values >= 0).all()
    inside = (x >= low) & (x < high)
    np.testing.assert_allclose(values[inside].sum(-1), 1, atol=1e-6)


def test_chebyshev_of_a_cosine():
    angle = jnp.linspace(0, np.pi, 50)
    expected = np.cos(np.asarray(angle)[:, None] * np.arange(8))
    # Near the ends T_7 has slope 49, so rounding of the cosine is magnified.
    np.testing.assert_allclose(bases.Chebyshev(8)(jnp.cos(angle)), expected, atol=1e-5)


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (1.0, 1.0), (-0.5, -0.5), (2.0, 0.5)])
def test_jacobi_is_the_table(alpha, beta):
    values = bases.Jacobi(7, alpha=alpha, beta=beta)(POINTS)
    for n in range(7):
        expected = scipy.special.eval_jacobi(n, alpha, beta, np.asarray(POINTS, float))
        np.testing.assert_allclose(values[:, n], expected, atol=1e-5, rtol=1e-5)


def test_jacobi_holds_legendre_and_chebyshev():
    legendre = bases.Jacobi(6, alpha=0.0, beta=0.0)(POINTS)
    expected = np.polynomial.legendre.legvander(np.asarray(POINTS, float), 5)
    np.testing.assert_allclose(legendre, expected, atol=1e-5)
    chebyshev, jacobi = bases.Chebyshev(6), bases.Jacobi(6, alpha=-0.5, beta=-0.5)
    factor = jacobi(jnp.array(1.0))  # T_n(1) = 1
    np.testing.assert_allclose(jacobi(POINTS), chebyshev(POINTS) * factor[None], atol=1e-5)


def test_gram_starts_as_monic_legendre():
    values = bases.Gram(5)(POINTS)
    for n in range(5):
        legendre = np.polynomial.legendre.Legendre.basis(n).convert(kind=np.polynomial.Polynomial)
        expected = legendre(np.asarray(POINTS, float)) / legendre.coef[-1]
        np.testing.assert_allclose(values[:, n], expected, atol=1e-5)


def test_relu_peaks_and_supports():
    basis = bases.ReLU(8, order=3)  # g = 5
    start = (np.arange(8) - 3) / 5
    middle = 2 * (start + 0.4) - 1  # of [s, s + 4/5], back from [0, 1] to [-1, 1]
    np.testing.assert_allclose(np.diag(basis(jnp.asarray(middle, jnp.float32))), 1, atol=1e-5)
    edge = 2 * np.stack([start, start + 0.8]) - 1
    values = np.asarray(basis(jnp.asarray(edge, jnp.float32)))
    np.testing.assert_allclose(values[:, range(8), range(8)], 0, atol=1e-10)
    x = np.linspace(-3, 3, 400)
    values = np.asarray(basis(jnp.asarray(x, jnp.float32)))
    unit = (x[:, None] + 1) / 2
    inside = (unit > start) & (unit < start + 0.8)
    np.testing.assert_array_equal(values > 1e-12, inside & (values > 1e-12))
    assert (values[(unit > start + 0.02) & (unit < start + 0.78)] > 0).all()


@pytest.mark.parametrize("kind", [bases.RBF, bases.RSWAF])
def test_bumps_are_one_at_their_centers(kind):
    basis = kind(8)
    np.testing.assert_allclose(np.diag(basis(jnp.linspace(-1, 1, 8))), 1, atol=1e-6)


def test_fourier_by_recurrence():
    x = POINTS * 3
    values = bases.Fourier(22, period=2 * np.pi)(x)
    m = np.arange(1, 12) * np.asarray(x)[:, None]
    np.testing.assert_allclose(values, np.concatenate([np.cos(m), np.sin(m)], 1), atol=1e-5)
    constant = bases.Fourier(23, period=2 * np.pi, constant=True)(x)
    np.testing.assert_array_equal(constant[:, 1:], values)
    np.testing.assert_array_equal(constant[:, 0], 1)


def test_pade_unit_and_basis():
    rng = np.random.default_rng(0)
    x, a, b = (jnp.asarray(rng.normal(size=n), jnp.float32) for n in ((7, 3), (3, 6), (3, 4)))
    top = (np.asarray(a) * np.asarray(x)[..., None] ** np.arange(6)).sum(-1)
    bottom = 1 + np.abs((np.asarray(b) * np.asarray(x)[..., None] ** np.arange(1, 5)).sum(-1))
    np.testing.assert_allclose(bases.pade(x, a[None], b[None]), top / bottom, rtol=1e-4, atol=1e-5)
    basis = bases.Pade(6, order=4)
    features = basis(x[:, 0])
    np.testing.assert_allclose(
        (features * a[:1]).sum(-1),
        bases.pade(x[:, 0], a[:1], basis.denominator[None]),
        rtol=1e-4,
        atol=1e-5,
    )
    slope = jax.grad(lambda basis: (basis(x[:, 0]) ** 2).sum())(basis)
    assert (np.asarray(slope.denominator) != 0).all()


def test_mothers():
    u = np.linspace(-12, 12, 4801)
    mothers = (bases.mexican_hat, bases.dog, bases.meyer, bases.morlet, bases.shannon)
    integrals = [
        scipy.integrate.simpson(np.asarray(mother(jnp.asarray(u, jnp.float32))), x=u)
        for mother in mothers
    ]
    np.testing.assert_allclose(integrals[:2], 0, atol=1e-4)
    square = scipy.integrate.simpson(bases.mexican_hat(jnp.asarray(u, jnp.float32)) ** 2, x=u)
    np.testing.assert_allclose(square, 1, atol=1e-4)
    assert bases.morlet(jnp.array(0.0)) == 1
    np.testing.assert_allclose(bases.shannon(jnp.array([0.0, np.pi])), [1, 0], atol=1e-6)
    np.testing.assert_allclose(
        bases.meyer(jnp.array([0.25, 0.5, 1.5])), [0.5**0.5, 1, 0], atol=1e-6
    )


def test_wavelet_atoms():
    basis = bases.Wavelet(8)
    assert basis.atoms[0] == (1.0, 0.0)
    assert len(set(basis.atoms)) == 8
    assert bases.Wavelet(4).atoms == ((1.0, 0.0), (0.5, -0.5), (0.5, 0.5), (0.25, -0.75))
    one = bases.Wavelet(mother=bases.dog, atoms=[(0.5, 0.25)])
    np.testing.assert_allclose(one(POINTS)[:, 0], bases.dog((POINTS - 0.25) * 2), rtol=1e-6)


def test_learned_fields_are_arrays_and_nothing_else_is():
    learned = {name: len(jax.tree.leaves(basis)) for name, basis in BASES.items()}
    assert {name for name, leaves in learned.items() if leaves} == {"gram", "pade"}


def test_equal_bases_are_equal():
    assert bases.BSpline(8) == bases.BSpline(8)
    assert bases.by_name("morlet") == bases.by_name("morlet")
    assert hash(bases.by_name("bspline", 6)) == hash(bases.by_name("bspline", 6))


def test_by_name():
    assert bases.by_name("fourier", 6, unit_rms=False) == bases.Fourier(6)
    assert bases.by_name("identity", 8).size == 1
    with pytest.raises(ValueError, match=r"no basis 'spline'; expected one of bspline, rbf"):
        bases.by_name("spline")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bases.BSpline(3), "expected at least 4"),
        (lambda: bases.BSpline(8, degree=0), "degree=0"),
        (lambda: bases.BSpline(8, degree=6), "degree=6"),
        (lambda: bases.BSpline(8, low=1.0, high=1.0), "low < high"),
        (lambda: bases.BSpline(8, high=float("inf")), "finite ends"),
        (lambda: bases.RBF(1), "at least 2"),
        (lambda: bases.RBF(8, low=float("nan")), "finite ends"),
        (lambda: bases.RSWAF(8, width=0.0), "positive"),
        (lambda: bases.Chebyshev(0), "at least 1"),
        (lambda: bases.Jacobi(4, alpha=-1.0), "above -1"),
        (lambda: bases.Jacobi(4, beta=float("nan")), "above -1"),
        (lambda: bases.Gram(2), "at least 3"),
        (lambda: bases.ReLU(3), "at least 4"),
        (lambda: bases.ReLU(8, order=0), "order=0"),
        (lambda: bases.ReLU(8, low=2.0), "low < high"),
        (lambda: bases.Fourier(7), "one function more or less"),
        (lambda: bases.Fourier(2, constant=True), "at least 3"),
        (lambda: bases.Fourier(8, period=0.0), "positive"),
        (lambda: bases.Pade(0), "at least 1"),
        (lambda: bases.Pade(6, order=1), "order 2"),
        (lambda: bases.Wavelet(0), "at least 1"),
        (lambda: bases.Wavelet(atoms=[(0.0, 0.0)]), "positive scales"),
        (lambda: bases.UnitRMS(bases.Wavelet(mother=jnp.zeros_like)), "vanish"),
    ],
)
def test_degenerate_grids(make, message):
    with pytest.raises(ValueError, match=message):
        make()
