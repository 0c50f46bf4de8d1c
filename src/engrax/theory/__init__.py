"""Mean-field theory, in float64."""

from ._detection import detection_overlap, pairwise_detection_overlap
from ._entropy import dataset_entropy
from ._expectation import gaussian_expectation, gaussian_nodes
from ._kernel import InteractionKernel, interaction_kernel
from ._linear_memory import linear_memory_capacity, sign_error
from ._lines import Line, at_line, retrieval_spinodal
from ._mean_field import MeanField, dense_mean_field, hopfield_mean_field
from ._precision import in_float64
from ._redundancy import chain_success, combined_failure, required_heads

__all__ = [
    "InteractionKernel",
    "Line",
    "MeanField",
    "at_line",
    "chain_success",
    "combined_failure",
    "dataset_entropy",
    "dense_mean_field",
    "detection_overlap",
    "gaussian_expectation",
    "gaussian_nodes",
    "hopfield_mean_field",
    "in_float64",
    "interaction_kernel",
    "linear_memory_capacity",
    "pairwise_detection_overlap",
    "required_heads",
    "retrieval_spinodal",
    "sign_error",
]
