"""Mean-field theory, in float64."""

from ._bernoulli import (
    bernoulli_kl,
    bernoulli_kl_gradient,
    bernoulli_kl_quadratic,
    bernoulli_variance,
)
from ._binary_perceptron import PerceptronMeanField, binary_perceptron_mean_field
from ._cue import cue_load
from ._detection import detection_overlap, pairwise_detection_overlap
from ._dilution import critical_dilution, learning_threshold
from ._entropy import dataset_entropy
from ._expectation import gaussian_expectation, gaussian_nodes
from ._franz_parisi import FranzParisi, franz_parisi
from ._kernel import InteractionKernel, interaction_kernel
from ._kernel_predictor import Kernel, KernelPredictor
from ._linear_memory import linear_memory_capacity, sign_error
from ._lines import Line, at_line, retrieval_spinodal
from ._mean_field import MeanField, dense_mean_field, hopfield_mean_field
from ._multitasking import MultitaskingState, multitasking_mean_field, multitasking_step
from ._permutation_coefficients import PermutationCoefficients, permutation_coefficients
from ._permutation_ensemble import (
    ensemble_size,
    permutation_factor,
    permutation_margins,
    required_sizes,
)
from ._precision import in_float64
from ._redundancy import chain_success, combined_failure, required_heads
from ._relu_kernels import relu_nngp, relu_ntk

__all__ = [
    "FranzParisi",
    "InteractionKernel",
    "Kernel",
    "KernelPredictor",
    "Line",
    "MeanField",
    "MultitaskingState",
    "PerceptronMeanField",
    "PermutationCoefficients",
    "at_line",
    "bernoulli_kl",
    "bernoulli_kl_gradient",
    "bernoulli_kl_quadratic",
    "bernoulli_variance",
    "binary_perceptron_mean_field",
    "chain_success",
    "combined_failure",
    "critical_dilution",
    "cue_load",
    "dataset_entropy",
    "dense_mean_field",
    "detection_overlap",
    "ensemble_size",
    "franz_parisi",
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
    "permutation_coefficients",
    "permutation_factor",
    "permutation_margins",
    "relu_nngp",
    "relu_ntk",
    "required_heads",
    "required_sizes",
    "retrieval_spinodal",
    "sign_error",
]
