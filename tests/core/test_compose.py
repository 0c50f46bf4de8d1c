"""The laws of the combinators, over generated systems."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Array

from engrax.core import System, named, observe, repeat, serial, then


class Filter(System):
    """A leaky integrator with noise: smooth, with a state, a key and a field."""

    leak: Array
    gain: Array

    def init(self, *, key):
        return {"x": jr.normal(key, (3,)), "key": named(key, "noise")}

    def step(self, state, input):
        key, now = jr.split(state["key"])
        x = self.leak * state["x"] + jnp.tanh(self.gain * input) + 0.01 * jr.normal(now, (3,))
        return {"x": x, "key": key}, x


class Clock(System):
    """Emits the tick, so that what follows shows which ticks it was given."""

    def init(self, *, key):
        return {}

    def step(self, state, input):
        return state, input.astype(jnp.float32) * jnp.ones(3)


class Recorded(System):
    """Names the output, as the outermost system has to."""

    inner: System

    def init(self, *, key):
        return self.inner.init(key=key)

    def step(self, state, input):
        state, out = self.inner.step(state, input)
        return state, {"out": out}


numbers = st.floats(-1, 1, width=32)
filters = st.builds(lambda a, b: Filter(jnp.float32(a), jnp.float32(b)), numbers, numbers)
KEY = jr.key(0)


def run(system, state, inputs):
    outputs = []
    for value in inputs:
        state, out = system.step(state, value)
        outputs.append(out)
    return state, outputs


def same(a, b):
    """Equal to the bit, keys included."""
    plain = lambda x: jr.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    left, right = (jax.tree.map(plain, jax.tree.leaves(t)) for t in (a, b))
    assert len(left) == len(right)
    for x, y in zip(left, right, strict=True):
        np.testing.assert_array_equal(x, y)


INPUTS = [jnp.full(3, 0.5), jnp.arange(3.0), -jnp.ones(3)]


@given(filters, filters, filters)
def test_serial_is_associative(a, b, c):
    left = serial(ab=serial(a=a, b=b), c=c)
    right = serial(a=a, bc=serial(b=b, c=c))
    # The law is about steps from given states: another bracketing nests the state otherwise.
    sa, sb, sc = (s.init(key=named(KEY, n)) for s, n in zip((a, b, c), "abc", strict=True))
    end_left, out_left = run(left, {"ab": {"a": sa, "b": sb}, "c": sc}, INPUTS)
    end_right, out_right = run(right, {"a": sa, "bc": {"b": sb, "c": sc}}, INPUTS)
    same(out_left, out_right)
    same(
        [end_left["ab"]["a"], end_left["ab"]["b"], end_left["c"]],
        [end_right["a"], end_right["bc"]["b"], end_right["bc"]["c"]],
    )


@given(filters)
def test_the_empty_serial_is_a_unit(a):
    s = a.init(key=KEY)
    _, alone = run(a, s, INPUTS)
    _, before = run(serial(unit=serial(), a=a), {"unit": {}, "a": s}, INPUTS)
    _, after = run(serial(a=a, unit=serial()), {"a": s, "unit": {}}, INPUTS)
    same(alone, before)
    same(alone, after)


@given(filters, filters)
def test_a_part_reads_only_its_own_old_state(a, b):
    both = serial(a=a, b=b)
    state = both.init(key=KEY)
    other = {**state, "b": b.init(key=jr.key(9))}
    same(both.step(state, INPUTS[0])[0]["a"], both.step(other, INPUTS[0])[0]["a"])


def test_a_part_added_takes_no_randomness_from_the_others():
    a = Filter(jnp.float32(0.5), jnp.float32(1))
    few = serial(a=a).init(key=KEY)
    many = serial(first=a, a=a, last=a).init(key=KEY)
    same(few["a"], many["a"])
    assert not np.array_equal(many["first"]["x"], many["last"]["x"])


@given(st.integers(1, 4), st.integers(1, 4), filters)
def test_repeat_m_plus_n_is_repeat_m_then_repeat_n(m, n, a):
    body = Recorded(serial(clock=Clock(), a=a))
    state = body.init(key=KEY)
    stacked = lambda out: out
    whole, out = repeat(body, m + n, reduce=stacked).step(state, jnp.int32(0))
    middle, first = repeat(body, m, reduce=stacked).step(state, jnp.int32(0))
    # The clock of the second stretch starts where the first one ended.
    later = eqx.tree_at(lambda s: s.inner.parts[0], body, Shifted(m))
    end, second = repeat(later, n, reduce=stacked).step(middle, jnp.int32(0))
    same(whole, end)
    same(out["out"], jnp.concatenate([first["out"], second["out"]]))


class Shifted(System):
    """A clock that is ahead by a fixed number of ticks."""

    ahead: int = eqx.field(static=True)

    def init(self, *, key):
        return {}

    def step(self, state, input):
        return state, (input + self.ahead).astype(jnp.float32) * jnp.ones(3)


@given(st.integers(1, 4), st.integers(1, 4))
def test_repeat_of_repeat_is_repeat_of_the_product(m, n):
    body = Recorded(serial(clock=Clock(), a=Filter(jnp.float32(0.5), jnp.float32(0.1))))
    stacked = lambda out: out
    state = body.init(key=KEY)
    nested, out = repeat(repeat(body, m, reduce=stacked), n, reduce=stacked).step(
        state, jnp.int32(3)
    )
    flat, expected = repeat(body, m * n, reduce=stacked).step(state, jnp.int32(3))
    same(nested, flat)
    same(out["out"].reshape(m * n, 3), expected["out"])


def test_repeat_averages_what_its_steps_emit():
    clock = Recorded(Clock())
    _, out = repeat(clock, 4).step({}, jnp.int32(2))
    np.testing.assert_array_equal(out["out"], np.full(3, (8 + 9 + 10 + 11) / 4))


class Doubling(eqx.Module):
    """A hook that changes the state of a named part."""

    def __call__(self, system, state, t):
        a = {**state["a"], "x": system["a"].leak * state["a"]["x"]}
        return {**state, "a": a}, {"hooked": t.astype(jnp.float32)}


class Seen(eqx.Module):
    def __call__(self, system, state, t):
        return {"seen": state["a"]["x"]}


def test_then_lets_the_hook_change_the_state_and_observe_does_not():
    a = Filter(jnp.float32(0.5), jnp.float32(0.1))
    body = Recorded2(serial(clock=Clock(), a=a))
    state = body.init(key=KEY)
    plain, _ = body.step(state, jnp.int32(1))
    hooked, record = then(body, Doubling()).step(state, jnp.int32(1))
    same(hooked["a"]["x"], jnp.float32(0.5) * plain["a"]["x"])
    assert record["hooked"] == 1
    watched, record = observe(body, Seen()).step(state, jnp.int32(1))
    same(watched, plain)
    same(record["seen"], plain["a"]["x"])
    _, record = observe(body, Seen(), before=True).step(state, jnp.int32(1))
    same(record["seen"], state["a"]["x"])


class Recorded2(System):
    """As `Recorded`, and looks through to its parts."""

    inner: System

    def __getitem__(self, name):
        return self.inner[name]

    def init(self, *, key):
        return self.inner.init(key=key)

    def step(self, state, input):
        state, out = self.inner.step(state, input)
        return state, {"out": out}


def test_names_are_looked_up_through_every_wrapper():
    a = Filter(jnp.float32(0.5), jnp.float32(0.1))
    deep = observe(repeat(then(Recorded2(serial(clock=Clock(), a=a)), Doubling()), 2), Seen())
    assert deep["a"] is a
    with pytest.raises(KeyError, match="no part is called 'b'; the parts are clock, a"):
        deep["b"]
    with pytest.raises(KeyError, match="Filter has no part 'b'"):
        a["b"]


def test_two_records_of_one_name_are_refused():
    body = observe(
        observe(Recorded2(serial(a=Filter(jnp.float32(1), jnp.float32(1)))), Seen()), Seen()
    )
    state = body.init(key=KEY)
    with pytest.raises(ValueError, match="same name: seen; rename one"):
        body.step(state, jnp.zeros(3))


def test_repeat_needs_a_positive_number():
    with pytest.raises(ValueError, match="times >= 1, got 0"):
        repeat(Clock(), 0)
