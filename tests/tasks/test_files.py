"""Strict readers: what is well-formed is read exactly, everything else is refused by name."""

import gzip
import struct
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from engrax.tasks import DataFileError, load, read_idx
from engrax.tasks._files import read_bytes


def idx_bytes(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


images = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=4, max_side=6))


@given(array=images, packed=st.booleans())
def test_what_was_written_is_read(tmp_path_factory, array, packed):
    path = tmp_path_factory.mktemp("idx") / "images"
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if packed else content)
    np.testing.assert_array_equal(read_idx(path), array, strict=True)


@given(array=images, packed=st.booleans(), data=st.data())
def test_a_file_cut_anywhere_is_refused(tmp_path_factory, array, packed, data):
    path = tmp_path_factory.mktemp("idx") / "images"
    content = gzip.compress(idx_bytes(array)) if packed else idx_bytes(array)
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(DataFileError, match=str(path)):
        read_idx(path)


@given(array=images, extra=st.binary(min_size=1, max_size=9))
def test_bytes_behind_the_end_are_refused(tmp_path_factory, array, extra):
    path = tmp_path_factory.mktemp("idx") / "images"
    path.write_bytes(idx_bytes(array) + extra)
    with pytest.raises(DataFileError, match="announces"):
        read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "starts with 00 00 0d 01"),
        (b"\x80\x04K\x01.", "starts with 80 04 4b 01"),  # a pickle stays bytes
        (b"\x00\x00\x08\x00", "announces 0 dimensions"),
        (b"\x00\x00\x08\x09" + bytes(36), "announces 9 dimensions"),
        (b"\x00\x00\x08\x03\x00\x00", "announces 3 dimensions"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "announces 4294967295 x 4294967295 x 4294967295"),
    ],
)
def test_a_wrong_header_is_refused_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=message) as caught:
        read_idx(path)
    assert str(caught.value).count("\n") == 0
    assert "get" in str(caught.value)


def test_a_lying_header_costs_no_memory(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(b"\x00\x00\x08\x02" + struct.pack(">II", 1 << 20, 1 << 16) + bytes(100))
    tracemalloc.start()
    with pytest.raises(DataFileError):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20  # the header asks for 64 GiB; blocks are read 1 MiB at a time


def test_a_file_that_decompresses_without_end_is_stopped(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    tracemalloc.start()
    with pytest.raises(DataFileError, match="more than the 1048576 bytes"):
        read_bytes(path, limit=1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataFileError, match="cannot be read"):
        read_idx(tmp_path)


def test_a_damaged_gzip_file_is_refused(tmp_path):
    content = bytearray(gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8))))
    content[40] ^= 0xFF
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=r"damaged gzip file"):
        read_idx(path)


def test_cifar10_records(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (6, 4, 3, 32, 32), np.uint8)
    y = rng.integers(0, 10, (6, 4), np.uint8)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    for name, images, labels in zip(names, x, y, strict=True):
        rows = np.concatenate([labels[:, None], images.reshape(4, -1)], 1)
        (tmp_path / name).write_bytes(rows.tobytes())
    data = load("cifar10", tmp_path)
    np.testing.assert_array_equal(data.x, x[:5].reshape(20, 3, 32, 32), strict=True)
    np.testing.assert_array_equal(data.y, y[:5].reshape(20))
    np.testing.assert_array_equal(data.x_test, x[5])
    np.testing.assert_array_equal(data.y_test, y[5])


def test_cifar100_reads_the_fine_label(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (5, 3, 32, 32), np.uint8)
    coarse, fine = np.uint8([0, 1, 2, 3, 4]), np.uint8([99, 7, 8, 9, 10])
    rows = np.concatenate([coarse[:, None], fine[:, None], x.reshape(5, -1)], 1)
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(rows.tobytes())
    data = load("cifar100", tmp_path)
    assert data.y.tolist() == fine.tolist()
    assert data.classes == 100
    np.testing.assert_array_equal(data.x, x)


def test_stl10_is_turned_upright_and_counts_from_zero(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 3, 96, 96), np.uint8)
    for part in ("train", "test"):
        (tmp_path / f"{part}_X.bin").write_bytes(x.transpose(0, 1, 3, 2).tobytes())
        (tmp_path / f"{part}_y.bin").write_bytes(bytes([1, 10, 5]))
    data = load("stl10", tmp_path)
    np.testing.assert_array_equal(data.x, x)
    assert data.y.tolist() == [0, 9, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(3074 * 2 - 1), "not a whole number of records of 3074 bytes"),
        (b"", "has 0 bytes"),
        (b"\x00\xff" + bytes(3072), "labels from 255 to 255"),
    ],
)
def test_wrong_records_are_refused(tmp_path, content, message):
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataFileError, match=message):
        load("cifar100", tmp_path)


def test_stl10_with_a_missing_label_is_refused(tmp_path):
    for part in ("train", "test"):
        (tmp_path / f"{part}_X.bin").write_bytes(bytes(2 * 3 * 96 * 96))
        (tmp_path / f"{part}_y.bin").write_bytes(b"\x01")
    with pytest.raises(DataFileError, match="1 labels for 2 images"):
        load("stl10", tmp_path)


def test_mnist_from_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (7, 28, 28), np.uint8), np.arange(7, dtype=np.uint8)
    for part in ("train", "t10k"):
        packed = gzip.compress(idx_bytes(x))
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(packed)
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(y))
    data = load("mnist", tmp_path)
    np.testing.assert_array_equal(data.x, x, strict=True)
    np.testing.assert_array_equal(data.y_test, y)
    assert data.y.dtype == np.int32


def test_images_and_labels_must_match(tmp_path):
    for part in ("train", "t10k"):
        images = idx_bytes(np.zeros((7, 2, 2), np.uint8))
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(images)
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(6, np.uint8)))
    with pytest.raises(DataFileError, match="as many images as labels"):
        load("mnist", tmp_path)
