"""One task after another: streams of tasks, what learners keep, and how it is measured."""

from ._anchor import ElasticWeightConsolidation, anchor_penalty, diagonal_fisher
from ._anchored import (
    AnchoredLearner,
    L2Anchor,
    OnlineEWC,
    SynapticIntelligence,
    synaptic_intelligence,
)
from ._candidates import all_classes, classes_seen, classes_up_to_tested, own_classes
from ._distillation import LearningWithoutForgetting, distillation
from ._five_datasets import FiveDatasets, color_image, joined
from ._learner import ContinualLearner, WrappedLearner
from ._metrics import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    learning_accuracy,
    need_weighted_accuracy,
)
from ._need import NeedProcess
from ._need_odds import NeedOdds, need_odds
from ._permuted import PermutedTasks
from ._projection import (
    GradientProjectionMemory,
    HebbianOrthogonalProjection,
    Moved,
    ProjectedLearner,
    TraceLearner,
)
from ._prompted import PromptedLearner, prompted_cross_entropy
from ._rehearsal import RehearsalStream
from ._rehearsal_weights import (
    matched_rate,
    rehearsal_counts,
    rehearsal_table,
    rehearsal_weights,
)
from ._replay import ExemplarReplay, ReplayBuffer, Stored
from ._reservoir_replay import ReservoirReplay
from ._sequence import TaskSequence, masked_cross_entropy, task_cross_entropy
from ._shuffled_split import ShuffledSplitTasks
from ._split import SplitTasks
from ._task_norms import TaskNorms, latent_weights, shared_norm_loss, task_norm_loss
from ._tasks import TaskStream
from ._validation import ValidationAccuracy
from ._variational_binary import EpochAnneal, VariationalBinary, tanh_anneal

__all__ = [
    "AnchoredLearner",
    "ContinualLearner",
    "ElasticWeightConsolidation",
    "EpochAnneal",
    "ExemplarReplay",
    "FiveDatasets",
    "GradientProjectionMemory",
    "HebbianOrthogonalProjection",
    "L2Anchor",
    "LearningWithoutForgetting",
    "Moved",
    "NeedOdds",
    "NeedProcess",
    "OnlineEWC",
    "PermutedTasks",
    "ProjectedLearner",
    "PromptedLearner",
    "RehearsalStream",
    "ReplayBuffer",
    "ReservoirReplay",
    "ShuffledSplitTasks",
    "SplitTasks",
    "Stored",
    "SynapticIntelligence",
    "TaskNorms",
    "TaskSequence",
    "TaskStream",
    "TraceLearner",
    "ValidationAccuracy",
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
    "distillation",
    "forgetting",
    "forward_transfer",
    "joined",
    "latent_weights",
    "learning_accuracy",
    "masked_cross_entropy",
    "matched_rate",
    "need_odds",
    "need_weighted_accuracy",
    "own_classes",
    "prompted_cross_entropy",
    "rehearsal_counts",
    "rehearsal_table",
    "rehearsal_weights",
    "shared_norm_loss",
    "synaptic_intelligence",
    "tanh_anneal",
    "task_cross_entropy",
    "task_norm_loss",
]
