import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.core import Batch, simulate
from engrax.nn import BDH, Decoder, TruncatedBPTT

V, ROWS, T = 7, 4, 6
TEXT = jr.randint(jr.key(5), (ROWS, 3 * T + 1), 0, V)
BUILDS = {
    "bdh": eqx.Partial(BDH, 16, 8, 2, 2, V),
    "decoder": eqx.Partial(Decoder, V, 8, 2, 2, context=8),
}
builds = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS.keys())


def batch(i, mask=None):
    part = TEXT[:, i * T : (i + 1) * T + 1]
    return Batch(part[:, :-1], part[:, 1:], mask=mask)


def learner(build, rate=0.0, **options):
    return TruncatedBPTT(build, optax.sgd, {"learning_rate": jnp.float32(rate)}, ROWS, **options)


@builds
@pytest.mark.parametrize("part", [None, 1, 3])
def test_the_state_goes_on_over_batches(build, part):
    it = learner(build, part=part)
    state = it.init(key=jr.key(0))
    losses = []
    for i in range(3):
        state, record = it.step(state, batch(i))
        losses.append(record["loss"])
    logits = it.predict(state, TEXT[:, :-1])
    each = optax.softmax_cross_entropy_with_integer_labels(logits, TEXT[:, 1:])
    # Nothing learned, so the carried pieces see what one long text would have shown.
    np.testing.assert_allclose(losses, each.reshape(ROWS, 3, T).mean((0, 2)), rtol=1e-5)


def test_devices_share_the_rows():
    alone, shared = (learner(BUILDS["bdh"], 0.5, part=1, devices=n) for n in (1, 2))
    states = [it.init(key=jr.key(0)) for it in (alone, shared)]
    for i in range(2):
        steps = [
            eqx.filter_jit(it.step)(s, batch(i))
            for it, s in zip((alone, shared), states, strict=True)
        ]
        states = [state for state, _ in steps]
        np.testing.assert_allclose(steps[0][1]["loss"], steps[1][1]["loss"], rtol=1e-5)
    np.testing.assert_allclose(*(s["memory"].rho for s in states), atol=1e-6)
    with pytest.raises(ValueError, match="divides its 4 rows"):
        learner(BUILDS["bdh"], devices=3)


@builds
def test_the_gradient_is_cut(build):
    """The step is that of a loss in which the carried state is a constant."""
    it = learner(build, 1.0, part=1)
    state, _ = it.step(it.init(key=jr.key(0)), batch(0))
    before = it.model(state)

    def loss(model):
        part = batch(1)
        logits = jax.vmap(lambda m, x: model.chunk(m, x)[1])(state["memory"], part.x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, part.y).mean()

    gradient = eqx.filter_grad(loss)(before)
    after = it.model(it.step(state, batch(1))[0])
    for old, new, g in zip(*map(jax.tree.leaves, (before, after, gradient)), strict=False):
        if jnp.issubdtype(old.dtype, jnp.floating):
            np.testing.assert_allclose(old - new, g, atol=1e-5)


def test_without_carrying_every_batch_starts_afresh():
    it = learner(BUILDS["bdh"], carried=False)
    state = it.init(key=jr.key(0))
    first = it.step(state, batch(1))[1]["loss"]
    later = it.step(it.step(state, batch(0))[0], batch(1))[1]["loss"]
    np.testing.assert_allclose(first, later, rtol=1e-6)


def test_a_mask_says_what_counts():
    it = learner(BUILDS["bdh"])
    state = it.init(key=jr.key(0))
    mask = jr.bernoulli(jr.key(1), 0.5, (ROWS, T))
    each = optax.softmax_cross_entropy_with_integer_labels(
        it.predict(state, batch(0).x), batch(0).y
    )
    loss = it.step(state, batch(0, mask))[1]["loss"]
    np.testing.assert_allclose(loss, each[mask].mean(), rtol=1e-5)


def test_it_learns_inside_the_runner():
    from engrax.core import Stream, serial

    class Same(Stream):
        def init(self, *, key):
            return jnp.zeros(())

        def step(self, state, input):
            return state, batch(0)

        def view(self, state, x, task=0):
            return x

    system = serial(stream=Same(), learner=learner(BUILDS["bdh"], 0.05, part=2))
    losses = simulate(system, 60, key=jr.key(0), seeds=1).records["loss"][0]
    # Near .7 of the first; at a rate high enough for chaos it would hang on the last bit.
    assert losses[-10:].mean() < 0.85 * losses[0]


@builds
@pytest.mark.parametrize("carried", [True, False])
def test_a_model_runs_in_bfloat16_and_keeps_its_weights_in_float32(build, carried):
    wide, narrow = (
        learner(build, 0.5, carried=carried, compute_dtype=dtype) for dtype in (None, "bfloat16")
    )
    states = [it.init(key=jr.key(0)) for it in (wide, narrow)]
    for i in range(2):
        (states[0], a), (states[1], b) = (
            it.step(s, batch(i)) for it, s in zip((wide, narrow), states, strict=True)
        )
        # Eight bits of mantissa: a loss near log 7 is right to about a hundredth.
        np.testing.assert_allclose(a["loss"], b["loss"], atol=0.03)
        assert b["loss"].dtype == jnp.float32
    for leaf in jax.tree.leaves(eqx.filter(states[1]["model"], eqx.is_inexact_array)):
        assert leaf.dtype == jnp.float32
    if carried:
        floats = [a for a in jax.tree.leaves(states[1]["memory"]) if eqx.is_inexact_array(a)]
        assert {a.dtype for a in floats} == {jnp.dtype("bfloat16")}
