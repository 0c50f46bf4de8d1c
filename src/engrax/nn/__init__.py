"""Layers and models: Equinox modules that know nothing of how they are trained."""

from engrax.nn._accumulate import accumulate
from engrax.nn._attention import SoftmaxAttention
from engrax.nn._batch_norm import BatchNorm
from engrax.nn._encoder import EncoderTransformer
from engrax.nn._transformer import TransformerBlock
from engrax.nn._two_layer_net import TwoLayerNet

__all__ = [
    "BatchNorm",
    "EncoderTransformer",
    "SoftmaxAttention",
    "TransformerBlock",
    "TwoLayerNet",
    "accumulate",
]
