"""`engrax text ...` from end to end, and what people do wrong with it."""

import json
import os
import shlex
import shutil
import signal
from pathlib import Path

import pytest

from engrax.cli import _text_progress, main
from engrax.text import _memory

WORDS = b"the cat sat on the mat, the rat sat on the cat. " * 8
SMALL = """--neurons 32 --width 8 --heads 2 --layers 2 --context 12
--steps 6 --batch 2 --length 16 --reports 3""".split()  # noqa: SIM905 - as it is typed


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with two models of a few steps, a BDH and a GPT."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "words.txt").write_bytes(WORDS)
    for kind in ("bdh", "gpt"):
        args = ("text", "train", str(folder / "words.txt"), "--model", kind, *SMALL)
        assert main([*args, "--out", str(folder / kind)]) == 0
    return folder


@pytest.fixture
def here(trained, tmp_path) -> Path:
    """The same, in the folder that commands are typed in, to be damaged."""
    for path in trained.iterdir():
        target = tmp_path / path.name
        shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)
    return tmp_path


def refused(answer, code: int = 1) -> str:
    assert answer.code == code, answer
    assert not answer.out
    assert answer.err.count("\n") == 1, answer.err
    return answer.error


def test_help_lists_the_commands(engrax) -> None:
    assert engrax("text").out == engrax("text", "--help").out
    for name in ("train", "generate", "score", "merge", "look"):
        assert name in engrax("text").out
        assert f"engrax text {name}" in engrax("text", name, "--help").out


def test_training_reports_and_says_where_the_model_is(engrax, here) -> None:
    answer = engrax("text", "train", "words.txt", *SMALL)
    assert answer.code == 0
    assert [line.split(":")[0] for line in answer.err.splitlines()] == [
        "step 2 of 6",
        "step 4 of 6",
        "step 6 of 6",
    ]
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("text-words-")
    assert f"{folder}/model.safetensors" in answer.out
    assert "bits per byte" in answer.out


def test_a_stopped_training_prints_the_command_that_goes_on(engrax, here, monkeypatch) -> None:
    plain = _text_progress.TrainingBar.update

    def stop(self, report):
        plain(self, report)
        if report.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(_text_progress.TrainingBar, "update", stop)
    answer = engrax("text", "train", "words.txt", *SMALL)
    assert answer.code == 130
    command = answer.error.partition("; go on with: ")[2]
    monkeypatch.setattr(_text_progress.TrainingBar, "update", plain)
    assert engrax(*shlex.split(command)[1:]).code == 0
    (folder,) = Path("runs").iterdir()
    weights = (folder / "model.safetensors").read_bytes()
    assert weights == Path("bdh/model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", ["bdh", "gpt"])
def test_generation_begins_with_the_prompt_and_repeats_by_seed(engrax, here, kind) -> None:
    args = ("text", "generate", kind, "--prompt", "the cat", "--bytes", "20", "--top-k", "5")
    one, same, other = (engrax(*args, "--seed", seed) for seed in ("1", "1", "2"))
    assert one.code == 0
    assert one.out.startswith("the cat")
    assert len(one.out) == 7 + 20 + 1
    assert one.out == same.out != other.out


def test_scores_are_bits_per_byte(engrax, here) -> None:
    answer = engrax("text", "score", "bdh", "words.txt")
    assert answer.code == 0
    bits, said = answer.out.split(" ", 1)
    assert 0 < float(bits) < 9
    assert said == "bits per byte over 384 bytes\n"


def test_two_models_from_one_start_are_merged(engrax, here) -> None:
    for seed in ("1", "2"):
        args = ["--steps", "2", "--batch", "2", "--length", "16", "--reports", "1", "--seed"]
        command = ("text", "train", "words.txt", "--start", "bdh", *args, seed)
        assert engrax(*command, "--out", f"child{seed}").code == 0
    answer = engrax("text", "merge", "child1", "child2", "both")
    assert answer.code == 0
    assert "(64 neurons)" in answer.out
    assert engrax("text", "score", "both", "words.txt").code == 0
    assert "exists already" in refused(engrax("text", "merge", "child1", "child2", "both"))


def test_looking_inside_leaves_a_page_and_a_figure(engrax, here) -> None:
    answer = engrax("text", "look", "bdh", "words.txt", "--bytes", "150", "--about", "cat")
    assert answer.code == 0
    assert answer.out.split() == ["page:", "bdh/look/look.html", "figure:", "bdh/look/look.png"]
    assert "“cat”" in Path("bdh/look/look.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["train", "score bdh", "look bdh"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "odd.txt is empty; name a file with text in it"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "odd.txt is no text: it holds zero bytes"),
    ],
)
def test_an_empty_or_binary_file(engrax, here, command, content, said) -> None:
    Path("odd.txt").write_bytes(content)
    assert said in refused(engrax("text", *command.split(), "odd.txt"))
    assert not Path("runs").exists()


def test_a_file_that_is_not_there(engrax, here) -> None:
    said = refused(engrax("text", "train", "words.text"))
    assert "no file words.text; name a text file, or one of pydoc_topics" in said


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Zebra", "the character 'Z', which the model never saw in training"),
        ("thé", "the byte 0xc3 (in 'é'), which the model never saw"),
        ("\udcff", "the byte 0xff, which the model never saw"),
        ("\ud800", "cannot be written as UTF-8"),
        ("", "the prompt is empty"),
    ],
)
def test_a_prompt_with_unknown_bytes(engrax, here, prompt, said) -> None:
    assert said in refused(engrax("text", "generate", "bdh", "--prompt", prompt))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("--model gpt --context 2000000000", "a context of 2000000000 bytes needs at least"),
        ("--neurons 2000000000 --length 128", "a step on 16 sequences of 128 bytes needs"),
    ],
)
def test_a_context_longer_than_memory_allows(engrax, here, args, said) -> None:
    said_so = refused(engrax("text", "train", "words.txt", "--no-carried", *args.split()))
    assert said in said_so
    assert "choose a smaller" in said_so
    assert not Path("runs").exists()


def test_a_text_longer_than_memory_allows_to_look_at(engrax, here, monkeypatch) -> None:
    monkeypatch.setattr(_memory, "free_memory", lambda: 1000)
    said = refused(engrax("text", "look", "bdh", "words.txt"))
    assert "looking at 384 bytes needs at least" in said


@pytest.mark.parametrize("command", ["generate {} --prompt the", "score {} words.txt"])
def test_a_truncated_model_file(engrax, here, command) -> None:
    path = Path("bdh/model.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    said = refused(engrax("text", *command.format("bdh").split()))
    assert "bdh/model.safetensors is cut short or damaged" in said


def test_a_file_from_another_model(engrax, here) -> None:
    shutil.copy("gpt/model.safetensors", "bdh/model.safetensors")
    said = refused(engrax("text", "generate", "bdh", "--prompt", "the"))
    assert "bdh/model.safetensors belongs to another model: " in said
    Path("bdh/model.json").write_text(json.dumps({"format": 1}))
    said = refused(engrax("text", "generate", "bdh", "--prompt", "the"))
    assert "does not describe a language model" in said


def test_a_folder_that_is_no_model(engrax, here) -> None:
    for command in ("generate words.txt --prompt a", "score nowhere words.txt"):
        assert "holds no language model" in refused(engrax("text", *command.split()))


def test_models_that_cannot_be_merged_or_looked_into(engrax, here) -> None:
    assert "only two BDH models" in refused(engrax("text", "merge", "bdh", "gpt", "both"))
    assert "only a BDH can be looked into" in refused(engrax("text", "look", "gpt", "words.txt"))
    assert not Path("both").exists()


def test_a_run_is_not_written_over(engrax, here) -> None:
    said = refused(engrax("text", "train", "words.txt", *SMALL, "--out", "bdh"))
    assert "already holds a training run; add --resume" in said
    Path("file").write_text("a file, not a folder")
    assert "file" in refused(engrax("text", "train", "words.txt", *SMALL, "--out", "file/run"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("tran words.txt", "unknown command of engrax text 'tran': did you mean train?"),
        ("train words.txt --stesp 3", "unknown option '--stesp': did you mean --steps?"),
        ("train words.txt --resume", "--resume goes on with the run in --out"),
        ("train words.txt --model lstm", "invalid choice 'lstm' for argument '--model'"),
        ("generate bdh", "--prompt"),
        ("generate bdh --prompt the --bytes -1", "--bytes is at least 0, got -1"),
        ("score bdh", "missing from engrax text score"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(engrax, here, args, said) -> None:
    answer = engrax("text", *args.split())
    assert answer.code == 2, answer
    assert said in answer.error
    assert not answer.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("train words.txt --steps 0", "steps is at least 1, got 0"),
        ("train words.txt --validation 2", "validation is a share between 0 and 1, got 2.0"),
        ("train words.txt --length 400", "has 384 bytes, too few to train on"),
        ("train words.txt --heads 3 --width 9", "even number of neurons"),
        ("generate bdh --prompt the --temperature -1", "temperature is a number of at least 0"),
        ("generate bdh --prompt the --top-p 2", "top_p in (0, 1]"),
        ("look bdh words.txt --about dog", "never say 'dog'"),
        ("look bdh words.txt --bytes 0", "the bytes to read are 1 to"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(engrax, here, args, said) -> None:
    assert said in refused(engrax("text", *args.split()), code=1)
