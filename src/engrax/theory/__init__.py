"""Mean-field theory, in float64."""

from ._bernoulli import (
    bernoulli_kl,
    bernoulli_kl_gradient,
    bernoulli_kl_quadratic,
    bernoulli_variance,
)
from ._binary_perceptron import PerceptronMeanField, binary_perceptron_mean_field
from ._detection import detection_overlap, pairwise_detection_overlap
from ._entropy import dataset_entropy
from ._expectation import gaussian_expectation, gaussian_nodes
from ._franz_parisi import FranzParisi, franz_parisi
from ._kernel import InteractionKernel, interaction_kernel
from ._linear_memory import linear_memory_capacity, sign_error
from ._lines import Line, at_line, retrieval_spinodal
from ._mean_field import MeanField, dense_mean_field, hopfield_mean_field
from ._precision import in_float64
from ._redundancy import chain_success, combined_failure, required_heads

__all__ = [
    "FranzParisi",
    "InteractionKernel",
    "Line",
    "MeanField",
    "PerceptronMeanField",
    "at_line",
    "bernoulli_kl",
    "bernoulli_kl_gradient",
    "bernoulli_kl_quadratic",
    "bernoulli_variance",
    "binary_perceptron_mean_field",
    "chain_success",
    "combined_failure",
    "dataset_entropy",
    "dense_mean_field",
    "detection_overlap",
    "franz_parisi",
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
