"""The LIF layer against slow loops, closed forms and itself step by step."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.spiking import LIF, atan_surrogate, membrane_decay, sigmoid_surrogate

VARIANTS = {
    "-".join([reset, *(["delayed"] if delayed else []), *(["detached"] if detach else [])]): {
        "reset": reset,
        "delayed": delayed,
        "detach_reset": detach,
    }
    for reset, delayed, detach in itertools.product(
        ("zero", "subtract"), (False, True), (False, True)
    )
}
T, B, N = 23, 3, 4
CURRENTS = 0.6 * jr.normal(jr.key(0), (T, B, N)) + 0.4
PUSH = jr.normal(jr.key(1), (T, B, N))
PULL = jr.normal(jr.key(2), (B, N))


def lif(**options):
    return LIF(0.8, 0.7, 0.9, surrogate=sigmoid_surrogate(2.0), **options)


def by_steps(neuron, state, currents):
    return jax.lax.scan(lambda s, c: neuron.step(s, c), state, currents)


@pytest.mark.parametrize("name", VARIANTS)
def test_against_a_loop_over_single_neurons(name):
    variant = VARIANTS[name]
    neuron = lif(**variant, spike_size=0.75)
    delayed = variant["delayed"] and variant["reset"] == "subtract"
    spikes = np.zeros((T, B, N))
    for index in np.ndindex(B, N):
        state, before = 0.0, 0.0
        for t in range(T):
            u = 0.8 * state + 0.7 * float(CURRENTS[(t, *index)])
            u -= 0.75 * before if delayed else 0.0
            before = spikes[(t, *index)] = float(u >= 0.9)
            if delayed:
                state = u
            elif variant["reset"] == "zero":
                state = 0.0 if before else u
            else:
                state = u - 0.75 * before
    assert 0.1 < spikes.mean() < 0.9
    np.testing.assert_array_equal(neuron.run(CURRENTS), spikes)


@pytest.mark.parametrize("name", VARIANTS)
def test_unrolling_equals_steps_in_values_and_in_every_gradient(name):
    """The backward scan against JAX's own differentiation of the steps."""
    neuron = lif(**VARIANTS[name], spike_size=0.75)

    def loss(unroll, neuron, state, currents):
        last, spikes = unroll(neuron, state, currents)
        return jnp.sum(PUSH * spikes) + jnp.sum(PULL * last), spikes

    start = 0.5 * jr.normal(jr.key(3), (B, N))
    results = []
    for unroll in (LIF.unroll, by_steps):
        arrays, rest = eqx.partition(neuron, eqx.is_array)

        def value(arrays, state, currents, unroll=unroll, rest=rest):
            return loss(unroll, eqx.combine(arrays, rest), state, currents)

        grad = jax.grad(value, (0, 1, 2), has_aux=True)
        results.append(jax.jit(grad)(arrays, start, CURRENTS))
    leaves = [jax.tree.leaves(result) for result in results]
    # Only a reset to zero does not ask for the size of a spike.
    assert sum(bool(np.any(v)) for v in leaves[1]) == 7 - (name.startswith("zero"))
    for ours, autodiff in zip(*leaves, strict=True):
        # The same sums in another order, of up to T * B * N terms near 1.
        np.testing.assert_allclose(ours, autodiff, rtol=2e-5, atol=1e-5)


def test_numbers_may_differ_from_neuron_to_neuron():
    decay = jnp.array([0.1, 0.5, 0.9, 1.0])
    neuron = LIF(decay, threshold=jnp.array([1.0, 0.8, 1.2, 2.0]))
    alone = [LIF(d, threshold=th) for d, th in zip(decay, neuron.threshold, strict=True)]
    expected = jnp.stack([n.run(CURRENTS[..., i]) for i, n in enumerate(alone)], -1)
    np.testing.assert_array_equal(neuron.run(CURRENTS), expected)

    def total(decay):
        return jnp.sum(PUSH * LIF(decay).run(CURRENTS))

    def one(d, i):
        return jnp.sum(PUSH[..., i] * LIF(d).run(CURRENTS[..., i]))

    gradient = jax.grad(total)(decay)
    expected = [jax.grad(one)(d, i) for i, d in enumerate(decay)]
    np.testing.assert_allclose(gradient, jnp.stack(expected), rtol=1e-5)


@pytest.mark.parametrize("current", [0.55, 0.7, 1.3, 2.4])
@pytest.mark.parametrize("decay", [0.5, 0.9, 0.97])
def test_the_rate_under_a_constant_current_is_its_closed_form(current, decay):
    """With reset to zero the first n with I (1 - d^n) / (1 - d) >= 1 is the interval."""
    top = current / (1 - decay)
    spikes = np.asarray(LIF(decay, reset="zero").run(jnp.full((400, 1), current)))[:, 0]
    if top <= 1:
        assert not spikes.any()
    else:
        interval = int(np.ceil(np.log(1 - 1 / top) / np.log(decay)))
        np.testing.assert_array_equal(np.flatnonzero(spikes) + 1, range(interval, 401, interval))


def test_subtracting_keeps_what_the_threshold_left_over():
    """Without a leak the count of spikes is the whole part of the charge, I T / threshold."""
    current = jnp.array([[0.113, 0.371, 0.523, 0.934]])
    spikes = LIF(1.0).run(jnp.repeat(current, 200, 0))
    np.testing.assert_allclose(spikes.sum(0), jnp.floor(200 * current[0]))


def test_a_short_step_reaches_the_rate_of_continuous_time():
    """tau dv/dt = -v + I fires every tau log(I / (I - 1)); the error is one step an interval."""
    tau, current = 20.0, 1.5
    exact = tau * np.log(current / (current - 1))
    for dt in (2.0, 0.5, 0.1):
        decay = membrane_decay(tau, dt)
        steps = int(1000 / dt)
        neuron = LIF(decay, 1 - decay, reset="zero")
        times = np.flatnonzero(neuron.run(jnp.full((steps, 1), current))[:, 0]) * dt
        assert abs(np.diff(times).mean() - exact) <= dt


def test_instantaneous_gradients_see_their_own_step_only():
    neuron = lif(detach_reset=True)
    np.testing.assert_array_equal(neuron.instantaneous(CURRENTS), neuron.run(CURRENTS))
    gradient = jax.grad(lambda c: jnp.sum(PUSH * neuron.instantaneous(c)))(CURRENTS)
    slope = neuron.surrogate.derivative(neuron.potentials(CURRENTS) - 0.9)
    np.testing.assert_allclose(gradient, PUSH * 0.7 * slope, rtol=1e-5)


def test_it_survives_vmap_and_a_swept_surrogate():
    def gradient(alpha, currents):
        neuron = LIF(0.8, surrogate=atan_surrogate(alpha))
        return jax.grad(lambda c: jnp.sum(PUSH * neuron.run(c)))(currents)

    alphas = jnp.array([1.0, 3.0])
    together = jax.vmap(gradient, (0, None))(alphas, CURRENTS)
    alone = jnp.stack([gradient(a, CURRENTS) for a in (1.0, 3.0)])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_an_equal_neuron_is_the_same_program():
    one, two = (eqx.partition(lif(), eqx.is_array)[1] for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LIF(20.0), "what is left of the potential.*membrane_decay"),
        (lambda: LIF(-0.1), "lies in"),
        (lambda: LIF(0.5, threshold=0.0), "expected a positive number"),
        (lambda: LIF(jnp.ones(3)).run(CURRENTS), "layer of 3 neurons got currents"),
        (lambda: membrane_decay(0.02, 1.0), "same unit"),
        (lambda: membrane_decay(0.0, 1.0), "tau=0.0"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
