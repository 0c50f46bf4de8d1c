"""The claims, fixed before any run; each rule reads one value a seed."""

from functools import partial
from typing import Any

import numpy as np

from engrax.lab import Claim, Part, at_least, at_most, between, t_interval
from engrax.theory import detection_overlap

ENOUGH_EXAMPLES = 10
"""C4's statements on rho are about averages of at least so many examples."""


def by_size_and_load(run: Any, arm: str, record: str) -> np.ndarray:
    """A record of C1's chains as (seed, size, load)."""
    config, values = run.config, run[arm][record].to_numpy()
    return values.reshape(len(values), len(config.sizes), len(config.loads))


def extrapolated(run: Any, arm: str, record: str) -> np.ndarray:
    """(seed, load): the record at N = infinity, by a straight line in 1/N for every seed."""
    values = by_size_and_load(run, arm, record)
    x = 1 / np.array(run.config.sizes)
    design = np.stack([np.ones_like(x), x], axis=1)
    intercept = np.linalg.pinv(design)[0]
    return np.einsum("n,snl->sl", intercept, values)


def theory_gap(run: Any, arm: str, record: str, load: float) -> np.ndarray:
    """Extrapolated Monte Carlo minus replica-symmetric theory, one a seed."""
    at = int(np.argmin(np.abs(np.array(run.config.loads) - load)))
    row = 0 if arm == "stored" else 1
    expected = run["replica_symmetric"][record].to_numpy()[row, at]
    return extrapolated(run, arm, record)[:, at] - expected


def energy_gap(run: Any, kernel: str) -> np.ndarray:
    """Monte Carlo of the energy with all indices minus the theory of a kernel, one a seed."""
    expected = float(run["replica_symmetric"]["check"].sel(interactions=kernel))
    return run["energies"]["m"].to_numpy()[:, 0] - expected


def storage_advantage(run: Any, order: int) -> np.ndarray:
    """Final overlap with interactions of `order` minus that of pairs, one a seed."""
    a, b = (run[f"storage_p{p}"]["m"].to_numpy()[:, 0] for p in (order, 2))
    return a - b


def capacity_exponent(run: Any, order: int) -> np.ndarray:
    """Slope of ln K against ln N, one a seed."""
    arm = run[f"capacity_p{order}"]
    return _slopes(np.log(arm["tick"].to_numpy()), np.log(arm["capacity"].to_numpy()))


def detected(run: Any, order: int, tau: float, record: str = "one_step") -> np.ndarray:
    """(seed, size): overlaps of C3 at a noise."""
    return run[f"detection_p{order}"][record].sel(tau=tau, method="nearest").to_numpy()


def detection_flat(run: Any, tau: float) -> np.ndarray:
    """1 where the interval of the slope of m against ln N contains 0, over all seeds; else 0."""
    sizes = np.log(run["detection_p4"]["tick"].to_numpy())
    interval = t_interval(_slopes(sizes, detected(run, 4, tau)))
    return np.array([float(interval.low <= 0 <= interval.high)])


def detection_gap(run: Any, tau: float) -> np.ndarray:
    """One-step overlap of P = 4 at the largest N minus theory, one a seed."""
    expected = detection_overlap(tau, run.config.detection_load)
    return detected(run, 4, tau)[:, -1] - float(expected)


def by_quality(run: Any, order: int) -> np.ndarray:
    """Overlaps m of C4 as (seed, quality, entropy)."""
    config, values = run.config, run[f"quality_p{order}"]["m"].to_numpy()
    kept = values[:, : len(config.qualities) * len(config.entropies)]
    return kept.reshape(len(values), len(config.qualities), len(config.entropies))


def enough_examples(config: Any) -> np.ndarray:
    """(quality, entropy): whether the average is over enough examples."""
    r, rho = np.array(config.qualities)[:, None], np.array(config.entropies)[None]
    return np.round((1 - r**2) / (rho * r**2)) >= ENOUGH_EXAMPLES


def quality_spread(run: Any, order: int) -> np.ndarray:
    """Difference of m between two qualities at one entropy, one a seed.

    The two qualities and the entropy are those with the largest difference of means, so the part
    speaks for all of them.
    """
    m = np.where(enough_examples(run.config), by_quality(run, order), np.nan)
    mean = m.mean(0)
    best = int(np.nanargmax(np.nanmax(mean, axis=0) - np.nanmin(mean, axis=0)))
    return m[:, np.nanargmax(mean[:, best]), best] - m[:, np.nanargmin(mean[:, best]), best]


def quality_gap(run: Any, order: int) -> np.ndarray:
    """Overlap m minus theory, one a seed, where the mean is farthest from it."""
    expected = run["low_load"]["m"].sel(order=order).to_numpy()
    gap = np.where(enough_examples(run.config), by_quality(run, order) - expected, np.nan)
    quality, entropy = np.unravel_index(np.nanargmax(np.abs(gap.mean(0))), gap.shape[1:])
    return gap[:, quality, entropy]


def thresholds(run: Any, order: int, level: float = 0.9) -> np.ndarray:
    """(seed, quality): examples at which m falls below `level`, between grid points in ln rho."""
    config, m = run.config, by_quality(run, order)
    log_entropy, r = np.log(config.entropies), np.array(config.qualities)
    found = np.empty(m.shape[:2])
    for seed, quality in np.ndindex(found.shape):
        # m falls with rho; np.interp wants ascending abscissae.
        curve = np.minimum.accumulate(m[seed, quality])[::-1]
        found[seed, quality] = np.exp(np.interp(level, curve, log_entropy[::-1]))
    return (1 - r**2) / (r**2 * found)


def threshold_exponent(run: Any, order: int) -> np.ndarray:
    """Exponent s of M_c ~ r^-s over the qualities that need at least 10 examples; one a seed."""
    counts = thresholds(run, order)
    kept = counts.mean(0) >= ENOUGH_EXAMPLES
    return -_slopes(np.log(np.array(run.config.qualities)[kept]), np.log(counts[:, kept]))


def order_gain(run: Any, data: str) -> np.ndarray:
    """Accuracy of P = 6 minus that of P = 2 with 100 images a class, one a seed."""
    accuracy = run[f"{data}_pixels"]["accuracy"].sel(tick=100)
    return (accuracy.sel(order=6) - accuracy.sel(order=2)).to_numpy()


def example_gain(run: Any, data: str) -> np.ndarray:
    """Accuracy with 100 images a class minus that with 5 at P = 10, one a seed."""
    accuracy = run[f"{data}_pixels"]["accuracy"].sel(order=10)
    return (accuracy.sel(tick=100) - accuracy.sel(tick=5)).to_numpy()


def time_exponent(run: Any, which: str) -> np.ndarray:
    """Slope of ln(seconds of a sweep) against ln N, one a repeat of the timing."""
    size, seconds = (
        ("size", "seconds") if which == "power sums" else ("tensor_size", "tensor_seconds")
    )
    data = run["speed"]
    return _slopes(np.log(data[size].to_numpy()), np.log(data[seconds].to_numpy().T))


def field_distance(run: Any, order: int) -> np.ndarray:
    """Largest difference from the tensor's field over its largest value."""
    return np.atleast_1d(run["speed"]["field_error"].sel(order=order).to_numpy())


def expansion_gap(run: Any, which: str) -> np.ndarray:
    """Overlap by an expansion minus that of the exact sampler on the same sample, one a seed."""
    arm = run["expansions"]
    return (arm[which] - arm["exact"]).to_numpy()[:, 0]


def classified(run: Any, temperature: float, *, inside: bool) -> np.ndarray:
    """1 where a probe is on the side of the line that theory says, one a seed.

    Inside, retrieved means m within 0.05 of theory; beyond, m has to stay more than 0.05 below
    the lowest overlap of retrieval, that at the spinodal.
    """
    config, theory = run.config, run["probe_theory"]
    at = int(np.argmin(np.abs(np.array(config.probe_temperatures) - temperature)))
    m = run["probes"]["m"].to_numpy()[:, 2 * at + (not inside)]
    if inside:
        return (np.abs(m - theory["m_inside"].to_numpy()[at]) < 0.05).astype(float)
    return (m < theory["m_end"].to_numpy()[at] - 0.05).astype(float)


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of every row of y."""
    centered = x - x.mean()
    return (y - y.mean(1, keepdims=True)) @ centered / (centered @ centered)


def _theory_parts() -> dict[str, Part]:
    parts = {}
    for arm, rho in (("stored", 0), ("examples", 0.2)):
        for load in (0.05, 0.1, 0.2, 0.3):
            margin = 0.02 if load <= 0.2 else 0.03
            for record in ("m", "q"):
                name = f"{record} at N = infinity - theory, rho {rho}, gamma {load}"
                value = partial(theory_gap, arm=arm, record=record, load=load)
                parts[name] = Part(value, between(-margin, margin))
    parts["repeated indices: m - theory of all indices"] = Part(
        partial(energy_gap, kernel="all"), between(-0.02, 0.02)
    )
    parts["repeated indices: m - theory of distinct indices"] = Part(
        partial(energy_gap, kernel="distinct"), at_most(0.0)
    )
    return parts


def _detection_parts() -> dict[str, Part]:
    parts = {}
    for tau in (0.5, 1.0):
        parts[f"P=4: interval of dm/d ln N contains 0, tau {tau}"] = Part(
            partial(detection_flat, tau=tau), at_least(1.0), "exact"
        )
        parts[f"P=4: m - theory, tau {tau}"] = Part(
            partial(detection_gap, tau=tau), between(-0.03, 0.03)
        )
        parts[f"P=2: m, tau {tau}"] = Part(partial(_largest, order=2, tau=tau), at_most(0.1))
        parts[f"m of P=4 - P=2, tau {tau}"] = Part(
            partial(detection_advantage, tau=tau), at_least(0.6)
        )
    return parts


def _largest(run: Any, order: int, tau: float) -> np.ndarray:
    return detected(run, order, tau)[:, -1]


def detection_advantage(run: Any, tau: float) -> np.ndarray:
    """One-step overlap of P = 4 minus that of P = 2 at the largest N, one a seed."""
    return _largest(run, 4, tau) - _largest(run, 2, tau)


def _quality_parts() -> dict[str, Part]:
    parts = {}
    for order in (3, 4):
        parts[f"P={order}: spread of m over r at equal rho, widest rho"] = Part(
            partial(quality_spread, order=order), at_most(0.03)
        )
        parts[f"P={order}: m - theory, farthest point"] = Part(
            partial(quality_gap, order=order), between(-0.03, 0.03)
        )
        parts[f"P={order}: s of M_c ~ r^-s"] = Part(
            partial(threshold_exponent, order=order), between(1.8, 2.2)
        )
    return parts


def _image_parts() -> dict[str, Part]:
    parts = {}
    for data, name in (("mnist", "MNIST"), ("fashion", "Fashion-MNIST")):
        parts[f"{name}: accuracy of P=6 - P=2, 100 images a class"] = Part(
            partial(order_gain, data=data), at_least(0.2), unit="%"
        )
        parts[f"{name}: accuracy of 100 - 5 images a class, P=10"] = Part(
            partial(example_gain, data=data), at_least(0.05), unit="%"
        )
    return parts


def _probe_parts() -> dict[str, Part]:
    parts = {}
    for temperature in (0.1, 0.2, 0.4):
        for inside, share in ((True, 0.5), (False, 1.5)):
            parts[f"T {temperature}, {share} of the line: right side"] = Part(
                partial(classified, temperature=temperature, inside=inside),
                at_least(0.95),
                "wilson",
                unit="%",
            )
    return parts


CLAIMS = (
    Claim(
        "C1",
        "Replica-symmetric theory and Monte Carlo agree on the overlaps, for stored patterns and "
        "for patterns known by examples only; theory must be that of the energy that is sampled.",
        _theory_parts(),
        ("replica_symmetric", "stored", "examples", "energies"),
        paper="found analytically and confirmed numerically (abstract); no figures recovered",
    ),
    Claim(
        "C2",
        "At equal size and number of patterns a network of triplets retrieves where one of pairs "
        "fails, and its capacity grows as N^(P-1).",
        {
            "m of P=3 - P=2, 10 % of the cue flipped": Part(
                partial(storage_advantage, order=3), at_least(0.5)
            ),
            "P=2: exponent of the capacity": Part(
                partial(capacity_exponent, order=2), between(0.75, 1.25), paper=1.0
            ),
            "P=3: exponent of the capacity": Part(
                partial(capacity_exponent, order=3), between(1.75, 2.25), paper=2.0
            ),
            "P=4: exponent of the capacity": Part(
                partial(capacity_exponent, order=4), between(2.75, 3.25), paper=3.0
            ),
        },
        (
            "storage_p2",
            "storage_p3",
            "storage_p4",
            "capacity_p2",
            "capacity_p3",
            "capacity_p4",
        ),
        paper="ultra-storage: K ~ N^(P-1)",
    ),
    Claim(
        "C3",
        "With a redundant representation the network of order 4 detects patterns behind noise of "
        "size sqrt(N), whatever N; the pairwise network does not.",
        _detection_parts(),
        ("detection_p4", "detection_p2"),
        paper="ultra-detection: noise O(sqrt(N)) at load O(N) for P = 4 (arXiv 1911.12689)",
    ),
    Claim(
        "C4",
        "Quality r and quantity M of the examples enter through the data-set entropy rho alone, "
        "so the number of examples needed grows as 1/r^2.",
        _quality_parts(),
        ("low_load", *(f"quality_p{order}" for order in (3, 4))),
        paper="one parameter rho quantifies a data set (abstract)",
    ),
    Claim(
        "C5",
        "On images, networks of higher order retrieve the class where the pairwise one fails, and "
        "more examples help.",
        _image_parts(),
        ("mnist_pixels", "fashion_pixels"),
        paper="MNIST and Fashion-MNIST, no figures recovered",
    ),
    Claim(
        "C6",
        "Power sums give the same field as the tensor of couplings in a time linear in N, and "
        "expansions about mean field give the same overlap as sampling.",
        {
            "P=3: distance from the tensor's field": Part(
                partial(field_distance, order=3), at_most(1e-5), "exact"
            ),
            "P=4: distance from the tensor's field": Part(
                partial(field_distance, order=4), at_most(1e-5), "exact"
            ),
            "P=4: exponent of a sweep's time in N, power sums": Part(
                partial(time_exponent, which="power sums"), at_most(1.3)
            ),
            "P=4: exponent of a sweep's time in N, tensor": Part(
                partial(time_exponent, which="tensor"), at_least(3.5)
            ),
            "first-order Plefka: m - exact": Part(
                partial(expansion_gap, which="plefka"), between(-0.02, 0.02)
            ),
            "second-order Plefka (TAP): m - exact": Part(
                partial(expansion_gap, which="tap"), between(-0.02, 0.02)
            ),
        },
        ("speed", "expansions"),
        paper="a Plefka expansion speeds up the Monte Carlo (no figures recovered)",
    ),
    Claim(
        "C7",
        "The retrieval line of the theory divides the (load, temperature) plane as the simulation "
        "does: probes at 0.5 and 1.5 of the line are retrieved and lost.",
        _probe_parts(),
        ("phase_diagram", "probe_theory", "probes"),
        paper="phase diagrams in (load, temperature), no figures recovered",
    ),
)
