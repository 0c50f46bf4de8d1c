"""Systems, the few lawful ways to combine them, and the runner."""

from ._compose import Observe, Repeat, Serial, Then, observe, repeat, serial, then
from ._draws import draw_normal, draw_uniform
from ._footprint import Footprint, footprint, nbytes
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
from ._mesh import data_mesh, spread
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
from ._system import Batch, Learner, State, Stream, System, is_key, named

__all__ = [
    "AccuracyOn",
    "Batch",
    "Checkpoints",
    "Differentiated",
    "Footprint",
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
    "data_mesh",
    "default_placement",
    "draw_normal",
    "draw_uniform",
    "footprint",
    "image_columns",
    "in_parts",
    "is_key",
    "metaplastic",
    "named",
    "nbytes",
    "observe",
    "patches",
    "path_mask",
    "rebuild",
    "repeat",
    "serial",
    "simulate",
    "spread",
    "straight_through",
    "then",
]
