"""What people and disks do wrong: one clear line, a non-zero exit, nothing half-written."""

import contextlib
import gzip
import json
import os
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import engrax as package
from engrax.cli import _progress
from engrax.tasks import available


def refused(answer, code: int = 1) -> str:
    assert answer.code == code, answer
    assert not answer.out
    return answer.error


def test_a_data_set_that_cannot_be_found_lists_what_was_tried(engrax, tmp_path) -> None:
    said = refused(engrax("run", "tiny", "--data", "cifar10", "--out", "here"))
    assert str(tmp_path / "data" / "cifar10") in said
    assert "https://www.cs.toronto.edu/~kriz/cifar.html" in said
    assert not Path("here").exists()


@pytest.mark.parametrize("how", ["truncated", "changed", "no gzip"])
def test_a_damaged_data_file_is_named(engrax, tmp_path, how: str, monkeypatch) -> None:
    monkeypatch.delenv("ENGRAX_DATA")
    found = {row.name: row.found for row in available()}["mnist_5k"]
    monkeypatch.setenv("ENGRAX_DATA", str(tmp_path / "data"))
    assert found is not None
    path = tmp_path / "data" / "mnist_5k" / "mnist_5k.csv.gz"
    path.parent.mkdir(parents=True)
    whole = (Path(found) / path.name).read_bytes()
    if how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "changed":
        text = bytearray(gzip.decompress(whole))
        text[100] = ord("7") if text[100] != ord("7") else ord("8")
        path.write_bytes(gzip.compress(bytes(text), 1))
    else:
        path.write_bytes(b"hello")
    said = refused(engrax("run", "tiny", "--data", "mnist_5k", "--out", "here"))
    assert str(path) in said
    assert not Path("here").exists()


def test_a_folder_that_is_no_run(engrax) -> None:
    Path("empty").mkdir()
    assert "is no run folder: it has no run.json" in refused(engrax("report", "empty"))
    assert "is no run folder: it has no run.json" in refused(engrax("report", "nowhere"))
    Path("empty/run.json").write_text("{")
    assert "its run.json cannot be read" in refused(engrax("report", "empty"))
    Path("empty/run.json").write_text(json.dumps({"format": 99}))
    assert "format 99" in refused(engrax("report", "empty"))


def test_a_folder_in_use(engrax) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("...")
    said = refused(engrax("run", "tiny", "--scale", "smoke", "--out", "mine"))
    assert "is in use and holds no run; choose another --out" in said
    assert [p.name for p in Path("mine").iterdir()] == ["thesis.tex"]
    engrax("run", "tiny", "--scale", "smoke", "--out", "done")
    said = refused(engrax("run", "tiny", "--scale", "smoke", "--out", "done"))
    assert "already holds a run; add --resume, or choose another --out" in said


def test_a_folder_of_another_study_or_configuration(engrax) -> None:
    engrax("run", "tiny", "--scale", "smoke", "--out", "here")
    before = Path("here/run.json").read_bytes()
    for args, said in (
        ("tiny --scale smoke --rate 0.3", "made with rate = 0.1, not 0.3"),
        ("tiny --scale smoke --seeds 5", "made with seeds = 2, not 5"),
        ("tiny", "made with scale = 'smoke', not 'cpu'"),
        ("broken", "made with study = 'tiny', not 'broken'"),
    ):
        assert said in refused(engrax("run", *args.split(), "--resume", "--out", "here"))
    assert Path("here/run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["records.nc", "run.json", "manifest.json"])
def test_a_file_of_a_run_that_changed(engrax, name: str) -> None:
    engrax("run", "tiny", "--scale", "smoke", "--out", "here")
    path = Path("here") / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert "here" in refused(engrax("report", "here"))


def test_one_bad_folder_does_not_keep_the_others_from_being_drawn(engrax) -> None:
    engrax("run", "tiny", "--scale", "smoke", "--out", "runs/a")
    Path("runs/b").mkdir()
    Path("runs/b/run.json").write_text("[]")
    answer = engrax("report")
    assert answer.code == 1
    assert "runs/b is no run folder" in answer.error
    assert "runs/a/report.html" in answer.out


def test_a_corrupted_checkpoint_falls_back_to_the_one_before_and_says_so(
    engrax, monkeypatch
) -> None:
    engrax("run", "tiny", "--out", "whole")
    plain = _progress.Display.update
    stops = iter((5, 11))

    def stop_once(tick: int) -> None:
        def update(self, where):
            plain(self, where)
            if (where.arm, where.phase, where.tick) == ("fast", "running", tick):
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(_progress.Display, "update", update)

    for more in ((), ("--resume",)):
        stop_once(next(stops))
        assert engrax("run", "tiny", "--out", "cut", *more).code == 130
    monkeypatch.setattr(_progress.Display, "update", plain)
    kept = sorted(Path("cut/checkpoints/fast").iterdir(), key=lambda path: int(path.stem))
    assert len(kept) == 2
    newest = kept[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    answer = engrax("run", "tiny", "--out", "cut", "--resume")
    assert answer.code == 0
    assert f"checkpoint {newest.stem} of fast is damaged" in answer.error
    whole, resumed = package.load_run("whole"), package.load_run("cut")
    np.testing.assert_array_equal(whole["fast"]["total"], resumed["fast"]["total"])


@pytest.mark.parametrize("out", ["file/run", "/proc/engrax-run"])
def test_an_output_folder_that_cannot_be_written(engrax, out: str) -> None:
    Path("file").write_text("a file, not a folder")
    said = refused(engrax("run", "tiny", "--scale", "smoke", "--out", out))
    assert "cannot write" in said
    assert not Path("runs").exists()


def test_a_ledger_that_cannot_be_written_is_refused_before_the_run(engrax) -> None:
    Path("results").write_text("a file, not a folder")
    said = refused(engrax("run", "tiny", "--record"), code=2)
    assert "cannot write results" in said
    assert not Path("runs").exists()


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to write more into one file: as close to a full disk as a test gets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)


@pytest.mark.parametrize("size", [100, 2_000, 20_000])
def test_a_full_output_folder(engrax, size: int) -> None:
    # 100 bytes stop run.json, 2 kB a checkpoint, 20 kB the records or a figure.
    engrax("run", "tiny", "--out", "whole")  # compiles: JAX's own cache would fill up as well
    with largest_file(size):
        answer = engrax("run", "tiny", "--out", "here")
    assert answer.code == 1
    assert "cannot write" in answer.error
    assert "File too large" in answer.error
    assert not list(Path().rglob("*.part")), "nothing half-written"
    if Path("here/run.json").exists():
        assert engrax("run", "tiny", "--out", "here", "--resume").code == 0
        assert package.load_run("here").judgements == package.load_run("whole").judgements


def test_nan_in_training_is_kept_named_and_leaves_its_claims_open(engrax) -> None:
    answer = engrax("run", "broken", "--out", "here")
    assert answer.code == 3
    assert answer.error == (
        "arm 'fast' became non-finite in seed 0 at tick 4, and 5 more of its runs; "
        "its claims are open at best"
    )
    run = package.load_run("here")
    assert {j.name: j.verdict for j in run.judgements} == {"C1": "open", "C2": "fails"}
    page = Path("here/report.html").read_text()
    assert "Runs that became non-finite" in page
    assert "fast, seed 0, tick 4" in page


def test_an_unexpected_error_is_one_line_too_and_can_be_traced(engrax, monkeypatch) -> None:
    def explode(*args, **kwargs):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("engrax.cli._run.run_study", explode)
    said = refused(engrax("run", "tiny"))
    assert said == "unexpected RuntimeError: first line (ENGRAX_TRACEBACK=1 shows where)"
    monkeypatch.setenv("ENGRAX_TRACEBACK", "1")
    with pytest.raises(RuntimeError, match="second line"):
        engrax("run", "tiny")


def test_records_that_vanish_are_missed(engrax) -> None:
    engrax("run", "tiny", "--scale", "smoke", "--out", "here")
    shutil.move("here/records.nc", "elsewhere.nc")
    assert "records.nc is missing" in refused(engrax("report", "here"))
