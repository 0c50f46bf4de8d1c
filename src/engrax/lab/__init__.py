"""Runs studies: arms, claims, verdicts, run folders, reports."""

from . import figures
from ._check import check_folder
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
from ._format import format_estimate, format_method, format_rule
from ._intervals import (
    Interval,
    bootstrap_interval,
    exact_interval,
    proportion_interval,
    slope_interval,
    spearman_interval,
    t_half_width,
    t_interval,
)
from ._judgements import ClaimJudgement, PartJudgement, Verdict
from ._ledger import plan_record, record, studies_table, write_table
from ._lock import held
from ._manifest import read_json, write, write_json
from ._processes import join_processes, leads
from ._report import redraw, render_report
from ._run import Progress, judgeable, run_study
from ._stopping import stoppable
from ._study import Arm, Paper, Reference, Study, Tuning, known, load_study
from ._tracking import Tracker, TrackingError, unsent

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
    "Tracker",
    "TrackingError",
    "Tuning",
    "UnknownName",
    "Verdict",
    "at_least",
    "at_most",
    "between",
    "bootstrap_interval",
    "check_folder",
    "claims_hash",
    "environment",
    "equivalent",
    "exact_interval",
    "figures",
    "format_estimate",
    "format_method",
    "format_rule",
    "held",
    "join_processes",
    "judge",
    "judge_claim",
    "judge_part",
    "judgeable",
    "known",
    "leads",
    "load_run",
    "load_study",
    "non_inferior",
    "paired_difference",
    "plan_record",
    "proportion_interval",
    "read_json",
    "record",
    "redraw",
    "render_report",
    "run_study",
    "slope_interval",
    "spearman_interval",
    "stoppable",
    "studies_table",
    "t_half_width",
    "t_interval",
    "unsent",
    "write",
    "write_json",
    "write_table",
]
