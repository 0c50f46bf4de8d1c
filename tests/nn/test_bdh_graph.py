import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.experimental.sparse import BCOO

from engrax.nn import BDHGraph, sign_split

N, D, LAYERS, T = 10, 4, 3, 6
KEYS = jr.split(jr.key(0), 6)
DX, DY = jr.normal(KEYS[0], (N, D)), jr.normal(KEYS[1], (N, D))
E = jr.normal(KEYS[2], (D, N)) / N
CODES = jr.uniform(KEYS[3], (T, N))
KEEPS = {
    "scalar": jnp.float32(0.9),
    "nodes": jr.uniform(KEYS[4], (N,)),
    "rotation": jnp.linalg.qr(jr.normal(KEYS[5], (N, N)))[0],
}


def build(keep, kind="hidden", gs=None):
    graphs = [g for down in (DX, DY) for g in sign_split(down, E)]
    if kind != "hidden":
        graphs = [g.dense() for g in graphs]
    gs = jnp.ones((N, N)) if gs is None else gs
    if kind == "sparse":
        graphs, gs = [BCOO.fromdense(g) for g in graphs], BCOO.fromdense(gs)
    return BDHGraph(*graphs, gs, keep, LAYERS)


def simulate(graph):
    return jax.lax.scan(lambda state, code: graph.step(state, code), graph.init_state(), CODES)


def normfree(keep):
    """BDH-Normfree with rho = E sigma, in R^d x n, in float64."""
    down_x, down_y, up = (np.array(z, np.float64) for z in (DX, DY, E))
    keep = np.array(keep, np.float64)
    matrix = keep if keep.ndim == 2 else np.diag(np.broadcast_to(keep, (N,)))
    rho = np.zeros((LAYERS, D, N))
    out = []
    for code in np.array(CODES, np.float64):
        v = up @ code
        x = np.maximum(down_x @ v, 0)
        for layer in range(LAYERS):
            a = rho[layer] @ x
            rho[layer] = rho[layer] @ matrix + np.outer(v, x)
            y = np.maximum(down_y @ a, 0) * x
            v = up @ y
            x = x + np.maximum(down_x @ v, 0)
            out.append(y)
    return np.reshape(out, (T, LAYERS, N)), rho


@pytest.mark.parametrize("keep", KEEPS.values(), ids=KEEPS.keys())
def test_the_rounds_are_bdh_normfree(keep):
    state, y = simulate(build(keep))
    expected, rho = normfree(keep)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(E @ state.sigma, rho, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("keep", ["scalar", "nodes"])
def test_dense_sparse_and_hidden_graphs_agree(keep):
    gs = jr.bernoulli(jr.key(9), 0.5, (N, N)).astype(jnp.float32) * jr.uniform(jr.key(8), (N, N))
    (dense, y), (sparse, ys), (_, yh) = (
        simulate(build(KEEPS[keep], kind, gs)) for kind in ("dense", "sparse", "hidden")
    )
    np.testing.assert_allclose(ys, y, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(yh, y, rtol=1e-3, atol=1e-5)
    assert sparse.sigma.shape == (LAYERS, int((gs > 0).sum()))
    np.testing.assert_allclose(sparse.sigma, dense.sigma[:, gs > 0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("keep", ["scalar", "nodes"])
def test_everything_stays_positive_and_y_needs_x(keep):
    graph = build(KEEPS[keep])
    state = graph.init_state()
    for code in CODES:
        state, y = graph.step(state, code)
        assert all((z >= 0).all() for z in state)
        assert ((y[-1] > 0) <= (state.x > 0)).all()


def test_the_sign_split_is_exact():
    excite, inhibit = sign_split(DX, E)
    assert all((z >= 0).all() for graph in (excite, inhibit) for z in graph)
    assert excite.edges() + inhibit.edges() <= 4 * N * D
    np.testing.assert_allclose(excite.dense() - inhibit.dense(), DX @ E, atol=1e-6)
    # Without rounding it is exact: small integers, where products and sums have none.
    down, up = (jnp.round(4 * z) for z in (DX, E * N))
    excite, inhibit = sign_split(down, up)
    np.testing.assert_array_equal(excite.dense() - inhibit.dense(), down @ up)
