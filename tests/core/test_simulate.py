"""The runner: seeds, grids, chunks, devices, resume, divergence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array

from engrax.core import Stopped, System, chunk_length, footprint, named, repeat, simulate

KEY = jr.key(3)


class Descent(System):
    """Noisy gradient descent on a quartic: smooth, chaotic only for large rates."""

    rate: Array
    shift: Array
    size: int = eqx.field(static=True, default=4)

    def init(self, *, key):
        return {"w": self.shift + jr.normal(key, (self.size,)), "key": named(key, "noise")}

    def step(self, state, input):
        key, now = jr.split(state["key"])
        slope = jax.grad(lambda w: jnp.mean((w @ w.T - 1) ** 2))(state["w"][None])[0]
        w = state["w"] - self.rate * slope + 0.001 * jr.normal(now, (self.size,))
        return {"w": w, "key": key}, {"norm": jnp.sum(w**2), "w": w, "t": input}


def system(rate=0.05):
    return Descent(jnp.float32(rate), jnp.float32(0.0))


def equal(a, b):
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


@settings(max_examples=8)
@given(st.integers(1, 12))
def test_the_length_of_a_chunk_changes_no_bit(chunk):
    whole = simulate(system(), 12, key=KEY, seeds=2, chunk=12)
    cut = simulate(system(), 12, key=KEY, seeds=2, chunk=chunk)
    equal(whole.records, cut.records)
    np.testing.assert_array_equal(whole.state["w"], cut.state["w"])


def test_the_clock_counts_the_ticks_whatever_the_chunk():
    records = simulate(system(), 10, key=KEY, seeds=1, chunk=3).records
    np.testing.assert_array_equal(records["t"][0], np.arange(10))


@pytest.mark.parametrize("seeds", [1, 3, 4, 5])
def test_by_map_a_seed_is_the_same_to_the_bit_in_any_block(seeds):
    # 3 and 5 do not divide by the two devices, so they also cover the filling up of rows.
    block = simulate(system(), 20, key=KEY, seeds=seeds, placement="map").records
    last = simulate(system(), 20, key=KEY, seeds=[seeds - 1], placement="map").records
    equal({k: v[-1:] for k, v in block.items()}, last)


def test_by_vmap_a_seed_alone_agrees_to_1e6_after_100_smooth_steps():
    block = simulate(system(), 100, key=KEY, seeds=8, placement="vmap").records["w"]
    alone = simulate(system(), 100, key=KEY, seeds=[5], placement="vmap").records["w"]
    # Batched products may be summed in another order: one rounding (6e-8) a step, contracted.
    np.testing.assert_allclose(block[5], alone[0], rtol=1e-6, atol=1e-7)


def test_map_and_vmap_agree():
    a = simulate(system(), 50, key=KEY, seeds=4, placement="map").records["w"]
    b = simulate(system(), 50, key=KEY, seeds=4, placement="vmap").records["w"]
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_number_of_devices_changes_no_bit(monkeypatch):
    assert jax.local_device_count() == 2, "the suite runs on two devices"
    two = simulate(system(), 20, key=KEY, seeds=4).records
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    one = simulate(system(), 20, key=KEY, seeds=4).records
    equal(one, two)


def test_the_key_of_a_seed_is_folded_in():
    found = simulate(system(), 1, key=KEY, seeds=[7]).records["w"][0, 0]
    expected = Descent.step(system(), system().init(key=jr.fold_in(KEY, 7)), jnp.int32(0))[1]["w"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_grid_becomes_named_dimensions_and_multiplies():
    grid = {
        "rate": (lambda s: s.rate, (0.01, 0.05, 0.1)),
        "shift": (lambda s: s.shift, np.array([0.0, 1.0])),
    }
    many = simulate(system(), 15, key=KEY, seeds=2, grid=grid).records
    assert many["w"].shape == (2, 3, 2, 15, 4)
    for i, rate in enumerate((0.01, 0.05, 0.1)):
        for j, shift in enumerate((0.0, 1.0)):
            one = Descent(jnp.float32(rate), jnp.float32(shift))
            alone = simulate(one, 15, key=KEY, seeds=2).records
            equal({k: v[:, i, j] for k, v in many.items()}, alone)


def test_one_axis_may_vary_several_fields():
    grid = {"both": (lambda s: (s.rate, s.shift), (np.array([0.01, 0.02]), np.array([1.0, 2.0])))}
    both = simulate(system(), 5, key=KEY, seeds=1, grid=grid).records["w"]
    one = simulate(Descent(jnp.float32(0.02), jnp.float32(2.0)), 5, key=KEY, seeds=1).records["w"]
    np.testing.assert_array_equal(both[:, 1], one)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"size": (lambda s: s.size, (1, 2))}, "'size' varies"),
        ({"rate": (lambda s: s.rate, 0.1)}, r"values of shape \(\)"),
        ({"rate": (lambda s: s.rate, np.ones((2, 3)))}, r"field of shape \(\)"),
        ({"rate": (lambda s: s.rate, np.ones(0))}, r"values of shape \(0,\)"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(grid, message):
    sized = eqx.tree_at(lambda s: s.rate, system(), jnp.float32(0.1))
    if "size" in grid:
        grid = {"size": (lambda s: s.inner.inner, (1, 2))}
        sized = Holding(Holding("text"))
    with pytest.raises(ValueError, match=message):
        simulate(sized, 3, key=KEY, seeds=1, grid=grid)


class Holding(System):
    inner: object

    def init(self, *, key):
        return {}

    def step(self, state, input):
        return state, {"t": input}


class Memory:
    """Checkpoints in a list; `simulate` finds the last one again."""

    def __init__(self, kept=None):
        self.kept = kept

    def restore(self, like):
        if self.kept is None:
            return None
        got = jax.tree.map(lambda a: (a.shape, a.dtype), like())
        assert got == jax.tree.map(lambda a: (a.shape, a.dtype), self.kept[1])
        return self.kept

    def save(self, tick, kept, *, last):
        self.kept = (tick, jax.tree.map(lambda a: a.copy(), kept))


@settings(max_examples=8)
@given(st.integers(1, 11), st.integers(1, 5))
def test_stopped_at_any_chunk_and_resumed_is_identical_to_the_bit(stop_after, chunk):
    undisturbed = simulate(system(), 12, key=KEY, seeds=3)
    memory, seen, asked = Memory(), [], []
    stop = lambda: asked.append(1) or len(asked) * chunk >= min(stop_after, 12 - chunk)
    with pytest.raises(Stopped):
        simulate(
            system(), 12, key=KEY, seeds=3, chunk=chunk,
            checkpoints=memory, progress=seen.append, stop=stop,
        )  # fmt: skip
    assert seen[-1] == memory.kept[0] < 12
    resumed = simulate(system(), 12, key=KEY, seeds=3, chunk=2, checkpoints=Memory(memory.kept))
    equal(undisturbed.records, resumed.records)
    np.testing.assert_array_equal(undisturbed.state["w"], resumed.state["w"])


def test_what_the_caller_starts_from_survives_the_run():
    first = simulate(system(), 5, key=KEY, seeds=2)
    before = np.array(first.state["w"])
    again = simulate(system(), 5, key=KEY, seeds=2, start=lambda fresh, run: first.state)
    # The state is donated, but never the caller's own arrays.
    np.testing.assert_array_equal(np.asarray(first.state["w"]), before)
    assert again.records["w"].shape == (2, 5, 4)
    np.testing.assert_array_equal(
        simulate(system(), 10, key=KEY, seeds=2).records["w"][:, 5:], again.records["w"]
    )


def test_the_final_states_lie_on_one_device_and_need_no_collective():
    # Gathering a sharded state leaf by leaf can deadlock between devices, so none is left sharded.
    for seeds in (4, 5):
        state = simulate(system(), 3, key=KEY, seeds=seeds).state
        for leaf in jax.tree.leaves(state):
            assert len(leaf.sharding.device_set) == 1
            assert len(leaf) == seeds


class Poisoned(System):
    """Becomes NaN at a tick of its own, in the record or in the state alone."""

    inner: System
    at: Array
    in_record: bool = eqx.field(static=True)

    def init(self, *, key):
        return self.inner.init(key=key)

    def step(self, state, input):
        state, record = self.inner.step(state, input)
        bad = jnp.where(input == self.at, jnp.nan, 0.0)
        if self.in_record:
            return state, {**record, "norm": record["norm"] + bad}
        return {**state, "w": state["w"] + bad}, {"t": input}


def test_a_seed_that_diverges_is_named_and_changes_no_other():
    grid = {"at": (lambda s: s.at, np.array([-1, 4], np.int32))}
    healthy = simulate(system(), 9, key=KEY, seeds=3)
    for in_record, first in ((True, 4), (False, 5)):
        poisoned = Poisoned(system(), jnp.int32(-1), in_record)
        found = simulate(poisoned, 9, key=KEY, seeds=3, grid=grid, chunk=3)
        np.testing.assert_array_equal(found.diverged, [[-1, first]] * 3)
        np.testing.assert_array_equal(found.state["w"].reshape(3, 2, 4)[:, 0], healthy.state["w"])
    assert (healthy.diverged == -1).all()


class Growing(System):
    def init(self, *, key):
        return {"inner": {"w": jnp.zeros(2)}}

    def step(self, state, input):
        return {"inner": {"w": jnp.zeros(3)}}, {}


class Hollow(System):
    def init(self, *, key):
        return {"full": jnp.zeros(2), "empty": jnp.zeros((3, 0))}

    def step(self, state, input):
        return state, {}


class Empty(System):
    def init(self, *, key):
        return {}

    def step(self, state, input):
        return state, {"t": input}


class Renamed(System):
    def init(self, *, key):
        return {"a": jnp.zeros(2)}

    def step(self, state, input):
        return {"b": jnp.zeros(2)}, {}


class Mute(System):
    def init(self, *, key):
        return {"x": jnp.zeros(1)}

    def step(self, state, input):
        return state, input


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Growing(), r"state\['inner'\]\['w'\] from float32\(2,\) to float32\(3,\); a state keeps"),
        (Renamed(), "changes the structure of the state"),
        (Hollow(), r"state\['empty'\] is an array of size 0; leave it out"),
        (Empty(), "Empty has an empty state: there is nothing to run"),
        (Mute(), "must emit a flat dict of arrays, its record; Mute emits"),
    ],
)
def test_a_system_that_cannot_be_run_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        simulate(bad, 3, key=KEY, seeds=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"seeds": []}, "seeds must be at least 1"),
        ({"seeds": [1, 1]}, "must be distinct"),
        ({"seeds": [-1]}, "must be distinct and in 0"),
        ({"ticks": 0}, "ticks must be at least 1, got 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(system(), **{"ticks": 3, "key": KEY, **arguments})


@given(st.integers(1, 5000))
def test_chunks_are_at_least_one_tick_and_few(ticks):
    length = chunk_length(ticks)
    assert 1 <= length <= ticks
    assert -(-ticks // length) <= max(20 + 20, 1)


def test_a_step_is_traced_once():
    traces = []

    class Counted(System):
        rate: Array

        def init(self, *, key):
            return {"w": jnp.zeros(2)}

        def step(self, state, input):
            traces.append(1)
            return {"w": state["w"] + self.rate}, {"w": state["w"]}

    # Its shapes, a chunk, a last one of another length, and an equal system with other numbers.
    footprint(repeat(Counted(jnp.float32(1)), 2), 8)
    simulate(repeat(Counted(jnp.float32(1)), 2), 8, key=KEY, seeds=2, chunk=5)
    simulate(repeat(Counted(jnp.float32(2)), 2), 8, key=KEY, seeds=2, chunk=4)
    assert len(traces) == 1
