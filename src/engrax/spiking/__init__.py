"""Spikes: random and encoded."""

from ._bernoulli_product import bernoulli_product

__all__ = ["bernoulli_product"]
