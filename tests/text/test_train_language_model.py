"""Training: it learns, stops and goes on, and refuses what cannot work."""

import dataclasses
import json
import os
import signal

import numpy as np
import pytest

from engrax.lab import FolderError, Interrupted, held
from engrax.tasks import Text
from engrax.text import LanguageModel, TextError, Training, _memory, train_language_model
from tests.text.small_models import TEXT, TRAINING, architecture


def train(out, kind="bdh", **more):
    options = {"architecture": architecture(kind), "training": TRAINING} | more
    return train_language_model(TEXT, out, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    reports = []
    out = tmp_path_factory.mktemp("whole") / "run"
    return train(out, report=reports.append), out, reports


def test_reports_and_history_say_the_same(whole):
    made, out, reports = whole
    assert [report.step for report in reports] == [2, 4, 6]
    assert made.history["steps"] == [2, 4, 6]
    assert [report.validation_bits for report in reports] == made.history["validation_bits"]
    # Untrained, all 256 bytes are as likely: 8 bits, to within what small weights say.
    assert made.history["training_bits"][0] == pytest.approx(8.0, abs=0.2)
    assert made.history["validation_bits"][-1] < made.history["validation_bits"][0]
    assert sorted(p.name for p in out.iterdir()) == [
        ".lock",
        "model.json",
        "model.safetensors",
        "training.json",
    ]
    assert made.seen.sum() == len(set(TEXT.data.tolist()))


def test_a_run_that_was_stopped_goes_on_bit_for_bit(whole, tmp_path):
    def stop(report):
        if report.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(out, report=stop)
    LanguageModel.load(out)  # works from the first checkpoint on
    with held(out), pytest.raises(FolderError, match="is in use by another process"):
        train(out, resume=True)
    made = train(out, resume=True)
    assert made.history == whole[0].history
    np.testing.assert_array_equal(made.model.enc, whole[0].model.enc)


def test_a_model_that_was_trained_is_a_start_for_another(whole, tmp_path):
    _, base, _ = whole
    still = dataclasses.replace(TRAINING, learning_rate=0.0, seed=3)
    made = train(tmp_path / "run", training=still, start=LanguageModel.load(base))
    np.testing.assert_array_equal(made.model.enc, whole[0].model.enc)
    with pytest.raises(TextError, match="the model to start from is another"):
        train(tmp_path / "other", "gpt", start=LanguageModel.load(base))


def test_folders_are_not_written_over(whole, tmp_path):
    _, out, _ = whole
    with pytest.raises(TextError, match="already holds a training run; add --resume"):
        train(out)
    with pytest.raises(TextError, match="is finished; there is nothing to resume"):
        train(out, resume=True)
    other = dataclasses.replace(TRAINING, batch=3)
    with pytest.raises(TextError, match="begun with batch = 2, not 3"):
        train(out, training=other, resume=True)
    changed = Text("changed", TEXT.data[1:], "a test")
    with pytest.raises(TextError, match="begun on another text"):
        train_language_model(
            changed, out, architecture=architecture("bdh"), training=TRAINING, resume=True
        )
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(TextError, match="is in use and holds no training run"):
        train(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "training.json").write_text("{")
    with pytest.raises(TextError, match=r"training\.json cannot be read"):
        train(tmp_path / "run", resume=True)
    (tmp_path / "run" / "training.json").write_text(json.dumps([]))
    with pytest.raises(TextError, match="cannot be resumed: it was begun with format = None, not"):
        train(tmp_path / "run", resume=True)


def test_a_text_too_short_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TextError, match="has 384 bytes, too few to train on sequences of 200"):
        train(tmp_path / "run", training=dataclasses.replace(TRAINING, length=200))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("kind", "free", "said"),
    [
        ("bdh", 2_000, r"a step on 2 sequences of 16 bytes needs at least .* 2 kB are free"),
        ("gpt", 2_000, "choose a smaller --length or --batch"),
    ],
)
def test_what_does_not_fit_the_memory_is_refused(tmp_path, monkeypatch, kind, free, said):
    monkeypatch.setattr(_memory, "free_memory", lambda: free)
    with pytest.raises(TextError, match=said):
        train(tmp_path / "run", kind)
    assert not (tmp_path / "run").exists()


def test_free_memory_is_a_plausible_number():
    assert 1e6 < _memory.free_memory() < 1e14
    assert _memory._size(512) == "512 B"
    assert _memory._size(2_500_000) == "2.5 MB"
    assert _memory._size(4 * 10**15) == "4,000 TB"


def test_losses_that_are_not_finite_are_an_error(tmp_path):
    wild = dataclasses.replace(TRAINING, learning_rate=1e30)
    with pytest.raises(TextError, match="became non-finite by step"):
        train(tmp_path / "run", training=wild)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 0},
        {"length": 0},
        {"reports": 0},
        {"validation": 0.0},
        {"validation": 1.0},
        {"learning_rate": -1.0},
        {"weight_decay": float("nan")},
        {"seed": -1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Training(**wrong)
