import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.probes import communities, modularity, modularity_curve, strongest


def blocks(sizes, inside, between, seed=0):
    """A directed graph with planted groups, and the groups."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(groups[:, None] == groups[None], inside, between)
    return rng.random(chance.shape) < chance, groups


@given(st.integers(0, 10_000), st.integers(2, 14), st.floats(0.1, 0.9))
def test_given_groups_agree_with_networkx(seed, n, density):
    rng = np.random.default_rng(seed)
    weights = (rng.random((n, n)) < density) * rng.random((n, n))
    if not weights.sum():
        return
    groups = rng.integers(0, 3, n)
    sets = [set(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)]
    graph = nx.from_numpy_array(weights, create_using=nx.DiGraph)
    expected = nx.community.modularity(graph, sets)
    # Sums of at most 196 float64 terms of order 1.
    np.testing.assert_allclose(modularity(weights, groups), expected, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_a_symmetric_matrix_has_the_undirected_value(seed, n):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < 0.5, 1)
    if not upper.sum():
        return
    weights, groups = (upper | upper.T).astype(float), rng.integers(0, 2, n)
    sets = [set(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)]
    graph = nx.from_numpy_array(weights)
    expected = nx.community.modularity(graph, sets)
    np.testing.assert_allclose(modularity(weights, groups), expected, atol=1e-12)


def test_one_group_has_none_and_equal_cliques_have_the_closed_form():
    cliques = np.kron(np.eye(4), np.ones((5, 5)))
    assert modularity(cliques, np.zeros(20, int)) == pytest.approx(0, abs=1e-12)
    # k equal parts with no edge between them: Q = 1 - 1/k, and no partition does better.
    assert modularity(cliques) == pytest.approx(1 - 1 / 4)


@pytest.mark.parametrize("seed", range(4))
def test_the_search_is_as_good_as_networkx(seed):
    graph, _ = blocks((20, 20, 20), 0.4, 0.05, seed)
    peer = nx.from_numpy_array(graph.astype(float), create_using=nx.DiGraph)
    best = max(
        nx.community.modularity(peer, nx.community.louvain_communities(peer, seed=s))
        for s in range(5)
    )
    # Both search greedily from random orders and may end in different, nearly equal optima.
    assert modularity(graph) > best - 0.01


def test_planted_groups_are_found_and_numbered_by_size():
    graph, groups = blocks((30, 20, 10), 0.6, 0.02)
    assert (communities(graph) == groups).all()


@given(st.integers(0, 1000))
def test_names_of_nodes_and_scale_do_not_matter(seed):
    graph, groups = blocks((6, 6), 0.7, 0.2, seed)
    order = np.random.default_rng(seed).permutation(12)
    expected = modularity(graph, groups)
    np.testing.assert_allclose(modularity(graph[np.ix_(order, order)], groups[order]), expected)
    np.testing.assert_allclose(modularity(3.0 * graph, groups), expected)


def test_the_strongest_edges_are_the_largest_entries():
    weights = np.arange(16.0).reshape(4, 4) - 8
    graph = strongest(weights, 0.25)
    assert graph.sum() == 4
    assert weights[graph].min() > weights[~graph].max()
    assert strongest(np.zeros((4, 4)), 0.5).sum() == 8  # ties do not add edges


def test_the_curve_holds_a_planted_graph_above_every_null():
    graph, _ = blocks((16,) * 4, 0.8, 0.1)
    weights = graph + 0.1 * np.random.default_rng(1).random(graph.shape)
    curve = modularity_curve(weights, (0.1, 0.2), rank=4, others={"untrained": -weights}, runs=2)
    assert set(curve) == {"graph", "untrained", "shuffled", "low_rank", "random", "rewired"}
    for name, values in curve.items():
        assert values.shape == (2,)
        if name != "graph":
            assert (curve["graph"] > values).all()


def test_an_empty_graph_has_no_modularity():
    assert modularity(np.zeros((3, 3))) == 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="at least 0"):
        modularity(-np.eye(3))
    with pytest.raises(ValueError, match="runs"):
        modularity(np.eye(3), runs=0)
    with pytest.raises(ValueError, match="fraction"):
        strongest(np.eye(3), 0.0)
