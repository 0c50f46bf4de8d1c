"""`engrax run STUDY`: measures claims and leaves a run folder."""

import dataclasses
import datetime
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tyro

from engrax._registry import studies, unknown
from engrax.lab import (
    Interrupted,
    Run,
    RunError,
    Study,
    join_processes,
    leads,
    plan_record,
    record,
    run_study,
    unsent,
)

from ._claims import print_claims
from ._errors import UsageError
from ._installed import installed
from ._jax import multiply_exactly
from ._parse import parse
from ._progress import Display

RUNS, RESULTS = Path("runs"), Path("results")


@dataclasses.dataclass(frozen=True)
class Options:
    """What to run, and where to keep it."""

    claims: Annotated[str, tyro.conf.arg(metavar="C1,C2,...")] = ""
    """Claims to measure, with the arms that they need, or "all" of them; if not given all, but at
    scale smoke those that the study chose to try itself with."""
    headline: bool = False
    """Measure the headline claim alone."""
    scale: str = "cpu"
    """Configuration to start from: one of the study's scales."""
    out: Path | None = None
    """Run folder; runs/STUDY-SCALE-TIME if not given."""
    resume: bool = False
    """Go on with the run in --out, or with the newest unfinished one of the study in runs/."""
    track: Annotated[str, tyro.conf.arg(metavar="URI")] = ""
    """MLflow server that gets parameters, metrics, claims and figures, such as http://HOST:5000."""
    cluster: Annotated[str, tyro.conf.arg(metavar="auto|HOST:PORT")] = ""
    """Ray cluster whose machines share the seeds; auto is the one that runs on this machine."""
    store: Annotated[str, tyro.conf.arg(metavar="FOLDER|ADDRESS")] = ""
    """Where the machines of --cluster keep checkpoints: a folder that all share, or an address of
    fsspec such as s3://BUCKET/PATH; the run folder if not given."""
    mesh: Annotated[str, tyro.conf.arg(metavar="data=DEVICES")] = ""
    """Spread the batches of each model over so many devices; over several processes where Slurm or
    ENGRAX_COORDINATOR, ENGRAX_PROCESSES and ENGRAX_PROCESS say so."""
    checkpoint_every: float | None = None
    """Seconds of work between two checkpoints, the most that a killed run loses, or one chunk if
    that takes longer; 0: after every chunk. If not given, 20 times what a checkpoint costs."""
    record: bool = False
    """Also write results/STUDY.json and its figures, the ledger that the README is made from."""


def run(args: list[str]) -> int:
    """Runs a study and prints its verdicts."""
    if any(arg.partition("=")[0] == "--mesh" for arg in args):
        join_processes()  # before anything is computed
    name, rest = _study_name(args)
    if name is None:
        return _general_help(rest)
    study = installed(name)
    scale = _scale(rest, study)
    options, config = _parse(study, scale, rest)
    out = options.out or _folder(study.name, scale, resume=options.resume)
    command = shlex.join(["engrax", "run", *args])
    return _measure(study, options, config, out, command)


def _measure(study: Study, options: Options, config: Any, out: Path, command: str) -> int:
    if config.seeds < 1:
        raise UsageError(f"--seeds takes a whole number of at least 1, got {config.seeds}")
    if options.store and not options.cluster:
        raise UsageError("--store is where the machines of --cluster keep checkpoints; give both")
    claims = _claims(study, options)
    if options.record:
        try:
            plan_record(study, options.scale, config, RESULTS)
        except RunError as error:
            raise UsageError(f"--record: {error}") from error
    multiply_exactly()
    with Display() as display:
        try:
            done = run_study(
                study,
                scale=options.scale,
                config=config,
                claims=claims,
                out=out,
                resume=options.resume,
                every=options.checkpoint_every,
                command=command,
                progress=display.update if leads() else lambda where: None,
                warn=display.warn,
                track=options.track,
                cluster=options.cluster,
                store=options.store,
                mesh=options.mesh,
            )
        except Interrupted as stop:
            raise Interrupted(
                stop.folder if leads() else out, _resume(command, options, out)
            ) from None
    if not leads():  # another process of the same run says it
        return _diverged(done)
    if done.judgements:
        print_claims(done)
    else:
        print(
            "claims are judged at an unmodified scale other than smoke, with at least 5 seeds; "
            "this run is kept without verdicts"
        )
    if claims is None and (chosen := study.chosen(options.scale)):
        print(f"arms:    those of {', '.join(chosen)}; --claims all makes every arm")
    print(f"page:    {out / 'report.html'}\nrecords: {out / 'records.nc'}")
    if options.record:
        print(f"ledger:  {record(done, RESULTS)}")
    # A server that went away does not undo the run, but whoever waits for it should know.
    return _diverged(done) or (1 if options.track in unsent(out) else 0)


def _diverged(done: Run) -> int:
    """Exit code 3, and a line an arm, where a run that must stay finite did not."""
    strict = {
        arm
        for claim in done.study.claims
        if all(arm in done for arm in claim.arms) and not claim.tolerates_divergence
        for arm in claim.arms
    }
    lost: dict[str, list[tuple[int, int]]] = {}
    for arm, seed, tick in done.diverged:
        if arm in strict:
            lost.setdefault(arm, []).append((seed, tick))
    for arm, where in lost.items():
        seed, tick = where[0]
        more = f", and {len(where) - 1} more of its runs" if len(where) > 1 else ""
        print(
            f"engrax: arm {arm!r} became non-finite in seed {seed} at tick {tick}{more}; "
            "its claims are open at best",
            file=sys.stderr,
        )
    return 3 if lost else 0


def _study_name(args: list[str]) -> tuple[str | None, list[str]]:
    """The study among the arguments, and the others."""
    if args and not args[0].startswith("-"):
        return args[0], args[1:]
    for i, arg in enumerate(args):
        if arg in studies():
            return arg, args[:i] + args[i + 1 :]
    return None, args


def _general_help(args: list[str]) -> int:
    if not {"-h", "--help"} & set(args):
        raise UsageError(f"name a study to run: there is {', '.join(studies()) or 'none'}")
    parse(
        Options,
        ["--help"],
        prog="engrax run STUDY",
        description="Measures the claims of a study. Each study adds the fields of its "
        "configuration: engrax run STUDY --help.",
    )
    return 0


def _scale(args: list[str], study: Study) -> str:
    """The value of --scale, which says what the defaults of all other options are."""
    scale = "cpu"
    for i, arg in enumerate(args):
        if arg == "--scale" and i + 1 < len(args):
            scale = args[i + 1]
        elif arg.startswith("--scale="):
            scale = arg.partition("=")[2]
    if scale not in study.scales:
        raise UsageError(unknown("scale", scale, study.scales))
    return scale


def _parse(study: Study, scale: str, args: list[str]) -> tuple[Options, Any]:
    preset = study.scales[scale]
    both = dataclasses.make_dataclass(
        "RunOptions",
        [
            ("run", Annotated[Options, tyro.conf.arg(name="")]),
            (
                "config",
                Annotated[study.config, tyro.conf.arg(name="")],
                dataclasses.field(default_factory=lambda: preset),
            ),
        ],
    )
    prog = f"engrax run {study.name}"
    parsed = parse(both, args, prog=prog, description=f"{study.paper.title}. {study.summary}")
    return parsed.run, parsed.config


def _claims(study: Study, options: Options) -> tuple[str, ...] | None:
    if options.headline and options.claims:
        raise UsageError("--headline and --claims exclude each other; give one of them")
    if options.headline:
        return (study.headline,)
    if not options.claims:
        return None
    if options.claims == "all":
        return ()
    names = tuple(name.strip() for name in options.claims.split(",") if name.strip())
    mine = [claim.name for claim in study.claims]
    for name in names:
        if name not in mine:
            raise UsageError(unknown(f"claim of {study.name}", name, mine))
    return names


def _folder(study: str, scale: str, *, resume: bool) -> Path:
    if not resume:
        return RUNS / f"{study}-{scale}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    for folder in sorted(RUNS.glob(f"{study}-{scale}-*"), key=_begun, reverse=True):
        about = _about(folder)
        # A run is finished once its manifest stands.
        if about and (about.get("finished") is None or not (folder / "manifest.json").exists()):
            return folder
    raise UsageError(
        f"--resume found no unfinished run of {study} at scale {scale} in {RUNS}; name it by --out"
    )


def _begun(folder: Path) -> str:
    return str(_about(folder).get("begun", ""))


def _about(folder: Path) -> Mapping[str, Any]:
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _resume(command: str, options: Options, out: Path) -> str:
    """The command that goes on with a run that was stopped."""
    more = [] if options.resume else ["--resume"]
    more += [] if options.out else ["--out", str(out)]
    return f"{command} {shlex.join(more)}".strip()
