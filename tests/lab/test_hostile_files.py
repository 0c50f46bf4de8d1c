"""Files made to hurt their reader are refused in a sentence, in bounded memory; none is code."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
UNPICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {"read_pickle", "unpickle", "loads_pickle", "deserialize_and_load"}


def test_hostile_files_are_refused_in_a_sentence_and_in_bounded_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.survival._hostile", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ
        | {
            "JAX_COMPILATION_CACHE_DIR": os.environ.get(
                "ENGRAX_TEST_CACHE", str(ROOT / ".cache/jax")
            )
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 47
    for one in found:
        assert one["kind"] in {
            "DataFileError",
            "TextError",
            "ValueError",
            "FolderError",
            "Refused",
        }, one
        assert one["said"], one
        assert "\n" not in one["said"], one
        assert re.search(r"/\d+/|of arm is damaged", one["said"]), f"names no file: {one}"
        # Many files promise from gigabytes to exabytes.
        assert one["grown"] < 300, one


@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: path.relative_to(ROOT / "src").as_posix()
)
def test_nothing_here_can_unpickle(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & UNPICKLES
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in UNPICKLES
            assert not {alias.name for alias in node.names} & (UNPICKLES | CALLS)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            assert name not in CALLS
            for given in node.keywords:
                allowed = given.arg == "allow_pickle" and not (
                    isinstance(given.value, ast.Constant) and given.value.value is False
                )
                assert not allowed, f"line {node.lineno} lets NumPy unpickle"


def test_the_linter_refuses_pickle_and_cannot_be_told_not_to():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert {"S301", "S302"} <= set(settings["select"])
    for_files = settings["per-file-ignores"].values()
    silenced = [*settings["ignore"], *(rule for rules in for_files for rule in rules)]
    assert not [rule for rule in silenced if "S301".startswith(rule) or "S302".startswith(rule)]
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"noqa\s*(?!:)|noqa:[^\n]*S30[12]|ruff:\s*noqa", text), path
    assert "ruff check" in (ROOT / "Makefile").read_text()
