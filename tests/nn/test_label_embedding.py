import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from engrax.nn import LabelEmbedding, class_prototypes, sinusoidal

KEY = jr.key(0)


def test_one_hot_rows_are_the_identity_and_stay():
    embedding = LabelEmbedding(4, key=KEY)
    np.testing.assert_array_equal(embedding(jnp.array([2, 0])), np.eye(4)[[2, 0]])
    assert not embedding.trained


@pytest.mark.parametrize(("classes", "dim"), [(4, 4), (3, 7)])
def test_rows_start_orthonormal_where_they_can(classes, dim):
    w = LabelEmbedding(classes, dim, "orthogonal", key=KEY).weight
    # Float32 QR of a few rows.
    np.testing.assert_allclose(w @ w.T, np.eye(classes), atol=1e-6)


def test_more_classes_than_dimensions_start_normal_with_unit_length_on_average():
    w = LabelEmbedding(500, 20, "orthogonal", key=KEY).weight
    # 10,000 squares of variance 2 / 400 each: six standard deviations of a row's mean are .0085 x.
    assert abs(jnp.square(w).sum(1).mean() - 1) < 6 * np.sqrt(2 / 20 / 500)


def test_a_prototype_is_the_image_in_the_middle_of_its_class():
    x = np.array([[0.0], [1.0], [2.0], [50.0], [7.0], [8.0], [10.0]])
    y = np.array([0, 0, 0, 0, 1, 1, 1])
    rows = class_prototypes(x, y, 2)

    def slow(members):
        distance = np.abs(members - members.T)
        return members[np.median(distance, 1).argmin(), 0]

    np.testing.assert_allclose(rows[:, 0], [slow(x[:4]), slow(x[4:])])
    embedding = LabelEmbedding(2, mode="prototype", rows=rows, key=KEY)
    assert embedding.trained
    np.testing.assert_array_equal(embedding.weight, rows)
    with pytest.raises(ValueError, match="class 2 has no example"):
        class_prototypes(x, y, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"classes": 3, "mode": "hot"}, "'hot'"),
        ({"classes": 0}, "0 classes"),
        ({"classes": 3, "dim": 4}, "as many dimensions as classes"),
        ({"classes": 3, "mode": "prototype"}, "give rows"),
        ({"classes": 3, "mode": "prototype", "rows": np.zeros((2, 4), np.float32)}, "give rows"),
        ({"classes": 3, "rows": np.zeros((3, 3), np.float32)}, "give rows"),
    ],
)
def test_what_makes_no_embedding_is_refused(arguments, sentence):
    # With types checked at run time, as in the tests, an unknown name is caught before.
    with pytest.raises((ValueError, TypeCheckError), match=sentence):
        LabelEmbedding(**arguments, key=KEY)


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_labels_outside_are_an_error_where_they_are_known_and_nan_where_not(labels):
    embedding, labels = LabelEmbedding(3, key=KEY), jnp.array(labels)
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        embedding(labels)
    rows = eqx.filter_jit(embedding)(labels)
    outside = (np.asarray(labels) < 0) | (np.asarray(labels) > 2)
    np.testing.assert_array_equal(np.isnan(rows).all(1), outside)
    np.testing.assert_array_equal(np.isnan(rows).any(1), outside)


def test_times_become_sines_and_cosines():
    t = jnp.array([0.0, 0.25])
    found = sinusoidal(t, 4)
    rates = [1.0, 0.01]
    expected = [[f(1000 * v * r) for f in (np.sin, np.cos) for r in rates] for v in (0.0, 0.25)]
    # Angles up to 250 in float32.
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert jax.vmap(lambda v: sinusoidal(v, 4))(t).shape == (2, 4)
    with pytest.raises(ValueError, match="dim=3"):
        sinusoidal(t, 3)
