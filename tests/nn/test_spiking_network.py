"""Networks of spiking layers against the layers one by one, and in segments."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import SpikingLayer, SpikingNetwork
from engrax.spiking import DSRLIF, LIF

STEPS = 8
X = 2 * jr.uniform(jr.key(0), (5, 6))
MOVING = 2 * jr.uniform(jr.key(1), (STEPS, 5, 6))
TARGET = jr.normal(jr.key(2), (STEPS, 5, 3))


def network(neuron=None, **options):
    neuron = LIF(0.5, threshold=0.3) if neuron is None else neuron
    return SpikingNetwork((6, 7, 4, 3), neuron, STEPS, key=jr.key(3), **options)


@pytest.mark.parametrize("neuron", [LIF(0.5, threshold=0.3), DSRLIF(STEPS)])
def test_a_static_input_is_one_that_is_repeated(neuron):
    net = network(neuron, bias=True)
    np.testing.assert_allclose(net(X), net.run(jnp.tile(X, (STEPS, 1, 1))), atol=1e-5)


def test_it_is_its_layers_in_a_row():
    net = network(bias=True)
    x = MOVING
    for layer in net.layers[:-1]:
        x = layer.neuron.run(x @ layer.weight.T)
    np.testing.assert_allclose(net.run(MOVING), x @ net.layers[-1].weight.T, atol=1e-6)
    assert 0.05 < x.mean() < 0.95


def test_a_loop_of_its_own_spikes_against_a_slow_loop():
    net = network(recurrent=True)
    assert net.layers[-1].recurrent is None
    x = np.asarray(MOVING)
    for layer in net.layers[:-1]:
        v = spikes = np.zeros((5, layer.weight.shape[0]), np.float32)
        out = []
        for row in x:
            v = 0.5 * v + row @ np.asarray(layer.weight).T + spikes @ np.asarray(layer.recurrent).T
            spikes = (v >= 0.3).astype(np.float32)
            v = v - np.float32(0.3) * spikes
            out.append(spikes)
        x = np.array(out)
    np.testing.assert_allclose(net.run(MOVING), x @ np.asarray(net.layers[-1].weight).T, atol=1e-6)


@pytest.mark.parametrize("recurrent", [False, True])
def test_segments_change_nothing_but_the_memory(recurrent):
    net = network(recurrent=recurrent)
    arrays, rest = eqx.partition(net, eqx.is_array)

    def loss(arrays, segment):
        return jnp.sum(TARGET * eqx.combine(arrays, rest).run(MOVING, segment=segment))

    whole = jax.value_and_grad(loss)(arrays, None)
    for segment in (2, 4):
        parts = jax.value_and_grad(loss)(arrays, segment)
        for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_layers_can_be_joined_and_one_without_neurons_is_linear():
    layers = network().layers
    assert layers[-1].neuron is None
    again = SpikingNetwork.of(layers, STEPS)
    np.testing.assert_array_equal(again(X), network()(X))
    spiking = network(spiking_output=True)(X)
    assert set(np.unique(spiking)) <= {0.0, 1.0}


def test_a_copy_of_the_neuron_stands_in_every_hidden_layer():
    net = eqx.tree_at(lambda n: n.layers[0].neuron.threshold, network(DSRLIF(STEPS)), 0.7)
    assert net.layers[1].neuron.threshold == jnp.float32(0.3)


def test_projections_change_the_gradient_and_not_the_output():
    net = network()
    keep = jnp.diag(jnp.array([1.0, 0, 1, 0, 1, 0]))
    projections = [lambda x: x @ keep, None, None]

    def loss(weight, projections):
        moved = eqx.tree_at(lambda n: n.layers[0].weight, net, weight)
        out = moved.activities(MOVING, static=False, projections=projections)[-1]
        return jnp.sum(TARGET * out)

    grad = jax.value_and_grad(loss)
    plain, projected = (grad(net.layers[0].weight, p) for p in (None, projections))
    assert plain[0] == projected[0]
    np.testing.assert_allclose(projected[1], plain[1] @ keep, rtol=1e-5, atol=1e-6)


WEIGHT = jnp.ones((3, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SpikingNetwork((4,), LIF(0.5), 5, key=jr.key(0)), r"layers=\(4,\)"),
        (lambda: SpikingNetwork((4, 0), LIF(0.5), 5, key=jr.key(0)), "all positive"),
        (lambda: network(DSRLIF(5)), "of 8 steps got a DSRLIF of 5"),
        (lambda: network(DSRLIF(STEPS), recurrent=True), "no recurrent weights"),
        (lambda: SpikingNetwork((4, 2), LIF(0.5), 0, key=jr.key(0)), "steps=0"),
        (
            lambda: SpikingNetwork.of([SpikingLayer(WEIGHT, None, None, LIF(0.5))] * 2, 4),
            "3 outputs under one of 2 inputs",
        ),
        (lambda: network()(jnp.ones((2, 5))), "of 6 inputs got an array of shape"),
        (lambda: network().run(jnp.ones((2, 5))), r"expected \(time, ..., inputs\)"),
        (lambda: network().run(MOVING, segment=3), "8 steps do not divide into segments of 3"),
        (lambda: network(DSRLIF(STEPS)).run(MOVING[:4]), "of 8 steps got 4 steps of input"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
