"""Layers and models: modules that know nothing of how they are trained."""

from ._accumulate import accumulate
from ._attention import SoftmaxAttention
from ._batch_norm import BatchNorm
from ._capture import capture, tag
from ._conv import Conv2d, conv2d
from ._conv_autoencoder import ConvAutoencoder
from ._conv_net import ConvNet, Pool, conv_sizes
from ._dense import dense
from ._encoder import EncoderTransformer
from ._initializers import uniform_fan_in
from ._mlp import MLP, DenseLayer
from ._pooling import max_pool, mean_pool, upsample
from ._spiking_network import SpikingLayer, SpikingNetwork
from ._transformer import TransformerBlock
from ._two_layer_net import TwoLayerNet
from ._upsample_conv import upsample_conv2d

__all__ = [
    "MLP",
    "BatchNorm",
    "Conv2d",
    "ConvAutoencoder",
    "ConvNet",
    "DenseLayer",
    "EncoderTransformer",
    "Pool",
    "SoftmaxAttention",
    "SpikingLayer",
    "SpikingNetwork",
    "TransformerBlock",
    "TwoLayerNet",
    "accumulate",
    "capture",
    "conv2d",
    "conv_sizes",
    "dense",
    "max_pool",
    "mean_pool",
    "tag",
    "uniform_fan_in",
    "upsample",
    "upsample_conv2d",
]
