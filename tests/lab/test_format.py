"""Numbers as they are printed."""

import math

import pytest

from engrax.lab import (
    Part,
    at_least,
    between,
    format_estimate,
    format_method,
    format_rule,
    judge_part,
)
from engrax.lab._format import format_value


@pytest.mark.parametrize(
    ("value", "unit", "digits", "text"),
    [
        (0.9216, "%", 2, "92.16"),
        (-0.005, "%", 1, "−0.5"),
        (0.0, "", None, "0"),
        (-1e-9, "", 2, "−1.00e−09"),
        (-0.0, "", 2, "0.00"),
        (1234.5678, "", None, "1235"),
        (0.012345, "", None, "0.0123"),
        (3e-7, "", None, "3.00e−07"),
        (math.inf, "", None, "∞"),
        (math.nan, "%", None, "–"),
    ],
)
def test_values(value, unit, digits, text) -> None:
    assert format_value(value, unit=unit, digits=digits) == text


@pytest.mark.parametrize(
    ("values", "unit", "text"),
    [
        ([0.915, 0.925, 0.92], "%", "92.0 [90.8, 93.2] %"),
        ([1.0, 1.0], "", "1.00"),
        ([0.9999999, 1.0000001], "", "1.0000 [1.0000, 1.0000]"),
        ([-1.0, 1.0], "nats", "0 [−13, 13] nats"),
        ([math.nan, 1.0], "%", "–"),
    ],
)
def test_estimates_have_one_set_of_decimals(values, unit, text) -> None:
    assert format_estimate(judge_part("x", Part(len, at_least(0.0), unit=unit), values)) == text


def test_rules_are_printed_without_rounding() -> None:
    part = Part(len, between(-0.00125, 0.5), unit="%")
    assert format_rule(judge_part("x", part, [0.0, 1.0])) == "−0.125 … 50 %"


def test_a_region_of_one_point_is_an_equality() -> None:
    part = Part(len, between(0.0, 0.0), interval="exact")
    assert format_rule(judge_part("x", part, 0.0)) == "= 0"


def test_methods() -> None:
    exact = judge_part("x", Part(len, at_least(0.0), interval="exact"), 1.0)
    assert format_method(exact) == "exact, n = 1"
    level = judge_part("x", Part(len, at_least(0.0, level=0.9)), [1.0, 2.0])
    assert format_method(level) == "90 % t, n = 2"
