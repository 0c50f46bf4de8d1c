"""What networks are held against: closed forms, published figures, and the trivial solution."""

import math

import jax.random as jr
import numpy as np
import xarray as xr

from engrax.tasks import binary_inputs, permutation_task
from engrax.theory import (
    Kernel,
    KernelPredictor,
    ensemble_size,
    permutation_coefficients,
    relu_nngp,
)

from ._config import Config
from ._process import KERNELS

PUBLISHED = (
    1, 2, 10, 43, 34, 29, 40, 37, 69, 70, 62, 72, 56, 103, 89, 105, 105, 106, 117, 131, 128, 124,
    150, 157, 157, 162, 165, 174, 175,
)  # fmt: skip
"""Networks of the official code for 90 % of inputs with two ones, k = 2 .. 30, one trial."""

ROUNDING = 1e-10
"""Means of the closed form above it are ones: on training inputs zero-bits are 0 to rounding."""


def signs(config: Config) -> xr.Dataset:
    """C1: over all nonzero inputs and permutations, bits whose mean has the wrong sign."""
    sizes = range(2, config.sign_bits + 1)
    wrong = {
        name: np.array([_violations(k, kernel, config.sign_permutations) for k in sizes])
        for name, kernel in KERNELS.items()
    }
    return xr.Dataset({n: (("k",), v) for n, v in wrong.items()}, {"k": np.array(sizes)})


def _violations(k: int, kernel: Kernel, permutations: int) -> int:
    """Wrong bits of the mean output, the kernel system solved anew for every k."""
    inputs = binary_inputs(k)
    bits = np.asarray(inputs.bits)
    x = bits / np.sqrt(bits.sum(1, keepdims=True))
    tasks = [permutation_task(jr.key(i), k) for i in range(permutations)]
    y = np.concatenate([np.asarray(task.y, float) for task in tasks], axis=1)
    mean = KernelPredictor(kernel, relu_nngp, np.eye(k), y).mean(x)
    expected = np.concatenate([np.asarray(task.targets(inputs.bits)) for task in tasks], axis=1)
    return int(np.sum((mean > ROUNDING) != expected))


def sizes(config: Config) -> xr.Dataset:
    """Networks by k and kernel: for one input with two ones, for all inputs, and the bound."""
    ks, alls = np.arange(2, config.single_bits + 1), np.arange(3, config.all_bits + 1)
    kinds, delta = list(KERNELS), config.delta
    single = [[ensemble_size(int(k), delta, 2, KERNELS[n]) for k in ks] for n in kinds]
    exact = [[all_inputs_size(config, k, n) for k in config.exact_bits] for n in kinds]
    middle = [
        [ensemble_size(int(k), delta, "all", KERNELS[n], threshold="midpoint") for k in alls]
        for n in kinds
    ]
    return xr.Dataset(
        {
            "single": (("kernel", "k"), np.array(single)),
            "bound": (("k",), [quadratic_bound(int(k), delta) for k in ks]),
            "exact": (("kernel", "exact_k"), np.array(exact)),
            "midpoint": (("kernel", "all_k"), np.array(middle)),
            "published": (("k",), [_published(int(k)) for k in ks]),
        },
        {"kernel": kinds, "k": ks, "exact_k": list(config.exact_bits), "all_k": alls},
    )


def all_inputs_size(config: Config, k: int, kind: str, delta: float | None = None) -> int:
    """Networks for all nonzero inputs, from samples of the process that no claim uses."""
    delta = config.delta if delta is None else delta
    # The quantile of one output lies in the tail: as many samples as leave 40 beyond it.
    draws = max(config.draws, math.ceil(40 * k / delta) if delta < config.delta else 0)
    return ensemble_size(k, delta, "all", KERNELS[kind], draws=draws, key=jr.key(1000))


def quadratic_bound(k: int, delta: float, tests: int = 1000) -> float:
    """``8 (sd / w0)^2 ln(2 k T / delta)`` at two ones: a bound for T inputs, linear in k up to
    the logarithm, where the union over all inputs makes it quadratic.
    """
    w = permutation_coefficients(k, 2)
    return float(8 * (w.std / w.zero) ** 2 * np.log(2 * k * tests / delta))


def coefficients(config: Config) -> xr.Dataset:
    """w1, w0 and standard deviation by number of ones, for C1's k."""
    counts = np.arange(1, config.mean_bits + 1)
    found = [permutation_coefficients(config.mean_bits, counts, k) for k in KERNELS.values()]
    dims = ("kernel", "ones")
    return xr.Dataset(
        {n: (dims, np.array([getattr(w, n) for w in found])) for n in ("one", "zero", "std")},
        {"kernel": list(KERNELS), "ones": counts},
    )


def linear(config: Config) -> xr.Dataset:
    """The trivial solution: least squares of minimum norm on the same k examples, fitted once."""
    found = [[_linear_accuracy(k, seed) for k in config.exact_bits] for seed in range(config.seeds)]
    return xr.Dataset(
        {"accuracy": (("seed", "k"), np.array(found))},
        {"seed": np.arange(config.seeds), "k": list(config.exact_bits)},
    )


def _linear_accuracy(k: int, seed: int) -> float:
    task, inputs = permutation_task(jr.key(seed), k), binary_inputs(k)
    fitted = np.linalg.lstsq(np.asarray(task.x, float), np.asarray(task.y, float))[0]
    outputs = np.asarray(inputs.x, float) @ fitted
    right = (outputs > ROUNDING) == np.asarray(task.targets(inputs.bits))
    return float(right.all(1).mean())


def _published(k: int) -> float:
    return float(PUBLISHED[k - 2]) if 2 <= k <= 30 else math.nan
