"""Mean-field theory, in float64."""

from ._detection import detection_overlap, pairwise_detection_overlap
from ._dilution import critical_dilution, learning_threshold
from ._entropy import dataset_entropy
from ._expectation import gaussian_expectation, gaussian_nodes
from ._kernel import InteractionKernel, interaction_kernel
from ._linear_memory import linear_memory_capacity, sign_error
from ._lines import Line, at_line, retrieval_spinodal
from ._mean_field import MeanField, dense_mean_field, hopfield_mean_field
from ._multitasking import MultitaskingState, multitasking_mean_field, multitasking_step
from ._precision import in_float64
from ._redundancy import chain_success, combined_failure, required_heads

__all__ = [
    "InteractionKernel",
    "Line",
    "MeanField",
    "MultitaskingState",
    "at_line",
    "chain_success",
    "combined_failure",
    "critical_dilution",
    "dataset_entropy",
    "dense_mean_field",
    "detection_overlap",
    "gaussian_expectation",
    "gaussian_nodes",
    "hopfield_mean_field",
    "in_float64",
    "interaction_kernel",
    "learning_threshold",
    "linear_memory_capacity",
    "multitasking_mean_field",
    "multitasking_step",
    "pairwise_detection_overlap",
    "required_heads",
    "retrieval_spinodal",
    "sign_error",
]
