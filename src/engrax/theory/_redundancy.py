"""Chains of retrievals, and memories that repeat each other.

How errors compound over depth, width and redundancy is our formalization: the paper whose
trade-off it describes (arXiv 2508.08289) states its own, which was not available in full.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

Number = Float[np.ndarray, "*_"] | Int[np.ndarray, "*_"] | float | int


def combined_failure(
    p: Number, heads: Number, *, combine: Literal["any", "majority"]
) -> Float[np.ndarray, "*batch"]:
    """Failure of `heads` independent memories, each of which fails with probability p.

    `any`: one right answer is enough, `p^H`. `majority`: more than half must be right,
    `P(Bin(H, p) >= H / 2)`, so that a tie fails.

    **Raises:** `ValueError` for another way to combine.
    """
    from scipy import stats  # 0.3 s, and only here

    p, h = np.asarray(p, float), np.asarray(heads)
    if combine == "any":
        return np.asarray(p**h)
    if combine != "majority":
        raise ValueError(f"Heads combine by 'any' or 'majority', got {combine!r}.")
    return np.asarray(stats.binom.sf(np.ceil(h / 2) - 1, h, p))


def chain_success(p: Number, depth: Number) -> Float[np.ndarray, "*batch"]:
    """`(1 - p)^L`: all L retrievals in a row are right, where each answer is cleaned up."""
    return np.asarray((1 - np.asarray(p, float)) ** np.asarray(depth))


def required_heads(p: Number, depth: Number, delta: Number) -> Float[np.ndarray, "*batch"]:
    """Heads, any of which suffices, that keep a chain's failure below delta.

    `H = ln(L / delta) / ln(1 / p)`, at least 1 and not rounded: it grows with the logarithm of
    the depth L.

    **Raises:** `ValueError` where p or delta is not strictly between 0 and 1.
    """
    p, depth, delta = (np.asarray(x, float) for x in (p, depth, delta))
    if np.any((p <= 0) | (p >= 1)) or np.any((delta <= 0) | (delta >= 1)):
        raise ValueError("required_heads needs p and delta strictly between 0 and 1.")
    return np.asarray(np.maximum(np.log(depth / delta) / -np.log(p), 1.0))
