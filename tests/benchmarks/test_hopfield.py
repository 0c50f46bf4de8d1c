"""The benchmark's NumPy peer moves as the library does."""

import pytest

from benchmarks.hopfield import agreement


@pytest.mark.parametrize("parallel", [True, False])
def test_one_sweep_with_the_same_draws_is_the_same(parallel):
    assert agreement(parallel=parallel) > 0.999
