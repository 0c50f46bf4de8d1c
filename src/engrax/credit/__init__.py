"""Learners that assign credit: how each weight learns what it did to the error."""

from ._alignment import AlignmentLoss, ClassAlignment, class_alignment_loss
from ._dual import DualNetwork
from ._dual_chain import DualChain

__all__ = ["AlignmentLoss", "ClassAlignment", "DualChain", "DualNetwork", "class_alignment_loss"]
