"""Random graphs and matrices that share something with a given one, to hold it against."""

import numpy as np
from jaxtyping import Bool, Float, Num


def random_graph(n: int, edges: int, rng: np.random.Generator) -> Bool[np.ndarray, "n n"]:
    """G(n, m): a directed graph with `edges` edges anywhere but on the diagonal.

    Raises:
        ValueError: more edges than there are places.
    """
    if not 0 <= edges <= n * (n - 1):
        raise ValueError(f"{n} nodes have room for {n * (n - 1)} edges, not for {edges}.")
    places = rng.choice(n * (n - 1), edges, replace=False)
    row, column = np.divmod(places, n - 1)
    graph = np.zeros((n, n), bool)
    graph[row, column + (column >= row)] = True
    return graph


def shuffled(weights: Num[np.ndarray, "n n"], rng: np.random.Generator) -> Num[np.ndarray, "n n"]:
    """The same entries in random places, the diagonal included."""
    return rng.permutation(np.ravel(weights)).reshape(np.shape(weights))


def low_rank(n: int, rank: int, rng: np.random.Generator) -> Float[np.ndarray, "n n"]:
    """P1 P2^T with independent standard normal entries: what any trained product of this rank is
    built from before it learns.
    """
    return rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n))


def rewired(
    graph: Bool[np.ndarray, "n n"], rng: np.random.Generator, *, rounds: int = 50
) -> Bool[np.ndarray, "n n"]:
    """A directed graph with the in- and out-degree of every node, else random.

    In each round all edges are paired at random, and each pair u->v, x->y becomes u->y, x->v where
    neither is there yet. Self-loops may come and go.
    """
    graph = np.array(graph, bool)
    n = len(graph)
    tail, head = np.nonzero(graph)
    pairs = len(tail) // 2
    for _ in range(rounds if pairs else 0):
        order = rng.permutation(len(tail))
        one, other = order[:pairs], order[pairs : 2 * pairs]
        new = np.concatenate([tail[one] * n + head[other], tail[other] * n + head[one]])
        _, first, times = np.unique(new, return_index=True, return_counts=True)
        free = np.zeros(2 * pairs, bool)
        free[first] = times == 1  # no two pairs may ask for the same edge
        free &= ~graph.ravel()[new]
        swap = free[:pairs] & free[pairs:]
        one, other = one[swap], other[swap]
        graph[tail[one], head[one]] = graph[tail[other], head[other]] = False
        head[one], head[other] = head[other], head[one]
        graph[tail[one], head[one]] = graph[tail[other], head[other]] = True
    return graph
