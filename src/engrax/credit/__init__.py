"""Learners that assign credit, with and without backpropagation."""

from ._adjoint_ode import AdjointODEClassifier, adjoint_ode
from ._alignment import AlignmentLoss, ClassAlignment, class_alignment_loss
from ._backprop_chain import BackpropChain
from ._block_learner import BlockLearner
from ._bptt import BPTTLearner
from ._counter_current import CounterCurrent
from ._denoise import Path, denoise
from ._direct_feedback import DirectFeedbackAlignment, DirectRandomTargetProjection
from ._dsr import DSRLearner
from ._dual import DualNetwork
from ._dual_autoencoder import AutoencoderAlignment, DualAutoencoder, trained_blocks
from ._dual_chain import DualChain
from ._dual_conv import DualConv
from ._feedback_alignment import FeedbackAlignment
from ._forward_forward import ForwardForward
from ._forward_gradient import ForwardGradient
from ._layerwise import ClassifierLearner, layerwise_gradient, output_error
from ._local_cross_entropy import LocalCrossEntropy
from ._noprop import NoProp, Trace
from ._noprop_losses import noprop_ct_loss, noprop_dt_loss, noprop_fm_loss
from ._online_trace import OnlineTraceLearner
from ._optimizers import network_sgd
from ._schedules import (
    CosineVariancePreserving,
    LearnableVariancePreserving,
    StepCoefficients,
    posterior_coefficients,
    prior_divergence,
)
from ._spiking_learner import SpikingLearner, spiking_trainable
from ._target_propagation import TargetPropagation

__all__ = [
    "AdjointODEClassifier",
    "AlignmentLoss",
    "AutoencoderAlignment",
    "BPTTLearner",
    "BackpropChain",
    "BlockLearner",
    "ClassAlignment",
    "ClassifierLearner",
    "CosineVariancePreserving",
    "CounterCurrent",
    "DSRLearner",
    "DirectFeedbackAlignment",
    "DirectRandomTargetProjection",
    "DualAutoencoder",
    "DualChain",
    "DualConv",
    "DualNetwork",
    "FeedbackAlignment",
    "ForwardForward",
    "ForwardGradient",
    "LearnableVariancePreserving",
    "LocalCrossEntropy",
    "NoProp",
    "OnlineTraceLearner",
    "Path",
    "SpikingLearner",
    "StepCoefficients",
    "TargetPropagation",
    "Trace",
    "adjoint_ode",
    "class_alignment_loss",
    "denoise",
    "layerwise_gradient",
    "network_sgd",
    "noprop_ct_loss",
    "noprop_dt_loss",
    "noprop_fm_loss",
    "output_error",
    "posterior_coefficients",
    "prior_divergence",
    "spiking_trainable",
    "trained_blocks",
]
