"""Layers and models: modules that know nothing of how they are trained."""

from ._accumulate import accumulate
from ._attention import SoftmaxAttention
from ._batch_norm import BatchNorm
from ._bdh import BDH, BDHState, head_decays
from ._bdh_graph import BDHGraph, GraphState, HiddenGraph, sign_split
from ._capture import capture, tag
from ._conv import Conv2d, conv2d
from ._conv_autoencoder import ConvAutoencoder
from ._conv_net import ConvNet, Pool, conv_sizes
from ._decoder import Decoder, DecoderState
from ._denoising_block import Decision, DenoisingBlock
from ._dense import dense
from ._encoder import EncoderTransformer
from ._image_path import without_statistics
from ._initializers import uniform_fan_in
from ._label_embedding import LabelEmbedding, class_prototypes
from ._linear_attention import LinearAttention
from ._matched_width import matched_width, parameter_count
from ._mlp import MLP, DenseLayer
from ._nir import from_nir, to_nir
from ._pooling import max_pool, mean_pool, upsample
from ._sinusoidal import sinusoidal
from ._spiking_network import SpikingLayer, SpikingNetwork
from ._transformer import TransformerBlock
from ._truncated_bptt import TruncatedBPTT, text_losses
from ._two_layer_net import TwoLayerNet
from ._upsample_conv import upsample_conv2d

__all__ = [
    "BDH",
    "MLP",
    "BDHGraph",
    "BDHState",
    "BatchNorm",
    "Conv2d",
    "ConvAutoencoder",
    "ConvNet",
    "Decision",
    "Decoder",
    "DecoderState",
    "DenoisingBlock",
    "DenseLayer",
    "EncoderTransformer",
    "GraphState",
    "HiddenGraph",
    "LabelEmbedding",
    "LinearAttention",
    "Pool",
    "SoftmaxAttention",
    "SpikingLayer",
    "SpikingNetwork",
    "TransformerBlock",
    "TruncatedBPTT",
    "TwoLayerNet",
    "accumulate",
    "capture",
    "class_prototypes",
    "conv2d",
    "conv_sizes",
    "dense",
    "from_nir",
    "head_decays",
    "matched_width",
    "max_pool",
    "mean_pool",
    "parameter_count",
    "sign_split",
    "sinusoidal",
    "tag",
    "text_losses",
    "to_nir",
    "uniform_fan_in",
    "upsample",
    "upsample_conv2d",
    "without_statistics",
]
