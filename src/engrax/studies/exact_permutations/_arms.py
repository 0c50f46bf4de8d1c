"""The arms: networks, the Gaussian process that they should be, theory and baselines."""

import functools
import math
from collections.abc import Callable, Mapping

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from engrax.core import System
from engrax.lab import Arm, Reference
from engrax.tasks import binary_inputs
from engrax.theory import ensemble_size

from . import _theory as theory
from ._config import Config
from ._ensembles import Baselines, Ensemble, Missing, Outputs, inputs_of
from ._growing import Growing
from ._nets import Kind, kernel_of
from ._process import KERNELS, AllInputs, SingleInputs, process

Lazy = Mapping[str, Callable[[], Arm | Reference]]

WIDTHS = ("process_narrow", "process_middle", "process_wide")
"""Arms of C2, in the order of the widths."""

STANDARD_STEPS = 120
"""Gradient steps at least in the standard parametrization, whose kernel is worse conditioned."""


def arms(config: Config) -> Lazy:
    """All arms, each built when a claim needs it."""
    return _means(config) | _processes(config) | _exact(config) | _single(config) | _rest(config)


def process_inputs(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """C2's test inputs with two ones or more: bits, and inputs of length 1."""
    bits, x = map(np.asarray, binary_inputs(config.process_bits))
    order = np.asarray(jr.permutation(jr.key(2502), len(bits)))  # the same for all networks
    order = order[bits[order].sum(1) > 1][: config.process_inputs]
    return bits[order], x[order]


def mean_inputs(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """C1's test inputs: all those of its numbers of ones."""
    bits, x = map(np.asarray, binary_inputs(config.mean_bits))
    kept = np.isin(bits.sum(1), config.mean_ones)
    return bits[kept], x[kept]


def _means(config: Config) -> dict:
    def networks(kind: Kind) -> Arm:
        system = Outputs(jnp.asarray(mean_inputs(config)[1]), kind, config.mean_width, config.steps)
        return Arm(system, 1, seeds=config.mean_nets, dims={"outputs": ("input", "bit")})

    return {
        "signs": lambda: Reference(functools.partial(theory.signs, config)),
        "coefficients": lambda: Reference(functools.partial(theory.coefficients, config)),
        "mean_ntk": functools.partial(networks, "ntk"),
        "mean_readout": functools.partial(networks, "readout"),
    }


def _processes(config: Config) -> dict:
    def networks(width: int) -> Arm:
        x = jnp.asarray(process_inputs(config)[1])
        system = Outputs(x, "ntk", width, config.process_steps, quiet=True)
        dims = {"outputs": ("input", "bit"), "quiet": ("input", "bit")}
        return Arm(system, config.process_nets, dims=dims)

    return {
        name: functools.partial(networks, width)
        for name, width in zip(WIDTHS, config.process_widths, strict=True)
    }


def _exact(config: Config) -> dict:
    def ensembles(kind: Kind) -> Arm:
        wanted = {*config.net_bits, *(() if kind == "standard" else config.exact_bits)}
        built = {k: _ensemble(config, kind, k) for k in sorted(wanted)}
        return _growing(built, ("accuracy", "pairs", "residual"))

    def baselines() -> Arm:
        settings = config.width, config.steps, config.random_steps
        built = {
            k: (Baselines(inputs_of(k, config.threshold), *settings), config.baseline_nets)
            for k in config.exact_bits
        }
        return _growing(built, ("random_examples", "zero_start"))

    return {
        **{kind: functools.partial(ensembles, kind) for kind in ("ntk", "readout", "standard")},
        "baselines": baselines,
        "linear": lambda: Reference(functools.partial(theory.linear, config)),
    }


def _growing(built: Mapping[int, tuple[System, int]], records: tuple[str, ...]) -> Arm:
    """One arm of the ensembles at several k, with their numbers of networks."""
    systems, most = zip(*built.values(), strict=True)
    system = Growing(tuple(f"k {k}" for k in built), systems, most)
    dims, coords = dict.fromkeys(records, ("k",)), {"k": list(built)}
    return Arm(system, max(most), dims=dims, coords=coords)


def _ensemble(config: Config, kind: Kind, k: int) -> tuple[Ensemble, int]:
    """The ensemble at one k, and how many networks it is given."""
    most, n_ones = _patience(config, kind, k), 2
    if k in config.exact_bits and kind != "standard":
        size = theory.all_inputs_size(config, k, kind)
        most, n_ones = max(most, math.ceil(config.allowance * size)), None
    steps, rate = config.steps, None
    if kind == "standard":
        steps = max(steps, STANDARD_STEPS)
        # The mean over k^2 entries of the squared error is 2 / k^2 times half its sum.
        rate = None if config.standard_rate is None else config.standard_rate * 2 / k**2
    inputs = inputs_of(k, config.threshold, n_ones)
    return Ensemble(inputs, kind, config.width, steps, rate), most


def _patience(config: Config, kind: Kind, k: int) -> int:
    size = ensemble_size(k, config.delta, 2, kernel_of(kind))
    return max(2, math.ceil(config.patience * size))


def _single(config: Config) -> dict:
    ks = np.arange(2, config.single_bits + 1)

    def sampled(kind: str) -> Arm:
        processes = tuple(process(np.asarray(binary_inputs(int(k), 2).bits), kind) for k in ks)
        grown = [int(k) in config.net_bits for k in ks]
        most = [
            10 * ensemble_size(int(k), config.delta, 2, KERNELS[kind]) if grow else 0
            for k, grow in zip(ks, grown, strict=True)
        ]
        system = SingleInputs(processes, 1 - config.delta, config.single_samples, tuple(most))
        return Arm(system, len(ks), coords={"tick": ks})

    return {
        "sizes": lambda: Reference(functools.partial(theory.sizes, config)),
        **{f"single_{kind}": functools.partial(sampled, kind) for kind in KERNELS},
    }


def _rest(config: Config) -> dict:
    ks = np.arange(3, config.all_bits + 1)

    def sampled(kind: str) -> Arm:
        listed = (np.asarray(binary_inputs(int(k)).bits) for k in ks)
        processes = tuple(process(bits[bits.sum(1) > 1], kind) for bits in listed)
        system: System = AllInputs(processes, config.delta, config.draws)
        return Arm(system, len(ks), coords={"tick": ks})

    def missing(kind: Kind, k: int, count: int) -> Arm:
        inputs = inputs_of(k, config.threshold)
        system = Missing(inputs, count, kind, config.missing_width, config.steps)
        nets = theory.all_inputs_size(config, k, kind, config.missing_delta)
        return Arm(system, nets, dims={"accuracy": ("missing",)}, coords={"missing": [0, 1, 2]})

    (k_readout, k_ntk), counts = config.missing_bits, config.missing_windows
    return {
        **{f"all_{kind}": functools.partial(sampled, kind) for kind in KERNELS},
        "missing_readout": functools.partial(missing, "readout", k_readout, counts[0]),
        "missing_ntk": functools.partial(missing, "ntk", k_ntk, counts[1]),
    }
