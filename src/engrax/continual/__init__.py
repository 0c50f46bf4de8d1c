"""One task after another: streams of tasks, what learners keep, and how it is measured."""

from ._anchor import ElasticWeightConsolidation, anchor_penalty, diagonal_fisher
from ._candidates import all_classes, classes_seen, classes_up_to_tested, own_classes
from ._five_datasets import FiveDatasets, color_image, joined
from ._learner import ContinualLearner, WrappedLearner
from ._metrics import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    learning_accuracy,
)
from ._permuted import PermutedTasks
from ._projection import (
    GradientProjectionMemory,
    HebbianOrthogonalProjection,
    Moved,
    ProjectedLearner,
    TraceLearner,
)
from ._replay import ExemplarReplay, ReplayBuffer, Stored
from ._reservoir_replay import ReservoirReplay
from ._sequence import TaskSequence, masked_cross_entropy, task_cross_entropy
from ._split import SplitTasks
from ._tasks import TaskStream

__all__ = [
    "ContinualLearner",
    "ElasticWeightConsolidation",
    "ExemplarReplay",
    "FiveDatasets",
    "GradientProjectionMemory",
    "HebbianOrthogonalProjection",
    "Moved",
    "PermutedTasks",
    "ProjectedLearner",
    "ReplayBuffer",
    "ReservoirReplay",
    "SplitTasks",
    "Stored",
    "TaskSequence",
    "TaskStream",
    "TraceLearner",
    "WrappedLearner",
    "all_classes",
    "anchor_penalty",
    "average_accuracy",
    "backward_transfer",
    "classes_seen",
    "classes_up_to_tested",
    "color_image",
    "diagonal_fisher",
    "forgetting",
    "forward_transfer",
    "joined",
    "learning_accuracy",
    "masked_cross_entropy",
    "own_classes",
    "task_cross_entropy",
]
