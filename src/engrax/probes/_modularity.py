"""How well a directed graph falls apart into communities, and whether chance would do as well."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from ._graph_nulls import low_rank, random_graph, rewired, shuffled


def modularity(
    adjacency: Num[np.ndarray, "n n"] | Bool[np.ndarray, "n n"],
    groups: Int[np.ndarray, " n"] | None = None,
    *,
    runs: int = 5,
    seed: int = 0,
) -> float:
    """Newman's modularity of a directed graph: the share of weight inside groups, less chance.

    Q = sum over i, j in one group of (A_ij / m - out_i in_j / m^2), with m the total weight
    (Leicht and Newman 2008). For a symmetric matrix it is the usual undirected value. Self-loops
    count. A graph without edges has 0.

    **Arguments:** `adjacency[i, j]`: weight of the edge from i to j, non-negative; `groups`: which
    group each node belongs to; the best of `runs` Louvain searches in random orders if `None`.

    **Raises:** `ValueError`: a negative weight, or `runs` below 1.
    """
    weights = np.asarray(adjacency, np.float64)
    if weights.size and weights.min() < 0:
        raise ValueError(
            f"modularity needs weights of at least 0, got {weights.min():g}; threshold them first."
        )
    if runs < 1:
        raise ValueError(f"modularity needs runs >= 1, and was given {runs}.")
    if not weights.sum():
        return 0.0
    gain = _excess(weights)
    if groups is not None:
        return _value(gain, np.asarray(groups))
    rng = np.random.default_rng(seed)
    return max(_value(gain, _louvain(gain, rng)) for _ in range(runs))


def communities(
    adjacency: Num[np.ndarray, "n n"] | Bool[np.ndarray, "n n"], *, runs: int = 5, seed: int = 0
) -> Int[np.ndarray, " n"]:
    """The group of each node under the best of `runs` Louvain searches; 0, 1, ... by size."""
    gain = _excess(np.asarray(adjacency, np.float64))
    rng = np.random.default_rng(seed)
    found = max((_louvain(gain, rng) for _ in range(runs)), key=lambda g: _value(gain, g))
    _, place, sizes = np.unique(found, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[place]


def strongest(weights: Num[np.ndarray, "n n"], fraction: float) -> Bool[np.ndarray, "n n"]:
    """The graph of the largest entries: A_ij where w_ij is among the top `fraction` of all entries.

    Every graph cut from matrices of one size at one fraction has the same number of edges.

    **Raises:** `ValueError`: a fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"A fraction of the edges lies in (0, 1], got {fraction}.")
    flat = np.asarray(weights).ravel()
    count = max(1, round(fraction * flat.size))
    graph = np.zeros(flat.size, bool)
    graph[np.argpartition(-flat, count - 1)[:count]] = True
    return graph.reshape(np.shape(weights))


def modularity_curve(
    weights: Num[np.ndarray, "n n"],
    fractions: Sequence[float],
    *,
    rank: int | None = None,
    others: Mapping[str, Num[np.ndarray, "n n"]] | None = None,
    runs: int = 5,
    seed: int = 0,
) -> dict[str, Float[np.ndarray, " fractions"]]:
    """Modularity of the strongest edges, as the graph is filled, and of its nulls.

    At each fraction of all n^2 entries: `graph`, the matrix itself; `random`, G(n, m) without
    self-loops; `shuffled`, the entries in random places; `rewired`, random but for every node's in-
    and out-degree; `low_rank`, P1 P2^T with Gaussian entries, where `rank` is given. A null with
    heavy degrees or of low rank is modular too, so a graph says something above all of them alone.

    **Arguments:** `others`: more matrices to cut in the same way, such as the untrained network's.

    **Raises:** `ValueError`: as `strongest` and `modularity`.
    """
    weights, rng = np.asarray(weights), np.random.default_rng(seed)
    matrices = {"graph": weights, **(others or {}), "shuffled": shuffled(weights, rng)}
    if rank is not None:
        matrices["low_rank"] = low_rank(len(weights), rank, rng)
    found: dict[str, list[float]] = {name: [] for name in (*matrices, "random", "rewired")}
    for fraction in fractions:
        graphs = {name: strongest(matrix, fraction) for name, matrix in matrices.items()}
        graphs["random"] = random_graph(len(weights), int(graphs["graph"].sum()), rng)
        graphs["rewired"] = rewired(graphs["graph"], rng)
        for name, graph in graphs.items():
            found[name].append(modularity(graph, runs=runs, seed=seed))
    return {name: np.array(values) for name, values in found.items()}


def _excess(weights: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """What a pair adds to Q by sharing a group, either way: symmetric, and Q = sum / 2."""
    share = weights / weights.sum()
    excess = share - np.outer(share.sum(1), share.sum(0))
    return excess + excess.T


def _value(excess: Float[np.ndarray, "n n"], groups: Int[np.ndarray, " n"]) -> float:
    return float(excess[groups[:, None] == groups[None]].sum() / 2)


def _louvain(excess: Float[np.ndarray, "n n"], rng: np.random.Generator) -> np.ndarray:
    """Groups by Louvain's method: nodes move while Q rises, then groups become the nodes.

    On the dense matrix of gains, in which directed and weighted graphs are alike and a move costs
    two columns: at some thousand nodes faster than walking lists of neighbors in Python.
    """
    groups, level = np.arange(len(excess)), excess
    while True:
        moved = _moved(level, rng)
        names, place = np.unique(moved, return_inverse=True)
        if len(names) == len(level):
            return groups
        groups = place[groups]
        member = np.eye(len(names))[place]
        level = member.T @ level @ member


def _moved(excess: Float[np.ndarray, "n n"], rng: np.random.Generator) -> np.ndarray:
    """Every node in a group of its own, then each to the group where Q rises most, till none."""
    n = len(excess)
    groups, pull = np.arange(n), excess.copy()  # pull[i, c]: what node i gains from group c
    np.fill_diagonal(pull, 0.0)  # a node does not pull itself
    off = pull.copy()
    improving = True
    while improving:
        improving = False
        for i in rng.permutation(n):
            old, new = groups[i], int(pull[i].argmax())
            if pull[i, new] > pull[i, old] + 1e-12:
                pull[:, old] -= off[:, i]
                pull[:, new] += off[:, i]
                groups[i], improving = new, True
    return groups
