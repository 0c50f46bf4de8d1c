"""One model over a mesh: the numbers of one device, from devices of one process and of two."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

import engrax as package
from engrax.core import data_mesh
from engrax.lab import Arm, Run, RunError, run_study
from tests.mesh_study import STUDY, Config

ROOT = Path(__file__).parent.parent.parent


def start(folder: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    """`engrax run` in a process of its own, in which a study is installed."""
    plain = {k: v for k, v in os.environ.items() if k != "JAX_NUM_CPU_DEVICES"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "mesh_study.py"), "run", "mesh", *options],
        env={**plain, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "COLUMNS": "150",
             "JAX_COMPILATION_CACHE_DIR": jax.config.values["jax_compilation_cache_dir"],
             "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", **environment},
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return out, err


def same(folder: Path, alone: Run) -> None:
    run = package.load_run(folder, study=STUDY)
    for name, arm in alone.records.children.items():
        xr.testing.assert_allclose(
            run[name].to_dataset().drop_attrs(), arm.to_dataset().drop_attrs(), rtol=1e-5, atol=1e-6
        )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_study(STUDY, out=tmp_path_factory.mktemp("mesh") / "alone")


def test_eight_devices_give_the_numbers_of_one(tmp_path, alone) -> None:
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=8"
    options = ("--out", "over", "--mesh", "data=8")
    end(start(tmp_path, *options, XLA_FLAGS=flags, JAX_NUM_CPU_DEVICES="8"))
    same(tmp_path / "over", alone)


def start_two(folder: Path, *options: str) -> list[subprocess.Popen[str]]:
    """A run over two processes, each with two devices."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [
        start(
            folder, "--out", "over", "--mesh", "data=4", *options, ENGRAX_COORDINATOR=address,
            ENGRAX_PROCESSES="2", ENGRAX_PROCESS=str(i), JAX_NUM_CPU_DEVICES="2",
        )
        for i in range(2)
    ]  # fmt: skip


def test_two_processes_give_them_too_and_the_first_one_writes(tmp_path, alone) -> None:
    (first, _), (second, _) = map(end, start_two(tmp_path))
    said = ("Training in two places gives a smaller loss", "page: ", "records: ")
    assert all(words in first for words in said)
    assert not any(words in second for words in said), "though Gloo speaks in both"
    assert [path.name for path in tmp_path.iterdir()] == ["over"]
    same(tmp_path / "over", alone)


def test_two_processes_that_are_killed_go_on_together(tmp_path) -> None:
    kept, table = (tmp_path / "over" / name for name in ("checkpoints/net", "tuning/net.json"))
    longer = ("--ticks", "240", "--checkpoint-every", "0")
    both = start_two(tmp_path, *longer)
    while not list(kept.glob("*.safetensors")):
        assert all(process.poll() is None for process in both)
        time.sleep(0.01)
    for process in both:
        process.kill()
        process.communicate()
    assert not (tmp_path / "over" / "records.nc").exists(), "they were not yet done"
    before = table.stat().st_mtime_ns
    for process in start_two(tmp_path, *longer, "--resume"):
        end(process)
    assert table.stat().st_mtime_ns == before, "what was done is not done again"
    same(tmp_path / "over", run_study(STUDY, config=Config(ticks=240), out=tmp_path / "alone"))


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        ("data=99", r"a mesh of 99 devices is wanted and JAX has 2; on a CPU JAX_NUM_CPU_DEVICES"),
        ("data=0", r"a mesh of 0 devices is wanted"),
        ("model=2", r"a mesh is data=DEVICES, such as data=8, not 'model=2'"),
    ],
)
def test_a_mesh_that_cannot_be_is_refused(tmp_path, mesh, message) -> None:
    with pytest.raises(RunError, match=message):
        run_study(STUDY, out=tmp_path / "run", mesh=mesh)
    assert not (tmp_path / "run").exists()


def test_a_mesh_and_a_cluster_exclude_each_other(tmp_path) -> None:
    with pytest.raises(RunError, match="choose one"):
        run_study(STUDY, out=tmp_path / "run", mesh="data=2", cluster="127.0.0.1:1")


def test_each_device_has_its_share_of_the_examples() -> None:
    """In the compiled program: the layer of 32 examples is one of 16, and sums meet."""
    arm = STUDY.arms(STUDY.scale("cpu"))["net"]
    assert isinstance(arm, Arm)
    state = arm.system.init(key=jr.key(0))

    def compiled() -> str:
        step = jax.jit(lambda state, tick: arm.system.step(state, tick))
        return step.lower(state, jnp.int32(0)).compile().as_text()

    with jax.set_mesh(data_mesh(2)):
        text = compiled()
    assert "f32[16,8]" in text
    assert "all-reduce" in text
    text = compiled()
    assert "f32[16,8]" not in text


def test_a_mesh_has_the_devices_asked_for() -> None:
    assert dict(data_mesh(2).shape) == {"data": 2}
    assert np.prod(data_mesh(1).devices.shape) == 1
