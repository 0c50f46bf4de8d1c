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
from ._sequence import TaskSequence, masked_cross_entropy, task_cross_entropy
from ._split import SplitTasks
from ._task_norms import TaskNorms, latent_weights, shared_norm_loss, task_norm_loss
from ._tasks import TaskStream
from ._variational_binary import EpochAnneal, VariationalBinary, tanh_anneal

__all__ = [
    "ContinualLearner",
    "ElasticWeightConsolidation",
    "EpochAnneal",
    "ExemplarReplay",
    "FiveDatasets",
    "GradientProjectionMemory",
    "HebbianOrthogonalProjection",
    "Moved",
    "PermutedTasks",
    "ProjectedLearner",
    "ReplayBuffer",
    "SplitTasks",
    "Stored",
    "TaskNorms",
    "TaskSequence",
    "TaskStream",
    "TraceLearner",
    "VariationalBinary",
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
    "latent_weights",
    "learning_accuracy",
    "masked_cross_entropy",
    "own_classes",
    "shared_norm_loss",
    "tanh_anneal",
    "task_cross_entropy",
    "task_norm_loss",
]
