import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from engrax.estimators import MLPClassifier
from engrax.estimators._credit import CREDITS

X, Y = make_blobs(120, 4, centers=3, random_state=0)
X = StandardScaler().fit_transform(X)
NAMES = np.array(["ant", "bee", "cat"])[Y]


@parametrize_with_checks([MLPClassifier(epochs=30, hidden_layer_sizes=(16,), random_state=0)])
def test_it_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


@pytest.mark.parametrize("credit", CREDITS)
def test_every_rule_learns_clouds(credit):
    model = MLPClassifier(
        credit, hidden_layer_sizes=(16,), epochs=40, blocks=2, learning_rate=0.01, random_state=0
    )
    model.fit(X, NAMES)
    assert model.score(X, NAMES) > 0.85
    shares = model.predict_proba(X)
    assert shares.shape == (120, 3)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-12)
    assert len(model.loss_curve_) == 40
    # A row's answer is its own, whoever stands beside it.
    np.testing.assert_allclose(model.predict_proba(X[::-1])[::-1], shares, atol=1e-5)
    again = clone(model).fit(X, NAMES)
    np.testing.assert_array_equal(again.predict_proba(X), shares)


def test_it_can_be_searched_in_a_pipeline():
    x, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(epochs=30, random_state=0))
    search = GridSearchCV(pipeline, {"mlpclassifier__learning_rate": [1e-4, 1e-2]}, cv=3)
    search.fit(x, y)
    assert search.best_params_ == {"mlpclassifier__learning_rate": 1e-2}
    assert search.best_score_ > 0.9


def test_partial_fit_goes_on_where_it_was():
    one = MLPClassifier(epochs=2, hidden_layer_sizes=(16,), random_state=0).fit(X, Y)
    other = MLPClassifier(hidden_layer_sizes=(16,), random_state=0)
    other.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-6)
    with pytest.raises(ValueError, match="none of its classes"):
        other.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="begin anew"):
        other.partial_fit(X, Y, classes=[0, 1])


def test_the_last_classes_may_come_later():
    model = MLPClassifier(hidden_layer_sizes=(16,), random_state=0)
    model.partial_fit(X[Y < 2], Y[Y < 2], classes=[0, 1, 2]).partial_fit(X, Y)
    assert model.predict_proba(X).shape == (120, 3)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"credit": "magic"}, "credit='magic' is unknown; choose one of backprop"),
        ({"hidden_layer_sizes": (0,)}, "positive whole numbers"),
        ({"hidden_layer_sizes": ()}, "positive whole numbers"),
        ({"credit": "noprop", "hidden_layer_sizes": (8, 8)}, "with 'noprop' a single one"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 1.5}, "batch_size=1.5"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0"),
    ],
)
def test_what_makes_no_classifier_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        MLPClassifier(**wrong).fit(X, Y)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2 classes"):
        MLPClassifier().fit(X, np.zeros(len(X)))
