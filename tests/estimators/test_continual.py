"""A classifier that goes on learning: as scikit-learn wants it, and as streams do."""

import json
import pickle

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from river import compat, evaluate, metrics
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from engrax.continual import ContinualLearner, WrappedLearner, task_cross_entropy
from engrax.core import GradientLearner
from engrax.estimators import ContinualClassifier
from engrax.estimators._continual_training import LEARNERS
from engrax.nn import MLP

X, Y = make_blobs(240, 4, centers=6, random_state=3)
X = (X - X.mean(0)) / X.std(0)
SMALL = {"hidden_layer_sizes": (16,), "random_state": 0}


def digits(seed=0):
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    return x[order] / 16, y[order]


@parametrize_with_checks([ContinualClassifier(epochs=30, **SMALL)])
def test_it_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


def split(strategy, **options):
    """After five pairs of digits, one pair after another."""
    x, y = digits()
    model = ContinualClassifier(strategy, passes=5, random_state=0, **options)
    for task in range(5):
        mine = y // 2 == task
        model.partial_fit(x[mine], y[mine], task=f"pair {task}")
    return model


def test_replay_keeps_what_finetuning_forgets():
    replay, forgets = (split(name).forgetting_report() for name in ("replay", "finetune"))
    assert forgets.average_accuracy < 0.25  # the last pair alone
    assert forgets.forgetting > 0.9
    assert replay.average_accuracy > 0.75
    assert replay.forgetting < 0.3
    for report in (replay, forgets):
        assert report.matrix.shape == (5, 5)
        assert np.isnan(report.matrix[np.triu_indices(5, 1)]).all()
        last, diagonal = report.matrix[-1], report.matrix.diagonal()
        assert report.average_accuracy == pytest.approx(last.mean())
        assert report.backward_transfer == pytest.approx((last - diagonal)[:-1].mean())
        assert report.forgetting == -report.backward_transfer
        assert report.tasks == [f"pair {task}" for task in range(5)]
        assert all(10 < n < 70 for n in report.rows)  # a tenth of about 360
        assert str(report).count("after") == 5


def test_anchors_keep_what_finetuning_forgets():
    x, y = digits()
    orders = [np.random.default_rng(seed).permutation(64) for seed in range(3)]
    found = {}
    for name in ("ewc", "finetune"):
        model = ContinualClassifier(name, passes=20, strength=300.0, random_state=0)
        for task, order in enumerate(orders):
            model.partial_fit(x[:, order], y, task=task)
        found[name] = model.forgetting_report()
    assert found["ewc"].forgetting < 0.7 * found["finetune"].forgetting
    assert found["ewc"].average_accuracy > found["finetune"].average_accuracy
    assert found["ewc"].matrix.diagonal().min() > 0.85


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_meets_new_classes(learner):
    options = {**SMALL, "learning_rate": 0.02, "passes": 30, "holdback": 0.0}
    model = ContinualClassifier("finetune", learner, heads=2, **options)
    model.partial_fit(X[Y < 2], Y[Y < 2])
    before = model.predict_proba(X)
    model._meet(np.arange(6))  # heads double without a trace in what was learned
    assert model._heads == 8
    after = model.predict_proba(X)
    np.testing.assert_allclose(after[:, :2], before, atol=1e-6)
    assert not after[:, 2:].any()
    model.partial_fit(X, Y)
    assert list(model.classes_) == list(range(6))
    assert model.score(X, Y) > 0.7
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1, atol=1e-12)


def test_a_class_not_trained_yet_has_no_say_and_loses_nothing():
    mine = Y < 2
    one = ContinualClassifier("finetune", holdback=0.0, **SMALL).partial_fit(X[mine], Y[mine])
    many = ContinualClassifier("finetune", holdback=0.0, **SMALL)
    many.partial_fit(X[mine], Y[mine], classes=range(6))
    np.testing.assert_array_equal(many.predict_proba(X)[:, :2], one.predict_proba(X))
    assert not many.predict_proba(X)[:, 2:].any()
    untouched = [np.asarray(m._state["learner"]["model"].layers[-1].bias) for m in (one, many)]
    for bias in untouched:  # no gradient, and AdamW does not decay a zero
        assert not bias[2:].any()
        assert bias[:2].all()


def test_labels_never_announced_become_classes():
    names = np.array(["f", "e", "d", "c", "b", "a"])[Y]
    model = ContinualClassifier(**SMALL)
    model.partial_fit(X[:1], names[:1], classes=["b", "e"])
    model.partial_fit(X, names, classes=["b", "zebra"])
    assert list(model.classes_) == ["a", "b", "c", "d", "e", "f", "zebra"]
    for _ in range(15):
        model.partial_fit(X, names)
    assert model.score(X, names) > 0.8
    assert not model.predict_proba(X)[:, -1].any()


def test_a_batch_of_one_class():
    model = ContinualClassifier(**SMALL)
    model.partial_fit(X[:5], [7] * 5)
    assert set(model.predict(X)) == {7}
    assert model.predict_proba(X).shape == (240, 1)
    model.partial_fit(X, Y)
    assert set(model.predict(X)) <= {*range(6), 7}
    assert list(ContinualClassifier(**SMALL).fit(X[:3], [1, 1, 1]).predict(X[:2])) == [1, 1]


def test_with_an_empty_memory_replay_is_finetuning():
    replay, plain = (
        ContinualClassifier(name, holdback=0.0, **SMALL) for name in ("replay", "finetune")
    )
    for model in (replay, plain):
        model.partial_fit(X, Y)
    np.testing.assert_allclose(replay.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    stored = replay._state["learner"]["stored"]
    assert int(stored.seen) == stored.filled.sum() == len(X)
    for model in (replay, plain):
        model.partial_fit(X, Y)
    assert np.abs(replay.predict_proba(X) - plain.predict_proba(X)).max() > 1e-3


def test_a_small_memory_holds_its_size_and_whole_rows():
    model = ContinualClassifier(memory=7, holdback=0.0, **SMALL)
    for part in range(0, 240, 13):
        model.partial_fit(X[part : part + 13], Y[part : part + 13])
    stored = model._state["learner"]["stored"]
    assert stored.x.shape == (7, 4)
    assert int(stored.seen) == 240
    rows = {tuple(row): label for row, label in zip(X.astype(np.float32), Y, strict=True)}
    classes = model.classes_[np.argsort(model._head_of)]
    for row, head in zip(np.asarray(stored.x), np.asarray(stored.y), strict=True):
        assert rows[tuple(row)] == classes[head]


def test_tasks_end_once():
    model = ContinualClassifier(**SMALL)
    for task in (None, 3, 3, None, "x", 2):
        model.partial_fit(X, Y, task=task)
    assert model.tasks_ == [None, 3, "x", 2]
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="task 3 has ended: task 2 began after it"):
        model.partial_fit(X, Y, task=3)
    with pytest.raises(ValueError, match=r"task=1\.5; expected a whole number"):
        model.partial_fit(X, Y, task=1.5)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.forgetting_report().matrix.shape == (4, 4)
    assert model.fit(X, Y).tasks_ == [None]


def test_what_is_refused_changes_nothing():
    model = ContinualClassifier(**SMALL)
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(NotFittedError):
        model.forgetting_report()
    model.partial_fit(X, Y)
    before = pickle.dumps(model)
    broken = X.copy()
    broken[3, 2] = np.nan
    for x, y, said in (
        (broken, Y, "NaN"),
        (X[:, :3], Y, "3 features"),
        (X[:0], Y[:0], "0 sample"),
        (X, Y[:-1], "inconsistent numbers"),
        (X, Y.astype(str), "numbers and text"),
        (X, Y + 0.5, "continuous"),
    ):
        with pytest.raises(ValueError, match=said):
            model.partial_fit(x, y, task="new")
    with pytest.raises(ValueError, match="numbers and text"):
        model.partial_fit(X, Y, classes=["ant"])
    for x, said in ((broken, "NaN"), (X[:, :3], "3 features")):
        with pytest.raises(ValueError, match=said):
            model.predict(x)
    assert pickle.dumps(model) == before


def test_rows_held_back_are_never_trained_on():
    model = ContinualClassifier(holdback=0.5, **SMALL)
    for part in range(0, 240, 40):
        model.partial_fit(X[part : part + 40], Y[part : part + 40], task=part)
    stored = model._state["learner"]["stored"]
    learned = {tuple(row) for row in np.asarray(stored.x)[np.asarray(stored.filled)]}
    held = {tuple(row) for task in range(6) for row in model._held.rows(task)[0]}
    assert len(learned) + len(held) == 240
    assert not learned & held
    assert 80 < len(held) < 160  # half of 240, five deviations of 7.7
    every = ContinualClassifier(holdback=0.0, **SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="holdback=0"):
        every.forgetting_report()
    alone = ContinualClassifier(**SMALL).fit(X, Y).forgetting_report()
    assert alone.matrix.shape == (1, 1)
    assert np.isnan(alone.forgetting)
    many = ContinualClassifier(holdback=0.9, epochs=1, **SMALL).fit(
        *(np.repeat(a, 3, 0) for a in (X, Y))
    )
    assert many.forgetting_report().rows == [500]


def test_a_stream_under_river():
    x, y = digits()
    names = [f"pixel {i}" for i in range(64)]
    stream = [
        (dict(zip(names, row, strict=True)), int(label)) for row, label in zip(x, y, strict=True)
    ]
    wrapped = compat.convert_sklearn_to_river(
        ContinualClassifier(random_state=0, learning_rate=0.01), classes=list(range(10))
    )
    assert wrapped.predict_proba_one(stream[0][0]) == dict.fromkeys(range(10), 0.1)
    found = evaluate.progressive_val_score(iter(stream[:400]), wrapped, metrics.Accuracy())
    assert found.get() > 0.6
    shares = wrapped.predict_proba_one(stream[-1][0])
    assert sum(shares.values()) == pytest.approx(1)
    assert wrapped.estimator._held.counts()[0] > 10


@pytest.mark.parametrize("strategy", ["replay", "ewc"])
def test_a_model_on_disk_goes_on_as_if_it_had_stayed(tmp_path, strategy):
    names = np.array(["f", "e", "d", "c", "b", "a"])[Y]
    model = ContinualClassifier(strategy, **SMALL)
    model.partial_fit(X[Y < 2], names[Y < 2], task=0).partial_fit(X[Y < 4], names[Y < 4], task=1)
    model.save(tmp_path / "model")
    copies = [ContinualClassifier.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))]  # noqa: S301 - our own bytes
    for copy in copies:
        assert copy.get_params() == model.get_params()
    for kept in (model, *copies):
        kept.partial_fit(X, names, task=2)
    for copy in copies:
        np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        np.testing.assert_array_equal(
            copy.forgetting_report().matrix, model.forgetting_report().matrix
        )


def test_damaged_folders_are_refused(tmp_path):
    folder = tmp_path / "model"
    ContinualClassifier(**SMALL).partial_fit(X, Y, task="one").save(folder)
    page = folder / "model.json"
    good, arrays = json.loads(page.read_text()), (folder / "model.safetensors").read_bytes()

    def refused(said, **changes):
        page.write_text(json.dumps({**good, **changes}))
        with pytest.raises(ValueError, match=said):
            ContinualClassifier.load(folder)

    parameters = good["parameters"]
    refused("format 2", format=2)
    refused("heads=0", parameters={**parameters, "heads": 0})
    refused("unexpected keyword", parameters={**parameters, "code": "print(1)"})
    refused("of shape", parameters={**parameters, "memory": 10**9})
    refused("of shape", parameters={**parameters, "hidden_layer_sizes": [10**6]})
    refused("weights for each head", heads=10**12)
    refused("labels in order", classes=good["classes"][::-1])
    refused("one head for each class", classes=[0, 1])
    refused("plain labels", classes=[[0]] * 6)
    refused("text or numbers", labels="S4")
    refused("an accuracy for each task", accuracies=[[0.5]])
    refused("tasks", tasks=[[]])
    refused("'drawn'|whole number", drawn=-1)
    refused("damaged", arrays="0" * 64)
    page.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="cannot be read"):
        ContinualClassifier.load(folder)
    page.write_text(json.dumps(good))
    (folder / "model.safetensors").write_bytes(arrays[:-9])
    with pytest.raises(ValueError, match="damaged"):
        ContinualClassifier.load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        ContinualClassifier.load(folder)
    with pytest.raises(ValueError, match="holds no ContinualClassifier"):
        ContinualClassifier.load(tmp_path)


class Counted(WrappedLearner):
    """Counts what it is told of tasks."""

    def init(self, *, key):
        return {**super().init(key=key), "told": jnp.zeros(2, jnp.int32), "rows": jnp.int32(0)}

    def step(self, state, input):
        inner, record = self.learner.step(state["learner"], input)
        return {**state, "learner": inner}, record

    def start_task(self, state, task, key):
        return {**super().start_task(state, task, key), "told": state["told"].at[0].add(1)}

    def end_task(self, state, task, examples, key):
        told = state["told"].at[1].add(1)
        return {**state, "told": told, "rows": state["rows"] + len(examples.y)}


def own_learner(widths):
    hyper = {"learning_rate": jnp.float32(0.1)}
    return GradientLearner(eqx.Partial(MLP, widths), task_cross_entropy, optax.sgd, hyper)


def test_strategies_and_learners_of_ones_own(tmp_path):
    assert issubclass(Counted, ContinualLearner)
    model = ContinualClassifier(Counted, own_learner, memory=30, passes=10, **SMALL)
    for task in range(3):
        model.partial_fit(X, Y, task=task)
    state = model._state["learner"]
    assert state["told"].tolist() == [3, 2]
    assert int(state["rows"]) == 60
    assert model.score(X, Y) > 0.8
    model.save(tmp_path)
    with pytest.raises(ValueError, match="strategy is one of its maker's, give it"):
        ContinualClassifier.load(tmp_path, learner=own_learner)
    kept = ContinualClassifier.load(tmp_path, strategy=Counted, learner=own_learner)
    np.testing.assert_array_equal(kept.predict_proba(X), model.predict_proba(X))


def test_a_model_that_has_begun_keeps_its_structure():
    model = ContinualClassifier(**SMALL).fit(X[:40], Y[:40])
    before = model.predict_proba(X)
    model.set_params(memory=3, strategy="finetune", hidden_layer_sizes=(3,))
    np.testing.assert_array_equal(model.predict_proba(X), before)
    model.partial_fit(X, Y)
    assert clone(model).get_params()["memory"] == 3


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"strategy": "magic"}, "strategy='magic' is unknown; choose one of finetune, replay, ewc"),
        ({"strategy": None}, "strategy=None is unknown"),
        ({"learner": "noprop"}, "learner='noprop' is unknown; choose one of backprop"),
        ({"strategy": "ewc", "learner": "counter_current"}, "cannot hold the weights"),
        ({"memory": 0}, "memory=0"),
        ({"replay_batch": 1.5}, "replay_batch=1.5"),
        ({"heads": 0}, "heads=0"),
        ({"passes": 0}, "passes=0"),
        ({"hidden_layer_sizes": ()}, "positive whole numbers"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"holdback": 1.0}, "holdback=1.0"),
        ({"strength": -1.0}, "strength=-1.0"),
        ({"strength": np.nan}, "strength=nan"),
    ],
)
def test_what_makes_no_classifier_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        ContinualClassifier(**wrong).partial_fit(X, Y)
