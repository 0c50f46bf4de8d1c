"""The estimate of memory: its numbers, what it refuses, and how a machine's limits are read."""

from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.core import System, footprint, nbytes
from engrax.lab import Arm, RunError, _memory, run_study
from engrax.lab._memory import Need, check_memory, host_needs, in_words, refuse
from tests.tiny_study import STUDY, Config


class Big(System):
    """A state of 4 kB and a key, and a record of 40 bytes a tick."""

    table: jax.Array

    def init(self, *, key):
        return {"w": jnp.zeros(1000), "key": key}

    def step(self, state, input):
        return state, {"r": state["w"][:10], "n": jnp.int32(0)}


BIG = Big(jnp.zeros((50, 2)))


def test_a_footprint_counts_the_bytes_of_arrays_and_keys():
    assert footprint(BIG, 7) == (4008, 44, 308, 400)
    tree = {"a": np.zeros((2, 3), np.int8), "key": jr.split(jr.key(0), 5), "word": "x", "n": 1.0}
    assert nbytes(tree) == 6 + 5 * 8


@pytest.mark.parametrize("placement", ["map", "vmap"])
def test_what_a_run_really_holds_is_within_the_estimate(placement):
    from engrax.core import simulate

    arm = Arm(BIG, 40, placement=placement)
    few, many = (sum(need.total(n) for need in host_needs({"a": arm})) for n in (10, 30))
    held = []
    for seeds in (10, 30):
        done = simulate(BIG, 40, key=jr.key(0), seeds=seeds, placement=placement)
        held.append(nbytes(done.state) + nbytes(done.records))
    assert many - few > 2 * (held[1] - held[0])


def test_seeds_that_fit_run_and_one_more_is_refused(monkeypatch):
    arms = {"a": Arm(BIG, 5), "own": Arm(BIG, 5, seeds=3)}
    (need,) = host_needs(arms)
    monkeypatch.setattr(_memory, "free_memory", lambda: int(need.total(11) / 0.9) + 1)
    check_memory(arms, 11)
    with pytest.raises(RunError, match=r"^12 seeds would need .* 11 fit; give --seeds 11 or fewer"):
        check_memory(arms, 12)


def test_a_grid_multiplies_the_seeds():
    (one,) = host_needs({"a": Arm(BIG, 5)})
    (six,) = host_needs({"a": Arm(BIG, 5, grid={"t": (lambda s: s.table, np.zeros((6, 50, 2)))})})
    assert six.per_seed == 6 * one.per_seed


def test_not_even_one():
    with pytest.raises(RunError, match=r"^4 seeds would need about 40.0 GB of memory, and 100 MB"):
        refuse([Need("memory", 0, 10**10, 10**8)], 4)
    with pytest.raises(RunError, match=r"1 seed would .* not even one seed fits"):
        refuse([Need("memory", 0, 10**10, 10**8), Need("else", 0, 1, 10**8)], 1)


def test_a_study_is_refused_before_it_leaves_anything(tmp_path: Path):
    with pytest.raises(RunError, match=r"^2000000000 seeds .* fit; give --seeds \d+ or fewer"):
        run_study(STUDY, config=Config(seeds=2_000_000_000), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_control_groups_limit_what_is_free(tmp_path: Path):
    inner = tmp_path / "job" / "step"
    inner.mkdir(parents=True)
    for group, limit in ((inner, "max"), (inner.parent, "1000")):
        (group / "memory.max").write_text(limit)
        (group / "memory.current").write_text("700\n")
        (group / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    free = list(_memory._free_by_groups(tmp_path, "3:cpu:/x\n0::/job/step\n"))
    assert free == [450], "pages of files that can go do not count as used"
    old = tmp_path / "memory" / "a"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("50")
    (old / "memory.usage_in_bytes").write_text("20")
    (old / "memory.stat").write_text("total_inactive_file 0\n")
    assert list(_memory._free_by_groups(tmp_path, "4:memory:/a\n")) == [30]
    assert _memory.free_memory() > 0


def test_bytes_in_words():
    assert [in_words(n) for n in (5, 1500, 250 * 10**6, 3_500_000_000, 8 * 10**15)] == [
        "5 bytes", "1.5 kB", "250 MB", "3.5 GB", "8000 TB",
    ]  # fmt: skip
