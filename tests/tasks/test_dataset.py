"""Splits: disjoint, stratified, exact in size, and a function of the key."""

import hypothesis.strategies as st
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given

from engrax.tasks import Dataset, pool2, subset


def numbered(labels, test_labels):
    """A data set whose images carry their own number."""
    labels, test_labels = np.asarray(labels, np.int32), np.asarray(test_labels, np.int32)

    def images(n):
        return np.arange(n, dtype=np.uint16).view(np.uint8).reshape(n, 2)

    return Dataset(
        "numbered", images(len(labels)), labels, images(len(test_labels)), test_labels, "test"
    )


def numbers(examples):
    return examples.x.copy().view(np.uint16)[:, 0]


labels = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(labels=labels, test_labels=labels, seed=st.integers(0, 2**31), data=st.data())
def test_parts_are_disjoint_stratified_and_of_the_size_asked(labels, test_labels, seed, data):
    whole = numbered(labels, test_labels)
    n_train = data.draw(st.integers(0, len(labels)))
    n_val = data.draw(st.integers(0, len(labels) - n_train))
    n_test = data.draw(st.integers(0, len(test_labels)))
    split = subset(whole, n_train, n_val, n_test, jr.key(seed))
    assert [len(part.y) for part in split] == [n_train, n_val, n_test]
    train, validation, test = map(numbers, split)
    both = np.concatenate([train, validation])
    assert len(set(both.tolist())) == len(both)
    assert len(set(test.tolist())) == len(test)
    for part, ids, source in zip(
        split, (train, validation, test), (whole.y, whole.y, whole.y_test), strict=True
    ):
        np.testing.assert_array_equal(part.y, source[ids])
        fair = len(ids) * np.bincount(source, minlength=5) / len(source)
        # Two roundings by less than one: the share of both parts, then of this part.
        assert (np.abs(np.bincount(part.y, minlength=5) - fair) < 2).all()


@given(labels=labels, seed=st.integers(0, 2**31))
def test_none_takes_all_that_is_left(labels, seed):
    n_val = len(labels) // 3
    split = subset(numbered(labels, labels), None, n_val, None, jr.key(seed))
    taken = np.concatenate([numbers(split.train), numbers(split.validation)])
    assert sorted(taken.tolist()) == list(range(len(labels)))
    assert sorted(numbers(split.test).tolist()) == list(range(len(labels)))


def test_the_key_decides():
    data = numbered(np.arange(100) % 5, np.arange(50) % 5)
    one, same, other = (subset(data, 50, 20, 30, jr.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(numbers(one.train), numbers(same.train))
    assert (numbers(one.train) != numbers(other.train)).any()


def test_the_order_is_not_by_class():
    split = subset(numbered(np.repeat(np.arange(5), 40), [0]), 100, 50, 1, jr.key(0))
    # Sorted by class there would be 4 changes of label; at random about 80 of 99.
    assert (np.diff(split.train.y) != 0).sum() > 40


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((8, 3, 1), "do not fit the 10 training examples"),
        ((-1, 3, 1), "do not fit"),
        ((None, 11, 1), "do not fit"),
        ((8, 2, 5), "n_test=5 does not fit the 4 test examples"),
        ((8, 2, -1), "n_test=-1"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        subset(numbered([0] * 10, [0] * 4), *sizes, jr.key(0))


def test_pool2_is_the_rounded_mean_of_each_block():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 4, 6), np.uint8)
    expected = np.zeros((3, 2, 3), np.uint8)
    for n in range(3):
        for i in range(2):
            for j in range(3):
                mean = x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].astype(float).mean()
                expected[n, i, j] = int(np.floor(mean + 0.5))
    np.testing.assert_array_equal(pool2(x), expected, strict=True)
    with pytest.raises(ValueError, match="3 x 4 pixels"):
        pool2(np.zeros((1, 3, 4), np.uint8))
