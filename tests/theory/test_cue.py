"""Loads at which damaged cues are still retrieved."""

import numpy as np
import pytest
from scipy.special import erfinv

from engrax.theory import cue_load, retrieval_spinodal
from engrax.theory._cue import _pair_load


@pytest.mark.parametrize("order", [2, 3])
def test_a_perfect_cue_is_limited_by_the_spinodal_alone(order):
    end = float(retrieval_spinodal(order, 0.0).load)
    assert float(cue_load(order, 1.0)) == pytest.approx(end, rel=1e-9)


@pytest.mark.parametrize("order", [2, 3])
def test_worse_cues_bear_smaller_loads(order):
    loads = cue_load(order, np.array([1.0, 0.6, 0.3, 0.1, 0.0]))
    assert np.all(np.diff(loads) <= 1e-12)
    assert loads[-1] < 0.01
    assert loads[1] > 0


def test_the_cue_of_triplets_lies_on_the_unstable_branch():
    # At T = 0, m = erf(y) with y = J / sqrt(2 v), J = 1.5 m^2, v = 1.5 gamma.
    m = 0.5
    y = erfinv(m)
    gamma = (1.5 * m**2 / y) ** 2 / (2 * 1.5)
    assert float(cue_load(3, m)) == pytest.approx(gamma, rel=1e-6)


def test_the_known_capacity_of_one_step_dynamics():
    # Amari and Maginu (1988): their dynamics keep a perfect cue up to 0.16 N.
    assert float(_pair_load(np.array(1.0))) == pytest.approx(0.16, abs=0.002)


def test_nothing_is_retrieved_where_it_is_too_hot():
    assert float(cue_load(2, 0.9, 1.2)) == 0.0


def test_bad_input():
    with pytest.raises(ValueError, match="outside"):
        cue_load(2, 1.1)
    with pytest.raises(ValueError, match="order 1"):
        cue_load(1, 0.5)
