"""Layers and models: modules that know nothing of how they are trained."""

from . import bases
from ._accumulate import accumulate
from ._attention import Prefix, SoftmaxAttention
from ._batch_norm import BatchNorm
from ._bdh import BDH, BDHState, head_decays
from ._bdh_graph import BDHGraph, GraphState, HiddenGraph, sign_split
from ._binary_net import BinaryNet, binarize_weight, binary_activation
from ._binary_perceptron import BinaryPerceptron
from ._capture import capture, tag
from ._coda_prompt import CODAPrompt
from ._conv import Conv2d, conv2d
from ._conv_autoencoder import ConvAutoencoder
from ._conv_net import ConvNet, Pool, conv_sizes
from ._decoder import Decoder, DecoderState
from ._denoising_block import Decision, DenoisingBlock
from ._dense import dense
from ._encoder import EncoderTransformer
from ._feature_classifier import ConvFeatures, FeatureClassifier
from ._free_wavelet import FreeWaveletLayer
from ._image_path import without_statistics
from ._initializers import uniform_fan_in
from ._kan import KAN, KANLayer
from ._kan_conv import KANConv1d, KANConv2d
from ._kan_rows import KANRowOperator, row_basis
from ._label_embedding import LabelEmbedding, class_prototypes
from ._linear_attention import LinearAttention
from ._load_resnet import load_torchvision_resnet18
from ._load_vit import exact_gelu, load_timm_vit, load_torchvision_vit
from ._matched_width import matched_width, parameter_count
from ._mean_field_binary import MeanFieldBinaryLinear, MeanFieldBinaryMLP
from ._mlp import MLP, DenseLayer
from ._nir import from_nir, to_nir
from ._pade_rows import PadeRows
from ._patch_embedding import PatchEmbedding
from ._pooling import max_pool, mean_pool, upsample
from ._prompts import DualPrompt, Prompted, PromptedTransformer, PromptPool, Prompts
from ._pruned_kan_layer import PrunedKANLayer
from ._resnet import BasicBlock, ResNet
from ._row_attention import GivenMaps, KolmogorovArnoldAttention, RowAttention
from ._rows import (
    ConstantRows,
    MixedFirstRows,
    RowOperator,
    SimplexRows,
    SoftmaxRows,
    project_simplex,
)
from ._select import prune, select
from ._selectable_kan import SelectableKAN, SelectableKANLayer
from ._selectable_kan_conv import SelectableKANConv1d, SelectableKANConv2d
from ._sinusoidal import sinusoidal
from ._spiking_network import SpikingLayer, SpikingNetwork
from ._symbolic import (
    CANDIDATES,
    Candidate,
    Reading,
    SymbolicKAN,
    read_edge,
    read_function,
    read_kan,
)
from ._transformer import TransformerBlock
from ._truncated_bptt import TruncatedBPTT, text_losses
from ._two_layer_net import TwoLayerNet
from ._upsample_conv import upsample_conv2d
from ._vision_transformer import DEIT_SIZES, VisionTransformer

__all__ = [
    "BDH",
    "CANDIDATES",
    "DEIT_SIZES",
    "KAN",
    "MLP",
    "BDHGraph",
    "BDHState",
    "BasicBlock",
    "BatchNorm",
    "BinaryNet",
    "BinaryPerceptron",
    "CODAPrompt",
    "Candidate",
    "ConstantRows",
    "Conv2d",
    "ConvAutoencoder",
    "ConvFeatures",
    "ConvNet",
    "Decision",
    "Decoder",
    "DecoderState",
    "DenoisingBlock",
    "DenseLayer",
    "DualPrompt",
    "EncoderTransformer",
    "FeatureClassifier",
    "FreeWaveletLayer",
    "GivenMaps",
    "GraphState",
    "HiddenGraph",
    "KANConv1d",
    "KANConv2d",
    "KANLayer",
    "KANRowOperator",
    "KolmogorovArnoldAttention",
    "LabelEmbedding",
    "LinearAttention",
    "MeanFieldBinaryLinear",
    "MeanFieldBinaryMLP",
    "MixedFirstRows",
    "PadeRows",
    "PatchEmbedding",
    "Pool",
    "Prefix",
    "PromptPool",
    "Prompted",
    "PromptedTransformer",
    "Prompts",
    "PrunedKANLayer",
    "Reading",
    "ResNet",
    "RowAttention",
    "RowOperator",
    "SelectableKAN",
    "SelectableKANConv1d",
    "SelectableKANConv2d",
    "SelectableKANLayer",
    "SimplexRows",
    "SoftmaxAttention",
    "SoftmaxRows",
    "SpikingLayer",
    "SpikingNetwork",
    "SymbolicKAN",
    "TransformerBlock",
    "TruncatedBPTT",
    "TwoLayerNet",
    "VisionTransformer",
    "accumulate",
    "bases",
    "binarize_weight",
    "binary_activation",
    "capture",
    "class_prototypes",
    "conv2d",
    "conv_sizes",
    "dense",
    "exact_gelu",
    "from_nir",
    "head_decays",
    "load_timm_vit",
    "load_torchvision_resnet18",
    "load_torchvision_vit",
    "matched_width",
    "max_pool",
    "mean_pool",
    "parameter_count",
    "project_simplex",
    "prune",
    "read_edge",
    "read_function",
    "read_kan",
    "row_basis",
    "select",
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
