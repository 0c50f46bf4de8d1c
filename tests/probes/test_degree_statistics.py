import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engrax.probes import degree_statistics, excess_kurtosis, in_and_out_degrees


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30))
def test_spread_against_the_definitions(degrees):
    found = degree_statistics(np.array(degrees))
    mean = np.mean(degrees)
    assert found.mean == pytest.approx(mean)
    if mean:
        assert found.cv == pytest.approx(np.std(degrees) / mean)
        assert found.max_over_mean == pytest.approx(max(degrees) / mean)
    if len(set(degrees)) > 1:
        z = (np.array(degrees) - mean) / np.std(degrees)
        assert found.excess_kurtosis == pytest.approx(np.mean(z**4) - 3, abs=1e-9)
    assert np.isnan(found.exponent)  # at most ten distinct degrees, zero among them


def test_a_scale_changes_no_ratio():
    degrees = np.random.default_rng(0).integers(1, 9, 50)
    one, three = degree_statistics(degrees), degree_statistics(3 * degrees)
    np.testing.assert_allclose(one[1:4], three[1:4], rtol=1e-12)


def test_a_power_law_is_told_from_an_exponential():
    rng = np.random.default_rng(0)
    heavy = stats.zipf.rvs(2.5, size=3000, random_state=rng)
    found = degree_statistics(heavy)
    # The maximum-likelihood exponent of 3000 values has a standard error of .03.
    assert found.exponent == pytest.approx(2.5, abs=0.2)
    assert found.exponential.log_ratio > 0
    light = degree_statistics(1 + stats.geom.rvs(0.05, size=3000, random_state=rng))
    assert light.exponential.log_ratio < 0
    assert light.exponential.p_value < 0.05


def test_kurtosis_of_known_laws():
    rng = np.random.default_rng(0)
    # Standard errors at 100,000 draws: sqrt(24 / n) = .015 for the normal.
    assert excess_kurtosis(rng.standard_normal((100, 1000))) == pytest.approx(0, abs=0.08)
    assert excess_kurtosis(np.array([-1.0, 1.0])) == pytest.approx(-2)
    assert excess_kurtosis(np.ones(4)) == 0


def test_degrees_have_a_direction():
    graph = np.array([[False, True, True], [False, False, True], [False, False, False]])
    incoming, outgoing = in_and_out_degrees(graph)
    assert incoming.tolist() == [0, 1, 2]
    assert outgoing.tolist() == [2, 1, 0]


def test_bad_degrees_are_named():
    with pytest.raises(ValueError, match="at least 0"):
        degree_statistics(np.array([-1, 2]))
