"""Figures: what they must say, how large they are, and what they show of a seed that is lost."""

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from engrax.lab import Part, at_least, equivalent, figures, judge_part, t_interval


def contrast(color: str, other: str) -> float:
    """Ratio of luminances by the WCAG formula, 1 to 21."""

    def luminance(text: str) -> float:
        rgb = np.array([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    a, b = sorted((luminance(color), luminance(other)))
    return (b + 0.05) / (a + 0.05)


def test_the_first_five_series_show_on_white() -> None:
    # 2.7 : 1 is what Okabe and Ito's own pink has; text needs more, and only INK is text
    assert contrast(figures.INK, "#ffffff") > 7
    assert all(contrast(color, "#ffffff") > 2.7 for color in figures.PALETTE[:5])
    assert len(set(figures.PALETTE)) == 8


def test_band_is_the_t_interval_of_every_point() -> None:
    values = np.random.default_rng(0).normal(size=(6, 3))
    _, axes = figures.axes(xlabel="x", ylabel="y")
    figures.band(axes, [1, 2, 3], values, label="a", color=figures.PALETTE[1])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), values.mean(0))
    corners = axes.collections[0].get_paths()[0].vertices
    for i in range(3):
        found = t_interval(values[:, i])
        mine = [y for x, y in corners if x == i + 1]
        np.testing.assert_allclose([min(mine), max(mine)], [found.low, found.high])


def test_a_lost_seed_leaves_a_gap_and_one_seed_no_band() -> None:
    values = np.ones((3, 4))
    values[1, 2:] = np.nan
    _, axes = figures.axes(xlabel="x", ylabel="y")
    figures.band(axes, np.arange(4), values, label="a", color="k")
    assert np.isnan(axes.lines[0].get_ydata()).tolist() == [False, False, True, True]
    figures.band(axes, np.arange(4), values[:1], label="b", color="k")
    assert len(axes.collections) == 1


def test_interval_bars_show_values_interval_rule_and_paper() -> None:
    rate = Part(np.mean, at_least(0.9), unit="%", paper=0.95)
    parts = [
        judge_part("high", rate, [0.92, 0.94, 0.93]),
        judge_part("lost", rate, [0.92, np.nan, 0.93]),
    ]
    figure, axes = figures.axes(xlabel="accuracy (%)", ylabel="")
    figures.interval_bars(axes, parts)
    drawn = np.concatenate([np.atleast_1d(line.get_xdata()) for line in axes.lines])
    assert 95 in drawn
    assert 92 in drawn
    assert [label.get_text() for label in axes.get_yticklabels()] == ["high", "lost"]
    figures.check_labels(figure)
    other = judge_part("x", Part(np.mean, equivalent(1.0)), [1.0, 2.0])
    with pytest.raises(ValueError, match="same unit"):
        figures.interval_bars(axes, [*parts, other])


def test_axes_without_a_label_are_refused() -> None:
    figure, axes = figures.axes(xlabel="step", ylabel="")
    with pytest.raises(ValueError, match="Panel 0 of a figure has no y label"):
        figures.file_svg(figure)
    axes.set_ylabel("loss (nats)")
    figures.file_svg(figure)
    axes.axis("off")
    axes.set_xlabel("")
    figures.check_labels(figure)


def test_shared_panels_need_their_labels_once() -> None:
    figure, axes = figures.panels(3, xlabel="x", ylabel="y", titles=("a", "b", "c"), rows=2)
    assert len(axes) == 6
    figures.check_labels(figure)


def test_style_does_not_leak() -> None:
    before = dict(matplotlib.rcParams)
    figures.axes(xlabel="x", ylabel="y")
    assert dict(matplotlib.rcParams) == before


def many(kind: str) -> Figure:
    rng = np.random.default_rng(0)
    figure, axes = figures.axes(xlabel="x", ylabel="y")
    if kind == "scatter":
        axes.scatter(*rng.normal(size=(2, 20_000)))
    elif kind == "mesh":
        axes.pcolormesh(np.outer(np.arange(300.0), np.arange(300.0)))
    else:
        axes.plot(rng.normal(size=50_000))
    return figure


@pytest.mark.parametrize("kind", ["scatter", "mesh", "line"])
def test_heavy_artists_become_an_image_inside_the_vector_file(kind: str) -> None:
    svg = figures.file_svg(many(kind))
    assert "<image" in svg
    assert len(svg) < 300_000


def test_the_same_figure_gives_the_same_file(tmp_path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        figure, axes = figures.axes(xlabel="x", ylabel="y")
        axes.plot([1, 2, 3], label="a")
        axes.legend()
        figures.save(figure, tmp_path / folder, "f")
    for name in ("f.svg", "f.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_inline_figure_takes_its_ink_from_the_page() -> None:
    figure, axes = figures.axes(xlabel="x", ylabel="y")
    axes.plot([1, 2, 3], "o", markerfacecolor="white")
    axes.inset_axes((0.1, 0.6, 0.3, 0.3))
    file = figures.file_svg(figure)
    svg = figures.inline_svg(file)
    assert svg.startswith("<svg role")
    assert figures.INK not in svg
    assert "currentColor" in svg
    # The page shows through the figure, its panel and the panel inside; a white marker stays.
    assert svg.count("fill: none") == file.count("fill: none") + 3
    assert "fill: #ffffff" in svg
    assert not re.search(r'(href|src)="http', svg)


def test_panels_are_placed_once_for_all_files(tmp_path: Path) -> None:
    figure, axes = figures.axes(xlabel="time (s)", ylabel="energy (J)")
    axes.plot([0, 1], [0, 1000])
    before = axes.get_position().bounds
    figures.save(figure, tmp_path, "energy")
    placed = axes.get_position().bounds
    assert placed != before  # room was made for the labels
    axes.set_ylabel("a label\nof so many\nlines that a new layout\nwould make room")
    figures.file_svg(figure)
    assert axes.get_position().bounds == placed
