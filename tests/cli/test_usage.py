"""Commands that measure nothing, and command lines that are wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("list", "show", "run", "report", "data", "check", "bench")


def test_help_and_version(engrax) -> None:
    assert engrax() == engrax("--help")
    assert all(f"\n  {command} " in engrax("--help").out for command in COMMANDS)
    assert engrax("--version").out.startswith("engrax ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(engrax, command: str) -> None:
    answer = engrax(command, "--help")
    assert answer.code == 0
    assert f"usage: engrax {command}" in answer.out


def test_list_names_studies_with_the_first_line_of_their_module(engrax) -> None:
    answer = engrax("list")
    assert answer.out.splitlines() == [
        f"{name:6}  A noisy counter against a slower one: a study that takes a second, for tests."
        for name in ("broken", "tiny")
    ]


def test_listing_does_not_load_jax() -> None:
    # A newcomer's first command: without the numerical stack it answers in a blink.
    code = (
        "import sys; from engrax.cli import main; assert main(['list']) == main(['--help']) == 0; "
        "assert not {'jax', 'numpy', 'matplotlib', 'tyro'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_show_prints_claims_rules_and_every_field_at_every_scale(engrax) -> None:
    out = engrax("show", "tiny").out
    assert "Counting, Fast and Slow" in out
    assert "C1 (headline)  The fast counter ends above the slow one." in out
    assert "fast: ≥ 190 % (t, 95 %)" in out
    assert "near zero: −5 … 5 (t, 90 %)" in out
    row = next(line for line in out.splitlines() if line.startswith("--ticks"))
    assert row.split() == ["--ticks", "3", "20", "200"]
    assert "--noise.size" in out


def test_help_of_a_study_lists_its_configuration_at_the_scale(engrax) -> None:
    out = engrax("run", "tiny", "--scale", "paper", "--help").out
    assert "What the fast counter gains a tick." in out
    assert "--noise.size FLOAT" in out
    assert "(default: 200)" in out
    assert "--seeds INT" in out


def test_data_lists_what_is_found_and_how_to_get_the_rest(engrax) -> None:
    answer = engrax("data")
    assert answer.code == 0
    assert "cifar10" in answer.out
    assert "not found" in answer.out
    assert "https://www.cs.toronto.edu" in answer.out


def test_bench_lists_and_runs_topics(engrax) -> None:
    assert "clone of the repository" in engrax("bench").error
    folder = Path("benchmarks")
    folder.mkdir()
    for name in ("__init__", "_timer", "good", "bad"):
        (folder / f"{name}.py").touch()
    (folder / "__main__.py").write_text("import sys; sys.exit(7 * ('bad' in sys.argv))")
    assert "Topics: bad, good." in engrax("bench", "--help").out
    for topic in (("good",), ("all",), ()):  # without a topic, all of them
        assert engrax("bench", *topic).code == 0
    assert engrax("bench", "bad").code == 1
    answer = engrax("bench", "goood")
    assert answer.code == 2
    assert "did you mean good?" in answer.error


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("lst", "unknown command 'lst': did you mean list?"),
        ("list tiny", "takes no arguments"),
        ("data now", "takes no arguments"),
        ("show", "takes one study"),
        ("show tny", "unknown study 'tny': did you mean tiny?"),
        ("run", "name a study to run: there is broken, tiny"),
        ("run tinny", "unknown study 'tinny': did you mean tiny?"),
        ("run --scale smoke", "name a study to run"),
        ("run tiny --claims C1,C9", "unknown claim of tiny 'C9'"),
        ("run tiny --claims C1 --headline", "exclude each other"),
        ("run tiny --scale gpu", "unknown scale 'gpu': did you mean cpu?"),
        ("run tiny --scale=gpu", "unknown scale 'gpu': did you mean cpu?"),
        ("run tiny --rat 1", "unknown option '--rat': did you mean --rate?"),
        ("run tiny --noise.siz 1", "unknown option '--noise.siz': did you mean --noise.size?"),
        ("run tiny --sedes=3", "unknown option '--sedes': did you mean --seeds?"),
        ("run tiny more", "unknown argument 'more'"),
        ("run tiny --rate fast", "--rate: could not convert string to float: 'fast'"),
        ("run tiny --ticks 1.5", "--ticks: invalid literal for int() with base 10: '1.5'"),
        ("run tiny --shape 1 b", "--shape: Could not find valid parse for arguments: ['1', 'b']"),
        ("run tiny --rate", "'--rate'. Expected 1 values"),
        ("run tiny --seeds 0", "at least 1, got 0"),
        ("run tiny --seeds -3", "at least 1, got -3"),
        ("run tiny --seeds some", "--seeds: invalid literal for int()"),
        ("run tiny --scale smoke --record", "only judged claims are recorded"),
        ("run tiny --rate 0.2 --record", "only judged claims are recorded"),
        ("run tiny --seeds 4 --record", "only judged claims are recorded"),
        ("run tiny --resume", "no unfinished run of tiny at scale cpu"),
        ("report", "there is no run in runs"),
        ("report --all", "got the option '--all'"),
        ("bench a b", "takes one topic"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(engrax, args: str, said: str) -> None:
    answer = engrax(*args.split())
    assert answer.code == 2
    assert said in answer.error
    assert answer.err.count("\n") == 1
    assert not answer.out
    assert not list(Path().iterdir()), "nothing may be half-written"
