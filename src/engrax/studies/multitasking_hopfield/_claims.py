"""The claims, fixed before any run; each rule reads one value a seed."""

import math
from functools import partial
from typing import Any

import numpy as np

from engrax.lab import Claim, Part, at_least, at_most, between, equivalent, t_interval

STARTS = ("ladder", "noisy", "pure")
TASKS = {name: (name, 1) for name in STARTS} | {"dense": ("noisy", 0), "mixture": ("mixture", 0)}
"""C1's chains: name -> its start, and whether the patterns have blanks. One tick each."""
POSITIVE = 1e-9
"""The least number that counts as above zero."""


def threshold(size: int, dilution: float) -> float:
    """Overlap above which a pattern counts as there: three standard errors of chance."""
    return 3 / math.sqrt(size * (1 - dilution))


def task(run: Any, name: str, record: str = "m") -> np.ndarray:
    """(seed, pattern): a record of one of C1's chains."""
    return run["tasks"][record].to_numpy()[:, list(TASKS).index(name)]


def there(run: Any, name: str) -> np.ndarray:
    """(seed, pattern): whether the patterns of one of C1's chains are there."""
    dilution = run.config.tasks_dilution * TASKS[name][1]
    return np.abs(task(run, name)) > threshold(run.config.tasks_size, dilution)


def count_gain(run: Any, start: str) -> np.ndarray:
    """Patterns there with blanks minus those of the dense network, one a seed."""
    return (there(run, start).sum(1) - there(run, "dense").sum(1)).astype(float)


def worst_error(run: Any, start: str) -> np.ndarray:
    """Largest share of wrong private bits of the patterns that are there, one a seed."""
    return np.where(there(run, start), task(run, start, "error"), 0.0).max(1)


def mixture_error(run: Any) -> np.ndarray:
    """Smallest share of wrong bits of the three mixed patterns of the dense network."""
    # Without blanks all supports are equal and the order is that of the draws: the first three.
    return ((1 - np.abs(task(run, "mixture")[:, :3])) / 2).min(1)


def falling(m: np.ndarray) -> np.ndarray:
    """Overlaps without sign, the largest first."""
    return -np.sort(-np.abs(m), axis=-1)


def rungs(run: Any, dilution: float) -> np.ndarray:
    """(seed, rung): sorted overlaps of C2."""
    return falling(run["rungs"]["m"].sel(tick=dilution, method="nearest").to_numpy())


def slope_gap(run: Any, dilution: float) -> np.ndarray:
    """Slope of ln m on the rung, minus ln d, over the rungs that melt above 2 T; one a seed."""
    m = rungs(run, dilution)
    rank = np.arange(m.shape[1])
    kept = dilution**rank > 2 * run.config.cold
    return _slopes(rank[kept].astype(float), np.log(m[:, kept])) - math.log(dilution)


def rung_gap(run: Any, dilution: float) -> np.ndarray:
    """Overlap minus theory of the rung whose mean is farthest from it, one a seed."""
    expected = run["ladder_theory"]["m"].sel(dilution=dilution, method="nearest").to_numpy()
    return _farthest(rungs(run, dilution) - expected)


def onset(run: Any) -> np.ndarray:
    """First dilution of the grid at which the largest overlap is below 0.995; one a seed.

    A seed that never falls counts as one step beyond the grid.
    """
    grid = np.array(run.config.onset_dilutions)
    broken = falling(run["onset"]["m"].to_numpy())[..., 0] < 0.995
    beyond = 2 * grid[-1] - grid[-2]
    return np.where(broken.any(1), grid[broken.argmax(1)], beyond)


def theory_onset(run: Any) -> float:
    """The same of the theory."""
    grid, m = np.array(run.config.onset_dilutions), run["ladder_theory"]["onset_m"].to_numpy()
    return float(grid[(m < 0.995).argmax()])


def spread(run: Any, dilution: float, which: str) -> np.ndarray:
    """Largest minus smallest overlap at a size, one a seed."""
    m = run[f"parallel_{which}"]["m"].sel(tick=dilution, method="nearest").to_numpy()
    return np.ptp(m, axis=1)


def spread_ratio(run: Any, dilution: float) -> np.ndarray:
    """Log of the spread at the large size over that at the small one, one a seed."""
    return np.log(spread(run, dilution, "large") / spread(run, dilution, "small"))


def spread_in_reach(run: Any, dilution: float, which: str) -> np.ndarray:
    """1 where the interval of the spread holds a value within 0.03 of theory; else 0."""
    m = run["parallel_theory"]["m"].sel(dilution=dilution, method="nearest").to_numpy()
    expected = float(np.ptp(m))
    found = t_interval(spread(run, dilution, which))
    return np.array([float(found.low <= expected + 0.03 and found.high >= expected - 0.03)])


def mean_gap(run: Any, dilution: float, which: str) -> np.ndarray:
    """Mean overlap minus theory, one a seed."""
    m = run[f"parallel_{which}"]["m"].sel(tick=dilution, method="nearest").to_numpy()
    expected = run["parallel_theory"]["m"].sel(dilution=dilution, method="nearest").to_numpy()
    return m.mean(1) - expected.mean()


def teacher_gap(run: Any, quality: float, count: int) -> np.ndarray:
    """Mean overlap with a teacher minus that without, from the same examples; one a seed."""
    data = run[f"teacher_{100 * quality:.0f}"].sel(tick=count)
    return (data["supervised"] - data["unsupervised"]).to_numpy().mean(1)


def thresholds(run: Any, quality: float, record: str) -> np.ndarray:
    """M at which the first overlap reaches 90 % of that of known patterns, on a log scale."""
    arm = run[f"teacher_{100 * quality:.0f}"]
    wanted = 0.9 * float(run["learning_theory"]["known"])
    log_count = np.log(arm["tick"].to_numpy())
    # Noise may make a curve dip; the threshold is where it is reached first.
    m = np.maximum.accumulate(arm[record].to_numpy()[..., 0], axis=1)
    found = [np.interp(wanted, row, log_count) if row[-1] >= wanted else np.nan for row in m]
    return np.exp(found)


def threshold_ratio(run: Any, quality: float) -> np.ndarray:
    """Log of the threshold with a teacher over that without, one a seed."""
    a, b = (thresholds(run, quality, name) for name in ("supervised", "unsupervised"))
    return np.log(a / b)


def collapsed(run: Any) -> np.ndarray:
    """(seed, entropy, count): mean overlaps of C5."""
    config, m = run.config, run["collapse"]["m"].to_numpy().mean(-1)
    return m.reshape(len(m), len(config.entropies), len(config.collapse_examples))


def pair_gap(run: Any, entropy: float) -> np.ndarray:
    """Difference of the two numbers of examples that are farthest apart at an entropy."""
    m = collapsed(run)[:, run.config.entropies.index(entropy)]
    return m[:, m.mean(0).argmax()] - m[:, m.mean(0).argmin()]


def solver_gap(run: Any, entropy: float) -> np.ndarray:
    """Overlap minus theory where the mean is farthest from it, one a seed."""
    at = run.config.entropies.index(entropy)
    expected = run["learning_theory"]["cells"].to_numpy()[at]
    return _farthest(collapsed(run)[:, at] - expected)


def energy_and_loss(run: Any, entropy: float) -> np.ndarray:
    """Rank correlation of energy and loss along a trajectory, one a seed."""
    from scipy import stats  # 0.3 s, and only here

    arm = run["descent"].sel(tick=entropy)
    pairs = zip(arm["energy"].to_numpy(), arm["loss"].to_numpy(), strict=True)
    return np.array(
        [np.corrcoef(stats.rankdata(h), stats.rankdata(loss))[0, 1] for h, loss in pairs]
    )


def stability_gap(run: Any, entropy: float) -> np.ndarray:
    """Share of bits with a field of their sign minus the prediction, one a seed."""
    expected = float(run["stability_theory"]["stable"].sel(entropy=entropy))
    return run["stability"]["stable"].sel(tick=entropy).to_numpy() - expected


def counts(run: Any, *, dense: bool = False) -> np.ndarray:
    """(seed, size): patterns there, with blanks or in the dense network."""
    found = run["growth"]["count"].to_numpy()
    return np.split(found, 2, axis=1)[int(dense)]


def growth_slope(run: Any) -> np.ndarray:
    """Slope of the number of patterns against ln N, one a seed."""
    return _slopes(np.log(np.array(run.config.growth_sizes, float)), counts(run))


def dense_count(run: Any) -> np.ndarray:
    """Patterns there in the dense network, mean over N, one a seed."""
    return counts(run, dense=True).mean(1)


def _farthest(gap: np.ndarray) -> np.ndarray:
    """The column of (seed, point) whose mean is farthest from zero."""
    return gap[:, int(np.abs(gap.mean(0)).argmax())]


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of every row of y."""
    centered = x - x.mean()
    return (y - y.mean(1, keepdims=True)) @ centered / (centered @ centered)


def _task_parts() -> dict[str, Part]:
    parts = {}
    for start in STARTS:
        parts[f"patterns there, with blanks - dense, {start} start"] = Part(
            partial(count_gain, start=start), at_least(POSITIVE)
        )
        parts[f"wrong private bits, worst pattern, {start} start"] = Part(
            partial(worst_error, start=start), at_most(0.01), unit="%"
        )
    parts["wrong bits of the dense mixture of three"] = Part(
        mixture_error, at_least(0.2), unit="%", paper=0.25
    )
    return parts


def _ladder_parts() -> dict[str, Part]:
    parts = {}
    for d in (0.2, 0.3, 0.4, 0.45):
        margin = 0.1 * abs(math.log(d))
        parts[f"slope of ln m - ln d, d {d}"] = Part(
            partial(slope_gap, dilution=d), between(-margin, margin)
        )
        parts[f"m - theory, farthest rung, d {d}"] = Part(
            partial(rung_gap, dilution=d), between(-0.03, 0.03)
        )
    golden = (math.sqrt(5) - 1) / 2
    parts["K = 3, T = 0: dilution where the ladder ends"] = Part(
        onset, between(golden - 0.02, golden + 0.02), paper=golden
    )
    parts["the same by the solver"] = Part(
        theory_onset, between(golden - 0.02, golden + 0.02), "exact", paper=golden
    )
    return parts


def _parallel_parts() -> dict[str, Part]:
    parts = {
        "spread of m, d 0.95, large N": Part(
            partial(spread, dilution=0.95, which="large"), at_most(0.04)
        )
    }
    for d in (0.9, 0.95):
        parts[f"ln of spread, large N / small N, d {d}"] = Part(
            partial(spread_ratio, dilution=d), at_most(math.log(0.8))
        )
    for which in ("small", "large"):
        parts[f"interval of the spread meets theory within 0.03, d 0.7, {which} N"] = Part(
            partial(spread_in_reach, dilution=0.7, which=which), at_least(1.0), "exact"
        )
    for d in (0.7, 0.9, 0.95):
        for which in ("small", "large"):
            parts[f"mean m - theory, d {d}, {which} N"] = Part(
                partial(mean_gap, dilution=d, which=which), between(-0.02, 0.02)
            )
    return parts


def _teacher_parts() -> dict[str, Part]:
    parts = {}
    for r in (0.2, 0.4):
        for count in (4, 8, 16, 32, 64):
            parts[f"m with - without teacher, r {r}, M {count}"] = Part(
                partial(teacher_gap, quality=r, count=count), equivalent(0.02, level=0.9)
            )
        parts[f"ln of M_c with / without teacher, r {r}"] = Part(
            partial(threshold_ratio, quality=r), equivalent(0.1, level=0.9)
        )
    return parts


def _collapse_parts() -> dict[str, Part]:
    parts = {}
    for rho in (0.05, 0.2, 0.5, 1.0, 2.0):
        parts[f"m, widest pair of (r, M), rho {rho}"] = Part(
            partial(pair_gap, entropy=rho), between(-0.03, 0.03)
        )
        parts[f"m - theory, farthest (r, M), rho {rho}"] = Part(
            partial(solver_gap, entropy=rho), between(-0.03, 0.03)
        )
    return parts


def _descent_parts() -> dict[str, Part]:
    parts = {
        "rank correlation of energy and loss, stored": Part(
            partial(energy_and_loss, entropy=0.0), at_least(0.999)
        )
    }
    for rho in (0.05, 0.2):
        parts[f"rank correlation of energy and archetypes' loss, rho {rho}"] = Part(
            partial(energy_and_loss, entropy=rho), at_least(0.9)
        )
    for rho in (0.05, 0.2, 0.5, 1.0):
        parts[f"stable bits - prediction, rho {rho}"] = Part(
            partial(stability_gap, entropy=rho), between(-0.01, 0.01), unit="%"
        )
    return parts


CLAIMS = (
    Claim(
        "C1",
        "A Hopfield network whose patterns have blanks holds several patterns at once without "
        "error; without blanks it holds one, or a mixture that is wrong in a quarter of the bits.",
        _task_parts(),
        ("tasks",),
        paper="several patterns at once (abstract); no figures recovered",
    ),
    Claim(
        "C2",
        "Below a critical dilution the overlaps form a ladder: the mu-th pattern gets the sites "
        "that the ones before it leave blank, m_mu = d^(mu-1).",
        _ladder_parts(),
        ("ladder_theory", "rungs", "onset"),
        paper="power law in the information content (abstract); d^(mu-1) derived",
    ),
    Claim(
        "C3",
        "At strong dilution and T > 0 all patterns are retrieved to the same extent: the spread of "
        "the overlaps vanishes with N, and stays finite at weaker dilution.",
        _parallel_parts(),
        ("parallel_theory", "parallel_small", "parallel_large"),
        paper="equal amplitudes at strong dilution (abstract); no figures recovered",
    ),
    Claim(
        "C4",
        "From the same examples, learning with a teacher and without reach the same overlaps and "
        "need the same number of examples.",
        _teacher_parts(),
        ("learning_theory", "teacher_20", "teacher_40"),
        paper="same performance and thresholds (abstract); no figures recovered",
    ),
    Claim(
        "C5",
        "Quality r and number M of the examples enter through rho = (1 - r^2) / (M r^2) alone, and "
        "the mean-field solution is what the network does.",
        _collapse_parts(),
        ("learning_theory", "collapse"),
        paper="one parameter rho (memory of the text; no figures recovered)",
    ),
    Claim(
        "C6",
        "The energy is the patterns' squared-error loss: along relaxations both fall together, and "
        "one step's stability is what signal and noise predict.",
        _descent_parts(),
        ("stability_theory", "descent", "stability"),
        paper="the energy as a loss (derived); no figures recovered",
    ),
    Claim(
        "C7",
        "The number of patterns held at once grows as ln N, while it stays at one without blanks.",
        {
            "slope of the count on ln N": Part(growth_slope, at_least(POSITIVE)),
            "count without blanks": Part(dense_count, between(0.9, 1.1), paper=1.0),
        },
        ("growth",),
        paper="logarithmic growth (derived); no figures recovered",
    ),
)
