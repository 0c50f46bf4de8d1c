"""Runs studies: arms, claims, verdicts, run folders, reports."""

from . import figures
from ._checkpoints import ArmCheckpoints
from ._claims import (
    Claim,
    Measured,
    Part,
    Rule,
    at_least,
    at_most,
    between,
    claims_hash,
    equivalent,
    judge,
    judge_claim,
    judge_part,
    non_inferior,
    paired_difference,
)
from ._errors import FolderError, Interrupted, RunError, UnknownName
from ._folder import Run, environment, load_run
from ._intervals import (
    Interval,
    bootstrap_interval,
    exact_interval,
    proportion_interval,
    slope_interval,
    spearman_interval,
    t_interval,
)
from ._judgements import ClaimJudgement, PartJudgement, Verdict
from ._report import redraw, render_report
from ._run import Progress, run_study
from ._study import Arm, Paper, Reference, Study, Tuning, known, load_study, studies

__all__ = [
    "Arm",
    "ArmCheckpoints",
    "Claim",
    "ClaimJudgement",
    "FolderError",
    "Interrupted",
    "Interval",
    "Measured",
    "Paper",
    "Part",
    "PartJudgement",
    "Progress",
    "Reference",
    "Rule",
    "Run",
    "RunError",
    "Study",
    "Tuning",
    "UnknownName",
    "Verdict",
    "at_least",
    "at_most",
    "between",
    "bootstrap_interval",
    "claims_hash",
    "environment",
    "equivalent",
    "exact_interval",
    "figures",
    "judge",
    "judge_claim",
    "judge_part",
    "known",
    "load_run",
    "load_study",
    "non_inferior",
    "paired_difference",
    "proportion_interval",
    "redraw",
    "render_report",
    "run_study",
    "slope_interval",
    "spearman_interval",
    "studies",
    "t_interval",
]
