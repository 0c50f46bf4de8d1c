"""A thousand damages to run folders and checkpoints: each is found, and none gets into a result."""

import random
import shutil
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.lab import ArmCheckpoints, FolderError, check_folder, load_run, run_study
from tests.lab.test_run import STAGED
from tests.tiny_study import STUDY

HOW = ("flip", "truncate", "delete")


def hurt(path: Path, how: str, chance: random.Random) -> None:
    """One bit flipped, the end cut off, or all of it gone."""
    data = bytearray(path.read_bytes())
    if how == "delete":
        path.unlink()
    elif how == "truncate":
        path.write_bytes(data[: chance.randrange(len(data))])
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A finished run with figures, and one with tuning, measures and references."""
    home = tmp_path_factory.mktemp("runs")
    run_study(STUDY, out=home / "tiny", scale="smoke", every=0.0)
    run_study(STAGED, out=home / "staged", scale="smoke", every=0.0)
    return [(STUDY, home / "tiny"), (STAGED, home / "staged")]


@pytest.mark.parametrize("how", HOW)
def test_damage_to_a_run_folder_is_found(folders, how):
    chance = random.Random(how)
    for i in range(250):
        study, folder = folders[i % 2]
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock"]
        path = chance.choice(files)
        whole = path.read_bytes()
        hurt(path, how, chance)
        assert check_folder(folder), f"{how} {path.relative_to(folder)}"
        if "checkpoints" not in path.parts:  # which a finished run no longer reads
            with pytest.raises(FolderError) as caught:
                load_run(folder, study=study)
            assert "\n" not in str(caught.value)
        path.write_bytes(whole)
    for study, folder in folders:
        assert check_folder(folder) == []
        load_run(folder, study=study)


KEPT = {"w": jnp.arange(96.0).reshape(8, 12), "key": jr.split(jr.key(0)), "n": np.arange(40)}


def test_damage_to_checkpoints_is_found_and_the_one_before_is_used(tmp_path):
    """250 of the thousand; without its seal a file gives back wrong numbers for most."""
    said: list[str] = []
    arm = ArmCheckpoints(tmp_path / "arm", every=0.0, warn=said.append)
    for tick in (1, 2):
        arm.save(tick, {**KEPT, "w": KEPT["w"] + tick}, last=False)
    path = arm.folder / "2.safetensors"
    whole = path.read_bytes()
    chance = random.Random(0)
    for i in range(250):
        hurt(path, HOW[i % 3], chance)
        said.clear()
        found = arm.restore(lambda: KEPT)
        assert found is not None
        assert found[0] == 1
        np.testing.assert_array_equal(found[1]["w"], KEPT["w"] + 1)
        np.testing.assert_array_equal(jr.key_data(found[1]["key"]), jr.key_data(KEPT["key"]))
        assert list(arm.good()) == [1]
        # A file that is gone was never there, for all that the folder of a run in progress knows.
        changed = "checkpoint 2 of arm is damaged (it has changed since it was written)"
        assert said == [changed] * (0 if HOW[i % 3] == "delete" else 2)
        path.write_bytes(whole)
    assert list(arm.good()) == [2, 1]


def test_every_bit_and_every_length_of_a_checkpoint_counts(tmp_path):
    arm = ArmCheckpoints(tmp_path / "arm", every=0.0, warn=lambda sentence: None)
    arm.save(1, {"w": jnp.arange(5.0), "key": jr.key(0)}, last=False)
    path = arm.folder / "1.safetensors"
    whole = path.read_bytes()
    for position in range(8 * len(whole)):
        data = bytearray(whole)
        data[position // 8] ^= 1 << position % 8
        path.write_bytes(data)
        assert list(arm.good()) == []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert list(arm.good()) == []
        path.write_bytes(whole + whole[:length] + b"0")
        assert list(arm.good()) == []
    path.write_bytes(whole)
    assert list(arm.good()) == [1]


def test_a_run_goes_on_to_the_same_records_from_a_damaged_folder(folders, tmp_path):
    chance = random.Random(1)
    _, folder = folders[1]
    whole = load_run(folder, study=STAGED)
    for i in range(6):
        mine = tmp_path / f"{i}"
        shutil.copytree(folder, mine)
        kept = [p for name in ("checkpoints", "tuning") for p in sorted((mine / name).rglob("*"))]
        one = chance.choice([p for p in kept if p.is_file()]) if i < 4 else mine / "run.json"
        hurt(one, HOW[i % 3], chance)
        said: list[str] = []
        again = run_study(STAGED, out=mine, scale="smoke", every=0.0, resume=True, warn=said.append)
        for group in whole.records.groups:
            a, b = (r.records[group].to_dataset() for r in (whole, again))
            for name in a.data_vars:
                np.testing.assert_array_equal(a[name], b[name])
        assert len(said) == 1 or (i < 4 and not said), "an older checkpoint is not looked at"


def test_every_bit_of_a_sealed_file_counts(folders):
    path = folders[0][1] / "run.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        with pytest.raises(FolderError):
            load_run(folders[0][1], study=STUDY)
    path.write_bytes(whole)
