"""What a run folder survives: kills, faults, a second process, and an older version of itself."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from engrax.lab import (
    ArmCheckpoints,
    FolderError,
    Interrupted,
    Reference,
    check_folder,
    load_run,
    redraw,
    run_study,
)
from engrax.lab import _checkpoints as checkpoints_module
from engrax.lab._host import computed_once
from engrax.lab._lock import held
from tests.lab.test_run import STAGED, stop_after
from tests.tiny_study import STUDY, Config

ROOT = Path(__file__).parent.parent.parent
FIXTURES = Path(__file__).parent / "fixtures"
SMOKE = {"scale": "smoke", "claims": ("C2",)}


def same(a, b):
    for group in a.records.groups:
        left, right = (run.records[group].to_dataset().drop_attrs() for run in (a, b))
        xr.testing.assert_identical(left, right)


def test_a_tiny_study_survives_kills_in_every_phase():
    # The same harness kills real studies 300 times: python -m tests.survival --kills 300
    done = subprocess.run(
        [sys.executable, "-m", "tests.survival", *["--kills", "6", "--studies", "tiny", "--dry"]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "6 of 6 kills, 6 survived" in done.stdout


class Clock:
    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(checkpoints_module.time, "monotonic", lambda: self.now)


@pytest.mark.parametrize("cost", [0.01, 0.5, 4.0])
def test_saving_takes_a_twentieth_of_the_time_and_long_chunks_are_all_saved(
    tmp_path, monkeypatch, cost
):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(
        checkpoints_module, "write", lambda *given: setattr(clock, "now", clock.now + cost)
    )
    arm = ArmCheckpoints(tmp_path, warn=print)
    saved, worked, lost, longest = 0, 0.0, 0.0, 0.0
    for tick in range(1, 400):
        clock.now += 1.0
        worked, lost, before = worked + 1.0, lost + 1.0, arm.saved_at
        arm.save(tick, {}, last=False)
        longest = max(longest, lost)
        if arm.saved_at != before:
            saved, lost = saved + 1, 0.0
    assert saved * cost <= 0.05 * worked + cost
    # Work at risk: one chunk of a second, or 20 times the cost, to the next end of a chunk.
    assert longest <= max(1.0, 20 * cost) + 1.0
    if 20 * cost <= 1.0:
        assert saved >= 398, "a chunk that takes longer is kept at once (the first cost is a guess)"


def test_told_to_it_saves_after_every_chunk(tmp_path):
    seen = []
    with pytest.raises(Interrupted):
        run_study(STUDY, out=tmp_path, every=0.0, claims=("C2",), progress=stop_after(8))
    kept = (tmp_path / "checkpoints" / "slow").iterdir()
    assert sorted(path.name for path in kept) == ["7.safetensors", "8.safetensors"]
    run_study(STUDY, out=tmp_path, every=0.0, claims=("C2",), resume=True, progress=seen.append)
    assert [where.tick for where in seen if where.phase == "running"] == [0, *range(9, 21)]


def test_tuning_is_gone_on_with_in_the_middle(tmp_path, monkeypatch):
    calls = []

    def dies_late(records):
        calls.append(records["validation"].shape)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return records["validation"][..., -1]

    def arms(config):
        arm = STAGED.arms(config)["hill"]
        return {
            "hill": dataclasses.replace(
                arm, tuning=dataclasses.replace(arm.tuning, score=dies_late)
            )
        }

    study = dataclasses.replace(
        STAGED, arms=arms, claims=(dataclasses.replace(STAGED.claims[0], arms=("hill",)),)
    )
    with pytest.raises(KeyboardInterrupt):
        run_study(study, out=tmp_path, every=0.0, scale="smoke")
    kept = tmp_path / "checkpoints" / "hill"
    assert {p.name for p in kept.iterdir()} == {"tuning-0", "tuning-1"}
    ran = []
    plain = checkpoints_module.ArmCheckpoints.save

    def save(self, tick, kept, *, last):
        ran.append((self.folder.name, tick))
        plain(self, tick, kept, last=last)

    monkeypatch.setattr(checkpoints_module.ArmCheckpoints, "save", save)
    run_study(study, out=tmp_path, every=0.0, scale="smoke", resume=True)
    assert not [stage for stage, _ in ran if stage.startswith("tuning-") and stage != "tuning-2"]
    assert not list(kept.glob("tuning-*")), "dropped once the table is stored"


def test_a_damaged_tuning_table_is_made_again(tmp_path):
    whole = run_study(STAGED, out=tmp_path, scale="smoke")
    table = tmp_path / "tuning" / "hill.json"
    before = table.read_bytes()
    table.write_bytes(before.replace(b"0.1", b"0.3", 1))
    heard = []
    again = run_study(STAGED, out=tmp_path, scale="smoke", resume=True, warn=heard.append)
    assert heard == [
        "the tuning of hill is damaged (it has changed since it was written), and made again"
    ]
    assert table.read_bytes() == before
    same(whole, again)


def test_what_the_host_computed_is_kept_and_survives_damage(tmp_path):
    count, heard = [], []

    def compute():
        count.append(1)
        return xr.Dataset({"y": ("x", [0.0, np.nan])}, {"x": ["a", "b"]}, {"n": 3})

    def once(every=0.0):
        return computed_once(
            tmp_path / "line" / "reference", compute, every=every, warn=heard.append
        )

    first = once()
    xr.testing.assert_identical(once(), first)
    assert (len(count), heard) == (1, [])
    path = tmp_path / "line" / "reference" / "data.nc"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    xr.testing.assert_identical(once(), first)
    assert len(count) == 2
    assert heard == ["reference of line is damaged (data.nc has changed), and computed again"]
    computed_once(tmp_path / "quick", compute, warn=heard.append)
    assert not (tmp_path / "quick").exists(), "what takes no time is not worth a file"


def test_references_and_measures_are_not_computed_twice(tmp_path):
    count = []

    def slow():
        count.append(1)
        return xr.Dataset({"y": ("x", [float(len(count))])})

    arms = lambda config: {**STAGED.arms(config), "line": Reference(slow)}
    study = dataclasses.replace(STAGED, arms=arms)
    first = run_study(study, out=tmp_path, scale="smoke", every=0.0)
    again = run_study(study, out=tmp_path, scale="smoke", every=0.0, resume=True)
    assert len(count) == 1
    same(first, again)


def test_two_processes_with_one_folder_the_second_is_refused_in_one_line(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from engrax.lab._lock import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        before = sorted(tmp_path.iterdir())
        with pytest.raises(FolderError) as caught:
            run_study(STUDY, out=tmp_path, **SMOKE)
        assert str(caught.value) == (
            f"{tmp_path} is in use by another process ({other.pid}); wait for it, or choose "
            "another --out"
        )
        assert sorted(tmp_path.iterdir()) == before
        other.send_signal(signal.SIGKILL)
        other.wait()
    run_study(STUDY, out=tmp_path, **SMOKE)  # the kernel has let go of the lock


def test_a_folder_is_held_within_one_process_too_and_let_go(tmp_path):
    with held(tmp_path), pytest.raises(FolderError, match="is in use by another process"):
        run_study(STUDY, out=tmp_path, **SMOKE)
    run_study(STUDY, out=tmp_path, **SMOKE)
    with pytest.raises(FolderError, match="already holds a run"):
        run_study(STUDY, out=tmp_path, **SMOKE)
    with held(tmp_path):
        load_run(tmp_path, study=STUDY)  # reading asks for no lock


def test_a_process_killed_at_its_very_start_leaves_a_folder_that_can_be_used(tmp_path):
    (tmp_path / ".lock").write_text("4000000\n")
    (tmp_path / ".run.json.part").write_text('{"form')
    run_study(STUDY, out=tmp_path, **SMOKE)
    assert check_folder(tmp_path) == []


def test_a_run_killed_while_its_page_was_drawn_is_not_finished(tmp_path):
    first = run_study(STUDY, out=tmp_path, **SMOKE)
    (tmp_path / "manifest.json").unlink()  # the last file that is written
    with pytest.raises(FolderError, match="not finished; resume it first"):
        load_run(tmp_path, study=STUDY)
    same(first, run_study(STUDY, out=tmp_path, resume=True, **SMOKE))
    same(first, load_run(tmp_path, study=STUDY))


def test_a_folder_of_format_1_opens_and_is_drawn_again(tmp_path):
    folder = tmp_path / "finished"
    shutil.copytree(FIXTURES / "format_1" / "finished", folder)
    assert json.loads((folder / "run.json").read_text())["format"] == 1
    run = load_run(folder, study=STUDY)
    assert (run.scale, run.config) == ("cpu", Config())
    assert [(j.name, j.verdict) for j in run.judgements] == [("C2", "fails")]
    last = run["slow"]["total"].isel(tick=-1)
    np.testing.assert_array_equal(last, run.judgements[0].parts[0].values)
    assert check_folder(folder) == []
    redraw(run)
    same(run, load_run(folder, study=STUDY))
    records = bytearray((folder / "records.nc").read_bytes())
    records[-1] ^= 1
    (folder / "records.nc").write_bytes(records)
    with pytest.raises(FolderError, match="has changed"):
        load_run(folder, study=STUDY)


@pytest.mark.parametrize("version", [1, 2])
def test_an_unfinished_folder_of_an_old_format_says_why_it_is_not_gone_on_with(tmp_path, version):
    folder = tmp_path / "stopped"
    shutil.copytree(FIXTURES / f"format_{version}" / "stopped", folder)
    with pytest.raises(FolderError, match="not finished; resume it first"):
        load_run(folder, study=STUDY)
    before = (folder / "run.json").read_bytes()
    with pytest.raises(
        FolderError, match=f"it was written in format {version}, which this version reads"
    ):
        run_study(STUDY, out=folder, claims=("C2",), resume=True)
    assert (folder / "run.json").read_bytes() == before


@pytest.mark.parametrize("version", [2, 3])
def test_a_sealed_folder_opens_in_every_version_from_now_on(tmp_path, version):
    folder = tmp_path / "finished"
    shutil.copytree(FIXTURES / f"format_{version}" / "finished", folder)
    run = load_run(folder, study=STUDY)
    assert json.loads((folder / "run.json").read_text())["format"] == version
    assert [(j.name, j.verdict) for j in run.judgements] == [("C2", "fails")]
    assert check_folder(folder) == []


def test_a_checkpoint_missing_from_a_finished_run_is_found_and_all_may_be_left_out(tmp_path):
    folder = tmp_path / "finished"
    shutil.copytree(FIXTURES / "format_3" / "finished", folder)
    (folder / "checkpoints" / "slow" / "20.safetensors").unlink()
    assert check_folder(folder) == [
        f"{folder} is damaged: checkpoints/slow/20.safetensors is missing"
    ]
    shutil.rmtree(folder / "checkpoints")
    assert check_folder(folder) == []
    load_run(folder, study=STUDY)


@pytest.mark.parametrize("version", [0, 4, 99, "2", None, [2]])
def test_a_folder_of_an_unknown_format_says_so(tmp_path, version):
    (tmp_path / "run.json").write_text(json.dumps({"format": version}))
    with pytest.raises(FolderError, match=r"written in format .*; this version reads 1, 2 and 3"):
        load_run(tmp_path, study=STUDY)


class Faulty:
    """Lets one call of Python's own fail: the n-th of a kind, below a folder."""

    def __init__(self, monkeypatch, folder, kind, call, error):
        self.left, self.hit = call, False
        mine = str(folder)

        def fails(path) -> None:
            if mine in str(path) and not str(path).endswith(".lock"):  # whose name may be missing
                self.left -= 1
                if self.left == 0:
                    self.hit = True
                    raise error

        opened, synced, replaced = Path.open, os.fsync, os.replace

        def open_(path, mode="r", *args, **more):
            if "w" in mode and kind == "open":
                fails(path)
            file = opened(path, mode, *args, **more)
            return Written(file, lambda: fails(path)) if kind == "write" and "w" in mode else file

        def fsync(number):
            if kind == "fsync":
                fails(os.readlink(f"/proc/self/fd/{number}"))
            synced(number)

        def replace(a, b):
            if kind == "rename":
                fails(b)
            replaced(a, b)

        monkeypatch.setattr(Path, "open", open_)
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)


class Written:
    """A file that counts its writes."""

    def __init__(self, file, write):
        self.file, self.before = file, write

    def __enter__(self):
        self.file.__enter__()
        return self

    def __exit__(self, *args):
        return self.file.__exit__(*args)

    def write(self, content):
        self.before()
        return self.file.write(content)

    def __getattr__(self, name):
        return getattr(self.file, name)


ERRORS = {
    "no space": OSError(errno.ENOSPC, "No space left on device"),
    "I/O error": OSError(errno.EIO, "Input/output error"),
    "interrupt": KeyboardInterrupt(),
}


@pytest.mark.parametrize("kind", ["open", "write", "fsync", "rename"])
def test_every_call_fails_once_and_nothing_that_was_kept_is_lost(tmp_path, kind):
    # All system calls of a run, those of libraries too: python -m tests.survival --faults.
    # Here: the calls of our own.
    def arms(config):
        return {"slow": dataclasses.replace(STUDY.arms(config)["slow"], ticks=2, chunk=1)}

    study = dataclasses.replace(STUDY, arms=arms, plots=lambda run: {})
    how = {"scale": "smoke", "claims": ("C2",), "every": 0.0}
    whole = run_study(study, out=tmp_path / "whole", **how)
    for call, name in enumerate([*ERRORS] * 99, start=1):
        folder = tmp_path / f"{call}"
        with pytest.MonkeyPatch.context() as patch:
            faulty = Faulty(patch, folder, kind, call, ERRORS[name])
            caught = None
            try:
                run_study(study, out=folder, **how)
            except (FolderError, KeyboardInterrupt) as error:
                caught = error
        if not faulty.hit:
            break
        assert caught is not None
        if name != "interrupt":
            assert "cannot write" in str(caught)
            assert ERRORS[name].strerror in str(caught)
            assert "\n" not in str(caught)
        assert not list(folder.rglob("*.part")), "nothing half-written"
        good = _newest(folder)
        seen = []
        again = run_study(study, out=folder, resume=True, progress=seen.append, **how)
        ran = [where.tick for where in seen if where.phase == "running" and where.tick]
        assert ran == list(range(good + 1, 3)), "it goes on from the last good checkpoint"
        same(whole, again)
    assert call > 3


def _newest(folder: Path) -> int:
    found = (folder / "checkpoints" / "slow").glob("*.safetensors")
    return max((int(path.stem) for path in found), default=0)


@pytest.mark.parametrize("name", ["no space", "I/O error"])
@pytest.mark.parametrize("kind", ["open", "write", "fsync", "rename"])
def test_a_save_that_fails_names_the_file_and_what_was_kept_still_is(tmp_path, kind, name):
    arm = ArmCheckpoints(tmp_path / "arm", every=0.0, warn=print)
    arm.save(1, {"x": jnp.ones(3)}, last=False)
    with pytest.MonkeyPatch.context() as patch:
        error = OSError(ERRORS[name].errno, ERRORS[name].strerror)
        Faulty(patch, tmp_path, kind, 1, error)
        with pytest.raises(OSError, match=r"2\.safetensors") as caught:
            arm.save(2, {"x": jnp.zeros(3)}, last=False)
    assert caught.value.strerror == ERRORS[name].strerror
    assert [path.name for path in arm.folder.iterdir()] == ["1.safetensors"]
    found = arm.restore(lambda: {"x": jnp.ones(3)})
    assert found is not None
    assert found[0] == 1
    np.testing.assert_array_equal(found[1]["x"], 1.0)
