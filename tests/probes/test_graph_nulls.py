import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.probes import low_rank, random_graph, rewired, shuffled


@given(st.integers(0, 10_000), st.integers(2, 20), st.floats(0, 1))
def test_rewiring_keeps_every_degree(seed, n, density):
    rng = np.random.default_rng(seed)
    graph = rng.random((n, n)) < density
    before = graph.copy()
    after = rewired(graph, rng)
    np.testing.assert_array_equal(graph, before)  # the caller's graph is the caller's
    np.testing.assert_array_equal(after.sum(0), graph.sum(0))
    np.testing.assert_array_equal(after.sum(1), graph.sum(1))


def test_rewiring_forgets_the_places():
    """Three cliques of equal degrees: afterwards edges inside are as many as chance gives."""
    graph = np.kron(np.eye(3), np.ones((20, 20))) > 0
    rng = np.random.default_rng(0)
    inside = np.mean([rewired(graph, rng)[graph].mean() for _ in range(20)])
    # Chance is 1/3; the mean of 20 x 1200 correlated entries spreads by less than .01.
    assert abs(inside - 1 / 3) < 0.03


@given(st.integers(0, 10_000), st.integers(1, 15), st.floats(0, 1))
def test_a_random_graph_has_its_edges_and_no_loops(seed, n, share):
    edges = int(share * n * (n - 1))
    graph = random_graph(n, edges, np.random.default_rng(seed))
    assert graph.sum() == edges
    assert not graph.diagonal().any()


def test_every_place_of_a_random_graph_is_as_likely():
    rng = np.random.default_rng(0)
    mean = np.mean([random_graph(4, 6, rng) for _ in range(4000)], axis=0)
    off = ~np.eye(4, dtype=bool)
    # Each entry is a coin of 1/2 over 4000 draws: 5 standard errors are .04.
    np.testing.assert_allclose(mean[off], 0.5, atol=0.04)


def test_shuffling_keeps_the_entries():
    weights = np.arange(9.0).reshape(3, 3)
    other = shuffled(weights, np.random.default_rng(0))
    assert (np.sort(other.ravel()) == weights.ravel()).all()
    assert (other != weights).any()


def test_a_low_rank_matrix_has_its_rank():
    assert np.linalg.matrix_rank(low_rank(12, 3, np.random.default_rng(0))) == 3


def test_too_many_edges_are_named():
    with pytest.raises(ValueError, match="room for 6 edges"):
        random_graph(3, 7, np.random.default_rng(0))
