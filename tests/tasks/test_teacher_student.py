import jax.random as jr
import numpy as np
import pytest

from engrax.tasks import teacher_student

KEY = jr.key(0)


def test_labels_are_the_teachers():
    for task in teacher_student(KEY, 31, (2.0, 1.0)):
        np.testing.assert_array_equal(task.y, np.sign(np.asarray(task.x) @ task.teacher))
        assert set(np.unique(task.x)) == set(np.unique(task.teacher)) == {-1.0, 1.0}


@pytest.mark.parametrize("similarity", [-1.0, 0.5, 1.0])
def test_teachers_are_as_similar_as_asked(similarity):
    n = 10_000
    first, second = teacher_student(KEY, n, (1 / n, 1 / n), similarity)
    # Five standard errors of a mean of coins.
    bound = 5 * np.sqrt((1 - similarity**2) / n)
    assert abs(float((first.teacher * second.teacher).mean()) - similarity) <= bound


def test_tasks_do_not_depend_on_other_loads():
    (alone,) = teacher_student(KEY, 20, (1.0,))
    first, second = teacher_student(KEY, 20, (2.0, 1.5), 0.5)
    _, shorter = teacher_student(KEY, 20, (0.5, 0.5), 0.5)
    np.testing.assert_array_equal(alone.x, first.x[:20])
    np.testing.assert_array_equal(alone.teacher, first.teacher)
    np.testing.assert_array_equal(shorter.x, second.x[:10])
    np.testing.assert_array_equal(shorter.y, second.y[:10])
    assert not np.array_equal(first.x[:20], second.x[:20])


def test_inputs_are_fair_coins():
    (task,) = teacher_student(KEY, 100, (10.0,))
    assert abs(float(task.x.mean())) < 5 / np.sqrt(task.x.size)
    assert abs(float(task.y.mean())) < 5 / np.sqrt(task.y.size)


@pytest.mark.parametrize(("n", "alphas"), [(0, (1.0,)), (10, ()), (10, (0.01,))])
def test_empty_tasks_are_refused(n, alphas):
    with pytest.raises(ValueError, match="at least one input"):
        teacher_student(KEY, n, alphas)
