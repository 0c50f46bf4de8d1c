"""Rules, verdicts and what they rest on."""

import dataclasses
import json
import math

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from scipy import stats

from engrax.lab import (
    Claim,
    ClaimJudgement,
    Part,
    Rule,
    at_least,
    at_most,
    between,
    claims_hash,
    equivalent,
    judge,
    judge_claim,
    judge_part,
    non_inferior,
    paired_difference,
    t_interval,
)

RUNS = 2000
NULL, MARGIN = 0.0, 4.0
# For each rule: the true means that lie on an end of its region (a `holds` there is false), and
# a planted one inside. All in units of the standard deviation between seeds.
RULES = {
    "at_least": (at_least(NULL), (NULL,), 6.0),
    "at_most": (at_most(NULL), (NULL,), -6.0),
    "between": (between(-MARGIN, MARGIN), (-MARGIN, MARGIN), 0.0),
    "non_inferior": (non_inferior(MARGIN), (-MARGIN,), 2.0),
    "equivalent": (equivalent(MARGIN), (-MARGIN, MARGIN), 0.0),
    "TOST at 90 %": (equivalent(MARGIN, level=0.9), (-MARGIN, MARGIN), 0.0),
}


@pytest.mark.parametrize("n", [5, 8, 16])
def test_false_holds_and_coverage_of_every_rule(n: int) -> None:
    noise = np.random.default_rng(100 + n).normal(0.0, 1.0, (RUNS, n))
    ends = {
        level: np.array([dataclasses.astuple(t_interval(x, level=level))[1:3] for x in noise])
        for level in (0.95, 0.9)
    }
    for name, (rule, nulls, planted) in RULES.items():
        around = ends[rule.level]
        for effect in (*nulls, planted):
            found = [rule.verdict(low, high) for low, high in around + effect]
            covered = np.mean((around[:, 0] <= 0) & (around[:, 1] >= 0))
            if rule.level == 0.95:
                assert 0.935 <= covered <= 0.965, name
            if effect == planted:
                assert found.count("holds") > 0.9 * RUNS, name
                assert found.count("fails") == 0, name
            else:
                # the chance is exactly (1 - level)/2; the bound is its binomial quantile at a
                # false-alarm rate of 1e-4 (a count of 78 for 2,000 runs at 2.5 %)
                alpha = (1 - rule.level) / 2
                assert found.count("holds") <= stats.binom.ppf(1 - 1e-4, RUNS, alpha), name
                # a true value on the line is as rarely called outside
                assert found.count("fails") <= stats.binom.ppf(1 - 1e-4, RUNS, alpha), name


@pytest.mark.parametrize("n", [5, 8, 16])
def test_false_holds_stay_under_the_bound_off_the_line(n: int) -> None:
    # a quarter of a standard deviation outside: the estimate itself is below 2.5 % a side
    noise = np.random.default_rng(200 + n).normal(0.0, 1.0, (RUNS, n))
    ends = np.array([dataclasses.astuple(t_interval(x))[1:3] for x in noise])
    for name, (rule, nulls, _) in RULES.items():
        for null in nulls:
            outside = null + 0.25 * (1 if null == rule.high else -1)
            found = [rule.verdict(low, high) for low, high in ends + outside]
            assert found.count("holds") / RUNS < 0.025, name


def test_tost_equals_two_one_sided_tests() -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        x = rng.normal(rng.uniform(-1, 1), 1.0, 8)
        lower = stats.ttest_1samp(x, -0.8, alternative="greater").pvalue
        upper = stats.ttest_1samp(x, 0.8, alternative="less").pvalue
        judged = judge_part("d", Part(len, equivalent(0.8, level=0.9)), x)
        assert (judged.verdict == "holds") == (max(lower, upper) <= 0.05)


bound = st.floats(-10, 10)
width = st.floats(0, 10)


@given(bound, width, width, width, bound, width)
@settings(derandomize=True, deadline=None)
def test_a_wider_region_never_turns_holds_into_fails(low, size, left, right, at, extent) -> None:
    narrow, wide = between(low, low + size), between(low - left, low + size + right)
    order = ("fails", "open", "holds")
    ends = (at, at + extent)
    assert order.index(wide.verdict(*ends)) >= order.index(narrow.verdict(*ends))


@given(bound, bound, width)
@settings(derandomize=True, deadline=None)
def test_one_sided_rules_mirror_each_other(line, at, extent) -> None:
    mirrored = at_most(-line).verdict(-at - extent, -at)
    assert at_least(line).verdict(at, at + extent) == mirrored


def test_verdicts_at_the_ends() -> None:
    rule = between(0.0, 1.0)
    assert rule.verdict(0.0, 1.0) == "holds"
    assert rule.verdict(-0.1, 0.5) == "open"
    assert rule.verdict(-0.2, -0.1) == "fails"
    assert rule.verdict(-1.0, 2.0) == "open"
    assert non_inferior(0.02) == at_least(-0.02)
    assert equivalent(0.02) == between(-0.02, 0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: between(1.0, 0.0), "region"),
        (lambda: Rule(-math.inf, math.inf), "at least one end"),
        (lambda: at_least(math.nan), "region"),
        (lambda: non_inferior(0.0), "positive"),
        (lambda: equivalent(-1.0), "positive"),
        (lambda: at_least(0.0, level=95.0), "between 0 and 1"),
        (lambda: Claim("C1", "No parts.", arms=("a",), parts={}), "at least one part"),
    ],
)
def test_bad_rules_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


class Run(dict):
    """Arms as datasets; what a claim sees of a run."""

    diverged: tuple[tuple[str, int, int], ...] = ()


def arm(values, seeds=None) -> xr.Dataset:
    seeds = range(len(values)) if seeds is None else seeds
    return xr.Dataset({"accuracy": ("seed", np.asarray(values, float))}, {"seed": list(seeds)})


GOOD, BAD = [0.9, 0.91, 0.92, 0.9, 0.91], [0.5, 0.51, 0.52, 0.5, 0.51]


def accuracy(run: Run, name: str) -> xr.DataArray:
    return run[name]["accuracy"]


def two_parts(low: float, **options) -> Claim:
    return Claim(
        "C1",
        "The method is accurate.",
        arms=("method",),
        parts={
            "above": Part(lambda run: accuracy(run, "method"), at_least(low), unit="%"),
            "below": Part(lambda run: accuracy(run, "method"), at_most(0.95)),
        },
        **options,
    )


def test_the_worst_part_decides() -> None:
    run = Run(method=arm(GOOD))
    assert judge_claim(two_parts(0.8), run).verdict == "holds"
    assert judge_claim(two_parts(0.905), run).verdict == "open"
    judged = judge_claim(two_parts(0.99), run)
    assert [part.verdict for part in judged.parts] == ["fails", "holds"]
    assert judged.verdict == "fails"
    assert judged.parts[0].values == tuple(GOOD)
    assert judged.parts[0].seeds == (0, 1, 2, 3, 4)


def test_a_diverged_seed_caps_the_verdict_at_open() -> None:
    run = Run(method=arm(GOOD))
    run.diverged = (("method", 3, 120), ("method", 4, 7))
    judged = judge_claim(two_parts(0.8), run)
    assert judged.verdict == "open"
    assert "seed 3, tick 120 and 1 more" in judged.reason
    assert judge_claim(two_parts(0.99), run).verdict == "fails"
    assert judge_claim(two_parts(0.8, tolerates_divergence=True), run).verdict == "holds"
    run.diverged = (("another", 3, 120),)
    assert judge_claim(two_parts(0.8), run).verdict == "holds"


def test_values_that_are_not_finite_are_open_with_a_reason() -> None:
    judged = judge_claim(two_parts(0.8), Run(method=arm([0.9, math.nan, 0.9])))
    assert judged.verdict == "open"
    assert "1 of 3 values are not finite" in judged.parts[0].reason
    one = judge_claim(two_parts(0.8), Run(method=arm([0.9])))
    assert "at least 2 units" in one.parts[0].reason


def test_values_of_the_wrong_shape_are_an_error_of_the_study() -> None:
    with pytest.raises(ValueError, match="one number a seed"):
        judge_part("x", Part(lambda run: 0.0, at_least(0.0)), np.zeros((3, 2)))


def test_claims_of_arms_that_were_not_run_are_left_out() -> None:
    other = dataclasses.replace(two_parts(0.8), name="C2", arms=("method", "baseline"))
    assert [j.name for j in judge((two_parts(0.8), other), Run(method=arm(GOOD)))] == ["C1"]


def test_paired_difference_pairs_by_seed() -> None:
    run = Run(a=arm(GOOD), b=arm(BAD), c=arm(BAD, seeds=range(5, 10)), d=arm(BAD[:4]))
    found = paired_difference(run, "a", "b", lambda arm: arm["accuracy"])
    # every pair differs by 0.4: the spread between seeds cancels
    np.testing.assert_allclose(found, 0.4, atol=1e-12)
    for other in ("c", "d"):
        with pytest.raises(ValueError, match="ran different seeds"):
            paired_difference(run, "a", other, lambda arm: arm["accuracy"])


def test_exact_parts_must_be_met_by_every_value() -> None:
    part = Part(lambda run: 0.0, at_least(0.0), interval="exact")
    assert judge_part("x", part, np.float64(0.0)).verdict == "holds"
    assert judge_part("x", part, [1.0, 2.0, -0.1]).verdict == "open"


@pytest.mark.parametrize("interval", ["wilson", "clopper_pearson"])
def test_success_rates(interval) -> None:
    part = Part(lambda run: 0.0, at_least(0.5), interval=interval)
    assert judge_part("x", part, [1] * 8).verdict == "holds"
    assert judge_part("x", part, [0] * 8).verdict == "fails"
    assert judge_part("x", part, [0, 1] * 4).verdict == "open"


def test_bca_parts_are_open_below_twenty_seeds() -> None:
    part = Part(lambda run: 0.0, at_least(0.0), interval="bca")
    assert judge_part("x", part, np.arange(1.0, 21.0)).verdict == "holds"
    assert "at least 20 units" in judge_part("x", part, np.arange(1.0, 20.0)).reason


def test_judgements_go_to_json_and_back() -> None:
    run = Run(method=arm([0.9, math.nan, math.inf]))
    run.diverged = (("method", 1, 2),)
    for judged in (
        judge_claim(two_parts(0.8), run),
        *judge((two_parts(0.8),), Run(method=arm(GOOD))),
    ):
        text = json.dumps(judged.to_json(), allow_nan=False)
        # NaN is not equal to itself, so equality goes by the printed form
        assert repr(ClaimJudgement.from_json(json.loads(text))) == repr(judged)


def test_claims_hash_sees_every_literal_and_nothing_else() -> None:
    base = two_parts(0.8)
    assert claims_hash([base]) == claims_hash([two_parts(0.8)])  # new lambdas, same literals
    above = base.parts["above"]
    moved = [
        dataclasses.replace(base, text="The method is very accurate."),
        dataclasses.replace(base, arms=("other",)),
        dataclasses.replace(base, tolerates_divergence=True),
        dataclasses.replace(base, parts={"renamed": above, "below": base.parts["below"]}),
        *(
            dataclasses.replace(base, parts={**base.parts, "above": part})
            for part in (
                dataclasses.replace(above, rule=at_least(0.8 + 1e-12)),
                dataclasses.replace(above, rule=at_least(0.8, level=0.9)),
                dataclasses.replace(above, interval="bca"),
            )
        ),
        two_parts(0.79),
    ]
    hashes = {claims_hash([claim]) for claim in moved}
    assert len(hashes) == len(moved)
    assert claims_hash([base]) not in hashes
