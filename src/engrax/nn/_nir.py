"""Spiking networks to and from NIR, the exchange format of neuromorphic tools and chips.

NIR (Pedersen et al. 2024) describes neurons in continuous time. A leaky neuron,
`tau dv/dt = v_leak - v + R I`, is the `LIF` layer with `decay = 1 - dt / tau` and
`input_gain = R dt / tau` (Euler's rule, the convention of snnTorch, SpikingJelly and Norse); one
without a leak, `dv/dt = R I`, has decay 1 and `input_gain = R dt`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from engrax.spiking import LIF, Surrogate

from ._spiking_network import SpikingLayer, SpikingNetwork

Nodes = dict[str, Any]
Edges = list[tuple[str, str]]


def to_nir(network: SpikingNetwork, *, dt: float = 1e-4) -> Any:
    """The network as a `nir.NIRGraph`, a step of time being `dt` seconds; `nir.write` saves it.

    Layers become `Linear` or `Affine`, neurons `LIF` (`IF` where nothing leaks), recurrent
    weights a `Linear` from the neurons back to themselves. NIR knows the reset to zero only; how a
    layer that subtracts does it is in its node's metadata, which `from_nir` reads and other tools
    ignore.

    Raises ValueError for dt that is not positive, and neurons other than `LIF`.
    """
    import nir

    _check_dt(dt)
    nodes: Nodes = {"input": nir.Input({"input": np.array([network.layers[0].weight.shape[1]])})}
    edges: Edges = []
    last = "input"
    for level, layer in enumerate(network.layers, start=1):
        weight = np.asarray(layer.weight)
        linear = f"linear{level}"
        nodes[linear] = (
            nir.Linear(weight) if layer.bias is None else nir.Affine(weight, np.asarray(layer.bias))
        )
        edges.append((last, linear))
        last = linear
        if layer.neuron is None:
            continue
        last = f"neuron{level}"
        nodes[last] = _neuron_node(layer.neuron, weight.shape[0], dt, last)
        edges.append((linear, last))
        if layer.recurrent is not None:
            nodes[f"recurrent{level}"] = nir.Linear(np.asarray(layer.recurrent))
            edges += [(last, f"recurrent{level}"), (f"recurrent{level}", last)]
    nodes["output"] = nir.Output({"output": np.array([network.layers[-1].weight.shape[0]])})
    return nir.NIRGraph(nodes, [*edges, (last, "output")])


def from_nir(
    source: Any,
    *,
    steps: int,
    dt: float = 1e-4,
    surrogate: Surrogate | None = None,
    detach_reset: bool = False,
) -> SpikingNetwork:
    """The network of a `nir.NIRGraph`, or of a file that holds one, in steps of `dt` seconds.

    Supported are chains of `Linear` and `Affine` nodes and `LIF` and `IF` neurons, from one
    `Input` to one `Output`, with recurrent `Linear` weights from neurons to themselves, also where
    these stand in a subgraph. `steps`, `surrogate` and `detach_reset` are no part of the format.

    Raises ValueError for any other node or shape of graph, neurons with a leak or reset potential
    other than zero, and a step longer than a time constant.
    """
    import nir

    _check_dt(dt)
    graph = nir.read(source) if isinstance(source, str | Path) else source
    nodes, edges = _flat(graph)
    for name, node in nodes.items():
        if type(node).__name__ not in ("Input", "Output", "Linear", "Affine", "LIF", "IF"):
            raise ValueError(
                f"the NIR node {name!r} is a {type(node).__name__}, which is not supported; a "
                "network may hold Linear and Affine layers and LIF and IF neurons."
            )
    chain, loops = _chain(nodes, edges)
    layers: list[SpikingLayer] = []
    for name in chain:
        node = nodes[name]
        if type(node).__name__ in ("Linear", "Affine"):
            bias = getattr(node, "bias", None)
            layers.append(
                SpikingLayer(
                    _array(node.weight), None if bias is None else _array(bias), None, None
                )
            )
            continue
        if not layers or layers[-1].neuron is not None:
            raise ValueError(f"the neurons {name!r} have no Linear or Affine layer before them.")
        below = layers.pop()
        loop = _array(nodes[loops[name]].weight) if name in loops else None
        neuron = _neuron(name, node, dt, surrogate, detach_reset)
        layers.append(SpikingLayer(below.weight, below.bias, loop, neuron))
    return SpikingNetwork.of(layers, steps)


def _neuron_node(neuron: Any, n: int, dt: float, name: str) -> Any:
    import nir

    if not isinstance(neuron, LIF):
        raise ValueError(f"NIR has no node for {type(neuron).__name__} neurons; export LIF layers.")
    decay, gain, threshold = (
        np.broadcast_to(np.asarray(number, np.float64), (n,))
        for number in (neuron.decay, neuron.input_gain, neuron.threshold)
    )
    size = neuron.threshold if neuron.spike_size is None else neuron.spike_size
    zero = neuron.reset == "zero"
    metadata = {
        "engrax_reset": neuron.reset,
        "engrax_delayed": int(neuron.delayed),
        **({} if zero else {"engrax_spike_size": np.array(np.broadcast_to(size, (n,)))}),
    }
    common = {"v_threshold": threshold.copy(), "v_reset": np.zeros(n), "metadata": metadata}
    if np.all(decay == 1):
        return nir.IF(r=gain / dt, **common)
    if np.any(decay == 1):
        raise ValueError(f"{name} mixes neurons with and without a leak, which NIR keeps apart.")
    return nir.LIF(tau=dt / (1 - decay), r=gain / (1 - decay), v_leak=np.zeros(n), **common)


def _neuron(
    name: str, node: Any, dt: float, surrogate: Surrogate | None, detach_reset: bool
) -> LIF:
    if np.any(node.v_reset != 0) or np.any(getattr(node, "v_leak", np.zeros(1)) != 0):
        raise ValueError(
            f"the NIR node {name!r} leaks or resets to a potential other than zero, which LIF "
            "does not; shift its potentials so that both are zero."
        )
    if type(node).__name__ == "IF":
        decay, gain = np.ones_like(node.r, dtype=float), node.r * dt
    else:
        if np.any(node.tau < dt):
            raise ValueError(
                f"the NIR node {name!r} has a time constant of {np.min(node.tau):g} s, below the "
                f"step dt={dt:g} s, where Euler's rule is unstable; take a smaller dt, in seconds."
            )
        decay, gain = 1 - dt / node.tau, node.r * dt / node.tau
    extra: Mapping[str, Any] = node.metadata
    reset = extra.get("engrax_reset", "zero")
    size = extra.get("engrax_spike_size")
    return LIF(
        _number(decay),
        _number(gain),
        _number(node.v_threshold),
        reset="subtract" if reset in ("subtract", b"subtract") else "zero",
        spike_size=None if size is None else _number(size),
        surrogate=surrogate,
        detach_reset=detach_reset,
        delayed=bool(extra.get("engrax_delayed", 0)),
    )


def _flat(graph: Any, prefix: str = "") -> tuple[Nodes, Edges]:
    """All nodes and edges, those of subgraphs in the place of the subgraph."""
    nodes: Nodes = {}
    edges = [(prefix + a, prefix + b) for a, b in graph.edges]
    for name, node in graph.nodes.items():
        if type(node).__name__ != "NIRGraph":
            nodes[prefix + name] = node
            continue
        own = f"{prefix}{name}."
        inner_nodes, inner_edges = _flat(node, own)
        nodes |= inner_nodes
        edges += inner_edges
        # A subgraph's input and output only hand on: join what is on their two sides.
        ends = [n for n in inner_nodes if type(inner_nodes[n]).__name__ in ("Input", "Output")]
        edges = [
            (a, next(e for e in ends if type(nodes[e]).__name__ == "Input"))
            if b == prefix + name
            else (next(e for e in ends if type(nodes[e]).__name__ == "Output"), b)
            if a == prefix + name
            else (a, b)
            for a, b in edges
        ]
        for end in ends:
            before = [a for a, b in edges if b == end]
            behind = [b for a, b in edges if a == end]
            edges = [edge for edge in edges if end not in edge]
            edges += [(a, b) for a in before for b in behind]
            del nodes[end]
    return nodes, edges


def _chain(nodes: Nodes, edges: Edges) -> tuple[list[str], dict[str, str]]:
    """Names from input to output without both, and for neurons with a loop the loop's weights."""
    loops = {
        neuron: weights
        for neuron, weights in edges
        if (weights, neuron) in edges and type(nodes[weights]).__name__ == "Linear"
        if type(nodes[neuron]).__name__ in ("LIF", "IF")
    }
    looping = {(a, b) for a, b in edges if loops.get(a) == b or loops.get(b) == a}
    onward = [edge for edge in edges if edge not in looping]
    starts = [name for name, node in nodes.items() if type(node).__name__ == "Input"]
    after = dict(onward)
    chain = starts[:1]
    while chain and chain[-1] in after and len(chain) <= len(nodes):
        chain.append(after[chain[-1]])
    whole = len(chain) + len(loops) == len(nodes) and len(onward) == len(chain) - 1
    if len(starts) != 1 or not whole or type(nodes[chain[-1]]).__name__ != "Output":
        raise ValueError(
            "the NIR graph is no chain from one Input to one Output (with loops from neurons to "
            "themselves only); branches and feedback between layers are not supported."
        )
    return chain[1:-1], loops


def _array(values: Any) -> Array:
    return jnp.asarray(np.asarray(values, np.float32))


def _number(values: Any) -> Array:
    """One number for all neurons where they agree."""
    values = np.asarray(values, np.float32)
    return jnp.asarray(values.flat[0] if np.all(values == values.flat[0]) else values)


def _check_dt(dt: float) -> None:
    if not dt > 0:
        raise ValueError(f"NIR needs a positive time step dt in seconds, and got {dt}.")
