"""Learners that assign credit, with and without backpropagation."""

from ._alignment import AlignmentLoss, ClassAlignment, class_alignment_loss
from ._bptt import BPTTLearner
from ._counter_current import CounterCurrent
from ._direct_feedback import DirectFeedbackAlignment, DirectRandomTargetProjection
from ._dsr import DSRLearner
from ._dual import DualNetwork
from ._dual_autoencoder import AutoencoderAlignment, DualAutoencoder, trained_blocks
from ._dual_chain import DualChain
from ._dual_conv import DualConv
from ._feedback_alignment import FeedbackAlignment
from ._layerwise import ClassifierLearner, layerwise_gradient, output_error
from ._online_trace import OnlineTraceLearner
from ._optimizers import network_sgd
from ._spiking_learner import SpikingLearner, spiking_trainable
from ._target_propagation import TargetPropagation

__all__ = [
    "AlignmentLoss",
    "AutoencoderAlignment",
    "BPTTLearner",
    "ClassAlignment",
    "ClassifierLearner",
    "CounterCurrent",
    "DSRLearner",
    "DirectFeedbackAlignment",
    "DirectRandomTargetProjection",
    "DualAutoencoder",
    "DualChain",
    "DualConv",
    "DualNetwork",
    "FeedbackAlignment",
    "OnlineTraceLearner",
    "SpikingLearner",
    "TargetPropagation",
    "class_alignment_loss",
    "layerwise_gradient",
    "network_sgd",
    "output_error",
    "spiking_trainable",
    "trained_blocks",
]
