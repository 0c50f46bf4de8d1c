"""Theory curves that the claims and the figures hold the Monte Carlo against."""

import math

import numpy as np
import xarray as xr

from engrax.theory import at_line, dataset_entropy, dense_mean_field, retrieval_spinodal

from ._config import Config


def pattern_count(order: int, size: int, load: float) -> int:
    """K of a load gamma = K N / (2 C(N, P))."""
    return max(1, round(2 * load * math.comb(size, order) / size))


def replica_symmetric(config: Config) -> xr.Dataset:
    """Solutions at the loads of C1 for stored patterns and for examples, and curves between."""
    entropy = np.array([0.0, dataset_entropy(config.quality, config.n_examples)])[:, None]
    loads = np.array(config.loads)
    fine = np.linspace(0.01, 1.35 * loads[-1], 60)
    at = dense_mean_field(config.order, loads[None], config.temperature, entropy)
    curve = dense_mean_field(config.order, fine[None], config.temperature, entropy)
    check = [
        dense_mean_field(config.check_order, config.check_load, config.temperature, 0.0, kind).m
        for kind in ("all", "distinct")
    ]
    return xr.Dataset(
        {name: (("entropy", "load"), getattr(at, name)) for name in ("m", "n", "q")}
        | {f"{n}_curve": (("entropy", "fine_load"), getattr(curve, n)) for n in ("m", "n", "q")}
        | {"check": (("interactions",), np.array(check))},
        {
            "entropy": entropy[:, 0],
            "load": loads,
            "fine_load": fine,
            "interactions": ["all", "distinct"],
        },
    )


def low_load(config: Config) -> xr.Dataset:
    """Overlap m as a function of rho without noise of other patterns (v = 0), for C4."""
    fine = np.geomspace(0.02, 4, 80)
    kept = np.array(config.entropies)

    def solved(entropy: np.ndarray) -> np.ndarray:
        t = config.quality_temperature
        return np.array([dense_mean_field(p, 0.0, t, entropy).m for p in config.quality_orders])

    return xr.Dataset(
        {"m": (("order", "entropy"), solved(kept)), "m_curve": (("order", "fine"), solved(fine))},
        {"order": list(config.quality_orders), "entropy": kept, "fine": fine},
    )


def phase_diagram(config: Config) -> xr.Dataset:
    """Retrieval spinodals and AT lines over temperature, entropy and order."""
    temperature = np.linspace(0.02, 0.95, config.diagram_points)
    entropy = np.array(config.diagram_entropies)[:, None]
    ends = [retrieval_spinodal(p, temperature[None], entropy) for p in config.diagram_orders]
    broken = [at_line(p, temperature[None], entropy) for p in config.diagram_orders]
    dims = ("order", "entropy", "temperature")
    return xr.Dataset(
        {
            "spinodal": (dims, np.array([line.load for line in ends])),
            "spinodal_m": (dims, np.array([line.m for line in ends])),
            "at": (dims, np.array([line.load for line in broken])),
        },
        {
            "order": list(config.diagram_orders),
            "entropy": entropy[:, 0],
            "temperature": temperature,
        },
    )


def probe_theory(config: Config) -> xr.Dataset:
    """The spinodal at the temperatures of C7's probes, and the overlap half-way to it."""
    temperature = np.array(config.probe_temperatures)
    end = retrieval_spinodal(config.order, temperature)
    inside = dense_mean_field(config.order, np.asarray(end.load) / 2, temperature)
    dims = ("temperature",)
    return xr.Dataset(
        {"load": (dims, end.load), "m_end": (dims, end.m), "m_inside": (dims, inside.m)},
        {"temperature": temperature},
    )
