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
from ._class_ewc import ClassIncrementalEWC
from ._distillation import LearningWithoutForgetting, distillation
from ._five_datasets import FiveDatasets, color_image, joined
from ._learner import ContinualLearner, WrappedLearner, innermost, part_of, with_part
from ._metrics import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    global_forgetting,
    learning_accuracy,
    local_forgetting,
    need_weighted_accuracy,
)
from ._mixed_bce import (
    Taught,
    balanced_bce,
    feature_distillation,
    label_log_likelihoods,
    mixed_bce,
    new_class_bce,
    seen_class_bce,
    seen_cross_entropy,
    softmax_kd,
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
from ._taught import TaughtLearner, TaughtLoss
from ._validation import ValidationAccuracy
from ._variational_binary import EpochAnneal, VariationalBinary, tanh_anneal

__all__ = [
    "AnchoredLearner",
    "ClassIncrementalEWC",
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
    "Taught",
    "TaughtLearner",
    "TaughtLoss",
    "TraceLearner",
    "ValidationAccuracy",
    "VariationalBinary",
    "WrappedLearner",
    "all_classes",
    "anchor_penalty",
    "average_accuracy",
    "backward_transfer",
    "balanced_bce",
    "classes_seen",
    "classes_up_to_tested",
    "color_image",
    "diagonal_fisher",
    "distillation",
    "feature_distillation",
    "forgetting",
    "forward_transfer",
    "global_forgetting",
    "innermost",
    "joined",
    "label_log_likelihoods",
    "latent_weights",
    "learning_accuracy",
    "local_forgetting",
    "masked_cross_entropy",
    "matched_rate",
    "mixed_bce",
    "need_odds",
    "need_weighted_accuracy",
    "new_class_bce",
    "own_classes",
    "part_of",
    "prompted_cross_entropy",
    "rehearsal_counts",
    "rehearsal_table",
    "rehearsal_weights",
    "seen_class_bce",
    "seen_cross_entropy",
    "shared_norm_loss",
    "softmax_kd",
    "synaptic_intelligence",
    "tanh_anneal",
    "task_cross_entropy",
    "task_norm_loss",
    "with_part",
]
