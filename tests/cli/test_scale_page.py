"""The recipes of docs/scale.md: options that exist, shell and YAML that parse."""

import dataclasses
import re
import subprocess
from pathlib import Path

import yaml

from engrax._registry import studies
from engrax.cli._run import Options
from tests.cli.conftest import Answer

PAGE = (Path(__file__).parent.parent.parent / "docs" / "scale.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def test_options_of_the_page_exist() -> None:
    mine = {f"--{field.name}" for field in dataclasses.fields(Options)} | {"--seeds"}
    commands = re.findall(
        r"engrax run (\S+)([^\n'`&]*)", "\n".join([*blocks("sh"), *blocks("yaml")])
    )
    assert len(commands) >= 6
    for _, options in commands:
        assert set(re.findall(r"--[a-z]+", options)) <= mine, options


def test_recipes_parse() -> None:
    for block in blocks("sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
    (job,) = map(yaml.safe_load, blocks("yaml"))
    assert job["kind"] == "RayJob"
    workers = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert workers[0]["minReplicas"] <= workers[0]["replicas"] <= workers[0]["maxReplicas"]


def test_seeds_beyond_memory_are_refused_in_the_words_of_the_page(engrax) -> None:
    answer: Answer = engrax("run", "tiny", "--seeds", "2000000000", "--out", "here")
    assert answer.code == 1
    said = r"2000000000 seeds would need about .* of memory, and .* is free: \d+ fit; give --seeds"
    assert re.match(said, answer.error)
    assert not Path("here").exists()


def test_a_cluster_and_a_store_that_are_not_there(engrax) -> None:
    answer = engrax("run", "tiny", "--cluster", "127.0.0.1:1", "--out", "here")
    assert (answer.code, answer.error) == (
        1, "no Ray cluster answers at 127.0.0.1:1: Connection refused",
    )  # fmt: skip
    Path("file").write_text("")
    answer = engrax("run", "tiny", "--cluster", "127.0.0.1:1", "--store", "file/x", "--out", "here")
    assert answer.code == 1
    assert "file/x cannot be written" in answer.error
    answer = engrax("run", "tiny", "--store", "there")
    assert (answer.code, "give both" in answer.error) == (2, True)
    answer = engrax("run", "tiny", "--mesh", "data=99", "--out", "here")
    assert (answer.code, "JAX has 2" in answer.error) == (1, True)
    assert not Path("here").exists()
    assert studies().keys() == {"tiny", "broken"}
