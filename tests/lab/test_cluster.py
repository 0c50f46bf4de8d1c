"""A study over two real nodes of Ray, one of which is killed while it works."""

import dataclasses
import importlib.metadata
import os
import pickle
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import ray
import xarray as xr
from ray.cluster_utils import Cluster

from engrax._registry import ENTRY_POINTS
from engrax.lab import (
    Arm,
    Claim,
    Interrupted,
    Part,
    RunError,
    Tuning,
    at_least,
    check_folder,
    load_run,
    run_study,
)
from engrax.lab._memory import block_need
from engrax.lab._ray import ClusterError
from engrax.lab._sent import packed, unpacked
from engrax.lab._store import Store, StoredCheckpoints, StoreError
from tests.tiny_study import STUDY, Config, Counter

pytestmark = pytest.mark.filterwarnings(
    "ignore::Warning:ray",
    "ignore::ResourceWarning",
    "ignore:os.fork:RuntimeWarning",  # a node is started by a process in which JAX runs
)

ROOT = Path(__file__).parent.parent.parent


TIMES = 20
"""So many times the usual ticks, so that blocks still run when a node is lost."""


def rate(system):
    return system.rate


def best(records):
    return -np.abs(records["total"][..., -1] - 60.0)


def carry_on(fresh, fast):
    return {**fresh, "total": fast["total"]}


def measured(state):
    return {"end": state["total"]}


def staged_arms(config: Config) -> dict[str, Arm]:
    """A tuned arm, one that starts from it on a grid and is measured at its end, and one that is
    tuned from there."""
    fast = Counter(jnp.float32(0.1), jnp.float32(0.1), jnp.int32(-1))
    ticks = TIMES * config.ticks
    return {
        "fast": Arm(fast, ticks, tuning=Tuning(rate, (0.1, 0.2, 0.4), best), chunk=2),
        "later": Arm(
            fast, ticks, grid={"rate": (rate, (0.0, 1.0))}, needs=("fast",),
            start=carry_on, measure=measured, chunk=2,
        ),
        "other": Arm(
            fast, ticks, tuning=Tuning(rate, (0.1, 0.2, 0.4), best), needs=("fast",),
            start=carry_on, chunk=2,
        ),
    }  # fmt: skip


def end(run):
    return run["later"]["final"]["end"].isel(rate=0)


STAGED = dataclasses.replace(
    STUDY,
    name="staged",
    arms=staged_arms,
    claims=(Claim("C1", "It ends high.", {"end": Part(end, at_least(0.0))}, ("later",)),),
    headline="C1",
    plots=lambda run: {},
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'src'}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        how = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        # A lost node is noticed after 5 seconds; Ray would wait for 15.
        noticed = {"health_check_period_ms": 1000, "health_check_failure_threshold": 5}
        cluster = Cluster(initialize_head=True, head_node_args=how | {"_system_config": noticed})
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def reached(store: Path) -> dict[str, int]:
    """Folder of each block of a store -> its newest checkpoint."""
    found: dict[str, int] = {}
    for path in store.glob("*/*/[0-9]*/*.safetensors"):
        block = f"{path.parent.parent.name}/{path.parent.name}"
        found[block] = max(found.get(block, 0), int(path.stem))
    return found


def test_a_node_lost_in_the_middle_loses_nothing(cluster, tmp_path, monkeypatch):
    entry = importlib.metadata.EntryPoint("staged", f"{__name__}:STAGED", ENTRY_POINTS)
    monkeypatch.setattr("engrax.lab._cluster.studies", lambda: {"staged": entry})
    alone = run_study(STAGED, out=tmp_path / "alone")
    second = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    cluster.wait_for_nodes()
    store, lost = tmp_path / "store", threading.Event()

    def lose_a_node() -> None:
        # Two blocks are begun and not ended, hence each node works on one.
        while sum(tick < 16 * TIMES for tick in reached(store).values()) < 2:
            time.sleep(0.01)
        cluster.remove_node(second, allow_graceful=False)
        lost.set()

    killer = threading.Thread(target=lose_a_node, daemon=True)
    killer.start()
    heard: list[str] = []
    run = run_study(
        STAGED, out=tmp_path / "run", cluster=cluster.address, store=str(store),
        every=0.0, warn=heard.append,
    )  # fmt: skip
    killer.join(60)
    assert lost.is_set()
    assert any("went on from tick" in sentence for sentence in heard), heard
    assert set(reached(store)) == {
        f"{a}/{b}" for a in STAGED.arms(Config()) for b in ("0-3", "3-6")
    }
    for one, other in zip(alone.records.subtree, run.records.subtree, strict=True):
        assert one.path == other.path
        a, b = (node.to_dataset(inherit=False).drop_attrs() for node in (one, other))
        xr.testing.assert_allclose(a, b, rtol=1e-5)
        assert a.sizes == b.sizes
        assert set(a.variables) == set(b.variables)
    assert run.judgements == alone.judgements


def test_a_stopped_run_goes_on_from_its_blocks(cluster, tmp_path):
    """From a folder that the nodes share, of a study that is not installed anywhere."""
    whole = run_study(STUDY, out=tmp_path / "whole")
    sent: list[str] = []

    def stop(where) -> None:
        if where.arm == "fast" and not sent:
            sent.append(where.arm)
            os.kill(os.getpid(), signal.SIGTERM)

    how = {"out": tmp_path / "run", "cluster": cluster.address, "every": 0.0}
    with pytest.raises(Interrupted):
        run_study(STUDY, progress=stop, **how)
    heard: list[str] = []
    run = run_study(STUDY, resume=True, warn=heard.append, **how)
    assert re.match(r"arm fast, seeds \d to \d, went on from tick \d+ on ", heard[0])
    assert run.judgements == whole.judgements
    xr.testing.assert_allclose(run["fast"].to_dataset(), whole["fast"].to_dataset(), rtol=1e-5)
    load_run(tmp_path / "run", study=STUDY)
    assert check_folder(tmp_path / "run") == []


def break_down(config: Config) -> dict[str, Arm]:
    if sys.argv[0].endswith("default_worker.py"):  # a process of Ray's
        raise ValueError("this arm has no data here")
    return STUDY.arms(config)


def test_what_fails_on_a_node_is_one_line(cluster, tmp_path):
    study = dataclasses.replace(STUDY, arms=break_down)
    with pytest.raises(
        RunError, match=r"^arm \w+, seeds 0 to \d, failed on the cluster: this arm has no"
    ):
        run_study(study, out=tmp_path / "run", cluster=cluster.address)


def test_what_listens_but_is_no_cluster_is_refused_in_seconds(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(ClusterError, match=f"no Ray cluster answers at {address}: timed out"):
            run_study(STUDY, out=tmp_path / "run", cluster=address)
        assert time.monotonic() - begun < 20
    with pytest.raises(ClusterError, match=f"no Ray cluster answers at {address}: .* refused"):
        run_study(STUDY, out=tmp_path / "run", cluster=address)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["here", "ray://head:10001", "head:port", "http://a:1"])
def test_what_is_no_address_is_refused(tmp_path, address):
    with pytest.raises(ClusterError, match="no address of a Ray cluster; give HOST:PORT"):
        run_study(STUDY, out=tmp_path / "run", cluster=address)


def test_without_a_cluster_on_this_machine_auto_says_so(tmp_path, monkeypatch):
    def none(address, folder):
        raise ConnectionError

    monkeypatch.setattr("ray._private.services.get_ray_address_from_environment", none)
    with pytest.raises(ClusterError, match="no Ray cluster runs on this machine; start one by"):
        run_study(STUDY, out=tmp_path / "run", cluster="auto")


def test_a_store_that_cannot_be_written_is_refused_first(tmp_path):
    (tmp_path / "file").write_text("")
    for store, why in (
        (tmp_path / "file" / "store", "cannot be written: .*Not a directory"),
        ("nothing://x", "cannot be used: Protocol not known: nothing"),
    ):
        with pytest.raises(StoreError, match=f"^the store {store} {why}"):
            run_study(STUDY, out=tmp_path / "run", cluster="127.0.0.1:1", store=str(store))
    assert not (tmp_path / "run").exists()


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"not installed: pip install 'engrax\[cluster\]'"):
        run_study(STUDY, out=tmp_path / "run", cluster="auto")


@pytest.mark.parametrize("how", ["flip", "half", "gone"])
def test_a_checkpoint_damaged_on_its_way_gives_way_to_the_one_before(tmp_path, how):
    heard: list[str] = []

    def checkpoints() -> StoredCheckpoints:
        store = Store(f"file://{tmp_path}/store")
        return StoredCheckpoints(store, "run/fast/0-3", every=0.0, warn=heard.append)

    kept = {"w": jnp.arange(3.0), "key": jr.key(3)}
    mine = checkpoints()
    for tick in (1, 2, 3):
        mine.save(tick, kept | {"w": kept["w"] + tick}, last=False)
    folder = tmp_path / "store" / "run" / "fast" / "0-3"
    assert {path.name for path in folder.iterdir()} == {"2.safetensors", "3.safetensors"}
    newest = folder / "3.safetensors"
    data = bytearray(newest.read_bytes())
    if how == "gone":
        newest.unlink()
    elif how == "half":
        newest.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        newest.write_bytes(data)
    again = checkpoints()
    tick, found = again.restore(lambda: kept)
    assert (tick, again.began, len(heard)) == (2, 2, how != "gone")
    np.testing.assert_array_equal(found["w"], kept["w"] + 2)


def test_a_state_is_sent_with_its_keys():
    state = {"w": jnp.arange(3.0), "key": jr.split(jr.key(1)), "n": np.int32(4)}
    sent = pickle.loads(pickle.dumps(packed(state)))  # noqa: S301 - our own bytes
    back = unpacked(sent)
    np.testing.assert_array_equal(back["w"], state["w"])
    np.testing.assert_array_equal(jr.key_data(back["key"]), jr.key_data(state["key"]))
    assert back["key"].dtype == state["key"].dtype


def test_blocks_are_cut_by_the_memory_of_a_machine():
    arm = Arm(Counter(jnp.float32(0), jnp.float32(0), jnp.int32(-1)), 1000)
    small = block_need(arm, 120 * 10**6)
    assert 0 < small.fits() < block_need(arm, 200 * 10**6).fits()
    assert block_need(arm, 50 * 10**6).fits() == 0
