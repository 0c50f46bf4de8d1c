import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from engrax.probes import ranking_auc


@pytest.mark.parametrize("n", [7, 1000, 200_000])
def test_it_is_the_area_under_the_curve(n):
    scores = jr.normal(jr.key(n), (n,))
    positive = jr.normal(jr.key(1), (n,)) + 0.5 * scores > 0.8
    positive = positive.at[0].set(True).at[1].set(False)
    expected = roc_auc_score(np.asarray(positive), np.asarray(scores))
    np.testing.assert_allclose(ranking_auc(scores, positive), expected, atol=1e-4)


def test_perfect_and_reversed_order():
    scores = jnp.arange(6.0)
    np.testing.assert_allclose(ranking_auc(scores, scores > 3), 1, atol=1e-6)
    np.testing.assert_allclose(ranking_auc(-scores, scores > 3), 0, atol=1e-6)


def test_one_kind_alone_has_no_order():
    assert np.isnan(ranking_auc(jnp.arange(4.0), jnp.zeros(4, bool)))
