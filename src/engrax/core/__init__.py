"""Systems, the few lawful ways to combine them, and the runner."""

from ._compose import Observe, Repeat, Serial, Then, observe, repeat, serial, then
from ._draws import draw_normal, draw_uniform
from ._gradient_learner import (
    AccuracyOn,
    Differentiated,
    GradientLearner,
    accuracy,
    correct,
    cross_entropy,
    in_parts,
    rebuild,
)
from ._metaplastic import metaplastic
from ._patches import image_columns, patches
from ._path_mask import Paths, path_mask
from ._simulate import (
    Checkpoints,
    Grid,
    Placement,
    Simulation,
    Stopped,
    axis_values,
    chunk_length,
    default_placement,
    simulate,
)
from ._straight_through import straight_through
from ._system import Batch, Learner, State, Stream, System, named

__all__ = [
    "AccuracyOn",
    "Batch",
    "Checkpoints",
    "Differentiated",
    "GradientLearner",
    "Grid",
    "Learner",
    "Observe",
    "Paths",
    "Placement",
    "Repeat",
    "Serial",
    "Simulation",
    "State",
    "Stopped",
    "Stream",
    "System",
    "Then",
    "accuracy",
    "axis_values",
    "chunk_length",
    "correct",
    "cross_entropy",
    "default_placement",
    "draw_normal",
    "draw_uniform",
    "image_columns",
    "in_parts",
    "metaplastic",
    "named",
    "observe",
    "patches",
    "path_mask",
    "rebuild",
    "repeat",
    "serial",
    "simulate",
    "straight_through",
    "then",
]
