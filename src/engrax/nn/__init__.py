"""Layers and models: Equinox modules that know nothing of how they are trained."""

from ._accumulate import accumulate
from ._attention import SoftmaxAttention
from ._batch_norm import BatchNorm
from ._encoder import EncoderTransformer
from ._transformer import TransformerBlock
from ._two_layer_net import TwoLayerNet

__all__ = [
    "BatchNorm",
    "EncoderTransformer",
    "SoftmaxAttention",
    "TransformerBlock",
    "TwoLayerNet",
    "accumulate",
]
