"""NIR: round trips through a file, graphs as other tools write them, and clear refusals."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import nir
import numpy as np
import pytest

from engrax.nn import SpikingNetwork, from_nir, to_nir, uniform_fan_in
from engrax.spiking import DSRLIF, LIF

STEPS = 12
X = 3 * jr.uniform(jr.key(0), (STEPS, 4, 5))
LEAKS = jnp.array([0.5, 0.75, 0.875, 0.25, 0.625, 0.5])  # 1 - decay is exact, so the trip is, too


def network(neuron, **options):
    lively = eqx.Partial(uniform_fan_in, gain=4.0)
    return SpikingNetwork((5, 6, 6, 3), neuron, STEPS, init=lively, key=jr.key(1), **options)


@pytest.mark.parametrize(
    "neuron",
    [
        LIF(0.5, threshold=0.3, reset="zero"),
        LIF(0.5, 0.25, 0.2, spike_size=0.125),
        LIF(0.75, threshold=0.4, delayed=True),
        LIF(LEAKS, threshold=0.3),
        LIF(1.0, 0.5, 0.6, reset="zero"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"recurrent": True, "bias": True, "spiking_output": True}])
def test_a_round_trip_through_a_file_changes_nothing(neuron, options, tmp_path):
    if options.get("spiking_output") and neuron.decay.ndim:
        options = {**options, "spiking_output": False}
    net = network(neuron, **options)
    path = tmp_path / "network.nir"
    nir.write(path, to_nir(net, dt=2.0**-10))
    again = from_nir(path, steps=STEPS, dt=2.0**-10)
    activities = [n.activities(X, static=False) for n in (net, again)]
    assert activities[0][1].any()
    for a, b in zip(*activities, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(net.layers, again.layers, strict=True):
        for part in ("weight", "bias", "recurrent"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part))


@pytest.mark.parametrize("decay", [0.9, 0.95, 0.99])
def test_any_decay_comes_back_within_rounding(decay):
    again = from_nir(to_nir(network(LIF(decay)), dt=1e-3), steps=STEPS, dt=1e-3)
    np.testing.assert_allclose(again.layers[0].neuron.decay, decay, rtol=2e-7)
    np.testing.assert_allclose(again.layers[0].neuron.input_gain, 1.0, rtol=2e-7)


def lif_node(n=2, tau=2e-3, **options):
    values = {"r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | options
    return nir.LIF(tau=np.full(n, tau), **{k: np.full(n, v) for k, v in values.items()})


def graph_of(*inner, n_in=3, n_out=2):
    return nir.NIRGraph.from_list(
        nir.Input(np.array([n_in])), *inner, nir.Output(np.array([n_out]))
    )


WEIGHT = np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])


def test_a_graph_of_another_tool_is_eulers_rule_with_a_reset_to_zero():
    net = from_nir(graph_of(nir.Linear(WEIGHT), lif_node()), steps=40, dt=1e-3)
    x = 3 * np.asarray(jr.uniform(jr.key(2), (40, 3)))
    v, expected = np.zeros(2), []
    for row in x:
        v = v + 1e-3 / 2e-3 * (-v + WEIGHT @ row)
        expected.append(v > 1)
        v = np.where(v > 1, 0, v)
    assert 0 < np.mean(expected) < 1
    np.testing.assert_array_equal(net.run(jnp.asarray(x)), expected)


def test_a_loop_in_a_subgraph_is_recurrent_weights():
    """As snnTorch writes its recurrent layers."""
    loop = np.array([[0.0, 0.5], [-0.5, 0.0]])
    inner = nir.NIRGraph(
        {
            "input": nir.Input(np.array([2])),
            "lif": lif_node(),
            "w_rec": nir.Linear(loop),
            "output": nir.Output(np.array([2])),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )
    net = from_nir(graph_of(nir.Linear(WEIGHT), inner), steps=4, dt=1e-3)
    assert len(net.layers) == 1
    np.testing.assert_array_equal(net.layers[0].recurrent, loop)


def branched():
    nodes = {"input": nir.Input(np.array([3])), "output": nir.Output(np.array([2]))}
    nodes |= {"a": nir.Linear(WEIGHT), "b": nir.Linear(WEIGHT)}
    edges = [("input", "a"), ("input", "b"), ("a", "output"), ("b", "output")]
    return nir.NIRGraph(nodes, edges)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            lambda: graph_of(nir.Linear(WEIGHT), nir.Threshold(np.ones(2))),
            "'threshold' is a Threshold, which is not supported",
        ),
        (branched, "no chain from one Input to one Output"),
        (lambda: graph_of(nir.Linear(WEIGHT), lif_node(v_reset=-1.0)), "other than zero"),
        (lambda: graph_of(nir.Linear(WEIGHT), lif_node(v_leak=0.1)), "other than zero"),
        (lambda: graph_of(nir.Linear(WEIGHT), lif_node(tau=1e-4)), "step dt=0.001 s.*unstable"),
        (lambda: graph_of(lif_node(3), n_out=3), "no Linear or Affine layer before them"),
    ],
)
def test_what_is_not_supported_is_told_in_a_sentence(graph, message):
    with pytest.raises(ValueError, match=message):
        from_nir(graph(), steps=3, dt=1e-3)


def test_export_refuses_what_nir_cannot_say():
    with pytest.raises(ValueError, match="no node for DSRLIF"):
        to_nir(network(DSRLIF(STEPS)))
    with pytest.raises(ValueError, match="with and without a leak"):
        to_nir(network(LIF(LEAKS.at[0].set(1.0))))
    with pytest.raises(ValueError, match=r"positive time step.*got -1\.0"):
        to_nir(network(LIF(0.5)), dt=-1.0)
