"""The strongest wires between neurons, laid out to be drawn."""

import dataclasses

import numpy as np
from jaxtyping import Float

NODES, EDGES = 60, 150


@dataclasses.dataclass(frozen=True)
class NeuronGraph:
    """A part of `G = Dx E` of one head: its strongest positive entries and their neurons.

    Only those that hang together, since far islands leave no room for the rest.
    """

    head: int
    neurons: tuple[int, ...]
    place: Float[np.ndarray, "neurons 2"]
    """Where each is drawn, within 0 ... 1."""
    group: tuple[int, ...]
    """Which community each belongs to, the largest first."""
    edges: tuple[tuple[int, int, float], ...]
    """(from, to, weight), as positions in `neurons`; weight 1 is the strongest."""
    total: int
    """Neurons of the head."""


def strongest(pull: Float[np.ndarray, "to from"], head: int) -> NeuronGraph:
    """The part of a graph worth drawing: neuron `j` pulls neuron `i` by `pull[i, j]`."""
    weights = np.where(pull > 0, pull, 0.0)
    np.fill_diagonal(weights, 0.0)
    # First the neurons with the strongest wires, then the strongest wires among them.
    strength = np.sort(weights, axis=1)[:, -5:].sum(1) + np.sort(weights, axis=0)[-5:].sum(0)
    chosen = np.sort(np.argsort(-strength, kind="stable")[:NODES])
    part = weights[np.ix_(chosen, chosen)]
    order = np.argsort(-part, axis=None, kind="stable")[: min(EDGES, int((part > 0).sum()))]
    to, start = np.unravel_index(order, part.shape)
    top = part.max() or 1.0
    edges = [(int(j), int(i), float(part[i, j] / top)) for i, j in zip(to, start, strict=True)]
    used, groups, place = _laid_out(edges)
    at = {node: k for k, node in enumerate(used)}
    edges = [(at[j], at[i], weight) for j, i, weight in edges if j in at and i in at]
    group = {node: k for k, nodes in enumerate(groups) for node in nodes}
    return NeuronGraph(
        head,
        tuple(int(chosen[node]) for node in used),
        place,
        tuple(group[k] for k in range(len(used))),
        tuple(edges),
        len(pull),
    )


def _laid_out(
    edges: list[tuple[int, int, float]],
) -> tuple[list[int], list[set[int]], Float[np.ndarray, "neurons 2"]]:
    """The largest set of nodes that hang together; its communities by size, and its layout, in
    which a node is called by its place in the set.
    """
    import networkx as nx  # 0.1 s, and only here

    whole = nx.Graph()
    for j, i, weight in edges:
        old = whole.get_edge_data(j, i, {"weight": 0.0})["weight"]
        whole.add_edge(j, i, weight=old + weight)
    used = sorted(max(nx.connected_components(whole), key=len, default=set()))
    if not used:
        return [], [], np.zeros((0, 2))
    graph = nx.relabel_nodes(whole.subgraph(used), {n: k for k, n in enumerate(used)})
    groups = sorted(nx.community.louvain_communities(graph, seed=0), key=len, reverse=True)
    spread = 2.2 / np.sqrt(len(graph))
    found = nx.spring_layout(graph, k=spread, iterations=200, seed=0)
    place = np.array([found[k] for k in range(len(graph))])
    low, high = place.min(0), place.max(0)
    return used, groups, (place - low) / np.where(high > low, high - low, 1.0)
