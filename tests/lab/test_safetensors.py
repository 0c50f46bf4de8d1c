"""A tree of arrays as a file, and back to the bit."""

import json
import re

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from engrax.lab import ArmCheckpoints
from engrax.lab._processes import SharedCheckpoints
from engrax.lab._safetensors import from_safetensors, to_safetensors

DTYPES = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint64",
    "uint32", "uint16", "uint8", "bool", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2",
    "float8_e8m0fnu", "float8_e4m3b11fnuz", "int4", "uint4", "float4_e2m1fn", ">f4",
]  # fmt: skip


def dtype(name: str) -> np.dtype:
    return np.dtype(name if name == ">f4" else getattr(jnp, name, name))


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Arrays of any dtype and bits (NaNs among them), of 0 to 3 axes, in any order in memory."""
    kind, shape = (
        dtype(draw(st.sampled_from(DTYPES))),
        draw(st.lists(st.integers(0, 3), max_size=3)),
    )
    seed = draw(st.integers(0, 2**32 - 1))
    data = np.random.default_rng(seed).integers(0, 256, (*shape, kind.itemsize), np.uint8)
    if kind in (dtype("bool"), dtype("int4"), dtype("uint4"), dtype("float4_e2m1fn")):
        data &= 1  # whose other bits mean nothing
    made = np.ndarray(shape, kind, data.tobytes() or b"0")
    return made.T if draw(st.booleans()) else made[..., ::-1] if shape else made


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


@given(st.lists(arrays(), max_size=6), st.integers(0, 10**12))
def test_any_array_comes_back_to_the_bit(leaves, tick):
    content = b"".join(to_safetensors(tick, leaves))
    found_tick, found = from_safetensors(content, leaves)
    assert found_tick == tick
    for a, b in zip(leaves, found, strict=True):
        assert same(a, b)
        assert b.flags.writeable


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_comes_back_from_a_number_and_from_nothing(name):
    kept = [np.ones((), dtype(name)), np.ones((0, 3), dtype(name)), np.ones((2, 3), dtype(name)).T]
    _, found = from_safetensors(b"".join(to_safetensors(1, kept)), kept)
    assert all(map(same, kept, found))


def test_anybody_can_read_a_checkpoint(tmp_path):
    kept = {"w": jnp.arange(6.0).reshape(2, 3), "keys": jr.split(jr.key(0)), "n": [np.int8(3)]}
    ArmCheckpoints(tmp_path, warn=print).save(7, kept, last=True)
    content = (tmp_path / "7.safetensors").read_bytes()
    found = load(content)
    assert set(found) == {"['keys']", "['n'][0]", "['w']"}
    np.testing.assert_array_equal(found["['w']"], kept["w"])
    np.testing.assert_array_equal(found["['keys']"], jr.key_data(kept["keys"]))
    assert found["['n'][0]"].shape == ()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert json.loads(content[8 : 8 + length])["__metadata__"]["tick"] == "7"


@pytest.mark.parametrize("kept", [jnp.arange(3.0), {}, {"a.b": np.ones(2), "a": {"b": np.ones(3)}}])
def test_every_tree_has_names_of_its_own(kept):
    content = b"".join(to_safetensors(1, kept))
    assert len(load(content)) == len(jax.tree.leaves(kept))
    _, found = from_safetensors(content, kept)
    assert jax.tree.structure(found) == jax.tree.structure(kept)
    assert all(map(same, map(np.asarray, jax.tree.leaves(kept)), jax.tree.leaves(found)))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_typed_keys_come_back_as_the_kind_they_were(impl):
    keys = jr.split(jr.key(3, impl=impl), 2)
    like = jax.eval_shape(lambda: keys)
    _, found = from_safetensors(b"".join(to_safetensors(1, keys)), like)
    assert found.dtype == keys.dtype
    np.testing.assert_array_equal(jr.key_data(found), jr.key_data(keys))


def test_python_objects_are_refused(tmp_path):
    arm = ArmCheckpoints(tmp_path, warn=print)
    with pytest.raises(TypeError, match=r"a checkpoint cannot keep \['w'\]: it holds Python obj"):
        arm.save(1, {"w": np.array([{}])}, last=True)
    assert not list(tmp_path.iterdir())


W = {"w": jnp.arange(6.0)}


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({"w": jnp.arange(7.0)}, r"\['w'\] is .*\[7\].* and should be .*\[6\]"),
        ({"w": jnp.arange(6)}, r"\['w'\] is .*'I32'.* and should be .*'F32'"),
        ({"w": jnp.arange(6.0).astype(jnp.float16)}, r"\['w'\] is .*'F16'.* and should be .*'F32'"),
        ({"w": np.ones(6, ">f4")}, r"__metadata__ is .*>f4.* and should be"),
        ({"v": jnp.arange(6.0)}, r"\['w'\] is missing and should be"),
        (W | {"v": jnp.arange(6.0)}, r"\['w'\] is .* and should be"),
        (W | {"x": jnp.arange(6.0)}, r"\['x'\] is .* and should be missing"),
        ({"w": jnp.arange(1e6)}, "it has 4000184 bytes, and no more than 1048776 are wanted"),
    ],
)
def test_a_checkpoint_of_another_state_is_passed_over_and_says_how_it_differs(tmp_path, kept, said):
    heard: list[str] = []
    arm = ArmCheckpoints(tmp_path / "arm", every=0.0, warn=heard.append)
    arm.save(1, W, last=False)
    arm.save(2, kept, last=False)
    tick, found = arm.restore(lambda: W)
    assert tick == 1
    np.testing.assert_array_equal(found["w"], W["w"])
    (sentence,) = heard
    assert sentence.startswith("checkpoint 2 of arm is damaged (")
    assert re.search(said, sentence), sentence


def test_a_file_under_another_name_is_not_that_checkpoint(tmp_path):
    heard: list[str] = []
    arm = ArmCheckpoints(tmp_path / "arm", every=0.0, warn=heard.append)
    arm.save(1, W, last=False)
    (arm.folder / "1.safetensors").rename(arm.folder / "2.safetensors")
    assert arm.restore(lambda: W) is None
    assert heard == ["checkpoint 2 of arm is damaged (it was written as checkpoint 1)"]


def test_what_is_left_of_a_killed_save_goes_with_the_next(tmp_path):
    arm = ArmCheckpoints(tmp_path / "arm", every=0.0, warn=print)
    arm.save(1, W, last=False)
    (arm.folder / ".2.safetensors.part").write_bytes(b"half")
    (arm.folder / "final.sha256.json").write_text("what the host computed has its seal here")
    assert list(arm.good()) == [1]
    arm.save(3, W, last=False)
    names = {path.name for path in arm.folder.iterdir()}
    assert names == {"1.safetensors", "3.safetensors", "final.sha256.json"}


def test_damaged_checkpoints_do_not_crowd_out_the_one_that_is_written(tmp_path):
    arm = ArmCheckpoints(tmp_path / "arm", every=0.0, warn=lambda sentence: None)
    arm.save(5, W, last=False)
    for tick in (8, 9):
        (arm.folder / f"{tick}.safetensors").write_bytes(b"damaged")
    assert list(arm.good()) == [5]
    arm.save(6, W, last=False)
    assert list(arm.good()) == [6, 5]


def test_processes_tell_each_other_checkpoints(tmp_path, monkeypatch):
    """Two processes as one sees them: what the first tells is what the second hears."""
    state = {
        "key": jr.split(jr.key(3), 2),
        "weights": jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3) / 7,
        "seen": np.array([True, False]),
    }
    like = jax.eval_shape(lambda: state)
    arm = ArmCheckpoints(tmp_path, warn=print)
    said: list[bytes] = []

    def tell(content: bytes) -> bytes:
        said.append(content)
        return content

    monkeypatch.setattr("engrax.lab._processes.alone", lambda: False)
    for kept in (None, state):
        if kept is not None:
            arm.save(40, kept, last=True)
        with monkeypatch.context() as first:
            first.setattr(
                "engrax.lab._processes.told", lambda content: said.append(content) or content
            )
            SharedCheckpoints(arm).restore(lambda: like)
        with monkeypatch.context() as second:
            second.setattr("engrax.lab._processes.leads", lambda: False)
            second.setattr("engrax.lab._processes.told", lambda content: said[-1])
            found = SharedCheckpoints(arm).restore(lambda: like)
        if kept is None:
            assert found is None
            continue
        tick, found = found
        assert tick == 40
        assert found["key"].dtype == state["key"].dtype
        np.testing.assert_array_equal(jr.key_data(found["key"]), jr.key_data(state["key"]))
        assert same(found["weights"], np.asarray(state["weights"]))
        assert same(found["seen"], state["seen"])
