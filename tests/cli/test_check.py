"""`engrax check`: seven lines, and a failed one where something is wrong."""

from pathlib import Path

import pytest

from engrax.cli import _check

NAMES = ["versions", "devices", "compile", "data", "studies", "writing", "cache"]


def lines(out: str) -> dict[str, tuple[str, str]]:
    """Name -> (mark, sentence)."""
    split = [line.split(None, 2) for line in out.splitlines()]
    return {name: (mark, sentence) for mark, name, sentence in split}


def test_seven_lines_say_that_all_is_well(engrax) -> None:
    answer = engrax("check")
    found = lines(answer.out)
    assert list(found) == NAMES
    assert {mark for mark, _ in found.values()} == {"ok"}, answer.out
    assert answer.code == 0
    assert "digits" in found["data"][1]
    assert float(found["compile"][1].split()[-2].rstrip("%")) >= 90


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the check that compiles."""
    rest = {name: tried for name, tried in _check.CHECKS.items() if name != "compile"}
    monkeypatch.setattr(_check, "CHECKS", rest)


@pytest.mark.usefixtures("quick")
def test_a_study_that_does_not_load_fails_and_hides_no_other_check(
    engrax, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ImportError(f"{name} asks\nfor more")

    monkeypatch.setattr(_check, "load_study", refuse)
    answer = engrax("check")
    found = lines(answer.out)
    assert answer.code == 1
    assert found["studies"] == ("FAIL", "ImportError: broken asks for more")
    assert found["writing"][0] == found["cache"][0] == "ok"


@pytest.mark.usefixtures("quick")
def test_folders_that_cannot_be_written_are_named_with_a_remedy(
    engrax, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*, dir: Path) -> None:
        raise OSError(28, "No space left on device", str(dir))

    monkeypatch.setattr(_check.tempfile, "NamedTemporaryFile", full)
    found = lines(engrax("check").out)
    assert found["writing"][0] == found["cache"][0] == "FAIL"
    assert "No space left on device" in found["writing"][1]
    assert "--out" in found["writing"][1]
    assert "JAX_COMPILATION_CACHE_DIR" in found["cache"][1]


@pytest.mark.usefixtures("quick")
def test_damaged_data_are_named(engrax) -> None:
    folder = Path("data") / "mnist"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind, rank in (("images", 3), ("labels", 1)):
            (folder / f"{part}-{kind}-idx{rank}-ubyte").write_bytes(b"no header")
    mark, sentence = lines(engrax("check").out)["data"]
    assert mark == "FAIL"
    assert "mnist is damaged" in sentence


@pytest.mark.usefixtures("quick")
def test_a_device_that_computes_something_else_fails(
    engrax, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_check, "CHECKS", {"compile": _check._compile})
    monkeypatch.setattr(_check, "STEPS", 1)
    mark, sentence = lines(engrax("check").out)["compile"]
    assert mark == "FAIL"
    assert "should read 90%" in sentence


def test_check_takes_no_arguments(engrax) -> None:
    assert engrax("check", "all").error == "engrax check takes no arguments, got 'all'"
