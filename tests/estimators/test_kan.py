"""Kolmogorov-Arnold networks behind scikit-learn's interface."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from engrax.estimators import KANClassifier, KANRegressor
from engrax.nn import read_kan

# The checks ask for programs of many shapes: no hidden layer compiles fastest.
QUICK = {"hidden_layer_sizes": (), "functions": 5, "epochs": 60, "batch_size": 64}


@parametrize_with_checks([KANRegressor(**QUICK), KANClassifier(**QUICK)])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    x = rng.uniform(3, 9, (400, 2))  # nothing is scaled by the user
    return x, np.sin(x[:, 0] * 2) + (x[:, 1] - 6) ** 2 / 4


def test_a_regressor_learns_and_can_be_read(points):
    x, y = points
    model = KANRegressor((), basis="bspline", functions=12, random_state=0).fit(x[:300], y[:300])
    assert model.score(x[300:], y[300:]) > 0.99
    scaled = (x[:200] - 6) / 3
    names = [edge.name for edge in read_kan(model.model_, scaled.astype(np.float32)).edges[0][0]]
    assert names == ["sin", "x^2"]


def test_equal_calls_give_equal_models_and_pickles(points):
    x, y = points
    model = KANRegressor((3,), epochs=5, random_state=1).fit(x, y)
    again = KANRegressor((3,), epochs=5, random_state=1).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    other = KANRegressor((3,), epochs=5, random_state=2).fit(x, y)
    assert np.abs(model.predict(x) - other.predict(x)).max() > 1e-3
    kept = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(kept.predict(x), model.predict(x))
    kept.partial_fit(x, y)
    model.partial_fit(x, y)
    np.testing.assert_array_equal(kept.predict(x), model.predict(x))


def test_a_search_through_a_pipeline():
    x, y = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    pipeline = make_pipeline(StandardScaler(), KANClassifier((), epochs=40, random_state=0))
    search = GridSearchCV(pipeline, {"kanclassifier__basis": ["bspline", "rbf"]}, cv=3)
    search.fit(x, labels)
    assert search.best_score_ > 0.9
    shares = search.predict_proba(x[:5])
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-12)
    assert set(search.predict(x)) == set(labels)


def test_passes_by_hand_approach_a_fit(points):
    x, y = points
    model = KANRegressor((), functions=12, random_state=0, batch_size=64)
    first = model.partial_fit(x, y).score(x, y)
    for _ in range(30):
        model.partial_fit(x, y)
    assert model.score(x, y) > max(first, 0.9)
    with pytest.raises(ValueError, match="2 targets a row"):
        model.partial_fit(x, np.stack([y, y], 1))
    both = KANRegressor((), epochs=2, random_state=0).fit(x, np.stack([y, -y], 1))
    assert both.predict(x).shape == (400, 2)


def test_classes_of_partial_fit(points):
    x, _ = points
    y = np.where(x[:, 0] > 6, "high", "low")
    model = KANClassifier((), random_state=0)
    model.partial_fit(x[:8], ["low"] * 8, classes=["low", "high"])
    assert list(model.classes_) == ["high", "low"]
    model.partial_fit(x, y)
    with pytest.raises(ValueError, match="none of its classes"):
        model.partial_fit(x, np.where(x[:, 0] > 6, "high", "other"))
    with pytest.raises(ValueError, match="an earlier call"):
        model.partial_fit(x, y, classes=["low", "other"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": 8}, "hidden_layer_sizes"),
        ({"basis": "splines"}, "no basis 'splines'"),
        ({"functions": 3}, "at least 4"),
        ({"functions": 2.5}, "functions=2.5"),
        ({"epochs": 0}, "epochs=0"),
        ({"learning_rate": 0.0}, "a rate above 0"),
        ({"weight_decay": -1.0}, "a decay of at least 0"),
    ],
)
def test_bad_parameters(points, options, message):
    with pytest.raises(ValueError, match=message):
        KANRegressor(**options).fit(*points)
