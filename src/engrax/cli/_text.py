"""`engrax text ...`: train a language model on a text, and use it."""

import dataclasses
import datetime
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from engrax._registry import unknown

from ._errors import UsageError
from ._jax import configure
from ._parse import parse

if TYPE_CHECKING:
    from engrax.text import LanguageModel

RUNS = Path("runs")

HELP = """\
usage: engrax text COMMAND ...

  train FILE               train a BDH or a GPT on a text file (or pydoc_topics, shakespeare)
  generate RUN --prompt P  what the model says after P, byte by byte as it is drawn
  score RUN FILE           bits per byte of a text
  merge A B OUT            one BDH with the neurons of two, without training
  look RUN FILE            a page and a figure of what happens inside while it reads

engrax text COMMAND --help lists every option.
"""


def text(args: list[str]) -> int:
    """Runs one command on language models."""
    if not args or args[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    name, rest = args[0], args[1:]
    if name not in _COMMANDS:
        raise UsageError(unknown("command of engrax text", name, _COMMANDS))
    return _COMMANDS[name](rest)


def _train(args: list[str]) -> int:
    from engrax.lab import Interrupted
    from engrax.tasks import load_text
    from engrax.text import Architecture, LanguageModel, Training, train_language_model

    from ._text_progress import TrainingBar

    @dataclasses.dataclass(frozen=True)
    class Where:
        """What to train on, and where to keep it."""

        file: tyro.conf.Positional[str]
        """A text file, or one of pydoc_topics, shakespeare, tiny_shakespeare."""
        out: Path | None = None
        """Folder of the run; runs/text-FILE-TIME if not given."""
        start: Path | None = None
        """Start from the model in this folder; two that start from one can be merged."""
        resume: bool = False
        """Go on with the run in --out."""

    kinds = {"where": Where, "architecture": Architecture, "training": Training}
    options = _parse(kinds, args, "engrax text train", "Trains a language model over bytes.")
    if options.where.resume and options.where.out is None:
        raise UsageError("--resume goes on with the run in --out; give --out as well")
    configure()
    source = load_text(options.where.file)
    architecture, start = options.architecture, None
    if options.where.start is not None:
        start = LanguageModel.load(options.where.start)
        # Whoever names a start need not spell its sizes again.
        architecture = start.architecture if architecture == Architecture() else architecture
    out = options.where.out or RUNS / f"text-{Path(source.name).stem}-{_now()}"
    with TrainingBar() as bar:
        try:
            made = train_language_model(
                source,
                out,
                architecture=architecture,
                training=options.training,
                start=start,
                resume=options.where.resume,
                report=bar.update,
                warn=bar.warn,
            )
        except Interrupted as stop:
            command = shlex.join(["engrax", "text", "train", *args])
            more = [] if options.where.resume else ["--resume"]
            more += [] if options.where.out else ["--out", str(out)]
            raise Interrupted(stop.folder, f"{command} {shlex.join(more)}".strip()) from None
    print(f"validation: {made.history['validation_bits'][-1]:.3f} bits per byte")
    print(f"model:      {out / 'model.safetensors'}")
    return 0


def _generate(args: list[str]) -> int:
    @dataclasses.dataclass(frozen=True)
    class Options:
        """What to say."""

        run: tyro.conf.Positional[Path]
        """Folder of a trained model."""
        prompt: str
        """What to begin with."""
        bytes: int = 500
        """How many bytes to add; 0 for no end."""
        temperature: float = 0.8
        """0 says what is most likely each time; higher is bolder."""
        top_k: int = 256
        """Draw from so many bytes, the most likely ones."""
        top_p: float = 1.0
        """Draw from the most likely bytes that together have this share."""
        seed: int = 0
        """The same seed says the same."""

    options = _parse({"options": Options}, args, "engrax text generate", "Speaks on.").options
    if options.bytes < 0:
        raise UsageError(f"--bytes is at least 0, got {options.bytes}")
    model = _model(options.run)
    prompt = model.encode(options.prompt)
    drawn = model.generate(
        prompt.tobytes(),
        options.bytes or None,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
    )
    out = sys.stdout.buffer
    out.write(prompt.tobytes())
    for byte in drawn:
        out.write(byte)
        out.flush()  # each byte is shown as it is drawn
    out.write(b"\n")
    out.flush()
    return 0


def _score(args: list[str]) -> int:
    @dataclasses.dataclass(frozen=True)
    class Options:
        """What to score."""

        run: tyro.conf.Positional[Path]
        """Folder of a trained model."""
        file: tyro.conf.Positional[str]
        """A text file."""

    options = _parse({"options": Options}, args, "engrax text score", "Bits per byte.").options
    from engrax.tasks import load_text

    data = load_text(options.file).data
    score = _model(options.run).score(data)
    print(f"{score.bits_per_byte:.4f} bits per byte over {score.bytes:,} bytes")
    return 0


def _merge(args: list[str]) -> int:
    @dataclasses.dataclass(frozen=True)
    class Options:
        """What to merge."""

        first: tyro.conf.Positional[Path]
        """Folder of a trained BDH."""
        second: tyro.conf.Positional[Path]
        """Folder of another that went on from the same model."""
        out: tyro.conf.Positional[Path]
        """Folder for the merged model."""

    options = _parse({"options": Options}, args, "engrax text merge", "Merges models.").options
    from engrax.text import LanguageModel, TextError

    if options.out.exists():
        raise TextError(f"{options.out} exists already; choose another folder for the merged model")
    made = LanguageModel.merge(_model(options.first), _model(options.second))
    made.save(options.out)
    print(f"model: {options.out / 'model.safetensors'} ({made.architecture.neurons:,} neurons)")
    return 0


def _look(args: list[str]) -> int:
    @dataclasses.dataclass(frozen=True)
    class Options:
        """What to look at."""

        run: tyro.conf.Positional[Path]
        """Folder of a trained BDH."""
        file: tyro.conf.Positional[str]
        """The text that it reads while you look."""
        begin: int = 0
        """First byte of the text to read."""
        bytes: int = 6000
        """How many bytes to read."""
        about: str = ""
        """Show the synapses that remember this word best; the most telling ones if not given."""
        synapses: int = 6
        """How many synapses to show."""
        out: Path | None = None
        """Folder for page and figure; RUN/look if not given."""

    options = _parse({"options": Options}, args, "engrax text look", "Looks inside.").options
    from engrax.tasks import load_text
    from engrax.text import look_inside, write_look

    source = load_text(options.file)
    model = _model(options.run)
    seen = look_inside(
        model,
        source,
        begin=options.begin,
        length=options.bytes,
        about=options.about,
        synapses=options.synapses,
    )
    page, figure = write_look(seen, options.out or options.run / "look")
    print(f"page:   {page}\nfigure: {figure}")
    return 0


_COMMANDS = {
    "train": _train,
    "generate": _generate,
    "score": _score,
    "merge": _merge,
    "look": _look,
}


def _model(folder: Path) -> "LanguageModel":
    from engrax.text import LanguageModel

    configure()
    return LanguageModel.load(folder)


def _parse(kinds: dict[str, type], args: list[str], prog: str, description: str) -> Any:
    """The dataclasses `kinds` from one list of arguments, whose options stand side by side."""
    fields = [
        (name, Annotated[kind, tyro.conf.arg(name="")])
        if any(field.default is dataclasses.MISSING for field in dataclasses.fields(kind))
        else (
            name,
            Annotated[kind, tyro.conf.arg(name="")],
            dataclasses.field(default_factory=kind),
        )
        for name, kind in kinds.items()
    ]
    both = dataclasses.make_dataclass("TextOptions", fields)
    return parse(both, args, prog=prog, description=description)


def _now() -> str:
    return f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
