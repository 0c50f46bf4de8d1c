"""The timer alternates fairly, its ratios are what they say, and the page shows the ledger."""

import json

import pytest

from benchmarks._report import LEDGER, PAGE, Comparison, drawn
from benchmarks._timer import Alternation, Timing, alternate


def alternation(ours, peer):
    return Alternation(Timing(9.0, ours, ours), Timing(1.0, peer, peer))


def test_sides_take_turns_in_going_first():
    calls = []
    timed = alternate(lambda: calls.append("a"), lambda: calls.append("b"), rounds=6)
    assert "".join(calls) == "ab" + "abba" * 3  # the first call of each is not counted
    assert len(timed.ours.rounds) == len(timed.peer.processor) == 6


def test_a_median_takes_five_rounds():
    with pytest.raises(ValueError, match="at least 5"):
        alternate(int, int, rounds=4)


def test_ratios_are_taken_within_rounds():
    timed = alternation((1.0, 2.0, 4.0, 1.0, 1.0), (3.0, 4.0, 20.0, 1.0, 2.0))
    assert timed.ratio == (2.0, 1.0, 5.0)
    assert timed.quiet_ratio == 1.0  # 1.0 s over 1.0 s
    assert timed.processor_ratio == 2.0


@pytest.mark.parametrize(("aim", "reached"), [(1.0, True), (1.5, False), (2.5, False)])
def test_an_aim_is_reached_by_the_worse_of_both_ratios(aim, reached):
    timed = alternation((1.0, 2.0, 4.0, 1.0, 1.0), (3.0, 4.0, 20.0, 1.0, 2.0))
    row = Comparison("case", "peer", "equal to 1e-7", aim, timed).row()
    assert row["reached"] is reached
    assert row["rounds"] == 5


def test_a_missed_aim_is_shown():
    row = Comparison("a case", "a peer", "equal", 2.0, alternation((1.0,) * 5, (1.5,) * 5)).row()
    ledger = {"topic": {"machine": {"processor": "x"}, "rows": [row]}}
    page = drawn("Head.\n<!-- measured -->\nold\n<!-- /measured -->\nTail.\n", ledger)
    assert "old" not in page
    assert page.startswith("Head.")
    assert page.endswith("Tail.\n")
    assert "| **1.5x** (1.5 to 1.5) | 1.5x | 1.5x | 2x (missed) | 1 s | 1.5 s | 8.0 s |" in page
    assert "Equal before timing: equal." in page


def test_the_page_is_that_of_the_ledger():
    page = PAGE.read_text(encoding="utf-8")
    assert drawn(page, json.loads(LEDGER.read_text(encoding="utf-8"))) == page
