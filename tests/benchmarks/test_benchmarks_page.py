"""The timer alternates fairly, its ratios are what they say, and the page shows the ledger."""

import importlib.metadata
import json
import re
import subprocess
import sys

import pytest

from benchmarks import __main__ as program
from benchmarks import _versions
from benchmarks._report import LEDGER, PAGE, Comparison, atlas_page, drawn
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
    row = Comparison("case", "NumPy", "equal to 1e-7", aim, timed).row()
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


def test_the_atlas_shows_peer_version_work_and_ratio_with_its_range():
    timed = alternation((1.0,) * 5, (1500.0, 1400.0, 1534.0, 1500.0, 1500.0))
    rows = [
        Comparison("a case", "NumPy, all at once", "equal", 2.0, timed).row(),
        Comparison("a case", "a peer", "equal", 2.0, alternation((2.0,) * 5, (1.0,) * 5)).row(),
    ]
    numpy = importlib.metadata.version("numpy")
    page = atlas_page({"topic": {"machine": {"processor": "x"}, "rows": rows}})
    assert "\n## topic\n" in page
    assert f"| NumPy, all at once | {numpy} | a case | **1,500** | 1,400 to 1,530 |" in page
    assert "| a peer | not recorded | a case | **0.5** | 0.5 to 0.5 |" in page  # a loss stays
    assert "2 comparisons, 1 of them\nlost" in page
    assert "Measured on: processor x." in page


def test_every_recorded_comparison_has_its_range_and_five_rounds():
    ledger = json.loads(LEDGER.read_text(encoding="utf-8"))
    rows = [row for entry in ledger.values() for row in entry["rows"]]
    assert all(row["range"][0] <= row["ratio"] <= row["range"][1] for row in rows)
    assert all(row["rounds"] >= 5 and "version" in row for row in rows)
    assert atlas_page(ledger).count("| not recorded |") < len(rows) / 3


def test_versions_are_those_of_packages_names_and_checkouts(monkeypatch, tmp_path):
    assert _versions.version_of("snnTorch 1.0.0, 2 threads") == "1.0.0"
    assert _versions.version_of("hopfieldnetwork 1.0, N x N couplings") == "1.0"
    numpy = importlib.metadata.version("numpy")
    assert _versions.version_of("NumPy, all chains at once") == numpy
    assert _versions.version_of("our MLP 64-284-10 of equal parameters") == "0.1.0"
    assert _versions.version_of("somebody") == ""
    checkout = tmp_path / "checkout"
    git = ("git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b")
    checkout.mkdir()
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "one"], check=True)
    monkeypatch.setitem(_versions.CHECKOUTS, "pathwaycom/bdh", lambda: checkout)
    peer = "pathwaycom/bdh, torch.compile, torch 2.11.0"
    assert re.fullmatch("[0-9a-f]{10}", _versions.version_of(peer))  # not that of torch
    assert _versions.revision(tmp_path) == ""
    monkeypatch.setenv("ENGRAX_BRIAN", sys.executable)
    assert _versions.version_of("Brian 2, Cython, float32") == ""  # there is none in ours


@pytest.mark.parametrize(
    ("there", "topic", "said"),
    [
        ({"torch", "snntorch"}, "spiking", None),  # one of two peers is enough
        ({"torch", "spikingjelly"}, "spiking", None),
        ({"torch"}, "spiking", "needs snntorch or spikingjelly installed"),
        ({"torch", "snntorch"}, "hlop", "needs spikingjelly installed"),
        (set(), "credit", "needs torch installed"),
        ({"torch"}, "credit", None),
    ],
)
def test_a_topic_without_its_peers_is_one_line(monkeypatch, there, topic, said):
    monkeypatch.setattr(program, "absent", lambda _, names: [n for n in names if n not in there])
    reason = program.missing(topic)
    assert reason is None if said is None else said in reason


def test_of_all_topics_those_without_peers_are_left_out(monkeypatch, capfd):
    monkeypatch.setattr(program, "absent", lambda _, names: list(names))
    monkeypatch.setattr("sys.argv", ["benchmarks", "all"])
    assert program.main() == 0
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == len({*program.TOPICS} - program.ALONE)
    assert all(re.fullmatch(r"benchmarks: \w+ needs .*see benchmarks/README.md", x) for x in lines)
    monkeypatch.setattr("sys.argv", ["benchmarks", "credit"])
    assert program.main() == 1
