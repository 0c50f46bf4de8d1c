"""Readers of files that a user brings, on small files of the same format."""

import numpy as np
import pytest
from scipy.io import savemat

from engrax.tasks import DataFileError, load


def svhn(folder, labels=(10, 1, 9), part="train"):
    x = np.random.default_rng(len(labels)).integers(0, 256, (32, 32, 3, len(labels)), np.uint8)
    y = np.array(labels, np.uint8)[:, None]
    savemat(folder / f"{part}_32x32.mat", {"X": x, "y": y})
    return x


def test_svhn_is_turned_and_its_zero_is_a_zero(tmp_path):
    x = svhn(tmp_path)
    svhn(tmp_path, (3, 10), "test")
    data = load("svhn", tmp_path)
    assert data.y.tolist() == [0, 1, 9]
    assert data.y_test.tolist() == [3, 0]
    np.testing.assert_array_equal(data.x[2, 1], x[:, :, 1, 2])
    assert data.x.shape == (3, 3, 32, 32)


def test_svhn_files_that_are_something_else_are_refused(tmp_path):
    svhn(tmp_path, (1, 2), "test")
    svhn(tmp_path, (0, 1))
    with pytest.raises(DataFileError, match="labels from 0 to 1"):
        load("svhn", tmp_path)
    (tmp_path / "train_32x32.mat").write_bytes(b"no matrix at all")
    with pytest.raises(DataFileError, match="no MATLAB file"):
        load("svhn", tmp_path)


def arrays(folder, **changed):
    rng = np.random.default_rng(0)
    found = {
        "x_train": rng.integers(0, 256, (6, 3, 84, 84), np.uint8),
        "y_train": np.arange(6) % 3,
        "x_test": rng.integers(0, 256, (3, 3, 84, 84), np.uint8),
        "y_test": np.arange(3),
        **changed,
    }
    for name, array in found.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
    return found


def test_mini_imagenet_comes_as_arrays(tmp_path):
    found = arrays(tmp_path)
    data = load("mini_imagenet", tmp_path)
    np.testing.assert_array_equal(data.x, found["x_train"])
    assert data.y.dtype == np.int32
    assert data.classes == 3


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"x_train": np.zeros((6, 3, 84, 84))}, "type float64"),
        ({"y_train": np.arange(5)}, "6 images and 5 labels"),
        ({"y_test": np.array([0, -1, 2])}, "from 0"),
        ({"y_train": np.array([{}], object)}, "no plain NumPy array"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changed, says):
    arrays(tmp_path, **changed)
    with pytest.raises(DataFileError, match=says):
        load("mini_imagenet", tmp_path)
