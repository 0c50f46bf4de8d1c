"""Training on a text: reported, checkpointed, and gone on with after a stop."""

import dataclasses
import hashlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import UInt8

from engrax.core import (
    State,
    Stopped,
    System,
    named,
    observe,
    rebuild,
    repeat,
    serial,
    simulate,
)
from engrax.lab import ArmCheckpoints, Interrupted, held, read_json, stoppable, write_json
from engrax.nn import TruncatedBPTT
from engrax.tasks import ByteSequences, Text

from ._architecture import VOCAB, Architecture
from ._errors import TextError
from ._language_model import LanguageModel
from ._memory import check_memory
from ._objective import ValidationLoss, optimizer

TRAINING = "training.json"
CHECKPOINTS = "checkpoints"
FORMAT = 2
"""Of what a run goes on from; checkpoints of format 1 cannot be read."""
_WARMUP = 0.05


@dataclasses.dataclass(frozen=True)
class Training:
    """How a model is trained."""

    steps: int = 1000
    """Steps of the optimizer."""
    batch: int = 16
    """Sequences a step."""
    length: int = 128
    """Bytes a sequence."""
    carried: bool = True
    """Whether each sequence goes on where the one before it ended, with the memory of it."""
    learning_rate: float = 2e-3
    """Its height after a warm-up of 5 % of the steps; it ends at a tenth of that."""
    weight_decay: float = 0.1
    """AdamW's."""
    validation: float = 0.1
    """Share of the text, its end, that is kept to measure on."""
    reports: int = 50
    """How often the losses are measured and written down."""
    seed: int = 0
    """Of the first weights, and of what is read when."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "length", "reports"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, got {getattr(self, name)}.")
        if not 0 < self.validation < 1:
            raise ValueError(f"validation is a share between 0 and 1, got {self.validation}.")
        for name in ("learning_rate", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is a number of at least 0, got {getattr(self, name)}.")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed is from 0 to 2**32 - 1, got {self.seed}.")

    @property
    def every(self) -> int:
        """Steps between two reports."""
        return max(1, self.steps // self.reports)

    @property
    def ticks(self) -> int:
        """How many reports there are; the last steps make a whole one."""
        return -(-self.steps // self.every)


class Report(NamedTuple):
    """Where training stands."""

    step: int
    steps: int
    training_bits: float
    """Bits per byte on what was read since the last report."""
    validation_bits: float
    """Bits per byte on the end of the text, which is never trained on."""


def train_language_model(
    text: Text,
    out: Path,
    *,
    architecture: Architecture,
    training: Training,
    start: LanguageModel | None = None,
    resume: bool = False,
    report: Callable[[Report], None] = lambda report: None,
    warn: Callable[[str], None] = lambda sentence: None,
) -> LanguageModel:
    """Trains a language model on a text and leaves it in the folder `out`.

    Every 30 seconds, and when it is asked to stop by SIGINT or SIGTERM, a checkpoint is taken and
    the model so far is written: a folder holds a model that works from then on. With `resume` a
    run goes on bit for bit as if it had never stopped. With `start` the weights are at first those
    of another model of the same architecture; two that start from one can be merged.

    **Raises:** `TextError` when the text is too short, memory too small, the folder taken or of
    another run, the start another model, or the losses not finite; `FolderError` when another
    process trains into the folder; `Interrupted` when it was asked to stop.
    """
    if start is not None and start.architecture != architecture:
        raise TextError(
            f"the model to start from is another: {start.architecture}; train {architecture} anew"
        )
    out = out.absolute()
    train, validation = _parts(text, training)
    _check_size(architecture, training)
    _open(out, _identity(text, architecture, training, start), resume=resume)
    system = _system(train, validation, architecture, training)
    maker = _Maker(text, architecture, training, start)
    checkpoints = ArmCheckpoints(out / CHECKPOINTS / "model", every=30.0, warn=warn)
    keeper = _Keeper(checkpoints, maker, out, report)
    with held(out), stoppable() as stop:
        try:
            done = simulate(
                system,
                training.ticks,
                key=named(jr.key(0), "text"),
                seeds=[training.seed],
                start=None if start is None else _started(start),
                chunk=1,
                checkpoints=keeper,
                stop=stop,
            )
        except Stopped:
            raise Interrupted(out) from None
        if (tick := int(done.diverged[0])) >= 0:
            raise TextError(
                f"training became non-finite by step {(tick + 1) * training.every}; train again "
                "with a smaller --learning-rate"
            )
        records = {name: record[0] for name, record in done.records.items()}
        made = maker.model(done.state, records, training.ticks)
        made.save(out)
        shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
        return made


@dataclasses.dataclass(frozen=True)
class _Maker:
    """Turns the state of a run into a language model with its history."""

    text: Text
    architecture: Architecture
    training: Training
    start: LanguageModel | None

    def model(self, state: State, records: dict[str, np.ndarray], ticks: int) -> LanguageModel:
        """The model of the only run, after so many reports."""
        text, training = self.text, self.training
        arrays = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), state["learner"]["model"])
        history: dict[str, Any] = {
            "text": {"name": text.name, "bytes": len(text.data), "sha256": text.checksum},
            "training": dataclasses.asdict(training),
            "steps": [(tick + 1) * training.every for tick in range(ticks)],
            **_bits(records, ticks),
        }
        seen = np.isin(np.arange(VOCAB), text.data)
        if self.start is not None:
            history["start"] = self.start.history
            seen = seen | self.start.seen
        model = rebuild(self.architecture.builder, arrays)
        return LanguageModel(self.architecture, model, seen, history)


@dataclasses.dataclass(frozen=True)
class _Keeper:
    """Checkpoints that also report, and that write the model whenever one is taken."""

    inner: ArmCheckpoints
    maker: _Maker
    out: Path
    report: Callable[[Report], None]

    def restore(self, like: Callable[[], Any]) -> tuple[int, Any] | None:
        """The newest checkpoint that is whole."""
        return self.inner.restore(like)

    def save(self, tick: int, kept: Any, *, last: bool) -> None:
        """Reports the losses, and keeps what there is if it is time to."""
        state, records, diverged = kept
        mine = {name: record[0] for name, record in records.items()}
        before = self.inner.saved_at
        self.inner.save(tick, kept, last=last)
        if self.inner.saved_at != before and diverged[0] < 0:
            self.maker.model(state, mine, tick).save(self.out)
        training = self.maker.training
        bits = _bits(mine, tick)
        now = (bits["training_bits"][-1], bits["validation_bits"][-1])
        self.report(Report(tick * training.every, training.ticks * training.every, *now))


def _bits(records: dict[str, np.ndarray], ticks: int) -> dict[str, list[float]]:
    """Bits per byte at each report; the records are in nats."""
    names = {"training_bits": "loss", "validation_bits": "validation_loss"}
    return {
        name: (records[nats][:ticks].astype(float) / math.log(2)).tolist()
        for name, nats in names.items()
    }


def _parts(
    text: Text, training: Training
) -> tuple[UInt8[np.ndarray, " train"], UInt8[np.ndarray, " validation"]]:
    """The text without its end, and its end."""
    kept = max(training.length + 1, round(training.validation * len(text.data)))
    if len(text.data) - kept <= training.length:
        raise TextError(
            f"{text.source} has {len(text.data)} bytes, too few to train on sequences of "
            f"{training.length} and keep {kept} to measure on; choose a smaller --length or a "
            "longer text"
        )
    return text.data[:-kept], text.data[-kept:]


def _check_size(architecture: Architecture, training: Training) -> None:
    """Refuses what cannot fit before anything is allocated."""
    check_memory(
        architecture.training_bytes(training.batch, training.length, carried=training.carried),
        f"a step on {training.batch} sequences of {training.length} bytes",
        "choose a smaller --length or --batch",
    )
    check_memory(
        architecture.state_bytes,
        f"a context of {architecture.context} bytes",
        "choose a smaller --context",
    )


def _started(start: LanguageModel) -> Callable[[State, np.ndarray], State]:
    """The states of a new run, with the weights of another model in place of its own."""
    arrays = eqx.filter(start.model, eqx.is_array)

    def started(fresh: State, run: np.ndarray) -> State:
        repeated = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], len(run), axis=0), arrays)
        return fresh | {"learner": fresh["learner"] | {"model": repeated}}

    return started


def _identity(
    text: Text, architecture: Architecture, training: Training, start: LanguageModel | None
) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(None if start is None else eqx.filter(start.model, eqx.is_array)):
        digest.update(np.asarray(leaf).tobytes())
    return {
        "format": FORMAT,
        "text": text.checksum,
        "start": None if start is None else digest.hexdigest(),
        **dataclasses.asdict(architecture),
        **dataclasses.asdict(training),
    }


def _open(out: Path, mine: dict[str, Any], *, resume: bool) -> None:
    """Makes the folder of a new run, or checks that of an old one."""
    path = out / TRAINING
    if out.exists() and not path.is_file() and (not out.is_dir() or any(out.iterdir())):
        raise TextError(f"{out} is in use and holds no training run; choose another --out")
    if path.is_file():
        if not resume:
            raise TextError(
                f"{out} already holds a training run; add --resume, or choose another --out"
            )
        try:
            old = read_json(path)
        except (OSError, ValueError) as error:
            raise TextError(f"{path} cannot be read ({error}); choose another --out") from error
        for name, value in mine.items():
            if not isinstance(old, dict) or old.get(name) != value:
                was = old.get(name) if isinstance(old, dict) else None
                what = (
                    "on another text" if name == "text" else f"with {name} = {was!r}, not {value!r}"
                )
                raise TextError(
                    f"{out} cannot be resumed: it was begun {what}; choose another --out"
                )
        if not (out / CHECKPOINTS).is_dir() and (out / "model.json").exists():
            raise TextError(f"{out} holds a run that is finished; there is nothing to resume")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, mine)


def _system(
    train: UInt8[np.ndarray, " train"],
    validation: UInt8[np.ndarray, " validation"],
    architecture: Architecture,
    training: Training,
) -> System:
    """Stream and learner, one report a tick."""
    hyper = {
        "learning_rate": training.learning_rate,
        "weight_decay": training.weight_decay,
        "warmup": max(1.0, _WARMUP * training.steps),
        "steps": float(training.every * training.ticks),
    }
    learner = TruncatedBPTT(
        architecture.builder,
        optimizer,
        {name: jnp.float32(value) for name, value in hyper.items()},
        training.batch,
        carried=training.carried,
        part=1 if jax.default_backend() == "cpu" else None,
    )
    stream = ByteSequences(train, training.batch, training.length, carried=training.carried)
    body = repeat(serial(stream=stream, learner=learner), training.every)
    return observe(body, ValidationLoss.on(validation, training.length))
